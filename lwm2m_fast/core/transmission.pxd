# Requests in flight (RFC 7252, sections 4.2 and 4.7): whose turn it is, when they are sent again, how
# they end.
#
# Knows messages, devices and time; not how a request came to be, nor what an answer means.

from libc.stdint cimport int64_t, uint32_t, uint64_t

from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.exchange cimport Exchange
from lwm2m_fast.core.outgoing cimport Outgoing
from lwm2m_fast.core.outstanding cimport Outstanding
from lwm2m_fast.core.timers cimport TimerWheel
from lwm2m_fast.wire.coap cimport Message


cdef class RequestOwner:
    # A request with an `owner` ends. `m` is its (last) answer, NULL without one; the answer's body
    # is in `out` if it came in blocks, else in `m`. It must not start or cancel a request. Returns
    # what Answered.observation is to say; -1: this end is nobody else's business.
    cdef int64_t ended(self, const Outgoing *out, str outcome, const Message *m) except? -2


cdef class Transmission(Outstanding):
    cdef Exchange exchange
    cdef TimerWheel wheel
    cdef object held              # (turn, call) of those that wait for a turn, oldest first
    cdef RequestOwner owner
    cdef readonly uint32_t count
    cdef uint32_t nstart, max_retransmit
    cdef double ack_timeout_ms, ack_random_factor
    cdef list answers

    # Last of its device's; it leaves when its turn comes, which may be now. It may have ended then.
    cdef void queue(self, uint32_t number) except *
    cdef void send_next(self, Device *device) except *
    # The present datagram, with a message id of its own.
    cdef void send_first(self, Device *device, uint32_t number) except *

    cdef void cancel(self, uint64_t call) except *
    cdef void cancel_all(self, uint32_t slot) except *      # the registration ends or moves
    # Take the request off its device's list, say how it ended, and let the next one leave.
    cdef void end(self, uint32_t number, str outcome, int code, const Message *m) except *

    # The store has, or has refused, this turn (and, refused, every later one).
    cdef void committed(self, uint32_t turn) except *
    cdef void failed(self, uint32_t turn) except *
    cdef void handle_timer(self, int limit) except *

    # Private.
    cdef bint is_held(self, const Outgoing *out) noexcept nogil
    cdef void transmit(self, Device *device, uint32_t number) except *
    cdef void ring(self, uint32_t number) except *
