"""Whose life is told, by the `logLevel` of each device, on a running server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Socket, served

DELETE = 4
CREATED = "2.01"


def kinds(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    """Kind and data of each event."""
    for line in lines:
        if line.startswith("event: "):
            yield line.removeprefix("event: "), next(lines)


def test_a_log_level_counts_at_once_for_what_is_told_and_for_nothing_else(tmp_path: Path) -> None:
    with (
        served(tmp_path / "data", env={"LWM2M_FAST_LOG__DEVICE_EVENTS": "true"}) as server,
        Socket(server) as quiet,
        Socket(server) as loud,
    ):
        body = {
            "endpointId": "quiet",
            "serverSecurity": {"securityMode": "NO_SEC"},
            "logLevel": "NONE",
        }
        assert server.http.post("/api/v1/configurations", json=body).status_code == 201
        with server.http.stream("GET", "/api/v1/events", timeout=5.0) as stream:
            told = kinds(iter(stream.iter_lines()))
            location = quiet.register("quiet").location
            assert loud.register("loud").code == CREATED
            kind, data = next(told)
            assert (kind, '"endpoint":"loud"' in data) == ("registered", True)
            # It is registered all the same, and what is asked of it is told: that is no log.
            assert server.get("/api/v1/devices/quiet")["endpoint"] == "quiet"
            order = {"op": "read", "path": "/3/0/9"}
            path = "/api/v1/devices/quiet/operations"
            assert server.http.post(path, json=order).status_code == 202
            kind, data = next(told)
            assert (kind, '"endpoint":"quiet"' in data) == ("operation", True)

            changed = {"logLevel": "TRAFFIC"}
            where = "/api/v1/configurations/quiet"
            assert server.http.patch(where, json=changed).status_code == 200
            quiet.ask(DELETE, location)
            quiet.register("quiet")  # and what waited is asked anew
            found = []
            while "request" not in found:
                found.append(next(told)[0])
            own = [kind for kind in found if kind != "operation"]
            assert own == ["deregistered", "registered", "request"]
        logged = [line for line in server.logged().splitlines() if "quiet" in line]
        assert sum('"registered"' in line or " registered" in line for line in logged) == 1
        assert server.count("events_left_out") >= 1


@pytest.mark.parametrize("level", ["NONE", "LIFECYCLE"])
def test_the_end_of_a_device_is_told_by_the_level_it_had(tmp_path: Path, level: str) -> None:
    where = "/api/v1/configurations"
    names = [f"leaving-{number}" for number in range(5)]
    with served(tmp_path / "data") as server, ExitStack() as sockets:
        for name in names:
            security = {"securityMode": "NO_SEC"}
            body = {"endpointId": name, "serverSecurity": security, "logLevel": level}
            assert server.http.post(where, json=body).status_code == 201
            assert sockets.enter_context(Socket(server)).register(name).code == CREATED
        last = sockets.enter_context(Socket(server))
        with server.http.stream("GET", "/api/v1/events", timeout=5.0) as stream:
            told = kinds(iter(stream.iter_lines()))
            for name in names:
                assert server.http.delete(f"{where}/{name}").status_code == 204
                assert server.http.get(f"/api/v1/devices/{name}").status_code == 404
            assert last.register("the-last").code == CREATED
            found = [next(told)]
            while "the-last" not in found[-1][1]:
                found.append(next(told))
        ended = [kind for kind, _ in found[:-1]]
        assert ended == ([] if level == "NONE" else ["deregistered"] * len(names))
        # And whoever comes under the name later is told as all are.
        assert server.count("device_log_levels_current") == 0
