# Whether a Send can be taken (LwM2M TS 1.2 Core, section 6.4.6), and which others it replaces.
#
# SenML is walked where it lies, by the codec's own walker, into a pack that is used again for the
# next one: nothing of a Send is kept but its bytes. Knows no last values; who wants the values
# reads them when there is time (value_rows.py).

from libc.stdint cimport uint64_t

from lwm2m_fast.core.devices cimport Device
from lwm2m_fast.core.index cimport _load, lf_fold
from lwm2m_fast.core.records cimport ID_RANDOM
from lwm2m_fast.core.send cimport SEND_KEYS
from lwm2m_fast.core.state cimport State
from lwm2m_fast.wire.numbers cimport (BAD_REQUEST, FORMAT_SENML_CBOR, FORMAT_SENML_JSON,
                                      NOT_FOUND)

from lwm2m_fast.codec import senml_cbor, senml_json
from lwm2m_fast.core.answers import decode_send
from lwm2m_fast.errors import FormatError

cdef int64_t NS_PER_MS = 1_000_000


cdef class Judge(SendJudge):
    """Of one engine's devices; set it as Engine.judge_send. `forms`: core/forms."""

    def __init__(self, Forms forms not None):
        self.forms = forms

    def report_to(self, dict known not None, first):
        """Tell `first` of each Send that is taken and whose number is not in `known`: number,
        endpoint name, Target. Who hears of the report has to know by then whose it is, as its
        device may have left in the same turn."""
        self.known = known
        self.first = first

    cdef object judge(self, uint32_t slot, int content_format, bytes payload):
        cdef Form form = self.forms.at(slot)
        cdef Pack pack
        cdef uint64_t ids
        cdef uint64_t instance, known = ~<uint64_t>0
        cdef size_t i
        cdef object number
        if form is None:
            return NOT_FOUND
        try:
            pack = self.read(form, content_format, payload)
        except FormatError:
            self.malformed += 1
            return BAD_REQUEST
        for i in range(pack.count):
            ids = pack.records[i].ids
            instance = ids >> 32
            if pack.records[i].depth < 2 or instance == known:
                continue
            if not form.has(<uint32_t>instance):
                self.unregistered += 1
                return NOT_FOUND
            known = instance
        number = self.number_of(slot, pack)
        if self.known is not None and number not in self.known:
            self.first(number, self.forms.engine.endpoint_of(slot), form.target)
        return number

    cdef Pack read(self, Form form, int content_format, bytes payload):
        if content_format == FORMAT_SENML_CBOR or content_format == FORMAT_SENML_JSON:
            return self.walk(form, content_format, payload)
        return decode_send(form.target, content_format, payload,
                           self.forms.engine.state.unix_now())

    cdef Pack walk(self, Form form, int content_format, bytes payload):
        cdef State state = self.forms.engine.state
        cdef Resolver walker = self.cbor if content_format == FORMAT_SENML_CBOR else self.json
        if walker is None or walker.pack.room > WALKED_MOST:
            if content_format == FORMAT_SENML_CBOR:
                walker = self.cbor = senml_cbor.walker()
            else:
                walker = self.json = senml_json.walker()
        walker.again(payload, form.types, (state.now + state.wall_offset) * NS_PER_MS, form.root)
        return walker.read()

    cdef int64_t number_of(self, uint32_t slot, Pack pack) except? 0:
        """Below zero, and the same for the same paths in the same order from the same device, as
        long as it is registered so.

        Nobody can choose paths so that two numbers meet, as the seed is secret.
        """
        cdef State state = self.forms.engine.state
        cdef const uint64_t *seed = state.devices.seed
        cdef Device *device = state.devices.at(slot)
        cdef uint64_t mixed = lf_fold(_load(device.random, ID_RANDOM) ^ seed[0], slot ^ seed[1])
        cdef size_t i
        mixed = lf_fold(self.forms.engine.shape_at(slot) ^ seed[0], mixed ^ seed[1])
        for i in range(pack.count):
            mixed = lf_fold(pack.records[i].ids ^ seed[0],
                            mixed ^ seed[1] ^ pack.records[i].depth)
        return -<int64_t>SEND_KEYS - <int64_t>(mixed >> 2)

    def counters(self):
        """What was refused."""
        return {"values_sends_malformed": self.malformed,
                "values_sends_unregistered": self.unregistered}
