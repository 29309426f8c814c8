"""Files of devices as they come: every shape in use is read, every other refused with its line."""

from __future__ import annotations

import pytest

from lwm2m_fast.errors import RequestError
from lwm2m_fast.fleet.configuration import read
from lwm2m_fast.fleet.csv_rows import (
    EXPORTED,
    MAX_BYTES,
    MAX_LINES,
    MAX_SEPARATORS,
    PART_BYTES,
    BadRow,
    Row,
    read_rows,
)
from tests.fleet.csv_samples import csv_of

HEADER = b"endpoint id;type;securityMode;lwm2m server uri\n"
LEGACY = (
    "ID;IDTYPE;CREDENTIALS;NAME;TYPE;SHELL;c8y_GenericUi;com_cumulocity_model_Agent;endpoint id;"
    "lwm2m server uri;securityMode;external-c8y_Lwm2mPskId;external-c8y_BootstrapPskId\n"
)


def only(data: bytes) -> Row | BadRow:
    (row,) = read_rows(data)
    return row


def why(data: bytes) -> str:
    row = only(data)
    assert isinstance(row, BadRow)
    return row.why


@pytest.mark.parametrize("delimiter", [b";", b","])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_every_dialect_gives_the_same_row(
    delimiter: bytes, end: bytes, mark: bytes, quote: bytes
) -> None:
    cells = [quote + cell + quote for cell in (b"d-1", b"", b"NO_SEC", b"coap://h:5783")]
    header = HEADER.strip().replace(b";", delimiter)
    row = only(mark + header + end + delimiter.join(cells) + end)
    assert isinstance(row, Row)
    assert row.fields == {
        "endpointId": "d-1",
        "serverSecurity": {"securityMode": "NO_SEC"},
        "bootstrapSecurity": {"bootstrapSecurityMode": "NO_SEC"},
        "lwm2mServerUri": "coap://h:5783",
    }


def test_column_names_have_any_case() -> None:
    row = only(b"Endpoint ID;SECURITYMODE;REGISTRATIONLIFETIME\nd;NO_SEC;60\n")
    assert isinstance(row, Row)
    assert row.fields["registrationLifetime"] == "60"


def test_every_column_of_the_template_reaches_a_field() -> None:
    line = ";".join(EXPORTED).encode() + b"\n"
    assert list(read_rows(line)) == []
    row = only(line + b";".join(b"1" for _ in EXPORTED) + b"\n")
    assert isinstance(row, Row)
    flat = sum(len(v) if isinstance(v, dict) else 1 for v in row.fields.values())
    assert flat == len(EXPORTED)


def test_bad_rows_tell_their_line_and_stop_no_other() -> None:
    rows = list(
        read_rows(
            HEADER + b"a;;NO_SEC;coap://h\nb;NO_SEC\n\n=c;;NO_SEC;coap://h\nd;;NO_SEC;coap://h\n"
        )
    )
    assert [(row.line, isinstance(row, Row)) for row in rows] == [
        (2, True), (3, False), (5, False), (6, True),
    ]  # fmt: skip
    assert rows[1] == BadRow(3, "2 cells, but 4 columns")


@pytest.mark.parametrize("cell", [b"=1+1", b"+1", b"-1", b"@x"])
def test_a_cell_that_a_spreadsheet_would_run_is_refused(cell: bytes) -> None:
    assert why(b"endpoint id\n" + cell + b"\n").startswith("endpoint id: begins like a formula")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x"])
def test_an_apostrophe_makes_text_of_it(cell: str) -> None:
    row = only(f"endpoint id\n'{cell}\n".encode())
    assert isinstance(row, Row)
    assert row.fields["endpointId"] == cell
    plain = only(b"endpoint id\n'tis\n")
    assert isinstance(plain, Row)
    assert plain.fields["endpointId"] == "'tis"


def test_one_mode_stands_for_both_only_where_there_is_no_column_for_the_other() -> None:
    """An empty cell is missing: it must not become a key of its own, say."""
    one = only(b"endpoint id;securityMode\nd;PSK_GENERATED\n")
    two = only(b"endpoint id;securityMode;bootstrapSecurityMode\nd;PSK_GENERATED;\n")
    assert isinstance(one, Row) and isinstance(two, Row)
    assert one.fields["bootstrapSecurity"] == {"bootstrapSecurityMode": "PSK_GENERATED"}
    assert "bootstrapSecurity" not in two.fields


def test_old_line_ends_do_not_hide_what_is_between_the_cells() -> None:
    row = only(b"endpoint id;type\rd;a,b,c,d,e\r")
    assert isinstance(row, Row)
    assert row.fields["type"] == "a,b,c,d,e"


def test_a_certificate_over_many_lines_is_one_cell() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"
    rows = list(read_rows(f'endpoint id;x509ClientCertificate\na;"{pem}"\nb;\n'.encode()))
    assert isinstance(rows[0], Row)
    assert rows[0].fields["serverSecurity"]["x509Certificate"] == pem
    assert rows[1].line == 5


@pytest.mark.parametrize(
    "body", [b'"a\n' + b'"' * 3002, b'"' + b"x" * 200_000, b'"a"b\n', b'"a\nb\nc']
)
def test_a_quote_that_does_not_close_ends_the_file_there(body: bytes) -> None:
    assert why(b"endpoint id\n" + body).endswith("the rest of the file cannot be read")


