# What devices report because they were asked to: relations begun, kept in order, and ended.
#
# Decides what an answer to an Observe and what a notification mean. The table is core/observe; what
# is written down core/changes; how a request of ours leaves and which answer is its, core/requests.

from libc.stdlib cimport free
from libc.string cimport memcpy

from lwm2m_fast.core.observe cimport (MAX_CONTEXT, MAX_PAYLOAD, OBSERVATION_TOKEN, RELATION_ACTIVE,
                                      RELATION_LAPSED, RELATION_NEW, TOKEN_KIND,
                                      TOKEN_OF_OBSERVATION, TOKEN_RANDOM, relation_new,
                                      relation_request)
from lwm2m_fast.core.peers cimport PEER_VERIFIED
from lwm2m_fast.core.records cimport ID_RANDOM, NONE, Record, record_endpoint
from lwm2m_fast.core.requests cimport Terms
from lwm2m_fast.core.state cimport (COUNT_NOTIFICATIONS, COUNT_NOTIFICATIONS_ASTRAY,
                                    COUNT_NOTIFICATIONS_ERRORS, COUNT_NOTIFICATIONS_FETCHED,
                                    COUNT_NOTIFICATIONS_INCOMPLETE, COUNT_NOTIFICATIONS_MALFORMED,
                                    COUNT_NOTIFICATIONS_STALE, COUNT_NOTIFICATIONS_UNKNOWN,
                                    COUNT_OBSERVATIONS_BEGUN, COUNT_OBSERVATIONS_ENDED,
                                    COUNT_OBSERVATIONS_REFUSED, COUNT_UNMATCHED)
from lwm2m_fast.wire.coap cimport (ACK, CON, HAS_ACCEPT, HAS_BLOCK2, HAS_CONTENT_FORMAT,
                                   HAS_MORE_PATH, HAS_MORE_QUERY, HAS_OBSERVE, MAX_PATH,
                                   MAX_QUERY, RST, Message, parse_message)
from lwm2m_fast.wire.numbers cimport (BAD_REQUEST, CHANGED, CONTENT, FETCH, GET,
                                      OPTION_ACCEPT, OPTION_CONTENT_FORMAT, OPTION_URI_PATH,
                                      OPTION_URI_QUERY)

from lwm2m_fast.core.ask import CoapRequest
from lwm2m_fast.errors import QueueFull, RequestError

cdef enum:
    FRESH_MS = 128000             # RFC 7641, section 3.4: after that any number is fresh
    SEQUENCE_HALF = 1 << 23
    PURPOSE_BITS = 2

# What a request is for; above it, in its owner, stands the index of the observation.
cdef enum Purpose:
    PURPOSE_OBSERVE = 1
    PURPOSE_CANCEL = 2
    PURPOSE_FETCH = 3


cdef inline uint64_t owner_of(uint32_t index, Purpose purpose) noexcept:
    return <uint64_t>index << PURPOSE_BITS | purpose


