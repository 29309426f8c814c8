"""Stored observations that are damaged: the disk is not trusted."""

import pytest
from own_process import play_apart
from scripted import OBSERVATIONS, REGISTRATIONS, World, reachable

PATH = b"3303/0/5700"


def rows(world):
    return {key: value for (table, key), value in world.rows.items() if table == OBSERVATIONS}


def stored():
    world, device = reachable()
    device.observed()
    registration = (REGISTRATIONS, b"dev-1")
    ((key, value),) = rows(world).items()
    return registration, world.rows[registration], key, value


REGISTRATION, RECORD, KEY, VALUE = stored()


def loaded(key, value, **settings):
    return World({REGISTRATION: RECORD, (OBSERVATIONS, key): value}, **settings)


def test_the_row_is_named_after_the_device_and_the_place():
    assert KEY == b"dev-1\0\0\0\0"
    assert loaded(KEY, VALUE).states() == {PATH: "active"}


@pytest.mark.parametrize("size", range(len(VALUE)))
def test_a_row_cut_off_anywhere_is_passed_over(size):
    world = loaded(KEY, VALUE[:size])
    assert world.passed_over == 1
    assert world.engine.observations("dev-1") == []


@pytest.mark.parametrize(
    "key, value, why",
    [
        (KEY, b"\x02" + VALUE[1:], "another format"),
        (KEY, VALUE[:1] + b"\x00" + VALUE[2:], "a state that is none"),
        (KEY, VALUE[:1] + b"\x05" + VALUE[2:], "a state that is none"),
        (KEY, VALUE[:2] + bytes(4) + VALUE[6:], "a generation that is none"),
        (KEY, VALUE[:2] + b"\x10\0\0\0" + VALUE[6:], "a generation that is none"),
        (KEY, VALUE + b"x", "longer than it says"),
        (KEY, VALUE.replace(b"\x40\x01\0\0", b"\x40\x02\0\0"), "a POST cannot be observed"),
        (KEY, VALUE.replace(b"\x40\x01\0\0", b"\x41\x01\0\0"), "with a token"),
        (KEY[:-4] + b"\0\x0f\x42\x40", VALUE, "a place beyond the bound"),
        (KEY[:-4] + b"\xff\xff\xff\xff", VALUE, "a place beyond all bounds"),
        (b"dev", VALUE, "no place"),
        (b"", VALUE, "nothing"),
        (b"x" * 260, VALUE, "a name too long"),
    ],
)
def test_a_damaged_row_is_passed_over(key, value, why):
    world = loaded(key, value)
    assert (world.passed_over, world.engine.observations("dev-1")) == (1, []), why


def test_a_row_whose_registration_has_gone_is_deleted():
    world = World({(OBSERVATIONS, KEY): VALUE})
    assert world.passed_over == 1
    world.commits_by_itself = False
    world.after(61)
    world.refuse()
    world.commits_by_itself = True
    assert len(rows(world)) == 1
    world.after(61)
    assert rows(world) == {}


def test_a_row_of_nobody_is_not_deleted_once_somebody_has_its_place():
    world = World({(OBSERVATIONS, KEY): VALUE})
    device = world.device()
    device.register(lifetime=86400)
    device.observed()
    (row,) = rows(world).items()
    assert row[0] == KEY
    world.after(61)
    assert rows(world) == dict([row])
    assert world.restarted().states() == {PATH: "active"}


def test_a_row_of_nobody_is_deleted_though_who_came_in_its_place_was_refused():
    world = World({REGISTRATION: RECORD, (OBSERVATIONS, KEY): VALUE[:1] + b"\1" + VALUE[2:]})
    assert world.engine.observations("dev-1") == []  # it had been asked for, no more
    world.commits_by_itself = False
    world.observe("dev-1")
    world.after(61)
    world.refuse()
    world.commits_by_itself = True
    world.after(61)
    assert rows(world) == {}


def test_two_rows_of_one_place_or_context_are_one():
    world, device = reachable()
    device.register("dev-2")
    other = {(REGISTRATIONS, b"dev-2"): world.rows[REGISTRATIONS, b"dev-2"]}
    both = {REGISTRATION: RECORD, **other, (OBSERVATIONS, KEY): VALUE}
    after = World({**both, (OBSERVATIONS, b"dev-2" + KEY[-4:]): VALUE})
    assert (after.passed_over, after.count("observations_current")) == (1, 1)
    after = World({**both, (OBSERVATIONS, KEY[:-1] + b"\7"): VALUE})
    assert (after.passed_over, after.count("observations_current")) == (1, 1)


def test_more_rows_than_a_device_may_have_are_passed_over():
    world, device = reachable()
    for path in ("1", "2", "3"):
        device.observed(path)
    after = world.restarted(reporting={"max_observations_per_device": 2})
    assert after.passed_over == 1
    assert len(after.engine.observations("dev-1")) == 2


BYTES_CHANGED = """
from test_observation_rows import KEY, VALUE, loaded

for at in range(len(VALUE)):
    for bits in (0x01, 0x80, 0xFF):
        value = bytearray(VALUE)
        value[at] ^= bits
        world = loaded(KEY, bytes(value))
        for shown in world.engine.observations("dev-1"):
            token = b"\\x80\\0\\0\\0" + value[6:10]
            options = [(23, b"\\x08")]
            world.device().notify(bytes(token), 5, b"a" * 16, options=options)
            if world.engine.observation(shown["number"]) is not None:
                world.unobserve(shown["number"], active=True)
            world.after(100)
            world.deregister("dev-1")
        assert world.count("observations_current") == 0
"""


def test_a_row_with_any_byte_changed_does_no_harm():
    play_apart(BYTES_CHANGED)
