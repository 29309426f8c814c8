# A datagram's way through core/; see receiver.pxd for what it knows.

cimport cython
from lwm2m_fast.core.exchange cimport Reply, reply_init
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.state cimport (COUNT_BAD_OPTIONS, COUNT_NOT_ALLOWED, COUNT_NOT_FOUND,
                                    COUNT_PINGS, COUNT_RECEIVED, COUNT_REQUESTS)
from lwm2m_fast.wire.coap cimport (ACK, CON, HAS_BLOCK1, NON, REJECT_SHORT, REJECT_VERSION, RST,
                                   is_request, parse_message, path_is)
from lwm2m_fast.wire.numbers cimport (BAD_OPTION, INTERNAL_SERVER_ERROR, METHOD_NOT_ALLOWED,
                                      NOT_FOUND, OPTION_PROXY_SCHEME, OPTION_PROXY_URI,
                                      PROXYING_NOT_SUPPORTED)

from lwm2m_fast.wire.coap import REASONS


@cython.final
cdef class Receiver:
    def __cinit__(self, State state, Exchange exchange, Requests requests, Reporting reporting,
                  Blocks blocks, list resources):
        self.state = state
        self.exchange = exchange
        self.requests = requests
        self.reporting = reporting
        self.blocks = blocks
        self.resources = resources

    cdef void receive(self, Inbox inbox) except *:
        cdef int i
        self.state.counts[COUNT_RECEIVED] += inbox.count
        for i in range(inbox.count):
            self.receive_one(&inbox.slots[i])

    cdef void receive_one(self, const lf_slot *slot) except *:
        cdef Message m
        cdef Request request
        cdef int reason = parse_message(slot.data, slot.size, &m)
        if reason:
            self.reject(slot, &m, reason)
            return
        if m.code == 0 and m.type != CON:
            self.requests.receive_empty(&m, &slot.from_)
            return
        if m.code == 0:                 # a ping (RFC 7252, section 4.3)
            self.state.counts[COUNT_PINGS] += 1
            self.exchange.send_empty(&slot.from_, RST, m.mid)
            return
        request.message = &m
        request.source = &slot.from_
        request.data = slot.data
        request.size = slot.size
        request.print_ = 0
        request.peer = NONE
        if m.type == ACK:
            request.peer = self.state.peers.find(&slot.from_)
        elif self.exchange.is_duplicate(&request):
            return
        if is_request(m.code):
            self.receive_request(&request)
        elif not self.reporting.receive(&request):
            self.requests.receive_response(&m, &slot.from_, request.peer, request.print_)

    cdef void reject(self, const lf_slot *slot, const Message *m, int reason) noexcept:
        """RFC 7252, section 4.2: what is confirmable and malformed is rejected by a reset."""
        self.rejects[reason] += 1
        if m.type == CON and reason != REJECT_SHORT and reason != REJECT_VERSION:
            self.exchange.send_empty(&slot.from_, RST, m.mid)

    cdef void receive_request(self, Request *request) except *:
        cdef const Message *m = request.message
        cdef Reply reply
        cdef Resource resource
        reply_init(&reply)
        self.state.counts[COUNT_REQUESTS] += 1
        request.body = m.payload
        request.body_size = m.payload_size
        if m.bad_option:
            self.state.counts[COUNT_BAD_OPTIONS] += 1
            if m.type == NON:           # RFC 7252, section 5.4.1: silently
                return
            reply.code = (PROXYING_NOT_SUPPORTED
                          if m.bad_option in (OPTION_PROXY_URI, OPTION_PROXY_SCHEME)
                          else BAD_OPTION)
        else:
            resource = self.find_resource(m)
            if resource is None:
                reply.code = NOT_FOUND
            else:
                self.serve(resource, request, &reply)
        self.state.counts[COUNT_NOT_FOUND] += reply.code == NOT_FOUND
        self.state.counts[COUNT_NOT_ALLOWED] += reply.code == METHOD_NOT_ALLOWED
        self.exchange.answer(request, &reply)

    cdef Resource find_resource(self, const Message *m):
        cdef Resource resource
        if m.path_count == 0:
            return None
        for resource in self.resources:
            if path_is(m, 0, <const char *>resource.name, len(resource.name)):
                return resource
        return None

    cdef void serve(self, Resource resource, Request *request, Reply *reply) except *:
        try:
            if request.message.options & HAS_BLOCK1 and not self.blocks.receive(request, reply):
                return
            resource.handle(request, reply)
        except Exception as error:      # one device's misfortune must not stop the others
            self.fault = error
            reply_init(reply)
            reply.code = INTERNAL_SERVER_ERROR

    cdef dict rejected(self):
        return {f"coap_rejected_{text}": self.rejects[<int>reason]
                for reason, text in REASONS.items()}
