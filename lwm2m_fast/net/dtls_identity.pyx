# Who a peer is, and whether it still is: credentials asked for a key, a certificate, a resumption.
#
# See dtls_identity.pxd for what it knows.

import os

from lwm2m_fast.net.dtls_table cimport SESSION_NONE
from lwm2m_fast.net.dtls_who cimport packed_behind, unpacked
from libc.stdint cimport int64_t, uint8_t, uint32_t

from lwm2m_fast.net.dtls_base import PSK
from lwm2m_fast.net.dtls_row import pack_who, unpack_who

cdef enum:
    BADCERT_OTHER = 0x0100              # MBEDTLS_X509_BADCERT_OTHER


cdef class DtlsIdentity(DtlsRecords):
    def __cinit__(self, options, credentials, listener, wall_clock, int64_t now_ms, tuple seed):
        self.credentials = credentials
        self.secret = os.urandom(32)
        self.claimed_by = <uint32_t>SESSION_NONE

    cdef int configure(self, bytes chain, bytes key, bytes anchors) except -1:
        DtlsRecords.configure(self, chain, key, anchors)
        self.changes += 1
        if anchors != self.anchors:
            self.anchors = anchors
            self.trusted_since = self.changes
        return 0

    cdef tuple psk_of(self, uint32_t number, bytes identity):
        self.claimed, self.claimed_by = identity, number
        found = self.credentials.psk(identity)
        if found is None:
            return None
        secret, names = found
        return secret, packed_behind(self._key_digest(secret), identity, tuple(names))

    cdef tuple certificate_of(self, bytes leaf, uint32_t flags):
        counted, subject, names = self.credentials.certificate(leaf, flags)
        if counted:
            return counted, b""
        note = bytes(KEY_DIGEST) + pack_who(subject, tuple(names), self.credentials.anchor())
        return (0 if subject else BADCERT_OTHER), note

    cdef bint may_resume(self, int kind, bytes digest, bytes note) except? True:
        if len(note) <= KEY_DIGEST:
            return False
        subject, names = unpack_who(note[KEY_DIGEST:])
        if kind != PSK:
            return self.credentials.is_current_certificate(digest, subject, names)
        found = self.credentials.psk(subject)
        return (found is not None and tuple(found[1]) == names
                and self._key_digest(found[0]) == note[:KEY_DIGEST])

    cdef bint is_still_let_in(self, uint32_t since, const Shown *shown) except? True:
        """At the end of a handshake during which a credential, any, has changed.

        end() finds authenticated sessions only; a key that was fetched before opens none behind it.
        A chain was checked against the anchors with which its handshake began: nobody can say of
        the leaf alone whether those of now would let it in.
        """
        cdef bytes digest
        cdef uint32_t trusted_for = self.changes - self.trusted_since
        if shown.kind != PSK and <uint32_t>(self.changes - since) > trusted_for:
            return False
        if shown.kind != PSK:
            return self.may_resume(shown.kind, (<const char *>shown.fingerprint)[:FINGERPRINT],
                                   (<const char *>shown.note)[:shown.note_size])
        subject, names = unpacked(shown.note + KEY_DIGEST, shown.note_size - KEY_DIGEST)
        found = self.credentials.psk(subject)
        if found is None or tuple(found[1]) != names:
            return False
        digest = self._key_digest(found[0])
        return self.is_same(digest, shown.note, KEY_DIGEST)

    cdef bytes principal_of(self, int kind, bytes subject):
        return self.digest(bytes((kind,)), subject)

    cdef bytes claimed_in(self, uint32_t number, const Shown *shown):
        if shown.note_size > KEY_DIGEST:
            return unpack_who((<const char *>shown.note)[KEY_DIGEST:shown.note_size])[0]
        return self.claimed if self.claimed_by == number else None

    cdef void forget_claim(self, uint32_t number) noexcept:
        if self.claimed_by == number:
            self.claimed_by = <uint32_t>SESSION_NONE
            self.claimed = None

    cdef bytes _key_digest(self, bytes key):
        """Tells whether a key has changed, and nothing else: it is keyed by a secret of the process."""
        return self.digest(self.secret, key)
