"""The settings of all devices: kept before they count, and read back at the start."""

from __future__ import annotations

import asyncio

import pytest

from lwm2m_fast import device_settings
from lwm2m_fast.device_settings import NAMESPACE, DeviceSettings
from lwm2m_fast.errors import RequestError, StoreError
from lwm2m_fast.fleet.settings import UNSET, Settings
from lwm2m_fast.store import Store


def test_settings_are_kept_and_read_back(store: Store) -> None:
    async def act() -> None:
        settings = DeviceSettings(store.fleet)
        assert settings.get("dev-1") is UNSET
        await settings.set("dev-1", {"lwm2mRequestTimeout": 20_000})
        after = await settings.set("dev-1", {"serializationFormat": "TLV"})
        assert after == Settings(request_timeout_ms=20_000, serialization_format="TLV")
        assert DeviceSettings(store.fleet).get("dev-1") == after
        assert settings.as_json("dev-1")["serializationFormat"] == "TLV"

    asyncio.run(act())


def test_unsetting_everything_leaves_no_row(store: Store) -> None:
    async def act() -> None:
        settings = DeviceSettings(store.fleet)
        await settings.set("dev-1", {"serializationFormat": "TLV"})
        await settings.set("dev-1", {"serializationFormat": None})
        assert list(store.fleet.scan(NAMESPACE)) == []
        assert settings.counters()["device_settings_current"] == 0

    asyncio.run(act())


def test_two_changes_at_once_do_not_lose_each_other(store: Store) -> None:
    async def act() -> None:
        settings = DeviceSettings(store.fleet)
        await asyncio.gather(
            settings.set("dev-1", {"lwm2mRequestTimeout": 20_000}),
            settings.set("dev-1", {"serializationFormat": "TLV"}),
        )
        assert settings.get("dev-1") == Settings(None, 20_000, "TLV")

    asyncio.run(act())


def test_what_cannot_be_kept_does_not_count(store: Store) -> None:
    async def act() -> None:
        settings = DeviceSettings(store.fleet)
        store.close()
        with pytest.raises(StoreError):
            await settings.set("dev-1", {"serializationFormat": "TLV"})
        assert settings.get("dev-1") == UNSET

    asyncio.run(act())


def test_a_wrong_setting_changes_nothing(store: Store) -> None:
    async def act() -> None:
        settings = DeviceSettings(store.fleet)
        with pytest.raises(RequestError, match="lwm2mRequestTimeout is 9999"):
            await settings.set("dev-1", {"serializationFormat": "TLV", "lwm2mRequestTimeout": 9999})
        assert settings.get("dev-1") == UNSET
        assert list(store.fleet.scan(NAMESPACE)) == []

    asyncio.run(act())


@pytest.mark.parametrize("length, fits", [(0, False), (1, True), (255, True), (256, False)])
def test_an_endpoint_name_has_1_to_255_bytes(store: Store, length: int, fits: bool) -> None:
    async def act() -> None:
        settings = DeviceSettings(store.fleet)
        if fits:
            await settings.set("x" * length, {"serializationFormat": "TLV"})
            return
        with pytest.raises(RequestError, match=f"has {length} bytes, allowed are 1 to 255"):
            await settings.set("x" * length, {"serializationFormat": "TLV"})

    asyncio.run(act())


def test_the_number_of_devices_with_settings_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_settings, "MAX_DEVICES", 2)

    async def act() -> None:
        settings = DeviceSettings(store.fleet)
        for name in ("a", "b"):
            await settings.set(name, {"serializationFormat": "TLV"})
        with pytest.raises(RequestError, match="2 devices have settings of their own"):
            await settings.set("c", {"serializationFormat": "TLV"})
        await settings.set("b", {"serializationFormat": "TEXT"})
        await settings.set("a", {"serializationFormat": None})
        await settings.set("c", {"serializationFormat": "TLV"})

    asyncio.run(act())


def test_a_row_that_cannot_be_read_is_passed_over(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.fleet.put(NAMESPACE, [(b"bad", b"{"), (b"\xff", b"{}"), (b"ok", b'{"awakeTime')])
    store.fleet.put(NAMESPACE, [(b"ok", b'{"awakeTimeRegistrationParameter":7}')])

    async def act() -> None:
        settings = DeviceSettings(store.fleet)
        assert settings.get("ok") == Settings(awake_ms=7)
        assert settings.counters() == {
            "device_settings_current": 1,
            "device_settings_unusable": 2,
            "device_log_levels_current": 0,
        }

    asyncio.run(act())
    assert "stored settings could not be used" in caplog.text