cdef bytes options_in(bytes request, const Message *m):
    """The options of a stored request in the form that Requests.start_fetch() takes."""
    cdef int last = OPTION_URI_PATH if m.path_count else 0
    if m.options & HAS_CONTENT_FORMAT:
        last = OPTION_CONTENT_FORMAT
    if m.query_count:
        last = OPTION_URI_QUERY
    if m.options & HAS_ACCEPT:
        last = OPTION_ACCEPT
    end = len(request) - m.payload_size - 1 if m.payload_size else len(request)
    return bytes([0, last]) + request[4:end]


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
        cdef uint32_t index
        cdef uint8_t token[OBSERVATION_TOKEN]
        cdef Relation *relation = NULL
        cdef Terms terms
        cdef uint64_t call
        self.check(request, context)
        index = self.index_for(slot, context)
        token[0] = <uint8_t>(TOKEN_OF_OBSERVATION | self.state.shard)
        token[1], token[2], token[3] = (
            <uint8_t>(index >> 16), <uint8_t>(index >> 8), <uint8_t>index)
        self.state.random(token + 4, TOKEN_RANDOM)
        terms.token = token
        terms.after_turn = self.state.turn
        terms.owner = owner_of(index, PURPOSE_OBSERVE)
        call = self.requests.start(slot, request._replace(observe=0), timeout_ms, &terms)
        try:
            relation = self.new_relation(slot, index, self.stored_request(call, request), context)
            memcpy(relation.token, token + 4, TOKEN_RANDOM)
            self.changes.set_relation(index, relation, False)
        except BaseException:
            free(relation)
            self.requests.cancel(call)
            raise
        self.observations.at(index).request = call
        self.observations.at(index).cancels = False
        self.state.counts[COUNT_OBSERVATIONS_BEGUN] += 1
        return call

    cdef int check(self, object request, bytes context) except -1:
        if len(context) > MAX_CONTEXT:
            raise RequestError(f"the context has {len(context)} bytes, "
                               f"allowed are 0 to {MAX_CONTEXT}")
        if request.method not in (GET, FETCH):
            raise RequestError(f"method {request.method} cannot be observed, only GET (1) and "
                               "FETCH (5) can")
        if len(request.payload) > MAX_PAYLOAD:
            raise RequestError(f"the payload has {len(request.payload)} bytes, "
                               f"allowed are 0 to {MAX_PAYLOAD} in what is observed")
        return 0

    cdef uint32_t index_for(self, uint32_t slot, bytes context) except? 0xFFFFFFFE:
        """Where the relation goes: in place of one with the same context, or anew."""
        cdef Observations table = self.observations
        cdef const uint8_t *text = <const uint8_t *><const char *>context
        cdef uint32_t index = table.find_context(slot, text, len(context))
        if index != NONE:
            self.end_requests(index)
            index = table.find_context(slot, text, len(context))    # one never answered has gone
        if index != NONE:
            return index
        if table.count_of(slot) >= table.max_per_device:
            self.state.counts[COUNT_OBSERVATIONS_REFUSED] += 1
            raise QueueFull("the device", table.max_per_device, "observations")
        index = table.reserve()
        if index == NONE:
            self.state.counts[COUNT_OBSERVATIONS_REFUSED] += 1
            raise QueueFull("this server", table.max_count, "observations")
        return index

    cdef bytes stored_request(self, uint64_t call, object request):
        """The request as a CoAP message, without token and Observe."""
        message = bytes([1 << 6, request.method, 0, 0]) + self.requests.options_of(call)[2:]
        return message + b"\xff" + bytes(request.payload) if len(request.payload) else message

    cdef Relation *new_relation(self, uint32_t slot, uint32_t index, bytes request,
                                bytes context) except NULL:
        cdef const Relation *before = NULL
        cdef Relation *relation
        cdef Message m
        if (parse_message(<const uint8_t *><const char *>request, len(request), &m)
                or m.options & (HAS_MORE_PATH | HAS_MORE_QUERY)):
            raise RequestError(f"what is observed has more than {MAX_PATH} path segments or "
                               f"{MAX_QUERY} query items")
        relation = relation_new(<const uint8_t *><const char *>context, len(context),
                                <const uint8_t *><const char *>request, len(request))
        if relation == NULL:
            raise MemoryError
        if index < self.observations.next_new:
            before = self.observations.at(index).relation
        relation.slot = slot
        relation.generation = (self.observations.next_generation() if before == NULL
                               else before.generation)
        relation.since_ms = self.state.now + self.state.wall_offset
        memcpy(relation.registration, self.state.devices.at(slot).random, ID_RANDOM)
        return relation

    cdef uint64_t unobserve(self, uint32_t index, bint active, int64_t timeout_ms) except? 0:
        cdef Observation *observation = self.observations.at(index)
        cdef Relation *relation = observation.relation
        cdef uint8_t token[OBSERVATION_TOKEN]
        cdef Terms terms
        if observation.request:
            self.end_requests(index)
            if observation.relation == NULL:
                return 0
        if not active or observation.state != RELATION_ACTIVE or not (
                self.observations.is_current(relation)):
            self.forget(index, False)
            return 0
        self.observations.write_token(index, relation, token)
        terms.token = token
        terms.after_turn = 0
        terms.owner = owner_of(index, PURPOSE_CANCEL)
        observation.request = self.requests.start(
            relation.slot, order_again(relation), timeout_ms, &terms)
        observation.cancels = True
        return observation.request

    cdef void end_requests(self, uint32_t index) except *:
        """Nobody waits for what is under way for this observation."""
        cdef Observation *observation = self.observations.at(index)
        if observation.fetch:
            self.requests.cancel(observation.fetch)
        if observation.request:
            self.requests.cancel(observation.request)

    cdef void forget(self, uint32_t index, bint is_final) except *:
        """The relation is no more; if the device said so, for good, whatever the store does."""
        cdef Observation *observation = self.observations.at(index)
        if observation.fetch:
            self.requests.cancel(observation.fetch)
        self.state.counts[COUNT_OBSERVATIONS_ENDED] += 1
        if self.changes.is_undoing or not self.state.store_works:
            observation.is_over = True
            self.changes.mark_unsaved(index)
        else:
            self.changes.set_relation(index, NULL, is_final)

    # How our requests end

    cdef int64_t ended(self, const Outgoing *out, str outcome, const Message *m) except? -2:
        cdef uint32_t index = <uint32_t>(out.owner >> PURPOSE_BITS)
        cdef int purpose = out.owner & ((1 << PURPOSE_BITS) - 1)
        cdef Observation *observation = self.observations.at(index)
        if purpose == PURPOSE_FETCH:
            if observation.fetch == out.call:
                observation.fetch = 0
                self.fetch_ended(index, out, outcome, m)
            return -1
        if observation.request != out.call:
            return 0                    # it could not even be written down
        observation.request = 0
        if purpose == PURPOSE_OBSERVE:
            return self.observe_ended(index, out, outcome, m)
        if outcome == "answered":
            self.forget(index, True)
        return 0

    cdef int64_t observe_ended(self, uint32_t index, const Outgoing *out, str outcome,
                               const Message *m) except? -2:
        cdef Observation *observation = self.observations.at(index)
        cdef bint is_answered = outcome == "answered"
        if is_answered and out.observe >= 0 and m.code in (CONTENT, CHANGED):
            if observation.sequence == NONE:    # else a notification came before its last block
                self.note_sequence(observation, out.observe)
            observation.state = RELATION_ACTIVE
            self.changes.write_relation(index)
            return self.observations.number_of(index)
        # What stood before may stand still, for all we know; the store undoes by itself.
        if is_answered or (observation.state == RELATION_NEW and outcome != "store"):
            self.forget(index, True)
        return 0

    cdef void fetch_ended(self, uint32_t index, const Outgoing *out, str outcome,
                          const Message *m) except *:
        cdef bytes payload
        if outcome != "answered" or m.code not in (CONTENT, CHANGED):
            self.state.counts[COUNT_NOTIFICATIONS_INCOMPLETE] += 1
            return
        self.state.counts[COUNT_NOTIFICATIONS_FETCHED] += 1
        if m.options & HAS_BLOCK2 and out.body_size:
            self.tell(index, m.code, out.content_format,
                      <const uint8_t *>out.body, out.body_size)
        else:
            self.tell(index, m.code, m.content_format if m.options & HAS_CONTENT_FORMAT else -1,
                      m.payload, m.payload_size)

    # What devices send

    cdef bint receive(self, Request *request) except -1:
        cdef const Message *m = request.message
        cdef uint32_t hint
        cdef uint32_t index = self.observations.find_token(m.token, m.token_size, &hint)
        cdef Observation *observation
        if index == NONE:
            if not is_marked(m) or self.requests.find_token(m, request.peer) != NONE:
                return False
            self.reject(request, hint)
            return True
        observation = self.observations.at(index)
        if observation.request and (
                m.type == ACK or not m.options & HAS_OBSERVE or not observation.cancels) and (
                self.requests.find_owned(m) != NONE):
            return False
        if m.type == ACK:
            self.state.counts[COUNT_UNMATCHED] += 1
        elif (request.peer == NONE
                or request.peer != self.state.devices.at(observation.relation.slot).peer
                or not self.state.may_speak(
                    request.source, self.state.devices.at(observation.relation.slot).record)):
            self.state.counts[COUNT_NOTIFICATIONS_ASTRAY] += 1
            if m.type == CON:
                self.exchange.send_empty(request.source, RST, m.mid)
        else:
            self.accept(request, index)
        return True

    cdef void reject(self, Request *request, uint32_t hint) except *:
        """No such relation: the device should know (RFC 7641, section 3.6).

        Unless the store has yet to say whether it is so.
        """
        cdef const Message *m = request.message
        cdef Observation *observation
        self.state.counts[COUNT_NOTIFICATIONS_UNKNOWN] += 1
        if hint != NONE:
            observation = self.observations.at(hint)
            if <int>(observation.changed_turn - self.state.committed) > 0:
                return
            if observation.relation != NULL and (
                    self.state.devices.at(observation.relation.slot).is_changing):
                return
        if m.type != ACK:
            self.exchange.send_empty(request.source, RST, m.mid)

    cdef void accept(self, Request *request, uint32_t index) except *:
        """A notification of a relation that stands, from where it should come."""
        cdef const Message *m = request.message
        cdef Observation *observation = self.observations.at(index)
        cdef State state = self.state
        if m.bad_option:                # RFC 7252, section 5.4.1; a RST ends the relation there
            state.counts[COUNT_NOTIFICATIONS_MALFORMED] += 1
            if m.type == CON:
                self.exchange.send_empty(request.source, RST, m.mid)
                observation.state = RELATION_LAPSED
                self.changes.write_relation(index)
            return
        if m.type == CON:
            self.exchange.send_empty(request.source, ACK, m.mid)
        self.exchange.remember_empty(request.peer, m, request.print_, ACK)
        state.peers.at(request.peer).flags |= PEER_VERIFIED
        state.hear(observation.relation.slot)
        if m.code >= BAD_REQUEST:
            state.counts[COUNT_NOTIFICATIONS_ERRORS] += 1
            self.tell(index, m.code, m.content_format if m.options & HAS_CONTENT_FORMAT else -1,
                      m.payload, m.payload_size)
            self.forget(index, True)
        elif m.code not in (CONTENT, CHANGED) or (
                m.options & HAS_BLOCK2 and (m.block2.number or m.block2.szx == 7)):
            state.counts[COUNT_NOTIFICATIONS_MALFORMED] += 1
        elif not self.is_fresh(observation, m):
            state.counts[COUNT_NOTIFICATIONS_STALE] += 1
        else:
            self.take(index, m)

    cdef bint is_fresh(self, const Observation *observation, const Message *m) noexcept:
        """RFC 7641, section 3.4."""
        cdef uint32_t ahead
        if not m.options & HAS_OBSERVE or observation.sequence == NONE:
            return True
        ahead = m.observe - observation.sequence & 0xFFFFFF
        return 0 < ahead < SEQUENCE_HALF or (
            self.state.now > observation.heard_at + FRESH_MS)

    cdef void note_sequence(self, Observation *observation, int64_t sequence) noexcept:
        if sequence >= 0:
            observation.sequence = <uint32_t>sequence & 0xFFFFFF
        observation.heard_at = self.state.now

    cdef void take(self, uint32_t index, const Message *m) except *:
        cdef Observation *observation = self.observations.at(index)
        self.note_sequence(observation, m.observe if m.options & HAS_OBSERVE else -1)
        if observation.fetch:           # of an older state, which the device has no more
            self.requests.cancel(observation.fetch)
        if observation.state != RELATION_ACTIVE and not observation.request:
            observation.state = RELATION_ACTIVE     # the answer was lost, and this shows it
            self.changes.write_relation(index)
        if m.options & HAS_BLOCK2 and m.block2.more:
            self.fetch(index, m)
        else:
            self.tell(index, m.code, m.content_format if m.options & HAS_CONTENT_FORMAT else -1,
                      m.payload, m.payload_size)

    cdef void fetch(self, uint32_t index, const Message *m) except *:
        """Ask for the rest of a notification (RFC 7959, section 2.6), with what it was asked for."""
        cdef Observation *observation = self.observations.at(index)
        cdef Relation *relation = observation.relation
        cdef Message asked
        cdef Terms terms
        cdef bytes request = (<const char *>relation_request(relation))[:relation.request_size]
        parse_message(<const uint8_t *><const char *>request, len(request), &asked)
        terms.token = NULL
        terms.after_turn = 0
        terms.owner = owner_of(index, PURPOSE_FETCH)
        try:
            observation.fetch = self.requests.start_fetch(
                relation.slot, asked.code, options_in(request, &asked),
                (<const char *>asked.payload)[:asked.payload_size], m, self.fetch_timeout_ms, &terms)
        except (QueueFull, ValueError):     # no room for it, or not a first block
            self.state.counts[COUNT_NOTIFICATIONS_INCOMPLETE] += 1

    cdef int tell(self, uint32_t index, int code, int content_format, const uint8_t *payload,
                  size_t size) except -1:
        cdef Observation *observation = self.observations.at(index)
        observation.notified += 1
        self.state.counts[COUNT_NOTIFICATIONS] += 1
        if not self.state.wants_reports:
            return 0
        if code >= BAD_REQUEST:         # the relation goes, and who reads the report wants to know it
            self.note_ended(index)
        # In the order of core/ask.py: Report.
        self.state.reports.append((
            observation.relation.slot, self.observations.number_of(index), code, content_format,
            (<const char *>payload)[:size] if size else b"", self.state.unix_now(),
            -1 if observation.sequence == NONE else <int>observation.sequence))
        return 0

    cdef int note_ended(self, uint32_t index) except -1:
        cdef const Relation *relation = self.observations.at(index).relation
        cdef const Record *record = self.state.devices.at(relation.slot).record
        self.state.ended[self.observations.number_of(index)] = (
            (<const char *>record_endpoint(record))[:record.endpoint_size].decode(),
            (<const char *>relation.data)[:relation.context_size])
        return 0

    # Looking

    cdef list lapsed(self):
        """The names of the devices that have an observation to be asked for anew, each once."""
        cdef uint32_t index
        cdef const Observation *observation
        cdef const Record *record
        found = {}
        for index in range(self.observations.next_new):
            observation = self.observations.at(index)
            if observation.relation == NULL or observation.is_over or observation.request or (
                    observation.state == RELATION_ACTIVE
                    and self.observations.is_current(observation.relation)):
                continue
            record = self.state.devices.at(observation.relation.slot).record
            found[(<const char *>record_endpoint(record))[:record.endpoint_size].decode()] = None
        return list(found)

    cdef list describe(self, uint32_t slot):
        """What the device reports, oldest first."""
        cdef uint32_t index = self.state.devices.at(slot).observations
        found = []
        while index != NONE:
            if not self.observations.at(index).is_over:
                found.append((self.observations.number_of(index), self.describe_one(index)))
            index = self.observations.at(index).next
        return [shown for _, shown in sorted(found)]

    cdef dict describe_one(self, uint32_t index):
        cdef const Observation *observation = self.observations.at(index)
        cdef const Relation *relation = observation.relation
        state = "lapsed"
        if self.observations.is_current(relation):
            if observation.state == RELATION_ACTIVE:
                state = "active"
            elif observation.request:
                state = "pending"
        return {
            "number": self.observations.number_of(index),
            "context": (<const char *>relation.data)[:relation.context_size],
            "state": state,
            "since": relation.since_ms / 1000.0,
            "notified": observation.notified,
            "last_at": ((observation.heard_at + self.state.wall_offset) / 1000.0
                        if observation.notified else None),
        }


cdef inline bint is_marked(const Message *m) noexcept:
    """Whether a response that nobody knows was meant as a notification."""
    return m.options & HAS_OBSERVE != 0 or (
        m.token_size == OBSERVATION_TOKEN and m.token[0] & TOKEN_KIND == TOKEN_OF_OBSERVATION)


cdef object order_again(const Relation *relation):
    """The stored request, with Observe 1 (RFC 7641, section 3.6)."""
    cdef Message m
    cdef const uint8_t *data = relation_request(relation)
    parse_message(data, relation.request_size, &m)
    return CoapRequest(
        method=m.code,
        path=tuple([(<const char *>m.path[i].data)[:m.path[i].size]
                    for i in range(m.path_count)]),
        query=tuple([(<const char *>m.query[i].data)[:m.query[i].size]
                     for i in range(m.query_count)]),
        content_format=m.content_format if m.options & HAS_CONTENT_FORMAT else None,
        accept=m.accept if m.options & HAS_ACCEPT else None,
        payload=(<const char *>m.payload)[:m.payload_size] if m.payload_size else b"",
        observe=1,
        is_absolute=True,
    )
