# LwM2M paths as packed ids: /object/instance/resource/resource instance.
#
# Four 16-bit ids in one number, object on top, and the depth (0 is the root, 4 a resource
# instance) kept beside it; ids deeper than the depth are zero, so equal paths are equal numbers.

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t


cdef enum:
    PATH_MAX_DEPTH = 4
    PATH_TEXT_MAX = 24              # "/65535" four times
    PATH_INSTANCE_MAX = 65534       # 65535 is reserved

cdef enum PathProblem:
    PATH_FINE = 0
    PATH_EMPTY_SEGMENT
    PATH_NOT_A_NUMBER
    PATH_LEADING_ZERO
    PATH_TOO_LARGE
    PATH_RESERVED_INSTANCE
    PATH_TOO_DEEP
    PATH_OUTSIDE_ROOT


# A path being read piece by piece, so that a SenML base name is read once for all its records.
cdef struct PathReader:
    uint64_t ids
    uint32_t value                  # of the segment under way
    uint8_t digits
    uint8_t depth
    bint rooted                     # the leading slash has been seen
    const uint8_t *prefix           # what is left of the alternate root path
    size_t prefix_left


cdef inline uint16_t path_id(uint64_t ids, int level) noexcept nogil:
    return <uint16_t>(ids >> (48 - 16 * level))


cdef inline uint64_t path_with(uint64_t ids, int level, uint32_t value) noexcept nogil:
    return ids | (<uint64_t>value << (48 - 16 * level))


cdef inline uint64_t path_mask(int depth) noexcept nogil:
    return ~<uint64_t>0 << (64 - 16 * depth) if depth else 0


cdef inline bint path_under(uint64_t ids, int depth, uint64_t base, int base_depth) noexcept nogil:
    return depth >= base_depth and (ids ^ base) & path_mask(base_depth) == 0


cdef void path_start(PathReader *r, const uint8_t *root, size_t root_size) noexcept nogil
cdef void path_start_under(PathReader *r, uint64_t base, int depth) noexcept nogil
cdef int path_feed(PathReader *r, const uint8_t *text, size_t size) noexcept nogil
cdef int path_end(PathReader *r) noexcept nogil
cdef size_t path_write(uint64_t ids, int depth, uint8_t *out) noexcept nogil
# Only the ids from `level` on: "/0/1"; nothing when there are none.
cdef size_t path_write_from(uint64_t ids, int level, int depth, uint8_t *out) noexcept nogil


cdef class Path:
    cdef readonly uint64_t packed
    cdef readonly int depth


cdef Path make_path(uint64_t ids, int depth)
cdef Path as_path(object given)
