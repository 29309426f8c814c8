# Reports in the place of older ones: the part of values.py that runs once per report.
#
# Knows the order of core/ask.py: Report and two dictionaries; not what a report means.

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
