"""Log lines: their facts, and that nothing in them can lie about where a line ends."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from lwm2m_fast import logs
from lwm2m_fast.config import LogConfig

HOSTILE = "dev\n2026 error fake\x1b[2J\u202e"


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    kept = root.handlers[:], root.level, logging.raiseExceptions
    guests = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error")]
    yield
    for guest in guests:
        guest.filters.clear()
        guest.setLevel(logging.NOTSET)
    root.handlers[:], logging.raiseExceptions = kept[0], kept[2]
    root.setLevel(kept[1])


def written(form: str, level: str = "info", **facts: object) -> str:
    stream = io.StringIO()
    logs.setup(LogConfig(format=form, level=level), stream)  # type: ignore[arg-type]
    log = logging.getLogger("lwm2m_fast.test")
    log.info("registered %s", "x", extra=facts)
    log.debug("not this one")
    return stream.getvalue()


def test_a_json_line_has_its_facts_as_fields() -> None:
    line = json.loads(written("json", endpoint=HOSTILE, lifetime_s=300, raw=b"\x00"))
    assert line["event"] == "registered x"
    assert (line["level"], line["logger"]) == ("info", "lwm2m_fast.test")
    assert (line["endpoint"], line["lifetime_s"]) == (HOSTILE, 300)
    assert line["at"].endswith("+00:00")


@pytest.mark.parametrize("form", ["json", "console"])
def test_one_event_is_one_line_whatever_a_device_is_called(form: str) -> None:
    text = written(form, endpoint=HOSTILE)
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "fake" in text


def test_a_fact_cannot_pretend_to_be_the_line_itself() -> None:
    line = json.loads(written("json", level_="x", event="faked", at="never", logger="faked"))
    assert line["event"] == "registered x"
    assert line["logger"] == "lwm2m_fast.test"
    assert line["at"] != "never"


@pytest.mark.parametrize("value", ["\ud800", 2**70, {1: object()}])
def test_a_fact_that_json_cannot_hold_is_written_all_the_same(value: object) -> None:
    assert json.loads(written("json", value=value))["value"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_long_fact_is_cut_and_says_so(form: str) -> None:
    assert "..." not in written(form, endpoint="x" * logs.MAX_TEXT)
    text = written(form, endpoint="x" * (logs.MAX_TEXT + 1))
    assert f"... ({logs.MAX_TEXT + 1} characters)" in text


def test_less_severe_lines_than_the_level_are_not_written() -> None:
    assert written("json", level="warning") == ""


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_error_brings_its_traceback(form: str) -> None:
    stream = io.StringIO()
    logs.setup(LogConfig(format=form), stream)  # type: ignore[arg-type]
    try:
        raise ValueError("inside")
    except ValueError:
        logging.getLogger("x").exception("failed")
    assert "Traceback" in stream.getvalue()
    assert "ValueError: inside" in stream.getvalue()


def test_uvicorn_writes_its_warnings_through_us_and_nothing_less() -> None:
    stream = io.StringIO()
    logs.setup(LogConfig(), stream)
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.error").warning("odd request")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "odd request"


def test_a_warning_that_anybody_can_cause_is_written_once_a_minute_with_its_number() -> None:
    seldom = logs.Seldom()

    def passes(at: float, text: str = "Invalid HTTP request", level: int = logging.WARNING) -> int:
        record = logging.makeLogRecord({"msg": text, "created": at, "levelno": level})
        return getattr(record, "times", 1) if seldom.filter(record) else 0

    assert [passes(at) for at in (1000.0, 1000.1, 1059.9, 1060.0)] == [1, 0, 0, 3]
    assert passes(1060.1, "another") == 1
    assert [passes(1060.2, level=logging.ERROR) for _ in range(2)] == [1, 1]


def test_a_second_setup_replaces_the_first() -> None:
    first = io.StringIO()
    logs.setup(LogConfig(), first)
    assert json.loads(written("json"))["event"] == "registered x"
    assert first.getvalue() == ""


def test_a_closed_stream_does_not_reach_the_caller() -> None:
    stream = io.StringIO()
    logs.setup(LogConfig(), stream)
    stream.close()
    logging.getLogger("x").warning("nobody reads this")
    assert stream.closed
