# The DTLS sessions of one endpoint: a datagram of a session comes in, plain text for a peer goes out,
# and the time.
#
# Knows records and credentials, moments are passed in; no socket, and not which datagram is whose
# (net/dtls). What must leave is put into `out`, which the owner sends.
#
# It is these layers, lowest first: dtls_records (the C library), dtls_identity (who a peer is),
# dtls_idle (saved, woken, ended), dtls_handshakes. What happens per record makes no Python object
# and allocates nothing.

from lwm2m_fast.datagram cimport lf_slot
from lwm2m_fast.net.dtls_handshakes cimport DtlsHandshakes
from libc.stdint cimport uint8_t, uint32_t


cdef class DtlsSessions(DtlsHandshakes):
    # Feed a datagram, waking the session if need be. LF_DTLS_DATA: plain text is in `plain` and
    # more may be had by read_more(); LF_DTLS_WAITS: none, and the session may be gone.
    cdef int receive(self, uint32_t number, const lf_slot *wire, uint8_t *plain,
                     size_t *plain_size) noexcept
    # Put a record with `size` bytes into `out` for a principal; counts what cannot be.
    cdef void send(self, const uint8_t *principal, const uint8_t *plain, size_t size) noexcept
    cdef void handle_timer(self) noexcept
