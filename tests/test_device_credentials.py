"""Credentials of a running server, over the store on a disk."""

from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lwm2m_fast.config import StoreConfig
from lwm2m_fast.device_credentials import DeviceCredentials
from lwm2m_fast.errors import Conflict, RequestError, StoreError
from lwm2m_fast.fleet.credential_rows import Mark
from lwm2m_fast.fleet.credentials import Change
from lwm2m_fast.store import Store, open_store
from lwm2m_fast.vault_file import open_vault
from tests.certificate_kit import made_certificate

KEY = bytes(range(7, 39))


def psk(identity: str, key: bytes = KEY) -> dict[str, Any]:
    return {"mode": "PSK", "identity": identity, "key": key.hex()}


class Scene:
    def __init__(self, directory: Path) -> None:
        self.data_dir = directory / "data"
        self.key_file = directory / "vault.key"
        self.store: Store = open_store("lmdb", str(self.data_dir), StoreConfig())
        self.security = DeviceCredentials(
            self.store.fleet, open_vault(self.key_file, self.store.fleet)
        )
        self.changes: list[Change] = []
        self.security.changed.append(self.changes.append)

    def play(self, act: Callable[[], Awaitable[Any]]) -> Any:
        async def played() -> Any:
            return await act()

        return asyncio.run(played())


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path)
    yield made
    made.store.close()


def test_the_data_directory_has_no_key_in_any_form(scene: Scene) -> None:
    generated: list[bytes] = []

    async def act() -> None:
        security = scene.security
        await security.add_credentials(
            [{"endpoint": f"d{i}", "server": psk(f"i{i}"), "bootstrap": psk(f"b{i}")}
             for i in range(50)]
        )  # fmt: skip
        for i in range(10):
            await security.set_credential(f"d{i}", {"server": psk(f"n{i}")})
        made = await security.add_credentials(
            [{"endpoint": "g", "server": {"mode": "PSK_GENERATED"}}]
        )
        generated.append(bytes.fromhex(made[0]["server"]["key"]))
        await security.remove_credential("d49")

    scene.play(act)
    scene.store.close()
    everything = b"".join(one.read_bytes() for one in scene.data_dir.rglob("*") if one.is_file())
    assert b"i49" in everything  # it is the right directory
    for key in (KEY, *generated):
        for form in (key, key.hex().encode(), key.hex().upper().encode(), b64encode(key)):
            assert form not in everything
            assert form[:16] not in everything


def test_of_a_thousand_with_one_identity_exactly_one_gets_it(scene: Scene) -> None:
    async def act() -> list[Any]:
        return await asyncio.gather(
            *(
                scene.security.add_credentials([{"endpoint": f"d{i}", "server": psk("same")}])
                for i in range(1000)
            ),
            return_exceptions=True,
        )

    results = scene.play(act)
    kept = [one for one in results if not isinstance(one, BaseException)]
    assert len(kept) == 1
    refused = [one for one in results if isinstance(one, Conflict)]
    assert len(refused) == 999
    (winner,) = kept[0]
    assert scene.security.admission().psk(b"same") == (KEY, (winner["endpoint"],))
    page = asyncio.run(scene.security.credentials_after(None, 10))
    assert [one["endpoint"] for one in page] == [winner["endpoint"]]
    assert scene.security.counters()["credentials_current"] == 1
    assert {change.endpoint for change in scene.changes} == {winner["endpoint"]}


def test_a_change_is_on_disk_before_it_is_told(scene: Scene) -> None:
    seen: list[Any] = []

    def told(change: Change) -> None:
        assert threading.current_thread() is threading.main_thread()
        seen.append((change.mark, scene.store.fleet.get("psk", b"id") is not None))

    scene.security.changed.append(told)

    async def act() -> None:
        await scene.security.add_credentials([{"endpoint": "a", "server": psk("id")}])
        await scene.security.remove_credential("a")

    scene.play(act)
    assert seen == [(Mark.PSK, True), (Mark.NONE, False)]


def test_a_caller_that_leaves_does_not_stop_the_telling(scene: Scene) -> None:
    async def act() -> None:
        adding = asyncio.create_task(
            scene.security.add_credentials([{"endpoint": "a", "server": psk("id")}])
        )
        await asyncio.sleep(0)
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        await scene.security.set_credential("b", {"server": psk("id-b")})  # waits its turn

    scene.play(act)
    assert [change.endpoint for change in scene.changes] == ["a", "b"]
    assert scene.security.admission().psk(b"id") is not None


def test_nothing_is_told_when_the_store_refuses(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(changes: object) -> None:
        raise StoreError("no space")

    monkeypatch.setattr(scene.store.fleet, "apply", full)

    async def act() -> None:
        with pytest.raises(StoreError):
            await scene.security.add_credentials([{"endpoint": "a", "server": psk("id")}])

    scene.play(act)
    assert scene.changes == []
    assert scene.security.admission().psk(b"id") is None


def test_it_is_all_there_after_a_restart(scene: Scene) -> None:
    authority = made_certificate("ca", None, is_authority=True)

    async def act() -> None:
        await scene.security.add_credentials(
            [{"endpoint": "a", "server": psk("id")}, {"endpoint": "b", "server": {"mode": "X509"}}]
        )
        await scene.security.add_anchors(authority.pem)

    scene.play(act)
    scene.store.close()
    again = Scene(scene.key_file.parent)
    marks: dict[str, Mark] = {}
    assert again.security.load(marks.__setitem__) == 2
    assert marks == {"a": Mark.PSK, "b": Mark.AUTHORITY}
    assert again.security.admission().psk(b"id") == (KEY, ("a",))
    leaf = made_certificate("b", authority)
    assert again.security.admission().certificate(leaf.der, 0)[0] == 0
    again.store.close()


def test_who_uses_the_anchors_is_told_of_each_change(scene: Scene) -> None:
    authority = made_certificate("ca", None, is_authority=True)
    told: list[tuple[bytes | None, bytes]] = []
    scene.security.trust_changed.append(
        lambda gone: told.append((gone, scene.security.trust.pem()))
    )

    async def act() -> None:
        await scene.security.add_anchors(authority.pem)
        with pytest.raises(RequestError):
            await scene.security.add_anchors(b"nothing")
        await scene.security.remove_anchor(authority.sha256)

    scene.play(act)
    assert told == [(None, authority.pem), (bytes.fromhex(authority.sha256)[:8], b"")]
