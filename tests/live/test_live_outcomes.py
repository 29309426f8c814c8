"""What came of a device's latest bootstrap, after a restart of the server, and after a kill."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from bootstrapped_device import Device
from serving import Server, Socket, served, until

FLAGS = ("--bootstrap", "--bootstrap-port", "0", "--policy", "provisioned")
CONFIGURATIONS = "/api/v1/configurations"


def configure(server: Server, name: str, mode: str = "NO_SEC") -> None:
    own: dict[str, Any] = {"bootstrapSecurityMode": mode}
    if mode == "PSK":
        own |= {"bootstrapId": f"bs-{name}", "bootstrapKey": "0f" * 16}
    body = {
        "endpointId": name,
        "bootstrapSecurity": own,
        "serverSecurity": {"securityMode": "NO_SEC"},
        "lwm2mServerUri": "coap://127.0.0.1:5683",
    }
    answer = server.http.post(CONFIGURATIONS, json=body)
    assert answer.status_code == 201, answer.text


def outcome(server: Server, name: str) -> Any:
    return server.get(f"{CONFIGURATIONS}/{name}")["bootstrap"]


def bootstrap(server: Server, name: str, expected: str) -> None:
    with Socket(server, server.bootstrap) as connection:
        assert Device().bootstrap(connection, f"ep={name}") == expected


def test_the_latest_outcome_is_there_after_a_stop_and_after_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data, *FLAGS) as server:
        configure(server, "well")
        configure(server, "wrong-way", "PSK")
        configure(server, "never")
        bootstrap(server, "well", "2.04")
        bootstrap(server, "wrong-way", "4.00")
        well = until(lambda: (found := outcome(server, "well"))["state"] == "finished" and found)
        wrong = outcome(server, "wrong-way")
        assert (wrong["state"], "came without security" in wrong["reason"]) == ("failed", True)
        assert server.end() == 0
    with served(data, *FLAGS) as server:
        assert outcome(server, "well") == well
        assert outcome(server, "wrong-way") == wrong
        assert outcome(server, "never") is None
        bootstrap(server, "never", "2.04")
        until(lambda: outcome(server, "never")["state"] == "finished")
        # A name that is given up takes it along.
        assert server.http.delete(f"{CONFIGURATIONS}/well").status_code == 204
        configure(server, "well")
        assert outcome(server, "well") is None
        until(lambda: server.count("bootstrap_outcomes_unwritten") == 0)
        server.end(signal.SIGKILL)
    with served(data, "--policy", "provisioned") as server:  # also without a bootstrap server
        assert outcome(server, "never")["state"] == "finished"
        assert outcome(server, "well") is None
        assert outcome(server, "wrong-way") == wrong
