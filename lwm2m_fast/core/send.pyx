# Send (LwM2M TS 1.2 Core, section 6.4.6): POST /dp with values that nobody asked for.
#
# Decides who may send and in which format. What the values are, and whether the device has such
# objects, is the judge's to say (State.judge_send), and nothing is kept here.

from libc.stdint cimport int64_t, uint32_t

from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.resource cimport refuse
from lwm2m_fast.core.state cimport COUNT_SENDS, COUNT_SENDS_REFUSED, COUNT_SENDS_UNKNOWN
from lwm2m_fast.wire.coap cimport HAS_CONTENT_FORMAT, HAS_MORE_PATH
from lwm2m_fast.wire.numbers cimport (BAD_REQUEST, CHANGED, FORBIDDEN, FORMAT_LWM2M_CBOR, FORMAT_SENML_CBOR,
                                      FORMAT_SENML_JSON, INTERNAL_SERVER_ERROR, METHOD_NOT_ALLOWED,
                                      NOT_FOUND, POST, UNSUPPORTED_CONTENT_FORMAT)


cdef class SendJudge:
    cdef object judge(self, uint32_t slot, int content_format, bytes payload):
        return 0


cdef class Send(Resource):
    def __cinit__(self, State state):
        self.name = b"dp"
        self.state = state

    cdef void handle(self, Request *request, Reply *reply) except *:
        cdef int slot
        cdef bytes payload
        if request.message.path_count != 1 or request.message.options & HAS_MORE_PATH:
            reply.code = NOT_FOUND
            return
        if request.message.code != POST:
            reply.code = METHOD_NOT_ALLOWED
            return
        slot = self.sender(request, reply)
        if reply.code:
            self.state.counts[COUNT_SENDS_UNKNOWN] += 1
            return
        payload = (<const char *>request.body)[:request.body_size] if request.body_size else b""
        number = self.judge(slot, request, payload, reply)
        if reply.code:
            self.state.counts[COUNT_SENDS_REFUSED] += 1
            return
        self.state.counts[COUNT_SENDS] += 1
        if self.state.wants_reports:    # in the order of core/ask.py: Report
            self.state.reports.append((slot, number, 0, <int>request.message.content_format, payload,
                                       self.state.unix_now(), -1))
        reply.code = CHANGED
        reply.remembers = True

    cdef int sender(self, Request *request, Reply *reply) except -1:
        """The slot of the device at this address, which has been heard; 0 with a refusal."""
        cdef uint32_t slot = NONE
        if request.peer != NONE:
            slot = self.state.peers.at(request.peer).device
        if slot == NONE:
            if self.state.peers.device_by_other_port(request.source) != NONE:
                refuse(reply, BAD_REQUEST,
                       b"this registration belongs to another port of the server")
            else:
                refuse(reply, NOT_FOUND, b"no device is registered at this address")
            return 0
        if not self.state.may_speak(request.source, self.state.devices.at(slot).record):
            reply.code = FORBIDDEN
            return 0
        self.state.hear(slot)
        return <int>slot

    cdef object judge(self, int slot, Request *request, bytes payload, Reply *reply):
        """The number of the Send; when it is refused, `reply` says so."""
        cdef int content_format = -1
        cdef object judge = self.state.judge_send
        if request.message.options & HAS_CONTENT_FORMAT:
            content_format = request.message.content_format
        if (content_format != FORMAT_SENML_CBOR and content_format != FORMAT_SENML_JSON
                and content_format != FORMAT_LWM2M_CBOR):
            reply.code = UNSUPPORTED_CONTENT_FORMAT
        elif not payload:
            refuse(reply, BAD_REQUEST, b"there is nothing in it")
        elif isinstance(judge, SendJudge):
            return self.verdict((<SendJudge>judge).judge(<uint32_t>slot, content_format, payload),
                                reply)
        elif judge is not None:
            return self.verdict(judge(slot, content_format, payload), reply)
        return 0

    cdef object verdict(self, object said, Reply *reply):
        """`said` itself, and the code of a refusal in `reply`."""
        cdef int64_t number = said
        if 0x80 <= number <= 0xBF:
            reply.code = <int>number
        elif number and number > -<int64_t>SEND_KEYS:
            raise ValueError(f"judge_send says {said}, which is neither 0, an error nor a number")
        return said
