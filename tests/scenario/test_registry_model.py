"""Any sequence of Register, Update, De-register, expiry, commit and refusal against plain Python.

The model is a dict of endpoint names. Whatever the core shows, answers, tells and stores must be
what the model says, after every step; and when all have left, nothing may be left behind.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from scripted import DELETE, LINKS, POST, World, changes_in, register, request

NAMES = ["a", "b", "c", "d", "\u20ac"]
ADDRESSES = ["192.0.2.1:1", "192.0.2.1:2", "[2001:db8::1]:3"]
MAX_DEVICES = 4
GRACE_S = 10.0
LINK_SETS = [LINKS, b"</5/0>", b"</6/0>,</7/0>"]

names = st.sampled_from(NAMES)
addresses = st.sampled_from(ADDRESSES)
lifetimes = st.sampled_from([0, 20, 60, 500])
link_sets = st.sampled_from(LINK_SETS)


@dataclass
class Row:
    """What the model knows of a registered device."""

    id: str
    address: str
    lifetime: int
    links: bytes
    attributes: dict[str, str | None] = field(default_factory=dict)
    ends_at: float = 0.0

    def heard(self, now: float) -> None:
        self.ends_at = now + self.lifetime + GRACE_S if self.lifetime else float("inf")


@dataclass
class Turn:
    """A turn on its way to the store: how it looked before, what is owed when it is kept."""

    before: dict[str, Row]
    changed: list[str]
    owed: list[tuple[str, int, str]] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)


class Registry(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(max_devices=MAX_DEVICES, grace_s=GRACE_S, contact_flush_s=3600.0)
        self.world.commits_by_itself = False
        self.rows: dict[str, Row] = {}
        self.stored: dict[str, Row] = {}
        self.turns: list[Turn] = []
        self.ids: list[str] = ["AAAAAAAAAAAAAA"]
        self.mid = 0

    @initialize()
    def begin(self) -> None:
        self.expect_answers([])

    # The model's own steps

    def change(self, name: str, row: Row | None) -> None:
        """One turn that puts or removes a row."""
        self.turns.append(Turn(copy.deepcopy(self.rows), [name]))
        if row is None:
            del self.rows[name]
        else:
            self.rows[name] = row

    def expect_answers(self, owed: list[tuple[str, int, str]]) -> None:
        """Exactly these (address, mid, code) have been heard since the last time."""
        heard = [
            (address, message.mid, message.code)
            for address in ADDRESSES
            for _, message in self.world.device(address).hear_all()
        ]
        assert sorted(heard) == sorted(owed)

    def send(self, address: str, code: int, path: str, **parts) -> None:
        self.mid += 1
        self.world.device(address).send(request(code, path, mid=self.mid, **parts))

    def answered(self, address: str, code: str, event: tuple[str, str] | None, held: bool) -> None:
        """What the last message gets, now or when its turn is kept."""
        if held:
            self.turns[-1].owed.append((address, self.mid, code))
            self.turns[-1].events += [event] if event else []
            self.expect_answers([])
            assert self.world.kinds() == []
        else:
            self.expect_answers([(address, self.mid, code)])
            assert self.world.kinds() == ([event] if event else [])

    def holder(self, identity: str) -> str | None:
        return next((name for name, row in self.rows.items() if row.id == identity), None)

    # What devices do

    @rule(name=names, address=addresses, lifetime=lifetimes, links=link_sets)
    def register(self, name: str, address: str, lifetime: int, links: bytes) -> None:
        self.mid += 1
        message = register(name, mid=self.mid, lifetime=lifetime, payload=links, query=["x=1"])
        self.world.device(address).send(message)
        if name not in self.rows and len(self.rows) == MAX_DEVICES:
            self.answered(address, "5.03", None, held=False)
            return
        shown = self.world.shown(name)
        assert shown["registration_id"] not in self.ids
        self.ids.append(shown["registration_id"])
        row = Row(shown["registration_id"], address, lifetime, links, {"x": "1"})
        row.heard(self.world.now)
        self.change(name, row)
        self.answered(address, "2.01", ("registered", name), held=True)

    @rule(
        data=st.data(),
        address=addresses,
        lifetime=st.none() | lifetimes,
        links=st.none() | link_sets,
        query=st.none() | st.sampled_from(["x=1", "x=2", "y"]),
    )
    def update(self, data, address, lifetime, links, query) -> None:
        identity = data.draw(st.sampled_from(self.ids))
        items = [f"lt={lifetime}"] if lifetime is not None else []
        items += [query] if query else []
        self.send(address, POST, f"rd/{identity}", query=items, payload=links or b"")
        name = self.holder(identity)
        if name is None:
            self.answered(address, "4.04", None, held=False)
            return
        before = self.rows[name]
        row = copy.deepcopy(before)
        row.address = address
        row.lifetime = before.lifetime if lifetime is None else lifetime
        row.links = links or before.links
        if query:
            key, equals, value = query.partition("=")
            row.attributes.pop(key, None)  # what is given anew comes last
            row.attributes[key] = value if equals else None
        changes = row != before or list(row.attributes) != list(before.attributes)
        row.heard(self.world.now)
        if changes:
            self.change(name, row)
        else:
            before.heard(self.world.now)
        self.answered(address, "2.04", ("updated", name), held=changes)

    @rule(data=st.data(), address=addresses)
    def deregister(self, data, address) -> None:
        identity = data.draw(st.sampled_from(self.ids))
        self.send(address, DELETE, f"rd/{identity}")
        name = self.holder(identity)
        if name is None:
            self.answered(address, "4.04", None, held=False)
            return
        self.change(name, None)
        self.answered(address, "2.02", ("deregistered", name), held=True)

    # What else happens

    @rule(name=names)
    def remove(self, name: str) -> None:
        if name not in self.rows:
            return
        self.world.deregister(name)
        self.change(name, None)
        self.turns[-1].events.append(("deregistered", name))
        self.expect_answers([])

    @rule(seconds=st.sampled_from([1.0, 15.0, 40.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        if self.world.waiting:  # or what expires might wait for the store
            self.commit()
        known = len(self.world.waiting)
        self.world.after(seconds)
        while any(0 <= self.world.now - row.ends_at < 0.2 for row in self.rows.values()):
            self.world.after(0.2)  # past the wheel's tick
        gone = {name for name, row in self.rows.items() if row.ends_at <= self.world.now}
        for output in list(self.world.waiting)[known:]:
            # Those that ended within one tick go in one turn.
            together = [c[2].decode() for c in changes_in(output.changes) if c[1] == 1]
            if together:
                assert gone.issuperset(together)
                self.change(together[0], None)
                for name in together[1:]:
                    del self.rows[name]
                self.turns[-1].changed = together
                self.turns[-1].events = [("expired", name) for name in together]
        assert not gone & self.rows.keys()
        self.expect_answers([])

    @rule()
    def commit_one(self) -> None:
        """The oldest turn is kept, and what was only contacts before it."""
        if not self.turns:
            return
        kept = False
        while not kept:
            kept = any(change[1] == 1 for change in changes_in(self.world.waiting[0].changes))
            self.world.commit_one()
        turn = self.turns.pop(0)
        self.expect_answers(turn.owed)
        assert self.world.kinds() == turn.events
        self.stored = copy.deepcopy(self.turns[0].before if self.turns else self.rows)

    @rule()
    def commit(self) -> None:
        self.world.commit()
        self.expect_answers([item for turn in self.turns for item in turn.owed])
        told = [item for turn in self.turns for item in turn.events]
        assert sorted(self.world.kinds()) == sorted(told)
        self.turns.clear()
        self.stored = copy.deepcopy(self.rows)

    @rule()
    def refuse(self) -> None:
        if not self.world.waiting:
            return
        self.world.refuse()
        owed = [(address, mid, "5.03") for t in self.turns for address, mid, _ in t.owed]
        self.expect_answers(owed)
        assert self.world.kinds() == []
        if not self.turns:  # only contacts were on their way
            return
        before = self.turns[0].before
        touched = {name for turn in self.turns for name in turn.changed}
        for name in touched:
            self.rows.pop(name, None)
            if name in before:
                self.rows[name] = before[name]
                self.rows[name].heard(self.world.now)
        self.turns.clear()

    # What must hold after every step

    @invariant()
    def shown_is_what_the_model_says(self) -> None:
        shown = {}
        for item in self.world.engine.devices(0, 100)[0]:
            shown[item["endpoint"]] = (
                item["registration_id"],
                item["address"],
                item["lifetime_s"],
                item["links"].encode(),
                item["attributes"],
            )
        assert shown == {
            name: (row.id, row.address, row.lifetime, row.links, row.attributes)
            for name, row in self.rows.items()
        }
        assert self.world.engine.device_count() == len(self.rows)

    @invariant()
    def stored_is_what_was_committed(self) -> None:
        kept = {key.decode() for table, key in self.world.rows if table == 1}
        assert kept == set(self.stored)

    @invariant()
    def link_sets_are_counted(self) -> None:
        in_use = {row.links for row in self.rows.values()}
        held = {row.links for turn in self.turns for row in turn.before.values()}
        count = self.world.count("link_sets_current")
        assert len(in_use) <= count <= len(in_use | held | set(LINK_SETS))

    def teardown(self) -> None:
        self.commit()
        after = self.world.restarted(max_devices=MAX_DEVICES, grace_s=GRACE_S)
        assert after.passed_over == 0
        for name, row in self.rows.items():
            shown = after.shown(name)
            assert (shown["registration_id"], shown["address"]) == (row.id, row.address)
            assert shown["attributes"] == row.attributes
        for name in list(self.rows):
            self.world.deregister(name)
        self.world.commit()
        self.world.after(300)
        self.world.commit()
        for name in ("registrations", "link_sets", "peers", "requests", "block_transfers"):
            assert self.world.count(f"{name}_current") == 0, name
        assert self.world.count("link_sets_bytes") == 0
        assert not [key for table, key in self.world.rows if table == 1]


Registry.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRegistry = Registry.TestCase
