"""`decode` and `encode` for people at a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import typer
from codec_vectors import OMA
from typer.testing import CliRunner

from lwm2m_fast.cli.decode import FORMAT_NAMES, decode
from lwm2m_fast.cli.encode import encode
from lwm2m_fast.codec import FORMATS
from lwm2m_fast.errors import Error, RequestError


@pytest.fixture
def run() -> Callable[..., str]:
    app = typer.Typer()
    app.command("decode")(decode)
    app.command("encode")(encode)

    def command(*arguments: str, given: bytes = b"") -> str:
        done = CliRunner().invoke(app, arguments, input=given)
        if isinstance(done.exception, Error):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    return command


@pytest.mark.parametrize("row", OMA, ids=lambda row: row[0])
def test_an_example_of_oma_is_decoded_and_encoded_again(run, row, tmp_path):
    _, number, base, payload, nodes = row
    shown = run("decode", str(number), payload.hex(), "--path", base, "--json")
    assert [entry["path"] for entry in json.loads(shown)] == [str(node.path) for node in nodes]
    (tmp_path / "values.json").write_text(shown)
    listed = str(tmp_path / "values.json")
    again = run("encode", str(number), "--path", base, "--from", listed, "--json")
    written = json.loads(again)["payload_hex"]
    assert run("decode", str(number), written, "--path", base, "--json") == shown


def test_a_table_has_names_types_and_times(run):
    text = '[{"bn":"/3303/0/","n":"5700","v":21,"t":1700000000.5},{"n":"1","vs":"a\\u001b"}]'
    shown = run("decode", "senml-json", text)
    assert "/3303/0/5700  Sensor Value  FLOAT   21.0" in shown
    assert "2023-11-14 22:13:20.5Z" in shown and "a\\x1b" in shown and "\x1b" not in shown
    shown = run("decode", "tlv", "c40d5182428f", "--path", "/3/0")
    assert "1367491215 (2013-05-02 10:40:15Z)" in shown


def test_payloads_come_from_files_standard_input_or_digits(run, tmp_path):
    (tmp_path / "payload").write_bytes(b"\xc1\x09\x64")
    expected = run("decode", "tlv", "c1:09:64", "--path", "/3/0")
    assert run("decode", "tlv", str(tmp_path / "payload"), "--path", "/3/0") == expected
    assert run("decode", "TLV", "-", "--path", "/3/0", given=b"\xc1\x09\x64") == expected
    assert run("decode", "11542", "0xc1 09 64", "--path", "/3/0") == expected


def test_values_are_of_the_type_that_the_model_says(run):
    values = ["/3/0/9=95", "/3/0/0=a=b", "/3/0/13=5", "/5/0/0=ff00", "/9999/0/1=x"]
    text = run("encode", "senml-json", *values)
    assert json.loads(text) == [
        {"n": "/3/0/9", "v": 95}, {"n": "/3/0/0", "vs": "a=b"}, {"n": "/3/0/13", "v": 5},
        {"n": "/5/0/0", "vd": "_wA"}, {"n": "/9999/0/1", "vs": "x"},
    ]  # fmt: skip
    assert run("encode", "etch-json", "/3/0", "/4") == '[{"n":"/3/0"},{"n":"/4"}]\n'
    assert run("encode", "tlv", "/3/0/9=95", "--path", "/3/0") == "c1095f\n"


@pytest.mark.parametrize(
    "arguments, why",
    [
        (("decode", "xml", "00"), "'xml' is no content format; known are text, link"),
        (("decode", "7", "00"), "'7' is no content format"),
        (("decode", "tlv", "zz"), "'zz' is neither a file nor hexadecimal"),
        (("encode", "tlv", "/3/0/9=x"), "'x' is not INTEGER"),
        (("encode", "tlv", "/5/0/0=x"), "'x' is not OPAQUE"),
        (("encode", "tlv", "--from", "00"), "is not JSON"),
        (("encode", "tlv", "--from", "7b7d"), "is not a list of records"),
        (("encode", "tlv", "--from", "5b315d"), "no record: 1"),
    ],
)
def test_what_cannot_be_understood_is_one_clear_error(run, arguments, why):
    with pytest.raises(RequestError, match=why):
        run(*arguments)


def test_every_format_has_a_name_or_is_the_older_number_of_one():
    assert set(FORMATS) - set(FORMAT_NAMES.values()) == {1542, 1543}
