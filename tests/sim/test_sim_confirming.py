"""Confirmable messages of the desk, until they are acknowledged."""

from __future__ import annotations

import itertools

import pytest

from lwm2m_fast.sim import confirming
from lwm2m_fast.sim.alarms import Alarms
from lwm2m_fast.sim.confirming import Confirming

S = 1_000_000_000


class Kit:
    def __init__(self):
        self.sent, self.ended, self.alarms = [], [], Alarms()
        self.confirming = Confirming(self._emit, self.alarms, 2 * S, 1)

    def _emit(self, device, datagram, now_ns):
        self.sent.append((device, datagram, now_ns))
        return True

    def send(self, device, mid, now_ns=0):
        self.confirming.send(
            device, mid, b"%d" % mid, now_ns, lambda how, at: self.ended.append((device, mid, how))
        )

    def pass_time(self, until_ns):
        while (at := self.alarms.next_at()) is not None and at <= until_ns:
            self.alarms.run(at, lambda: True)


def test_an_unacknowledged_message_is_sent_five_times_in_growing_pauses_then_given_up():
    kit = Kit()
    kit.send(1, 7)
    kit.pass_time(200 * S)
    moments = [at for _, _, at in kit.sent]
    pauses = [b - a for a, b in itertools.pairwise(moments)]
    assert 2 * S <= pauses[0] <= 3 * S
    assert pauses == [pauses[0] << n for n in range(4)]
    assert kit.ended == [(1, 7, "unanswered")]


@pytest.mark.parametrize("outcome", ["acknowledged", "reset"])
def test_an_end_is_told_once_and_for_its_own_message(outcome):
    kit = Kit()
    kit.send(1, 7)
    assert not kit.confirming.end(2, 7, outcome, 0)
    assert not kit.confirming.end(1, 8, outcome, 0)
    assert kit.confirming.end(1, 7, outcome, 0)
    assert not kit.confirming.end(1, 7, outcome, 0)
    kit.pass_time(200 * S)
    assert kit.ended == [(1, 7, outcome)] and len(kit.sent) == 1


def test_a_device_that_is_forgotten_sends_nothing_again():
    kit = Kit()
    for mid in (7, 8):
        kit.send(1, mid)
    kit.send(2, 7)
    kit.confirming.forget(1)
    kit.pass_time(3 * S)
    assert [device for device, _, _ in kit.sent] == [1, 1, 2, 2]
    assert kit.ended == []


@pytest.mark.parametrize("more, ended", [(0, []), (1, [(9, 1, "unanswered")])])
def test_only_so_many_wait_at_the_same_time(monkeypatch, more, ended):
    monkeypatch.setattr(confirming, "MOST_PENDING", 2)
    kit = Kit()
    for device in (1, 2, 9)[: 2 + more]:
        kit.send(device, 1)
    assert kit.ended == ended
    kit.confirming.end(1, 1, "acknowledged", 0)
    kit.send(3, 1)
    assert len(kit.sent) == 3
