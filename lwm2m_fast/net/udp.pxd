# One UDP socket, driven in batches over csrc/lf_batch.

from lwm2m_fast.datagram cimport Inbox, Outbox, lf_out, lf_slot
from libc.stdint cimport uint8_t, uint16_t, uint64_t

cdef extern from "lf_batch.h" nogil:
    ctypedef struct lf_counts:
        uint64_t received
        uint64_t truncated
        uint64_t kernel_dropped
        uint64_t sent
        uint64_t send_refused
        uint64_t send_no_memory
        uint64_t receive_errors

    ctypedef struct lf_batch:
        pass

    lf_batch *lf_batch_new(int family, uint16_t local)
    void lf_batch_free(lf_batch *batch)
    const lf_counts *lf_batch_counts(const lf_batch *batch)
    int lf_batch_recv(lf_batch *batch, int fd, lf_slot *slots, int *more)
    int lf_batch_send(lf_batch *batch, int fd, const uint8_t *arena, const lf_out *out, int count)


cdef class UdpEndpoint:
    cdef lf_batch *batch
    cdef object socket
    cdef Outbox backlog           # what would have blocked, in order, before anything newer
    cdef readonly int fd, port
    cdef readonly int queued      # pieces of work that wait for work()
    cdef readonly uint16_t local
    cdef readonly bint is_timed   # whether next_timer() is ever anything but infinity
    cdef readonly int receive_buffer_bytes, send_buffer_bytes

    # Send, or keep for later; `waiting` says which.
    cdef void send_entries(self, const uint8_t *arena, const lf_out *entries, int count) noexcept
    cdef bint flush(self, Outbox outbox) noexcept
