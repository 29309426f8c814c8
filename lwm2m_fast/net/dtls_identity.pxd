# Who a peer is, and whether it still is: what handshakes ask is asked of the credentials here.
#
# Whom a session speaks for is noted in the session during the handshake, so that a resumed one
# knows it too: KEY_DIGEST bytes that tell whether the key is still the same, then pack_who().
# Knows credentials and notes; not what a session does with the answer.

from lwm2m_fast.net.dtls_records cimport DtlsRecords, Shown
from libc.stdint cimport uint8_t, uint32_t

cdef enum:
    KEY_DIGEST = 16
    FINGERPRINT = 32                    # SHA-256 of a certificate


cdef class DtlsIdentity(DtlsRecords):
    cdef object credentials
    cdef uint32_t changes               # of credentials: whose handshake began before is asked again
    cdef uint32_t trusted_since         # `changes` when the anchors became what they are
    cdef bytes secret, anchors, claimed
    cdef uint32_t claimed_by

    # As dtls_base.principal_of() has it.
    cdef bytes principal_of(self, int kind, bytes subject)
    # Whether what a peer has shown would let it in now too; `since`: `changes` when it began.
    cdef bint is_still_let_in(self, uint32_t since, const Shown *shown) except? True
    # The identity that a handshake is of, as far as it has come; None: nobody knows.
    cdef bytes claimed_in(self, uint32_t number, const Shown *shown)
    cdef void forget_claim(self, uint32_t number) noexcept

    # Private.
    cdef bytes _key_digest(self, bytes key)
