"""What is shown of operations at a terminal."""

from __future__ import annotations

from typing import Any

import pytest

from lwm2m_fast.cli.results import tell_operation, why


def raw(**result: Any) -> dict[str, Any]:
    order = {"op": "coap", "coap": {"method": "get", "uri": "/3/0/0"}}
    return {"id": 1, "state": "SUCCESSFUL", "order": order, "result": result, "reason": None}


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ({"content_format": 0, "payload_hex": "41"}, "2.05 content format 0, 0x41"),
        ({"payload_hex": "00ff"}, "2.05 0x00ff"),
        ({}, "2.05"),
    ],
)
def test_a_raw_request_shows_what_the_device_answered(
    capsys: pytest.CaptureFixture[str], result: dict[str, Any], line: str
) -> None:
    tell_operation(raw(code="2.05", **result))
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.parametrize(
    ("result", "reason", "told"),
    [
        ({"error": "/3/0/0 cannot be written"}, "refused", "refused: /3/0/0 cannot be written"),
        ({"code": "4.04", "error": "not found"}, None, "4.04 not found"),
        (None, "expired", "expired"),
        (None, None, "failed"),
    ],
)
def test_why_an_operation_failed_is_a_sentence(
    result: dict[str, Any] | None, reason: str | None, told: str
) -> None:
    assert why({"result": result, "reason": reason}) == told
