# What happened to DTLS sessions, as numbers.

from libc.stdint cimport uint64_t

cdef struct SessionCounts:
    uint64_t started, done, resumed, failed, timed_out, refused_most
    uint64_t replaced, displaced, refused_sessions, moved, closed, expired, ended
    uint64_t saves, wakes, wakes_failed, not_loaded, faults
    uint64_t records_in, records_dropped, records_out, send_unknown, send_failed

# By the names that they have for the operator.
cdef dict counted(const SessionCounts *counts)
