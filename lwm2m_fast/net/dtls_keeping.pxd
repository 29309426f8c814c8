# DTLS sessions as rows that outlive the process, and as something to show.
#
# Knows what a slot holds; nothing of records, sockets or the store.

from lwm2m_fast.net.dtls_sessions cimport DtlsSessions
from libc.stdint cimport uint32_t

# What is known of an authenticated session: dtls_base.Where.
cdef dict describe(DtlsSessions sessions, uint32_t number)
# What vouches for the certificate of its peer (dtls_row.anchor_in).
cdef bytes anchor_of(DtlsSessions sessions, uint32_t number)
# (principal, row) of a session that can be brought back, which is gone thereby; None: it cannot.
cdef object give_up(DtlsSessions sessions, uint32_t number)
# Whether a row brought a session back. SessionTable.settle() is due behind the last.
cdef bint take_in(DtlsSessions sessions, bytes principal, bytes value) except -1
