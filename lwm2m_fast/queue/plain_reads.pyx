# Reads at once, the short way: of a device that listens always and has no settings of its own.
#
# Nearly all are such. What is anything else, or cannot be done, is left to calls.py, which says
# why. Sends what core/operations builds, once for all devices that are alike, and understands the
# answers that are values; every other answer goes the long way as well.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from lwm2m_fast.codec.cbor_value cimport read_plain
from lwm2m_fast.codec.path cimport Path
from lwm2m_fast.core.answered cimport Answer
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.engine cimport Engine
from lwm2m_fast.core.forms cimport Form, Forms
from lwm2m_fast.core.named cimport named_new, named_set
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.state cimport State

from lwm2m_fast import codec
from lwm2m_fast.core.answers import Result
from lwm2m_fast.core.ask import Answered
from lwm2m_fast.core.operations import build, place_of
from lwm2m_fast.core.presence import ATTRIBUTE
from lwm2m_fast.errors import Error, FormatError
from lwm2m_fast.faults import MESSAGE

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    CONTENT = 69                  # 2.05
    CBOR = 60
    MAX_READY = 256               # requests kept for a form; beyond, all are forgotten
    MAX_SPARE = 1024              # Asked kept for the next ones

cdef str ANSWERED = "answered"
cdef str CONTENT_TEXT = "2.05"
cdef frozenset COMPILED = frozenset({110, 112, 1542, 11542})
"""Content formats of several values that are read by compiled code."""

assert Result._fields == ("ok", "code", "pack", "links", "location", "error", "content_format",
                          "payload", "answered")


cdef class Together:
    """Outcomes of direct requests that are waited for together; `ended` is done with the last.

    `asks` has (endpoint, order) of each, `failure` makes an error of these two and an outcome.
    """

    cdef readonly object asks, ended
    cdef readonly list outcomes   # None: not yet
    cdef readonly Py_ssize_t left
    cdef object failure
    cdef uint64_t *calls          # of each ask the call that answers it; 0: not begun
    cdef uint64_t only            # where `calls` is for a single ask

    def __init__(self, asks, ended, failure):
        self.asks = asks
        self.ended = ended
        self.failure = failure
        self.left = len(asks)
        self.outcomes = [None] * self.left
        if self.calls == NULL:
            self.calls = &self.only if self.left < 2 else <uint64_t *>calloc(
                self.left, sizeof(uint64_t))
        if self.calls == NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.calls != &self.only:
            free(self.calls)

    cdef int put(self, Py_ssize_t number, object outcome) except -1:
        """How an ask ended; what comes later is too late."""
        if self.outcomes[number] is not None:
            return 0
        self.outcomes[number] = outcome
        self.left -= 1
        if self.left == 0 and not self.ended.done():
            self.ended.set_result(None)
        return 0

    def begun(self, Py_ssize_t number, uint64_t call):
        """This ask waits for the answer to `call`."""
        self.calls[number] = call

    def waiting(self):
        """(number of an ask, call) of those that wait for an answer."""
        return [(number, self.calls[number]) for number in range(len(self.outcomes))
                if self.calls[number] and self.outcomes[number] is None]

    def end(self, Py_ssize_t number, ended):
        """A call has ended (calls.py: Ended)."""
        if ended.result is None:
            self.put(number, self.failure(*self.asks[number], ended.outcome))
        else:
            self.put(number, ended.result)

    def fail(self, Py_ssize_t number, error):
        """This ask ends with an error of ours."""
        self.put(number, error)


cdef class Ready:
    """A Read as the devices of one form are asked."""

    cdef bytes options
    cdef int method
    cdef Path path


@cython.no_gc                     # nothing that it refers to refers to it
cdef class Asked(Answer):
    """A Read under way, and later its answer."""

    cdef str endpoint
    cdef object order
    cdef Form form
    cdef Ready ready
    cdef Together together        # None: nobody waits for it any more
    cdef Py_ssize_t number


