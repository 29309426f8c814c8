# Reports and answers in the place of older ones: the part of values.py that runs once for each.
#
# Knows the order of core/ask.py: Report and core/answers.py: Result, and a few dictionaries; not
# what a report means.

cimport cython
from libc.stdint cimport uint64_t

from lwm2m_fast.codec.pack cimport Pack

cdef enum:
    PACK = 2                      # of core/answers.py: Result
    NUMBER = 1                    # of core/ask.py: Report
    CODE = 2
    PAYLOAD = 4


def take_known(list reports not None, dict items not None, dict bound not None, int error):
    """Put each report whose number is in `bound`, and whose code is below `error`, into `items`.

    Returns the rest in their order, and the bytes of all payloads.
    """
    cdef tuple report
    cdef list rest = []
    cdef Py_ssize_t size = 0
    for report in reports:
        size += len(<bytes>report[PAYLOAD])
        if <int>report[CODE] < error and report[NUMBER] in bound:
            items[report[NUMBER]] = report
        else:
            rest.append(report)
    return rest, size


@cython.no_gc                           # in no cycle, and there may be one for every device
cdef class Heard:
    """Something about a device's values that is not yet in the store, unless it is a report.

    `at` is unix time in seconds; `gone`, instead of a pack: which values are to be forgotten.
    """

    cdef readonly str endpoint
    cdef readonly double at
    cdef readonly object origin, gone
    cdef readonly Pack pack
    cdef int number               # of the origin
    cdef uint64_t shape           # of the pack

    def __init__(self, str endpoint not None, double at, origin, Pack pack, gone=None):
        self.endpoint = endpoint
        self.at = at
        self.origin = origin
        self.number = origin
        self.gone = gone
        self.take(pack)

    cdef int take(self, Pack pack) except -1:
        self.pack = pack
        self.shape = 0 if pack is None else pack.shape_number()
        return 0

    @property
    def kind(self):
        """Endpoint name, origin and shape: an item of the same kind can stand in its place."""
        return self.endpoint, self.number, self.shape

    def renew(self, Heard later not None):
        """Be what a later one of the same kind is."""
        self.at = later.at
        self.take(later.pack)


def read_known(list endpoints not None, list results not None, double at, batch, origin, key):
    """Put the values of each Read, a Result, into a Batch (value_rows.py): in the place of the newest
    item of the same kind, else as one more under `key` and those below it. Returns the next key."""
    cdef dict latest = batch.latest, newest = batch.newest, items = batch.items, keys = batch.keys
    cdef int number = origin
    cdef uint64_t shape
    cdef Py_ssize_t i
    cdef Pack pack
    cdef Heard known
    for i in range(len(endpoints)):
        endpoint = endpoints[i]
        pack = (<tuple>results[i])[PACK]
        shape = pack.shape_number()
        known = latest.get(endpoint)
        if known is None or known.number != number or known.shape != shape:
            kind = (endpoint, number, shape)
            known = newest.get(kind)
            if known is None:
                known = Heard.__new__(Heard)
                known.endpoint = endpoint
                known.origin = origin
                known.number = number
                known.shape = shape
                newest[kind] = items[key] = known
                keys.setdefault(endpoint, []).append(key)
                key -= 1
            latest[endpoint] = known
        known.at = at
        known.pack = pack
    return key
