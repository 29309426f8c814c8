# Reads at once, the short way: of a device that listens always and has no settings of its own.
#
# Nearly all are such. What is anything else, or cannot be done, is left to calls.py, which says
# why. Sends what core/operations builds, once for all devices that are alike, and understands the
# answers that are values; every other answer goes the long way as well.

cimport cython
from libc.stdint cimport int64_t, uint8_t, uint32_t

from lwm2m_fast.codec.cbor_value cimport read_plain
from lwm2m_fast.codec.pack cimport Pack
from lwm2m_fast.codec.path cimport Path
from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.engine cimport Engine
from lwm2m_fast.core.forms cimport Form, Forms
from lwm2m_fast.core.records cimport NONE
from lwm2m_fast.core.state cimport State

from lwm2m_fast import codec
from lwm2m_fast.core.answers import Result
from lwm2m_fast.core.ask import Answered
from lwm2m_fast.core.operations import build, place_of
from lwm2m_fast.core.presence import ATTRIBUTE
from lwm2m_fast.errors import Error, FormatError

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL

cdef enum:
    CONTENT = 69                  # 2.05
    CBOR = 60
    MAX_READY = 256               # requests kept for a form; beyond, all are forgotten
    # Answered, as core/answered makes it.
    CALL = 0
    OUTCOME = 1
    CODE = 2
    CONTENT_FORMAT = 3
    PAYLOAD = 4

cdef object NEW = tuple.__new__
cdef str ANSWERED = "answered"
cdef frozenset COMPILED = frozenset({110, 112, 1542, 11542})
"""Content formats of several values that are read by compiled code."""


cdef class Together:
    """Outcomes of direct requests that are waited for together; `ended` is done with the last.

    `asks` has (endpoint, order) of each, `failure` makes an error of these two and an outcome.
    """

    cdef readonly object asks, ended
    cdef readonly list outcomes
    cdef readonly dict calls      # number of the ask -> call that has not been answered
    cdef readonly Py_ssize_t left
    cdef object failure

    def __init__(self, asks, ended, failure):
        self.asks = asks
        self.ended = ended
        self.failure = failure
        self.left = len(asks)
        self.outcomes = [None] * self.left
        self.calls = {}

    cdef int put(self, Py_ssize_t number, object outcome) except -1:
        self.outcomes[number] = outcome
        self.left -= 1
        if self.left == 0 and not self.ended.done():
            self.ended.set_result(None)
        return 0

    def begun(self, Py_ssize_t number, call):
        """This ask waits for the answer to `call`."""
        self.calls[number] = call

    def end(self, Py_ssize_t number, ended):
        """A call has ended (calls.py: Ended)."""
        self.calls.pop(number, None)
        if ended.result is None:
            self.put(number, self.failure(*self.asks[number], ended.outcome))
        else:
            self.put(number, ended.result)

    def fail(self, Py_ssize_t number, error):
        """This ask ends with an error of ours."""
        self.calls.pop(number, None)
        self.put(number, error)


cdef class Ready:
    """A Read as the devices of one form are asked."""

    cdef bytes options
    cdef int method
    cdef Path path


@cython.freelist(256)
cdef class Asked:
    """A Read under way; what hears of its end takes it for its target."""

    cdef readonly str endpoint
    cdef object order
    cdef Form form
    cdef Ready ready
    cdef Together together
    cdef Py_ssize_t number


