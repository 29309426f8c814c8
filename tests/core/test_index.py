"""The index against a dict of sets, and what one call may cost."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_fast.core.index import Index, hash_of, hash_of_addr

MOST_NUMBER = 0xFFFFFFFD
SEED = (0x243F6A8885A308D3, 0x13198A2E03707344)
LEAST_ENTRIES = 512  # of the smallest table: 64 lines of 8


class Model:
    """An index beside the plain thing it must equal."""

    def __init__(self) -> None:
        self.index = Index()
        self.tags: defaultdict[int, set[int]] = defaultdict(set)
        self.pairs: list[tuple[int, int]] = []
        self.fresh = 0

    def insert(self, tag: int) -> None:
        self.index.insert(tag, self.fresh)
        self.tags[tag].add(self.fresh)
        self.pairs.append((tag, self.fresh))
        self.fresh += 1

    def remove(self, at: int) -> None:
        at %= len(self.pairs)
        self.pairs[at], self.pairs[-1] = self.pairs[-1], self.pairs[at]
        tag, number = self.pairs.pop()
        assert self.index.remove(tag, number)
        self.tags[tag].remove(number)

    def check(self, tag: int) -> None:
        found = self.index.find(tag)
        assert len(found) == len(set(found))
        assert set(found) == self.tags[tag]

    def check_all(self) -> None:
        assert self.index.size == len(self.pairs)
        for tag in list(self.tags):
            self.check(tag)


# Few tags, tags that share a home line, tags at the last lines (which spill over to line 0), any.
TAGS = st.one_of(
    st.integers(0, 3),
    st.integers(0, 0xFFFF).map(lambda high: high << 16),
    st.integers(0, 0xFFFF).map(lambda high: high << 16 | 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
)


@given(
    st.lists(
        st.tuples(TAGS, st.integers(1, 120), st.integers(0, 150), st.integers(0, 1 << 30)),
        max_size=30,
    )
)
@settings(deadline=None, max_examples=150)
def test_it_holds_what_a_dict_of_sets_holds_through_growth_and_shrinking(steps):
    model = Model()
    for tag, inserts, removes, at in steps:
        for i in range(inserts):
            model.insert(tag if i % 3 else (tag * 2654435761 + i) & 0xFFFFFFFF)
        for i in range(min(removes, len(model.pairs))):
            model.remove(at + i * 7919)
        model.check(tag)
    model.check_all()


@pytest.mark.parametrize("tag_bits", [4, 9, 32])
def test_a_long_random_life_with_growth_and_shrinking_loses_and_invents_nothing(tag_bits):
    draw = random.Random(tag_bits)
    model = Model()
    for share in (0.9, 0.2, 0.8, 0.1, 0.95, 0.5):
        for _ in range(6000 if tag_bits > 4 else 600):
            if draw.random() < share or not model.pairs:
                model.insert(draw.getrandbits(tag_bits) << draw.choice((0, 32 - tag_bits)))
            else:
                model.remove(draw.getrandbits(30))
        model.check_all()
    while model.pairs:
        model.remove(draw.getrandbits(30))
    model.check_all()


@pytest.mark.parametrize("entries", [0, 1, 5000, 60_000])
def test_what_was_reserved_is_filled_without_a_move(entries):
    model = Model()
    model.index.reserve(entries)
    taken = model.index.bytes
    draw = random.Random(entries)
    for _ in range(entries):
        model.insert(draw.getrandbits(32))
        assert not model.index.is_moving()
    assert model.index.bytes == taken < max(entries, LEAST_ENTRIES) * 24
    model.check_all()
    for _ in range(entries * 9 // 10):  # and it is given back like any other
        model.remove(draw.getrandbits(30))
    model.check_all()


def test_a_table_in_use_takes_no_reservation():
    model = Model()
    model.insert(7)
    taken = model.index.bytes
    model.index.reserve(100_000)
    assert model.index.bytes == taken
    model.check_all()


def test_it_is_searched_correctly_at_every_step_of_a_move():
    model = Model()
    draw = random.Random(1)
    moving = 0
    while moving < 100:
        model.insert(draw.getrandbits(32))
        if model.index.is_moving():
            moving += 1
            model.check_all()
            model.remove(draw.getrandbits(30))
            model.check_all()
            model.index.find(draw.getrandbits(32))


def test_a_thousand_equal_tags_are_all_found_and_each_can_be_removed():
    model = Model()
    for _ in range(1000):
        model.insert(7)
    model.check(7)
    for step in range(999):
        model.remove(step * 31)
        model.check(7)
    model.check(8)


def test_entries_that_spill_over_the_last_line_wrap_to_the_first():
    model = Model()
    for i in range(40):
        model.insert(63 | i << 8)
        model.insert(0 | i << 8)
        model.insert(62 | i << 8)
    model.check_all()
    for i in range(100):
        model.remove(i * 13)
        model.check_all()


def test_removing_what_is_not_there_says_so_and_changes_nothing():
    index = Index()
    index.insert(5, 9)
    assert not index.remove(5, 8)
    assert not index.remove(6, 9)
    assert not index.remove(5, 0xFFFFFFFF)
    assert not index.remove(5, 0xFFFFFFFE)
    assert (index.find(5), index.size) == ([9], 1)
    assert index.remove(5, 9)
    assert not index.remove(5, 9)


def test_the_greatest_number_is_kept_and_one_past_it_refused():
    index = Index()
    index.insert(0, MOST_NUMBER)
    assert index.find(0) == [MOST_NUMBER]
    with pytest.raises(ValueError, match="4294967294 is above 4294967293"):
        index.insert(0, MOST_NUMBER + 1)
    assert index.size == 1


def test_an_empty_index_finds_nothing_even_for_the_tag_of_a_free_slot():
    assert Index().find(0) == []


def work_per_call(entries: int) -> tuple[int, int]:
    """The most lines visited by one insert and by one remove on the way up and down."""
    index, draw = Index(), random.Random(entries)
    pairs = [(draw.getrandbits(32), i) for i in range(entries)]
    most = []
    for call in (index.insert, index.remove):
        worst = 0
        for tag, number in pairs:
            before = index.work
            call(tag, number)
            worst = max(worst, index.work - before)
        most.append(worst)
    return most[0], most[1]


def test_the_work_of_one_call_is_bounded_and_does_not_grow_with_the_table():
    # 8 lines of 8 entries move per call, each to its line or a near one; then the call itself.
    bound = 8 + 64 * 3 + 40
    assert max(work_per_call(3_000)) <= bound
    assert max(work_per_call(200_000)) <= bound


def test_a_move_is_over_long_before_the_next_one_could_begin():
    index = Index()
    moves = 0
    for i in range(120_000):
        was_moving, lines = index.is_moving(), index.bytes // 64
        index.insert(i * 2654435761 & 0xFFFFFFFF, i)
        if was_moving and not index.is_moving():
            moves += 1
            assert index.size * 4 < index.bytes // 8 * 3 * 0.6
        assert not (was_moving and index.bytes // 64 > lines)
    assert moves == 9  # 512 entries to 262,144


def test_memory_at_rest_is_at_most_24_bytes_an_entry():
    index, draw = Index(), random.Random(3)
    pairs = [(draw.getrandbits(32), i) for i in range(50_000)]
    for call in (index.insert, index.remove):
        for tag, number in pairs:
            call(tag, number)
            if not index.is_moving() and index.bytes > LEAST_ENTRIES * 8:
                assert index.bytes <= 24 * (index.size + 1)
    assert (index.size, index.bytes) == (0, LEAST_ENTRIES * 8)


@pytest.mark.parametrize("load, most_lines", [(9 / 16, 1.35), (3 / 4, 2.4)])
def test_a_search_to_its_end_touches_little_more_than_one_line(load, most_lines):
    # 9/16 is the mean load of a table between two growths, 3/4 the load just before one.
    index, draw = Index(), random.Random(4)
    tags = [draw.getrandbits(32) for _ in range(int(512 * 64 * load))]
    for number, tag in enumerate(tags):
        index.insert(tag, number)
    assert not index.is_moving()
    assert sum(map(index.lines_of, tags)) / len(tags) < most_lines


def test_the_hash_depends_on_every_byte_on_the_length_and_on_both_seeds():
    for size in (1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 255):
        data = bytes(range(size))
        hashes = {hash_of(data, SEED), hash_of(data + b"\0", SEED), hash_of(data[:-1], SEED)}
        hashes |= {hash_of(data, (SEED[0] + 1, SEED[1])), hash_of(data, (SEED[0], SEED[1] + 1))}
        for i in range(size):
            hashes.add(hash_of(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :], SEED))
        assert len(hashes) == 5 + size


def test_the_hash_of_an_address_depends_on_every_byte():
    base = bytes(24)
    hashes = {hash_of_addr(base, SEED)}
    for i in range(24):
        hashes |= {
            hash_of_addr(base[:i] + bytes([1 << bit]) + base[i + 1 :], SEED) for bit in range(8)
        }
    assert len(hashes) == 1 + 24 * 8
    with pytest.raises(ValueError, match="24 bytes, not 23"):
        hash_of_addr(bytes(23), SEED)


def test_sequential_names_and_addresses_spread_evenly_over_lines():
    def fullest(hashes: list[int]) -> int:
        lines: defaultdict[int, int] = defaultdict(int)
        for value in hashes:
            lines[value & 4095] += 1
        return max(lines.values())

    names = [hash_of(b"urn:imei:35%013d" % i, SEED) for i in range(4096 * 4)]
    addresses = [
        hash_of_addr(bytes(10) + b"\xff\xff\x0a\0" + i.to_bytes(2) + bytes(8), SEED)
        for i in range(4096 * 4)
    ]
    # Poisson with a mean of 4: one line in a hundred million holds 20.
    assert fullest(names) < 20
    assert fullest(addresses) < 20
