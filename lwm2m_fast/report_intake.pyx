# Reports and answers in the place of older ones: the part of values.py that runs once for each.
#
# Knows the order of core/ask.py: Report and a few dictionaries; not what a report means.

from lwm2m_fast.codec.pack cimport Pack

cdef object NEW = tuple.__new__

cdef enum:
    NUMBER = 1
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


def read_known(list done not None, dict items not None, dict newest not None, heard, origin):
    """Put the values of each Read into `items`, in the place of the newest of the same kind.

    `done` has (endpoint, order, Result, unix seconds) of each, `heard` is the type of an item, and
    `newest` has the keys of the kinds (value_rows.py: Batch). Returns the items of new kinds.
    """
    cdef tuple read
    cdef list rest = []
    cdef int number = origin
    for read in done:
        pack = read[2].pack
        item = NEW(heard, (read[0], read[3], origin, pack, None))
        key = newest.get((read[0], number, (<Pack>pack).shape()))
        if key is None:
            rest.append(item)
        else:
            items[key] = item
    return rest
