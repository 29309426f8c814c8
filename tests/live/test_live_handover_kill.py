"""A server that is killed between the transaction that frees a name and the forgetting of what was
known under it: the next start forgets it."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from serving import Socket, served, until
from test_live_next_owner import CREATED, NOT_FOUND, ONE, READ, answered, numbers, taken
from test_live_tenants import of_tenant

from lwm2m_fast.config import StoreConfig
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.fleet.vault import Vault
from lwm2m_fast.provisioning.handover import HANDOVER, Handovers
from lwm2m_fast.provisioning.registry import Registry
from lwm2m_fast.store import open_store
from lwm2m_fast.vault_file import FILE_NAME, open_vault
from tests.scenario.scripted import ACK, POST, code_byte, write


def removed_and_killed(data: Path, endpoint: str, tenant: str) -> None:
    """What a process has written that was killed right behind the transaction."""
    store = open_store("lmdb", str(data), StoreConfig())
    try:
        vault: Vault = open_vault(data / FILE_NAME, store.fleet)
        security = DeviceCredentials(store.fleet, vault)
        security.load()
        registry = Registry(
            Handovers(store.fleet), vault, security.credentials, lambda size: b"0" * size, time.time
        )
        registry.load()
        registry.remove([endpoint], tenant)
        assert len(list(store.fleet.scan(HANDOVER))) == 1
    finally:
        store.close()


def test_what_a_kill_leaves_under_a_name_is_forgotten_at_the_next_start(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        served(data) as server,
        of_tenant(server, "acme") as acme,
        of_tenant(server, "beta") as beta,
        Socket(server) as device,
    ):
        taken(acme)
        location = device.register("name").location
        done = acme.post(f"{ONE}/operations", json=READ).json()["id"]
        answered(device, b"55")
        until(lambda: acme.get(f"{ONE}/operations/{done}").json()["state"] == "SUCCESSFUL")
        attributes = {"op": "write_attributes", "path": "/3/0/9", "attributes": {"pmin": 5}}
        acme.post(f"{ONE}/operations", json=attributes)
        heard = device.hear()
        device.send(write(ACK, code_byte("2.04"), heard.mid, heard.token))
        acme.post(f"{ONE}/operations", json=READ)
        device.hear()  # and answers no more
        until(lambda: server.count("values_devices_current"))
        token = beta.headers["Authorization"]
        server.end(signal.SIGKILL)
    removed_and_killed(data, "name", "acme")
    with served(data) as server, Socket(server) as device:
        until(lambda: server.count("names_forgetting_current") == 0)
        assert '"handovers_resumed":1' in server.logged()
        server.http.headers["Authorization"] = token
        taken(server.http)
        assert server.http.get(ONE).status_code == numbers(server.http) == 404
        assert device.ask(POST, location).code == NOT_FOUND
        assert device.register("name").code == CREATED
        assert server.get(f"{ONE}/values")["values"] == []
        assert numbers(server.http) == []
        own = server.http.post(f"{ONE}/operations", json={"op": "read", "path": "/3/0/0"})
        assert own.status_code == 202
        assert device.hear().path == [b"3", b"0", b"0"]
        server.end()
    store = open_store("lmdb", str(data), StoreConfig())
    try:
        assert list(store.fleet.scan(HANDOVER)) == list(store.fleet.scan("attributes")) == []
        assert list(store.state.load(4)) == []
    finally:
        store.close()
