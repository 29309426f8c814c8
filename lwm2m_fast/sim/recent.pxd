# Which of many were used last: a list threaded through places, so that it costs no memory of its own.
#
# Numbers only; what they stand for is the caller's.

from libc.stdint cimport uint32_t

cdef enum:
    NOWHERE = 0xFFFFFFFF

cdef struct Place:
    uint32_t newer
    uint32_t older

# The two ends; both NOWHERE = empty. Places of others are found by the stride of the caller's table.
cdef struct Recent:
    char *places
    size_t stride
    uint32_t newest
    uint32_t oldest


cdef inline Place *place_of(Recent *recent, uint32_t number) noexcept nogil:
    return <Place *>(recent.places + number * recent.stride)


cdef inline Recent recent_over(void *first, size_t stride) noexcept nogil:
    """An empty list over a table whose rows have a Place at `first`, `first` + `stride` ..."""
    return Recent(<char *>first, stride, NOWHERE, NOWHERE)


cdef inline void leave(Recent *recent, uint32_t number) noexcept nogil:
    """Take out one that is in the list."""
    cdef Place *place = place_of(recent, number)
    if place.newer == NOWHERE:
        recent.newest = place.older
    else:
        place_of(recent, place.newer).older = place.older
    if place.older == NOWHERE:
        recent.oldest = place.newer
    else:
        place_of(recent, place.older).newer = place.newer


cdef inline void enter(Recent *recent, uint32_t number) noexcept nogil:
    """Put in one that is not in the list, as the newest."""
    cdef Place *place = place_of(recent, number)
    place.newer = NOWHERE
    place.older = recent.newest
    if recent.newest == NOWHERE:
        recent.oldest = number
    else:
        place_of(recent, recent.newest).newer = number
    recent.newest = number
