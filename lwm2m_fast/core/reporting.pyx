# What devices report because they were asked to: relations begun, kept in order, and ended.
#
# Decides what an answer to an Observe and what a notification mean. The table is core/observe; what
# is written down core/changes; how a request of ours leaves, and what its answer is, core/requests.

from dataclasses import replace

from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.observe cimport (MAX_CONTEXT, MAX_REQUEST, OBSERVATION_TOKEN, RELATION_ACTIVE,
                                      RELATION_LAPSED, RELATION_NEW, TOKEN_OF_OBSERVATION,
                                      TOKEN_KIND, TOKEN_RANDOM, relation_new, relation_request)
from lwm2m_fast.core.peers cimport PEER_VERIFIED
from lwm2m_fast.core.records cimport ID_RANDOM, NONE
from lwm2m_fast.core.requests cimport Terms
from lwm2m_fast.core.state cimport (COUNT_NOTIFICATIONS, COUNT_NOTIFICATIONS_ASTRAY,
                                    COUNT_NOTIFICATIONS_ERRORS, COUNT_NOTIFICATIONS_FETCHED,
                                    COUNT_NOTIFICATIONS_INCOMPLETE, COUNT_NOTIFICATIONS_MALFORMED,
                                    COUNT_NOTIFICATIONS_STALE, COUNT_NOTIFICATIONS_UNKNOWN,
                                    COUNT_OBSERVATIONS_BEGUN, COUNT_OBSERVATIONS_ENDED,
                                    COUNT_OBSERVATIONS_REFUSED)
from lwm2m_fast.wire.coap cimport (ACK, CON, HAS_ACCEPT, HAS_BLOCK2, HAS_CONTENT_FORMAT,
                                   HAS_OBSERVE, NON, RST, Message, parse_message)
from lwm2m_fast.wire.numbers cimport CHANGED, CONTENT, FETCH, GET

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.errors import QueueFull, RequestError

cdef enum:
    FRESH_MS = 128000             # RFC 7641, section 3.4: after that any number is fresh
    SEQUENCE_HALF = 1 << 23
    # What a request of ours is for; with the number of the observation, its owner.
    FOR_OBSERVE = 1
    FOR_CANCEL = 2
    FOR_FETCH = 3

cdef dict STATES = {RELATION_ACTIVE: "active", RELATION_LAPSED: "lapsed"}


cdef class Reporting(RequestOwner):
    def __cinit__(self, State state, Exchange exchange, Requests requests, Changes changes, coap):
        self.state = state
        self.exchange = exchange
        self.requests = requests
        self.changes = changes
        self.observations = state.observations
        self.fetch_timeout_ms = <int64_t>(coap.response_timeout_s * 1000)

    # Asking

    cdef uint64_t observe(self, uint32_t slot, object request, bytes context,
                          int64_t timeout_ms) except 0:
        cdef Observations table = self.observations
        cdef const uint8_t *text = <const uint8_t *><const char *>context
        cdef uint32_t index
        cdef uint8_t token[OBSERVATION_TOKEN]
        cdef Terms terms
        cdef Relation *relation
        cdef uint64_t call
        if len(context) > MAX_CONTEXT:
            raise RequestError(f"the context has {len(context)} bytes, "
                               f"allowed are 0 to {MAX_CONTEXT}")
        if request.method not in (GET, FETCH):
            raise RequestError(f"method {request.method} cannot be observed, only 1 (GET) and "
                               "5 (FETCH) can")
        index = table.find_context(slot, text, len(context))
        if index != NONE and table.at(index).request:
            self.requests.cancel(table.at(index).request)
            index = table.find_context(slot, text, len(context))    # never answered: forgotten
        if index == NONE:
            if table.count_of(slot) >= table.max_per_device:
                self.state.counts[COUNT_OBSERVATIONS_REFUSED] += 1
                raise QueueFull("this device", table.max_per_device)
            index = table.reserve()
            if index == NONE:
                self.state.counts[COUNT_OBSERVATIONS_REFUSED] += 1
                raise QueueFull("this server", table.max_count)
        relation = self.new_relation(slot, index, request, context)
        ...
