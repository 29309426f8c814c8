# A page of rows: as many as may be held at once. Runs for each of a million rows of a start, of which
# the same in Python took a tenth. Knows neither files nor transactions.

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp

cdef enum:
    MOST_BYTES = 4 << 20        # of values: a row can have 1 MiB

PAGE_BYTES = MOST_BYTES


def page_of(rows, Py_ssize_t limit, bytes prefix not None=b""):
    """The first rows whose keys begin with `prefix`, at most `limit`, fewer when they are large;
    empty only when there is none. `rows` are pairs of bytes, in order."""
    cdef list page = []
    cdef Py_ssize_t size = 0, begins = PyBytes_GET_SIZE(prefix)
    cdef bytes key, value
    if limit <= 0:
        return page
    for row in rows:
        key, value = <tuple?>row
        if (PyBytes_GET_SIZE(key) < begins
                or memcmp(PyBytes_AS_STRING(key), PyBytes_AS_STRING(prefix), begins) != 0):
            break
        page.append(row)
        size += PyBytes_GET_SIZE(value)
        if len(page) >= limit or size >= MOST_BYTES:
            break
    return page