cdef class PlainReads:
    """Loop's thread only. `clock` and `hears` as calls.py has them; `long_way` is called as
    (endpoint, order, target, end, answer) with each answer that is not simply values; `awake_ms`
    is how long a device listens that nobody says anything else of, 0: always."""

    cdef Engine engine
    cdef Forms forms
    cdef object clock, long_way
    cdef list hears
    cdef int64_t awake_ms
    cdef dict asked               # call -> Asked
    cdef object order             # the newest; it never changes
    cdef tuple key                # of Form.ready; None: it is no Read

    def __init__(self, Engine engine not None, targets, hears, clock, long_way, int64_t awake_ms):
        self.engine = engine
        self.forms = Forms(engine, targets)
        self.hears = list(hears)
        self.clock = clock
        self.long_way = long_way
        self.awake_ms = awake_ms
        self.asked = {}

    def begin(self, Together together not None, Py_ssize_t first, Py_ssize_t last,
              double timeout_s):
        """Start the asks from `first` to before `last` that are plain; the numbers of the rest."""
        cdef Py_ssize_t number
        cdef int64_t timeout_ms = <int64_t>(timeout_s * 1000)
        cdef list rest = []
        self.engine.set_time(self.clock.now())
        for number in range(first, last):
            endpoint, order = together.asks[number]
            if order is not self.order:     # of many asks at once, nearly all are for the same
                self.order = order
                self.key = None
                if order.op == "read":
                    self.key = (order.path, order.format, order.is_unchecked)
            if self.key is None or not self.start(endpoint, timeout_ms, together, number):
                rest.append(number)
        return rest

    cdef bint start(self, str endpoint, int64_t timeout_ms, Together together,
                    Py_ssize_t number) except -1:
        """Ask for `order` of what `begin` is at; False: it is left to the long way."""
        cdef uint32_t slot = self.find(endpoint)
        cdef Form form
        cdef Ready ready
        cdef Asked asked
        cdef object call
        if slot == NONE or not self.listens(slot, endpoint):
            return False
        if len(self.forms.own) and endpoint in self.forms.own:
            return False
        form = self.forms.at(slot)
        ready = form.ready.get(self.key)
        try:
            if ready is None:
                call = self.start_first(slot, form, timeout_ms)
                if call is None:
                    return False
                ready = form.ready[self.key]
            else:
                call = self.engine.requests.start_again(slot, ready.method, ready.options,
                                                        timeout_ms)
        except Error as error:          # too many wait already
            together.fail(number, error)
            return True
        asked = Asked.__new__(Asked)
        asked.endpoint = endpoint
        asked.order = self.order
        asked.form = form
        asked.ready = ready
        asked.together = together
        asked.number = number
        together.calls[number] = call
        self.asked[call] = asked
        return True

    cdef object start_first(self, uint32_t slot, Form form, int64_t timeout_ms):
        """The first of its kind; None when it cannot be built."""
        cdef Ready ready = Ready.__new__(Ready)
        cdef object call
        try:
            request = build(self.order, form.target)
        except Error:
            return None
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

    def forget(self, call):
        """Nobody waits for this any more; whether it is one of those here."""
        if self.asked.pop(call, None) is None:
            return False
        self.engine.cancel(call, self.clock.now())
        return True

    def resolve(self, answers):
        """Hand out the answers to what was begun here; the rest."""
        cdef list rest = [], done = [], ended = []
        cdef Asked asked
        cdef tuple answer
        cdef double wall = 0
        cdef object at = None
        if not self.asked:
            return answers
        for answer in answers:
            found = self.asked.pop(answer[CALL], None)
            if found is None:
                rest.append(answer)
                continue
            asked = <Asked>found
            if at is None:
                at = self.clock.wall()
                wall = at
            result = self.values(asked, answer, wall)
            if result is None:
                self.go_on(asked, answer)
            else:
                done.append((asked.endpoint, asked.order, result, at))
                ended.append(asked)
        if done:
            for hears in self.hears:
                hears.read(done)
            for number in range(len(ended)):
                asked = <Asked>ended[number]
                asked.together.calls.pop(asked.number, None)
                asked.together.put(asked.number, (<tuple>done[number])[2])
        return rest

    cdef object values(self, Asked asked, tuple answer, double wall):
        """The Result of an answer that is values; None for any other."""
        cdef object pack = None
        cdef object number = answer[CONTENT_FORMAT]
        if answer[OUTCOME] != ANSWERED or <int>answer[CODE] != CONTENT or number is None:
            return None
        if <int>number == CBOR:
            pack = read_plain(<bytes>answer[PAYLOAD], asked.ready.path, asked.form.types)
        elif number in COMPILED:
            try:
                pack = codec.decode(number, answer[PAYLOAD], asked.ready.path, asked.form.types,
                                    now_ns=<int64_t>(wall * 1e9), root=asked.form.target.root)
            except FormatError:
                return None
        if pack is None:
            return None
        # In the order of core/answers.py: Result.
        return NEW(Result, (True, "2.05", pack, None, None, None, number, None,
                            NEW(Answered, answer)))

    cdef int go_on(self, Asked asked, tuple answer) except -1:
        cdef Together together = asked.together
        cdef Py_ssize_t number = asked.number
        self.long_way(asked.endpoint, asked.order, asked.form.target,
                      lambda ended: together.end(number, ended), NEW(Answered, answer))
        return 0

    def __len__(self):
        return len(self.asked)
