# The end of a request as core/ask.py: Answered has it.

from libc.stdint cimport int64_t

from lwm2m_fast.core.outgoing cimport Outgoing
from lwm2m_fast.wire.coap cimport Message

# `m`: the (last) answer, NULL without one.
cdef tuple answered(const Outgoing *out, str outcome, int code, const Message *m,
                    int64_t observation)
