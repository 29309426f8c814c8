"""Which operation is next for which device."""

from __future__ import annotations

import gc

import pytest

from lwm2m_fast.core.pending import MIN_EXPIRIES, SHARDS, Pending
from lwm2m_fast.errors import QueueFull

DEVICE = "dev-1"


def pending(per_device: int = 1000, total: int = 10_000, **parts: int) -> Pending:
    return Pending(per_device, total, **parts)


def queue(
    of: Pending, count: int = 1, endpoint: str = DEVICE, *, until: int = 0, listed: bool = False
) -> list[int]:
    """Put `count` operations into a line."""
    first = of.reserve(endpoint, count)
    for operation_id in range(first, first + count):
        of.release(endpoint, 1)
        of.add(endpoint, operation_id, valid_until_ms=until, is_post_registration=listed)
    return list(range(first, first + count))


def run_all(of: Pending, endpoint: str = DEVICE) -> list[int]:
    """The order in which they come, when each is answered."""
    order = []
    while (operation_id := of.due(endpoint)) is not None:
        of.start(endpoint, operation_id, 0.0)
        order.append(operation_id)
        assert of.remove(endpoint, operation_id)
    return order


def test_operations_come_in_the_order_in_which_they_were_submitted():
    line = pending()
    assert queue(line, 3) == [1, 2, 3]
    assert run_all(line) == [1, 2, 3]
    assert line.due(DEVICE) is None
    assert len(line) == 0


def test_one_is_under_way_at_a_time():
    line = pending()
    queue(line, 2)
    line.start(DEVICE, 1, 5.0)
    assert line.due(DEVICE) is None
    assert line.is_busy(DEVICE)
    assert line.running(DEVICE) == 1
    line.remove(DEVICE, 1)
    assert line.due(DEVICE) == 2


def test_devices_do_not_wait_for_each_other():
    line = pending()
    queue(line, 1, "a")
    queue(line, 1, "b")
    line.start("a", 1, 0.0)
    assert line.due("b") == 2


def test_an_unanswered_one_is_first_again_and_waits_for_a_contact():
    line = pending()
    queue(line, 2)
    line.start(DEVICE, 1, 0.0)
    line.hold(DEVICE)
    assert line.due(DEVICE) is None
    line.heard(DEVICE)
    assert line.due(DEVICE) == 1


def test_one_that_could_not_be_sent_may_be_tried_at_once():
    line = pending()
    queue(line)
    line.start(DEVICE, 1, 0.0)
    line.pause(DEVICE)
    assert line.due(DEVICE) == 1


def test_a_line_is_full_at_its_bound_and_not_before():
    line = pending(per_device=3)
    queue(line, 2)
    queue(line, 1)
    with pytest.raises(QueueFull, match="'dev-1' already has 3 requests") as refused:
        line.reserve(DEVICE, 1)
    assert refused.value.http_status == 429
    assert queue(line, 1, "other") == [4]
    assert line.counters()["operations_refused"] == 1


def test_several_that_do_not_fit_are_told_how_many_there_are():
    line = pending(per_device=3)
    queue(line, 2)
    with pytest.raises(QueueFull) as refused:
        line.reserve(DEVICE, 2)
    assert str(refused.value) == "'dev-1' already has 2 requests waiting; 2 more would be above 3"


def test_the_thousandth_is_taken_and_the_next_refused():
    line = pending()
    queue(line, 1000)
    with pytest.raises(QueueFull, match="1000"):
        line.reserve(DEVICE, 1)
    line.remove(DEVICE, 500)
    queue(line, 1)
    assert run_all(line) == [*range(1, 500), *range(501, 1002)]


def test_what_is_being_stored_counts_for_the_bound():
    line = pending(per_device=2)
    line.reserve(DEVICE, 2)
    with pytest.raises(QueueFull):
        line.reserve(DEVICE, 1)
    line.release(DEVICE, 2)
    assert line.reserve(DEVICE, 2) == 3


def test_all_lines_together_have_a_bound():
    line = pending(total=3)
    queue(line, 2, "a")
    line.reserve("b", 1)
    with pytest.raises(QueueFull, match="the server already has 3"):
        line.reserve("c", 1)


def test_a_submission_that_does_not_fit_as_a_whole_takes_no_place():
    line = pending(per_device=3)
    queue(line, 2)
    with pytest.raises(QueueFull):
        line.reserve(DEVICE, 2)
    assert queue(line, 1) == [3]


def test_one_that_comes_back_takes_the_place_that_its_id_has():
    line = pending()
    queue(line, 3)
    line.remove(DEVICE, 2)
    line.add(DEVICE, 2)
    assert line.line(DEVICE) == [1, 2, 3]


def entries(*ids: int) -> bytes:
    """A line as it is kept."""
    return b"".join(each.to_bytes(8, "big") for each in ids)


