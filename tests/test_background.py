"""What threads behind the loop owe it: they push nobody off a core, and offer theirs."""

import os
import threading
import time

import pytest

from lwm2m_fast import background
from lwm2m_fast.background import OFFER_S, CoreOffers, give_way


def in_a_thread(act):
    found = []
    thread = threading.Thread(target=lambda: found.append(act()))
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_that_gives_way_is_alone_in_it():
    def act():
        give_way()
        return os.sched_getscheduler(0)

    assert in_a_thread(act) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) != os.SCHED_BATCH


def test_another_policy_than_the_usual_one_stays():
    def act():
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        give_way()
        return os.sched_getscheduler(0)

    assert in_a_thread(act) == os.SCHED_IDLE


@pytest.mark.parametrize(
    ("used_s", "offers"), [([OFFER_S], 1), ([OFFER_S / 2], 0), ([OFFER_S / 2] * 4, 2)]
)
def test_the_core_is_offered_after_some_work_and_not_before(monkeypatch, used_s, offers):
    now, yields = [0.0], []
    monkeypatch.setattr(time, "thread_time", lambda: now[0])
    monkeypatch.setattr(background.os, "sched_yield", lambda: yields.append(now[0]))
    core = CoreOffers()
    for used in used_s:
        now[0] += used
        core.offer()
    assert len(yields) == core.made == offers