cdef class PlainReads:
    """Loop's thread only. `clock` and `hears` as calls.py has them; `long_way` is called as
    (endpoint, order, target, end, answer) with each answer that is not simply values; `awake_ms`
    is how long a device listens that nobody says anything else of, 0: always; `faults` gets those
    of our own (lwm2m_fast/faults.py)."""

    cdef Engine engine
    cdef Forms forms
    cdef object now, wall, long_way, faults
    cdef list hears
    cdef int64_t awake_ms
    cdef list spare               # Asked that wait for their next use
    cdef Py_ssize_t waiting
    cdef object order             # the newest; it never changes
    cdef tuple key                # its in Form.ready; None: it is no Read
    cdef tuple last_key           # of the newest Read

    def __init__(self, Engine engine not None, targets, hears, clock, long_way, int64_t awake_ms,
                 faults):
        self.engine = engine
        self.forms = Forms(engine, targets)
        self.hears = list(hears)
        self.now, self.wall = clock.now, clock.wall
        self.long_way = long_way
        self.awake_ms = awake_ms
        self.faults = faults
        self.spare = []
        self.last_key = (None, None, False)

    def begin(self, Together together not None, Py_ssize_t first, Py_ssize_t last,
              double timeout_s):
        """Start the asks from `first` to before `last` that are plain; the numbers of the rest."""
        cdef Py_ssize_t number
        cdef int64_t timeout_ms = <int64_t>(timeout_s * 1000)
        cdef list rest = []
        cdef object asks = together.asks
        self.engine.set_time(self.now())
        for number in range(first, last):
            endpoint, order = asks[number]
            if order is not self.order:     # of many asks at once, nearly all are for the same
                self.order = order
                self.key = self.key_of(order)
            if self.key is None or not self.start(endpoint, timeout_ms, together, number):
                rest.append(number)
        return rest

    cdef tuple key_of(self, order):
        """The same object as for an equal order before it: that is found without a comparison."""
        cdef tuple last = self.last_key
        if order.op != "read" or order.serialization is not None:
            return None
        path, number, is_unchecked = order.path, order.format, order.is_unchecked
        if last[0] != path or last[1] != number or last[2] != is_unchecked:
            self.last_key = (path, number, is_unchecked)
        return self.last_key

    cdef bint start(self, str endpoint, int64_t timeout_ms, Together together,
                    Py_ssize_t number) except -1:
        """Ask for `order` of what `begin` is at; False: it is left to the long way."""
        cdef uint32_t slot = self.find(endpoint)
        cdef Form form
        cdef Ready ready
        cdef Asked asked
        cdef uint64_t call
        if slot == NONE or not self.listens(slot, endpoint):
            return False
        if len(self.forms.own) and endpoint in self.forms.own:
            return False
        form = self.forms.at(slot)
        try:
            if form.newest_key is self.key:
                ready = <Ready>form.newest
            else:
                ready = form.ready.get(self.key)
            if ready is None:
                call = self.start_first(slot, form, timeout_ms)
                if not call:
                    return False
                ready = form.ready[self.key]
            else:
                call = self.engine.requests.start_again(slot, ready.method, ready.options,
                                                        timeout_ms)
        except Error as error:          # too many wait already
            together.fail(number, error)
            return True
        form.newest_key = self.key
        form.newest = ready
        asked = <Asked>self.spare.pop() if self.spare else Asked.__new__(Asked)
        asked.endpoint = endpoint
        asked.order = self.order
        asked.form = form
        asked.ready = ready
        asked.together = together
        asked.number = number
        self.engine.requests.attach(call, asked)
        together.calls[number] = call
        self.waiting += 1
        return True

    cdef uint64_t start_first(self, uint32_t slot, Form form, int64_t timeout_ms) except? 1:
        """The first of its kind; 0 when it cannot be built."""
        cdef Ready ready = Ready.__new__(Ready)
        cdef uint64_t call
        try:
            request = build(self.order, form.target)
        except Error:
            return 0
        call = self.engine.requests.start(slot, request, timeout_ms, NULL)
        ready.method = request.method
        ready.options = self.engine.requests.options_of(call)
        ready.path = place_of(self.order.path).path
        if len(form.ready) >= MAX_READY:
            form.ready.clear()
        form.ready[self.key] = ready
        return call

    cdef uint32_t find(self, str endpoint) except? 0xFFFFFFFE:
        cdef Py_ssize_t size
        cdef const char *name
        try:
            name = PyUnicode_AsUTF8AndSize(endpoint, &size)
        except UnicodeEncodeError:      # what no device can have registered as
            return NONE
        return self.engine.state.devices.find(<const uint8_t *>name, <size_t>size)

    cdef bint listens(self, uint32_t slot, str endpoint) except -1:
        cdef State state = self.engine.state
        cdef Device *device = state.devices.at(slot)
        if device.record.attributes_size and self.engine.attribute(endpoint, ATTRIBUTE) is not None:
            return False
        # At the very end of the window, the long way decides.
        return not self.awake_ms or state.now - state.devices.heard_at(device) < self.awake_ms

    def forget(self, uint64_t call):
        """Nobody waits for this any more; whether it is one of those here."""
        cdef Answer answer = self.engine.requests.attached(call)
        if not isinstance(answer, Asked) or (<Asked>answer).together is None:
            return False
        (<Asked>answer).together = None
        self.waiting -= 1
        self.engine.cancel(call, self.now())
        return True

    def resolve(self, answers):
        """Hand out the answers to what was begun here; the rest. A fault in one of them, or in who
        hears of them, keeps none of the others back."""
        cdef list rest = [], done = []
        cdef list endpoints = [], orders = [], results = []
        cdef Asked asked
        cdef Py_ssize_t number
        cdef double wall = 0
        cdef object at = None
        for answer in answers:
            if not isinstance(answer, Asked):
                rest.append(answer)
                continue
            asked = <Asked>answer
            if asked.together is None:      # forgotten
                continue
            self.waiting -= 1
            if at is None:
                at = self.wall()
                wall = at
            try:
                result = self.values(asked, wall)
            except Exception as error:
                self.faults.note(error, "an answer to a Read")
                result = None
            if result is None:
                self.go_on(asked)
            else:
                endpoints.append(asked.endpoint)
                orders.append(asked.order)
                results.append(result)
                done.append(asked)
        if done:
            for hears in self.hears:
                try:
                    hears.read(endpoints, orders, results, at)
                except Exception as error:
                    self.faults.note(error, "an answer to a Read")
            for number in range(len(done)):
                asked = <Asked>done[number]
                asked.together.put(asked.number, results[number])
                self.put_back(asked)
        return rest

    cdef int put_back(self, Asked asked) except -1:
        """Keep it for the next Read, without what it would keep alive."""
        asked.together = None
        asked.payload = None
        if len(self.spare) < MAX_SPARE:
            self.spare.append(asked)
        return 0

    cdef object values(self, Asked asked, double wall):
        """The Result of an answer that is values; None for any other."""
        cdef object pack = None
        cdef object made, number
        cdef int content_format = asked.content_format
        if asked.outcome != ANSWERED or asked.code != CONTENT or content_format < 0:
            return None
        number = content_format
        if content_format == CBOR:
            pack = read_plain(asked.payload, asked.ready.path, asked.form.types)
        elif number in COMPILED:
            try:
                pack = codec.decode(number, asked.payload, asked.ready.path, asked.form.types,
                                    now_ns=<int64_t>(wall * 1e9), root=asked.form.target.root)
            except FormatError:
                return None
        if pack is None:
            return None
        answered = asked.named(Answered)
        made = named_new(Result, 9)
        named_set(made, 0, True)
        named_set(made, 1, CONTENT_TEXT)
        named_set(made, 2, pack)
        named_set(made, 3, None)
        named_set(made, 4, None)
        named_set(made, 5, None)
        named_set(made, 6, number)
        named_set(made, 7, None)
        named_set(made, 8, answered)
        return made

    cdef int go_on(self, Asked asked) except -1:
        cdef Together together = asked.together
        cdef Py_ssize_t number = asked.number
        try:
            self.long_way(asked.endpoint, asked.order, asked.form.target,
                          lambda ended: together.end(number, ended), asked.named(Answered))
        except Exception as error:
            self.faults.note(error, "an answer to a Read")
            together.fail(number, Error(MESSAGE))
        return 0

    def __len__(self):
        return self.waiting
