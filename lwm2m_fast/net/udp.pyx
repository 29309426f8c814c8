# distutils: sources = csrc/lf_batch.c
# One UDP socket, driven in batches. Knows sockets; nothing of what the datagrams say.
#
# Also what Turns and Listeners know of any endpoint: what a plain one has no need of (work of its
# own, timers) is there and does nothing.
#
# IP_RECVERR is never set: one ICMP error would then end uvloop's callbacks for the descriptor.

import os
import socket

from lwm2m_fast.errors import ConfigError

# Not in Python's socket module.
cdef enum:
    SO_RXQ_OVFL = 40
    SO_SNDBUFFORCE = 32
    SO_RCVBUFFORCE = 33


def _bind(str host, int port, str section):
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise ConfigError(f"{section}.host: {host!r} is no address: {error.strerror}") from None
    bound = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:   # one socket serves both families where it is bound to ::
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        bound.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        bound.setblocking(False)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"{section}.port: cannot listen on {host!r} port {port}: {error.strerror}") from None
    return bound


def _set_buffer(bound, int option, int force, int size):
    """Ask for `size` bytes, beyond the system's limit where we may; returns what we got."""
    try:
        bound.setsockopt(socket.SOL_SOCKET, force, size)
    except OSError:                     # needs CAP_NET_ADMIN
        bound.setsockopt(socket.SOL_SOCKET, option, size)
    # The kernel doubles what it is told, for its own bookkeeping (socket(7)).
    return bound.getsockopt(socket.SOL_SOCKET, option) // 2


cdef class UdpEndpoint:
    """A bound, non-blocking UDP socket.

    `local` is the number that addresses of its datagrams carry. ConfigError: the address cannot
    be had; it names the setting in `section`.
    """

    def __init__(self, str host, int port, *, int local=0, int receive_buffer_bytes,
                 int send_buffer_bytes, str section="coap"):
        self.socket = _bind(host, port, section)
        self.local = <uint16_t>local
        self.fd = self.socket.fileno()
        self.port = self.socket.getsockname()[1]
        self.receive_buffer_bytes = _set_buffer(
            self.socket, socket.SO_RCVBUF, SO_RCVBUFFORCE, receive_buffer_bytes)
        self.send_buffer_bytes = _set_buffer(
            self.socket, socket.SO_SNDBUF, SO_SNDBUFFORCE, send_buffer_bytes)
        self.backlog = Outbox()
        self.batch = lf_batch_new(self.socket.family, <uint16_t>local)
        if self.batch == NULL:
            raise MemoryError

    def __dealloc__(self):
        lf_batch_free(self.batch)

    def receive(self, Inbox inbox):
        """Fill `inbox` with what is waiting; whether more may be waiting.

        OSError only for what will not pass by itself, such as a closed socket.
        """
        cdef int more = 0
        cdef int count = lf_batch_recv(self.batch, self.fd, inbox.slots, &more)
        if count < 0:
            raise OSError(-count, os.strerror(-count))
        inbox.count = count
        return bool(more)

    def work(self, Inbox inbox):
        """Do a share of the `queued` work; `inbox` gets what it brought to light."""
        inbox.count = 0

    def send(self, Outbox outbox):
        """Send what `outbox` holds and empty it. False: the socket would block.

        What could not leave is kept, in order; call flush_backlog() when the socket is writable.
        """
        self.send_entries(outbox.arena, outbox.entries + outbox.first, outbox.count - outbox.first)
        outbox.reset()
        return self.backlog.count == 0

    cdef void send_entries(self, const uint8_t *arena, const lf_out *entries, int count) noexcept:
        cdef int done = 0
        if count and self.backlog.count == 0:
            done = lf_batch_send(self.batch, self.fd, arena, entries, count)
            if done == count:
                return
            self.backlog.append_entries(arena, entries + done, count - done)
        elif self.backlog.count:
            self.backlog.append_entries(arena, entries, count)
            self.flush(self.backlog)

    def flush_backlog(self):
        """Send what was kept back. False: the socket would block again."""
        return self.flush(self.backlog)

    cdef bint flush(self, Outbox outbox) noexcept:
        cdef int left = outbox.count - outbox.first
        cdef int done
        if left:
            done = lf_batch_send(self.batch, self.fd, outbox.arena,
                                 outbox.entries + outbox.first, left)
            outbox.first += done
            if done < left:
                return False
        outbox.reset()
        return True

    @property
    def waiting(self):
        """Datagrams kept back because the socket would block."""
        return len(self.backlog)

    def next_timer(self):
        """When handle_timer() must be called, by time.monotonic()."""
        return float("inf")

    def handle_timer(self, double now):
        """Do what is due."""

    def counters(self):
        """What was received, sent and lost, by name."""
        cdef const lf_counts *counts = lf_batch_counts(self.batch)
        return {
            "udp_received": counts.received,
            "udp_truncated": counts.truncated,
            "udp_kernel_dropped": counts.kernel_dropped,
            "udp_sent": counts.sent,
            "udp_send_refused": counts.send_refused,
            "udp_send_no_memory": counts.send_no_memory,
            "udp_receive_errors": counts.receive_errors,
            "udp_send_waiting": len(self.backlog),
            "udp_receive_buffer_bytes": self.receive_buffer_bytes,
            "udp_send_buffer_bytes": self.send_buffer_bytes,
        }

    def close(self):
        """Close the socket; what was kept back is lost."""
        self.socket.close()
