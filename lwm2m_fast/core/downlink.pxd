# What a device's answer to a request of ours means for the next step.

from libc.stdint cimport uint32_t

from lwm2m_fast.core.outgoing cimport Outgoing
from lwm2m_fast.wire.coap cimport Message


cdef enum Verdict:
    VERDICT_ANSWERED              # this is the answer, or its last block
    VERDICT_NEXT                  # more is to be sent or asked for: outgoing_write() has the step
    VERDICT_LATE                  # of an earlier step; harmless
    VERDICT_MALFORMED
    VERDICT_TOO_LARGE


# `m` carries the token of `out`, and if it is an ACK the message id of its present datagram.
cdef Verdict downlink_receive(Outgoing *out, const Message *m, uint32_t max_body) noexcept
