"""`lwm2m-fast bootstrap`: on, off, and what it says."""

from __future__ import annotations

import json

from fake_service import Api
from outcome import Run


def test_it_is_switched_and_says_what_is_so(admin: Run, api: Api) -> None:
    counts = "bootstraps: 0 current, 0 started, 0 finished, 0 failed, 0 refused\n"
    assert admin("bootstrap", "status").out == f"off, as configured\n{counts}"
    on = admin("bootstrap", "on")
    assert on.out == f"on, as it was switched: port 5683 and 5684 (DTLS)\n{counts}"
    assert api.service.bootstrap.ports == (5683, 5684)
    assert json.loads(admin("bootstrap", "status", "--json").out)["enabled"] is True
    assert admin("bootstrap", "off").out == f"off, as it was switched\n{counts}"
    assert admin("bootstrap", "default").out == f"off, as configured\n{counts}"


def test_it_says_why_it_is_closed_though_it_was_switched_on(admin: Run, api: Api) -> None:
    api.service.bootstrap.problem = "bootstrap.port: cannot listen"
    said = admin("bootstrap", "status").out.splitlines()
    assert said[0] == "closed, though it was switched on: bootstrap.port: cannot listen"
    assert said[1] == "`lwm2m-fast bootstrap on` tries again"
    assert admin("bootstrap", "on").out.startswith("on, as it was switched: port 5683")