def test_a_cell_longer_than_the_bound_is_refused() -> None:
    assert why(b"endpoint id\n" + b"x" * 16_385) == (
        "endpoint id: 16385 characters, allowed are 16384"
    )


@pytest.mark.parametrize("header", [b"", b"endpoint id\n"])
def test_a_line_of_separators_is_not_taken_apart(header: bytes) -> None:
    told = f"{MAX_SEPARATORS + 1} separators in a line, allowed are {MAX_SEPARATORS}"
    bomb = header + b"," * (MAX_SEPARATORS + 1) + b"\n"
    if header:
        assert why(bomb) == told + "; the rest of the file cannot be read"
        assert list(read_rows(header + b"," * MAX_SEPARATORS + b"\na\n"))[-1].line == 3
        return
    with pytest.raises(RequestError, match=told):
        read_rows(bomb)


def test_the_bound_on_the_size_is_exact() -> None:
    assert isinstance(next(read_rows(csv_of(MAX_BYTES))), Row)
    with pytest.raises(RequestError, match="10000001 bytes, allowed are 10000000"):
        read_rows(csv_of(MAX_BYTES + 1))


def test_the_number_of_lines_is_bounded() -> None:
    (row,) = read_rows(b"endpoint id\n" + b"\n" * (MAX_LINES + 10))
    assert row == BadRow(
        MAX_LINES + 1, f"more than {MAX_LINES} lines; the rest of the file is not read"
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the column 'endpoint id' is missing"),
        (b"a;b\n", "'a' is no column"),
        (b"endpoint id;endpoint id\n", "is there twice"),
        (b"endpoint id\n\xff\n", "line 2: not UTF-8"),
        (
            b"endpoint id;" + b";".join(b"c8y_%d" % i for i in range(128)),
            "129 columns, allowed are 128",
        ),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_before_its_rows(data: bytes, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        read_rows(data)


def test_fragments_of_other_tools_are_passed_over() -> None:
    row = only(b"endpoint id;c8y_Hardware.model;com_x\nd;M;1\n")
    assert isinstance(row, Row)
    assert row.fields == {"endpointId": "d"}


def legacy(**change: str) -> bytes:
    cells = {
        "ID": "d", "IDTYPE": "c8y_Id", "CREDENTIALS": "Abcdefghij1!", "NAME": "d",
        "TYPE": "c8y_lwm2m", "SHELL": "1", "c8y_GenericUi": "{}", "Agent": "1", "endpoint id": "d",
        "uri": "coap://h", "mode": "NO_SEC", "psk": "", "bootstrap": "",
    } | change  # fmt: skip
    return (LEGACY + ";".join(cells.values()) + "\n").encode()


def test_the_older_columns_give_a_device() -> None:
    row = only(legacy())
    assert isinstance(row, Row)
    assert row.is_legacy and row.shell
    kept = read(row.fields, is_text=True, needs_bootstrap=True)
    assert (kept.endpoint_id, kept.type, kept.bootstrap_security.security_mode) == (
        "d", "c8y_lwm2m", "NO_SEC",
    )  # fmt: skip


def test_the_older_identities_are_the_connections() -> None:
    row = only(legacy(psk="s", bootstrap="b"))
    assert isinstance(row, Row)
    assert row.fields["serverSecurity"]["pskId"] == "s"
    assert row.fields["bootstrapSecurity"]["bootstrapId"] == "b"


def test_the_older_shell_column_forbids_the_shell() -> None:
    row = only(legacy(SHELL="0"))
    assert isinstance(row, Row)
    assert row.shell is False


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ID": "e", "NAME": "e"}, "ID is not the endpoint id"),
        ({"IDTYPE": "c8y_Serial"}, "IDTYPE must be c8y_Id"),
        ({"CREDENTIALS": "abcdefghijkl"}, "CREDENTIALS must have 12 characters"),
        ({"CREDENTIALS": "Abcdefghi1!"}, "CREDENTIALS must have 12 characters"),
        ({"CREDENTIALS": ""}, "CREDENTIALS is missing"),
        ({"NAME": "x"}, "NAME is not the ID"),
        ({"SHELL": "2"}, "SHELL must be 0 or 1"),
        ({"Agent": "0"}, "COM_CUMULOCITY_MODEL_AGENT must be 1"),
    ],
)
def test_wrong_older_columns_are_refused(change: dict[str, str], told: str) -> None:
    assert why(legacy(**change)).startswith(told)


@pytest.mark.parametrize("before", [PART_BYTES - 2, PART_BYTES - 1, PART_BYTES, 3 * PART_BYTES])
def test_what_is_not_utf_8_is_found_wherever_a_part_ends(before: int) -> None:
    head = b"endpoint id;c8y_note\n"
    rows = (b"d;" + b"x" * 997 + b"\n") * 300
    good = (head + rows)[:before]
    assert len(good) == before
    for bad in (b"\xff\n", b"\xe2\x82", b"\xe2\x82\nmore", b"\xc3"):
        with pytest.raises(RequestError, match=rf"line {good.count(10) + 1}: not UTF-8"):
            read_rows(good + bad)
    *_, last = read_rows(good + "\N{EURO SIGN}".encode())
    assert last.line == good.count(10) + 1
