"""All observations of one device end at once, as when its name has another owner."""

import pytest
from scripted import RST, reachable

from lwm2m_fast.errors import StoreError, UnknownDevice

TABLE = 3


def rows(world):
    return {key: value for (table, key), value in world.rows.items() if table == TABLE}


def test_all_of_one_device_end_with_what_is_not_answered_yet_and_it_stays_registered():
    world, device = reachable()
    others = world.device("192.0.2.2:5683")
    others.register("dev-2")
    tokens = [device.observed(path).token for path in ("1", "2")]
    kept = others.observed("1", endpoint="dev-2").token
    asking = world.observe(path="3")
    device.hear()
    assert world.engine.unobserve_all("dev-1", world.now) == 3
    world.finish_turn()
    assert world.outcomes()[-1] == (asking, "cancelled")
    assert world.engine.observations("dev-1") == []
    assert [key[:5] for key in rows(world)] == [b"dev-2"], "a restart does not bring them back"
    for token in tokens:
        device.notify(token, 2)
        assert device.hear().type == RST
    assert world.reports == []
    others.notify(kept, 2, b"still")
    assert world.told() == [b"still"]
    assert world.shown("dev-1")["endpoint"] == "dev-1"
    assert world.engine.unobserve_all("dev-1", world.now) == 0


def test_all_of_one_device_stand_while_the_store_does_not_work():
    world, device = reachable()
    device.observed("1")
    world.engine.store_works = False
    with pytest.raises(StoreError):
        world.engine.unobserve_all("dev-1", world.now)
    world.engine.store_works = True
    assert world.states() == {b"1": "active"}
    with pytest.raises(UnknownDevice):
        world.engine.unobserve_all("nobody", world.now)
