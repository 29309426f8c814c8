# csrc/lf_dtls.h, declared; what each thing means is said there.
#
# Whoever cimports this names all of it in its first line:
# distutils: sources = csrc/lf_dtls.c csrc/lf_dtls_context.c csrc/lf_dtls_hello.c csrc/lf_dtls_resume.c csrc/lf_dtls_save.c csrc/lf_dtls_why.c

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "lf_dtls.h" nogil:
    enum:
        LF_DTLS_MAX_IDENTITY
        LF_DTLS_MAX_KEY
        LF_DTLS_MAX_CID
        LF_DTLS_MAX_PLAIN
        LF_DTLS_OVERHEAD
        LF_DTLS_MAX_BLOB
        LF_DTLS_MAX_SOURCE
        LF_DTLS_MAX_NOTE

    enum:
        LF_DTLS_PSK_AES128_CCM8
        LF_DTLS_PSK_AES128_GCM
        LF_DTLS_PSK_AES128_CBC
        LF_DTLS_ECDSA_AES128_CCM8
        LF_DTLS_ECDSA_AES128_GCM
        LF_DTLS_ECDSA_AES128_CBC
        LF_DTLS_ALL_SUITES

    enum:
        LF_DTLS_KIND_NONE
        LF_DTLS_KIND_PSK
        LF_DTLS_KIND_X509

    ctypedef enum lf_dtls_event:
        LF_DTLS_WAITS
        LF_DTLS_READY
        LF_DTLS_DATA
        LF_DTLS_CLOSED
        LF_DTLS_FAILED

    ctypedef struct lf_dtls_context:
        pass

    ctypedef struct lf_dtls_session:
        pass

    ctypedef struct lf_dtls_hooks:
        void *owner
        size_t (*psk)(void *owner, lf_dtls_session *session, const uint8_t *identity, size_t size,
                      uint8_t *key) noexcept nogil
        uint32_t (*verify)(void *owner, lf_dtls_session *session, const uint8_t *leaf_der,
                           size_t leaf_size, uint32_t flags) noexcept nogil
        int (*resume)(void *owner, lf_dtls_session *session, int kind, const uint8_t *identity,
                      size_t size) noexcept nogil
        void (*send)(void *owner, lf_dtls_session *session, const uint8_t *datagram,
                     size_t size) noexcept nogil

    ctypedef struct lf_dtls_options:
        int is_client
        uint32_t suites
        int cid_size
        uint32_t retransmit_first_ms
        uint32_t retransmit_most_ms
        uint16_t mtu
        uint16_t resumptions
        uint32_t resumption_s
        const uint8_t *chain
        size_t chain_size
        const uint8_t *key
        size_t key_size
        const uint8_t *anchors
        size_t anchors_size
        const uint8_t *identity
        size_t identity_size
        const uint8_t *psk
        size_t psk_size

    lf_dtls_context *lf_dtls_context_new(const lf_dtls_options *options, const lf_dtls_hooks *hooks,
                                         char *why, size_t why_room)
    void lf_dtls_context_release(lf_dtls_context *context)

    size_t lf_dtls_hello(lf_dtls_context *context, const uint8_t *source, size_t source_size,
                         const uint8_t *datagram, size_t size, int64_t now_ms, uint8_t *answer)
    bint lf_dtls_is_client_hello(const uint8_t *datagram, size_t size)
    const uint8_t *lf_dtls_record_cid(const lf_dtls_context *context, const uint8_t *datagram, size_t size)

    lf_dtls_session *lf_dtls_open(lf_dtls_context *context, void *user, const uint8_t *cid, int64_t now_ms)
    lf_dtls_event lf_dtls_connect(lf_dtls_session *session, int64_t now_ms)
    size_t lf_dtls_remember(const lf_dtls_session *session, uint8_t *memory, size_t room)
    bint lf_dtls_recall(lf_dtls_session *session, const uint8_t *memory, size_t size)
    void lf_dtls_free(lf_dtls_session *session)
    void *lf_dtls_user(const lf_dtls_session *session)

    lf_dtls_event lf_dtls_receive(lf_dtls_session *session, const uint8_t *datagram, size_t size,
                                  int64_t now_ms, uint8_t *plain, size_t *plain_size, int *is_newest)
    lf_dtls_event lf_dtls_read_more(lf_dtls_session *session, uint8_t *plain, size_t *plain_size)
    size_t lf_dtls_write(lf_dtls_session *session, const uint8_t *plain, size_t size, uint8_t *out)
    size_t lf_dtls_close(lf_dtls_session *session, uint8_t *out)

    int64_t lf_dtls_due(const lf_dtls_session *session)
    lf_dtls_event lf_dtls_handle_timeout(lf_dtls_session *session, int64_t now_ms)

    bint lf_dtls_is_ready(const lf_dtls_session *session)
    int lf_dtls_kind(const lf_dtls_session *session)
    const char *lf_dtls_suite(const lf_dtls_session *session)
    const uint8_t *lf_dtls_identity(const lf_dtls_session *session, size_t *size)
    const uint8_t *lf_dtls_fingerprint(const lf_dtls_session *session)
    bint lf_dtls_uses_cid(const lf_dtls_session *session)
    bint lf_dtls_was_resumed(const lf_dtls_session *session)
    bint lf_dtls_set_note(lf_dtls_session *session, const uint8_t *note, size_t size)
    const uint8_t *lf_dtls_note(const lf_dtls_session *session, size_t *size)
    bint lf_dtls_digest(const uint8_t *head, size_t head_size, const uint8_t *data, size_t size,
                        uint8_t *digest, size_t room)
    bint lf_dtls_same(const uint8_t *one, const uint8_t *other, size_t size)
    const char *lf_dtls_why(const lf_dtls_session *session)

    size_t lf_dtls_save(lf_dtls_session *session, uint8_t *blob, size_t room)
    lf_dtls_session *lf_dtls_load(lf_dtls_context *context, void *user, const uint8_t *blob, size_t size,
                                  uint64_t least_sequence, int64_t now_ms)
    uint64_t lf_dtls_sequence_wall(int64_t since_first_ms)

    void lf_dtls_library(char *text, size_t room)
    size_t lf_dtls_longest_key()


cdef inline dict lf_dtls_suites():
    """Cipher suites by their IANA names, as bits."""
    return {
        "TLS_PSK_WITH_AES_128_CCM_8": LF_DTLS_PSK_AES128_CCM8,
        "TLS_PSK_WITH_AES_128_GCM_SHA256": LF_DTLS_PSK_AES128_GCM,
        "TLS_PSK_WITH_AES_128_CBC_SHA256": LF_DTLS_PSK_AES128_CBC,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8": LF_DTLS_ECDSA_AES128_CCM8,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": LF_DTLS_ECDSA_AES128_GCM,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": LF_DTLS_ECDSA_AES128_CBC,
    }
