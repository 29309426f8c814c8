"""Loss, reordering and duplication: no operation lost, none done twice by our fault (issue, 4).

Done twice by our fault means: a device was given an operation under a new message id while the
attempt before could still be answered. A device that deduplicates by message id (RFC 7252, section
4.5) carries an operation out once per attempt, and every attempt but the last one must have ended
without an answer, been shown as PENDING, and be counted in the operation.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import Any

import pytest
from lossy_devices import LossyDevice, LossySide, QueueSide
from queue_kit import QueueWorld

from lwm2m_fast.core.events import Event
from lwm2m_fast.sim.link import Link

DEVICES = 12
OPERATIONS = 360
TIMEOUT_S = 20.0

KINDS = [
    lambda n: {"op": "write", "path": "/3/0/14", "value": f"op-{n}"},
    lambda n: {"op": "execute", "path": "/3/0/4", "arguments": f"0='op-{n}'"},
    lambda n: {"op": "read", "path": f"/3303/0/{n}"},
    lambda n: {"op": "observe", "path": f"/3303/0/{n}"},
]
LINKS = [
    {"loss": 0.1, "reorder": 0.1, "duplicate": 0.1, "delay": 0.1},
    {"loss": 0.1, "reorder": 0.3, "duplicate": 0.3, "delay": 1.0},
    {"loss": 0.35, "reorder": 0.1, "duplicate": 0.1, "delay": 0.1},
]


class Run:
    """Operations given to devices while the link misbehaves, until all have ended."""

    def __init__(self, seed: int, link: dict[str, float]) -> None:
        self.rng = random.Random(seed)
        self.world = QueueWorld()
        self.devices = [self._device(number) for number in range(DEVICES)]
        self.side = QueueSide(self.world)
        self.link = Link(self.side, LossySide(self.devices), seed, **link)
        self.given: dict[str, dict[int, int]] = {device.name: {} for device in self.devices}
        """Operation numbers by operation id, by device, in the order of submission."""

    def _device(self, number: int) -> LossyDevice:
        """Every third one never sleeps."""
        awake_s = None if number % 3 == 0 else self.rng.choice([0.5, 3.0, 10.0])
        return LossyDevice(
            f"dev-{number}", awake_s, self.rng.uniform(25, 45), self.rng, slow=0.15, dumb=0.03
        )

    def submit_all(self) -> None:
        """In bursts, first and last ones included while a device is not registered or asleep."""
        number = 0
        while number < OPERATIONS:
            device = self.rng.choice(self.devices)
            burst = range(number, min(OPERATIONS, number + self.rng.randrange(1, 6)))
            orders = [self.rng.choice(KINDS)(each) for each in burst]
            ids = self.world.submit(device.name, *orders, timeout_s=TIMEOUT_S)
            self.given[device.name].update(zip(ids, burst, strict=True))
            number += len(burst)
            self.link.run(self.rng.uniform(0, 4))

    def finish(self) -> bool:
        pending = self.world.operating.dispatch.pending
        return self.link.run(6 * 3600, lambda: len(pending) == 0)

    def shown(self) -> Iterator[tuple[LossyDevice, int, dict[str, Any]]]:
        """(device, number, operation) of all."""
        for device in self.devices:
            for operation_id, number in self.given[device.name].items():
                yield device, number, self.world.shown_operation(device.name, operation_id)

    def events_of(self, device: LossyDevice, operation_id: int) -> list[Event]:
        return [
            event
            for event in self.world.told
            if event.kind == "operation"
            and event.endpoint == device.name
            and event.data["id"] == operation_id
        ]


@pytest.fixture(scope="module", params=[(seed, link) for link in range(3) for seed in (1, 2, 3)])
def run(request: pytest.FixtureRequest) -> Run:
    seed, link = request.param
    run = Run(seed, LINKS[link])
    run.submit_all()
    assert run.finish(), run.world.operating.counters()
    return run


def test_the_link_was_as_bad_as_it_was_meant_to_be(run):
    for way in (run.link.to_server, run.link.to_devices):
        assert way.counts["lost"] > 0.07 * way.counts["passed"]
        assert way.counts["reordered"] > 20 and way.counts["duplicated"] > 20
    assert sum(device.duplicates for device in run.devices) > 20
    assert sum(device.deaf for device in run.devices) > 5


def test_no_operation_is_lost_and_every_one_succeeds(run):
    shown = [operation for _, _, operation in run.shown()]
    assert len(shown) == OPERATIONS
    assert {operation["state"] for operation in shown} == {"SUCCESSFUL"}
    assert list(run.world.fleet.scan("pending")) == []
    for device in run.devices:
        did = {each.number for each in device.did}
        assert did == set(run.given[device.name].values())


def test_each_device_does_its_operations_in_the_order_of_submission(run):
    for device in run.devices:
        did = [number for number, _ in groupby(each.number for each in device.did)]
        assert did == list(run.given[device.name].values())


def test_an_operation_has_one_message_id_per_attempt(run):
    tried_again = 0
    for device, number, operation in run.shown():
        left = run.side.left[run.devices.index(device)]
        mids = list(dict.fromkeys(each.mid for each in left if each.number == number))
        assert len(mids) == operation["attempts"], operation
        done = [each.mid for each in device.did if each.number == number]
        assert done == [mid for mid in mids if mid in done], "once per attempt at most, in order"
        tried_again += operation["attempts"] > 1
    assert tried_again > 3, "the run must have met what it is about"


def test_an_attempt_begins_only_after_the_one_before_has_ended_without_an_answer(run):
    for device, number, operation in run.shown():
        told = [(e.data["state"], e.data["reason"]) for e in run.events_of(device, operation["id"])]
        assert told.pop(0) == ("PENDING", None)
        assert told.pop() == ("SUCCESSFUL", None)
        assert len(told) == 2 * operation["attempts"] - 1
        assert {state for state, _ in told[::2]} == {"EXECUTING"}
        for state, reason in told[1::2]:
            assert state == "PENDING"
            assert reason in ("timeout", "no_response", "cancelled"), number


def test_requests_to_a_device_never_overlap(run):
    """Once another message id has left, none of an earlier one is repeated."""
    for left in run.side.left.values():
        runs = [mid for mid, _ in groupby(each.mid for each in left)]
        assert len(runs) == len(set(runs))
        bodies = {each.mid: each.data for each in left}
        assert all(bodies[each.mid] == each.data for each in left)


def test_what_was_tried_again_waited_for_the_attempt_s_whole_time(run):
    for device, number, operation in run.shown():
        left = run.side.left[run.devices.index(device)]
        first: dict[int, float] = {}
        for each in left:
            if each.number == number:
                first.setdefault(each.mid, each.at)
        moments = list(first.values())
        reasons = [e.data["reason"] for e in run.events_of(device, operation["id"])]
        waits = [later - earlier for earlier, later in pairwise(moments)]
        if "cancelled" not in reasons:
            assert all(wait >= TIMEOUT_S - 0.001 for wait in waits), (waits, reasons)


def test_every_observation_is_kept_once(run):
    for device in run.devices:
        asked = [n for n in run.given[device.name].values() if n in set(device.observed)]
        kept = run.world.engine.observations(device.name)
        assert len(kept) == len(asked)
        assert {each["state"] for each in kept} <= {"active"}
