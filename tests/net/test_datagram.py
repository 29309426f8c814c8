"""Addresses and batches: what crosses the seam between sockets and the core."""

import pytest

from lwm2m_fast.datagram import Inbox, Outbox

SLOTS, SLOT_BYTES = 64, 2048


@pytest.mark.parametrize(
    "text",
    ["192.0.2.1:5683", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:1", "[fe80::1%3]:9"],
)
def test_an_address_is_written_as_it_was_read(text):
    box = Outbox()
    box.append(text, b"x")
    assert box.drain() == [(text, b"x")]


def test_a_mapped_address_is_its_ipv4_address():
    box = Outbox()
    box.append("[::ffff:192.0.2.1]:7", b"x")
    assert box.drain() == [("192.0.2.1:7", b"x")]


@pytest.mark.parametrize("text", ["", "192.0.2.1", "192.0.2.256:1", "x:1"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        Outbox().append(text, b"")


def test_a_batch_holds_64_datagrams_and_not_one_more():
    inbox = Inbox()
    inbox.load([("192.0.2.1:1", b"x")] * SLOTS)
    assert inbox.count == SLOTS
    with pytest.raises(ValueError, match=r"65 datagrams; a batch holds 64"):
        inbox.load([("192.0.2.1:1", b"x")] * (SLOTS + 1))


def test_a_slot_holds_2048_bytes_and_not_one_more():
    inbox = Inbox()
    inbox.load([("192.0.2.1:1", bytes(SLOT_BYTES))])
    with pytest.raises(ValueError, match="2049 bytes; a slot holds 2048"):
        inbox.load([("192.0.2.1:1", bytes(SLOT_BYTES + 1))])


def test_a_box_of_any_number_and_size_gives_back_what_it_was_given():
    box = Outbox()
    given = [(f"192.0.2.{n % 250}:{n}", bytes([n & 255]) * (1 + n * 7 % 1500)) for n in range(3000)]
    for to, data in given:
        box.append(to, data)
    assert len(box) == box.count == 3000
    assert box.peek() == given
    assert box.drain() == given
    assert box.drain() == []


def test_a_cleared_box_is_empty():
    box = Outbox()
    box.append("192.0.2.1:1", b"x")
    box.clear()
    assert (len(box), box.drain()) == (0, [])