def test_ids_go_on_behind_the_largest_that_was_loaded():
    line = pending(first_id=100)
    line.load({DEVICE: entries(249, 250)}, [], set(), 251)
    assert line.reserve(DEVICE, 1) == 251


def test_a_line_that_was_loaded_counts_and_ends_like_any_other():
    line = pending()
    line.load({DEVICE: entries(4, 7)}, [(10_000, 4, DEVICE), (5000, 7, DEVICE)], set(), 8)
    assert len(line) == 2
    assert line.next_expiry_ms() == 5000
    assert [*line.expired(10_000)] == [(DEVICE, 7), (DEVICE, 4)]
    assert line.remove(DEVICE, 4)
    assert line.line(DEVICE) == [7]


def test_after_a_start_what_was_sent_before_waits_for_a_contact():
    line = pending()
    line.load({"sent": entries(1, 3), "fresh": entries(2)}, [], {"sent"}, 4)
    assert line.due("sent") is None
    assert line.due("fresh") == 2
    line.heard("sent")
    assert line.due("sent") == 1


# Expiry


def test_an_operation_expires_exactly_when_its_time_is_over():
    line = pending()
    queue(line, until=10_000)
    assert list(line.expired(9_999)) == []
    assert list(line.expired(10_000)) == [(DEVICE, 1)]
    assert list(line.expired(10_000)) == []


def test_one_under_way_does_not_expire():
    line = pending()
    queue(line, until=10)
    line.start(DEVICE, 1, 0.0)
    assert list(line.expired(10)) == []


def test_expiries_of_what_has_ended_do_not_pile_up():
    line = pending(per_device=10, total=10)
    for _ in range(3 * MIN_EXPIRIES):
        [operation_id] = queue(line, until=10**12)
        line.remove(DEVICE, operation_id)
    queue(line, until=77)
    assert len(line._expiries) <= MIN_EXPIRIES + 2
    assert line.next_expiry_ms() == 77


def test_what_has_run_too_long_is_found():
    line = pending()
    queue(line)
    line.start(DEVICE, 1, 100.0)
    assert line.stale(100.0) == []
    assert line.stale(100.001) == [(DEVICE, 1)]


# After a full Register


def test_ten_of_what_waits_come_before_the_list_and_the_rest_after_it():
    line = pending()
    queue(line, 25)
    listed = queue(line, 2, listed=True)
    line.registered(DEVICE, 10)
    assert run_all(line) == [*range(1, 11), *listed, *range(11, 26)]


def test_with_fewer_than_ten_waiting_the_list_is_next():
    line = pending()
    queue(line, 3)
    listed = queue(line, 2, listed=True)
    later = queue(line, 2)
    line.registered(DEVICE, 10)
    assert run_all(line) == [1, 2, 3, *listed, *later]


def test_a_cap_of_nothing_lets_the_list_go_first():
    line = pending()
    queue(line, 2)
    listed = queue(line, 1, listed=True)
    line.registered(DEVICE, 0)
    assert run_all(line) == [*listed, 1, 2]


def test_while_the_list_is_being_stored_no_more_than_the_cap_goes():
    line = pending()
    queue(line, 3)
    first = line.reserve(DEVICE, 1)
    line.registered(DEVICE, 2)
    assert run_all(line) == [1, 2]
    line.release(DEVICE, 1)
    line.add(DEVICE, first, is_post_registration=True)
    assert run_all(line) == [first, 3]


def test_a_list_that_could_not_be_stored_holds_up_nothing():
    line = pending()
    queue(line, 2)
    line.reserve(DEVICE, 1)
    line.registered(DEVICE, 0)
    assert line.due(DEVICE) is None
    line.release(DEVICE, 1)
    line.leave_phase(DEVICE)
    assert run_all(line) == [1, 2]


def test_a_line_that_is_empty_leaves_nothing_behind():
    line = pending()
    queue(line, 1, listed=True)
    line.registered(DEVICE, 10)
    line.start(DEVICE, 1, 0.0)
    line.hold(DEVICE)
    line.heard(DEVICE)
    line.remove(DEVICE, 1)
    assert line.counters() == {
        "operations_waiting": 0,
        "operations_running": 0,
        "operations_refused": 0,
        "operation_devices": 0,
    }
    assert (line._held, line._phases, line._reserved) == (set(), {}, {})
    assert line.endpoints() == []


def test_a_device_with_one_operation_costs_a_line_of_eight_bytes_and_nothing_for_the_collector():
    line = pending()
    queue(line, 1)
    [lines] = filter(None, line._lines)
    [kept] = lines.values()
    assert isinstance(kept, bytes)
    assert len(kept) == 8
    assert not gc.is_tracked(lines)


def test_no_growth_moves_the_lines_of_all_devices():
    line = pending(total=20_000)
    for number in range(20_000):
        line.add(f"dev-{number}", number + 1)
    assert max(map(len, line._lines)) < 4 * 20_000 / SHARDS
    assert line.counters()["operation_devices"] == len(line.endpoints()) == 20_000
