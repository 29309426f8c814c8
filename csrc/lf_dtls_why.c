/* Errors as alerts and as words for an operator. Tables; no state, no secret. */
#include <mbedtls/error.h>

#include "lf_dtls_inside.h"

typedef struct {
    int number;
    const char *words;
} numbered;

/* RFC 5246, section 7.2; RFC 4279, section 2. */
static const numbered ALERTS[] = {
    {0, "the peer closed the handshake"},
    {10, "the peer's alert: unexpected message"},
    {20, "the peer's alert: bad record MAC (a wrong key, it may be)"},
    {22, "the peer's alert: record overflow"},
    {40, "the peer's alert: handshake failure"},
    {42, "the peer's alert: bad certificate"},
    {43, "the peer's alert: unsupported certificate"},
    {44, "the peer's alert: certificate revoked"},
    {45, "the peer's alert: certificate expired"},
    {46, "the peer's alert: certificate unknown"},
    {47, "the peer's alert: illegal parameter"},
    {48, "the peer's alert: unknown CA"},
    {49, "the peer's alert: access denied"},
    {50, "the peer's alert: decode error"},
    {51, "the peer's alert: decrypt error (a wrong key, it may be)"},
    {70, "the peer's alert: protocol version"},
    {71, "the peer's alert: insufficient security"},
    {80, "the peer's alert: internal error"},
    {90, "the peer's alert: user cancelled"},
    {110, "the peer's alert: unsupported extension"},
    {115, "the peer's alert: unknown PSK identity"},
    {116, "the peer's alert: certificate required"},
};

/* In order: of several, the first is told. */
static const struct {
    uint32_t flag;
    const char *words;
} FLAGS[] = {
    {MBEDTLS_X509_BADCERT_OTHER, "certificate refused"},
    {MBEDTLS_X509_BADCERT_CN_MISMATCH, "certificate is for another name"},
    {MBEDTLS_X509_BADCERT_KEY_USAGE, "certificate's key usage forbids this"},
    {MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "certificate's extended key usage forbids this"},
    {MBEDTLS_X509_BADCERT_BAD_PK, "certificate's kind of key is not supported"},
    {MBEDTLS_X509_BADCERT_BAD_KEY, "certificate's curve is not supported"},
    {MBEDTLS_X509_BADCERT_BAD_MD, "certificate's signature hash is not supported"},
    {MBEDTLS_X509_BADCERT_FUTURE, "certificate not yet valid"},
    {MBEDTLS_X509_BADCERT_EXPIRED, "certificate expired"},
    {MBEDTLS_X509_BADCERT_REVOKED, "certificate revoked"},
    {MBEDTLS_X509_BADCERT_NOT_TRUSTED, "certificate signed by none of the trusted authorities"},
};

/* `alert`: sent when mbedTLS sends none by itself; -1: none is due. */
static const struct {
    int error, alert;
    const char *words;
} ERRORS[] = {
    {MBEDTLS_ERR_SSL_UNKNOWN_IDENTITY, 115, "unknown PSK identity"},
    {MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE, 40, "no certificate"},
    {MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE, 40, "no cipher suite, curve or signature in common"},
    {MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION, 70, "not DTLS 1.2"},
    {MBEDTLS_ERR_SSL_DECODE_ERROR, 50, "malformed handshake message"},
    {MBEDTLS_ERR_SSL_ILLEGAL_PARAMETER, 47, "illegal parameter in a handshake message"},
    {MBEDTLS_ERR_SSL_UNSUPPORTED_EXTENSION, 110, "unsupported extension"},
    {MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, 10, "unexpected handshake message"},
    {MBEDTLS_ERR_SSL_INVALID_RECORD, 50, "malformed record"},
    {MBEDTLS_ERR_SSL_TIMEOUT, -1, "no answer"},
    {MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY, -1, "the peer closed the handshake"},
    {MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE, -1, "the peer's alert"},
    {MBEDTLS_ERR_SSL_BUFFER_TOO_SMALL, 80, "a handshake message larger than our buffers"},
    {MBEDTLS_ERR_SSL_ALLOC_FAILED, 80, "out of memory"},
    {MBEDTLS_ERR_PK_UNKNOWN_PK_ALG, 43, "certificate's kind of key is not supported"},
    {MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE, 43, "certificate's curve is not supported"},
    {MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE, 43, "certificate's kind of key is not supported"},
    {MBEDTLS_ERR_ECP_FEATURE_UNAVAILABLE, 43, "certificate's curve is not supported"},
    {MBEDTLS_ERR_ECP_VERIFY_FAILED, 51, "signature does not fit the certificate"},
    {MBEDTLS_ERR_PK_SIG_LEN_MISMATCH, 51, "signature does not fit the certificate"},
};

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

/* mbedTLS adds a low-level error to a high-level one, which is a multiple of 0x80. */
static int is_error(int error, int listed) {
    return error == listed || -(-error & 0xff80) == listed;
}

static int find_error(int error) {
    for (size_t i = 0; i < COUNT(ERRORS); i++)
        if (is_error(error, ERRORS[i].error)) return (int)i;
    return -1;
}

/* A Finished that cannot be opened: the keys differ. RFC 4279, section 2 answers that with
 * decrypt_error. */
static int is_wrong_key(const lf_dtls_session *session, int error) {
    return error == MBEDTLS_ERR_SSL_INVALID_MAC && session->kind == LF_DTLS_KIND_PSK;
}

static const char *alert_words(int number) {
    for (size_t i = 0; i < COUNT(ALERTS); i++)
        if (ALERTS[i].number == number) return ALERTS[i].words;
    return "the peer's alert";
}

const char *lf_why_words(const lf_dtls_session *session, int error) {
    if (error == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || error == MBEDTLS_ERR_SSL_BAD_CERTIFICATE) {
        uint32_t flags = session->flags;
        /* Curve and key usage are looked at after the hook. */
        const mbedtls_ssl_session *offered = session->ssl.session_negotiate;
        if (offered) flags |= offered->verify_result & ~lf_why_flags(flags);
        for (size_t i = 0; i < COUNT(FLAGS); i++)
            if (flags & FLAGS[i].flag) return FLAGS[i].words;
        return "certificate refused";
    }
    if (error == MBEDTLS_ERR_SSL_INVALID_MAC)
        return is_wrong_key(session, error) ? "wrong pre-shared key"
                                            : "the last handshake message cannot be opened";
    if (error == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) return alert_words(session->ssl.in_msg[1]);
    int at = find_error(error);
    return at >= 0 ? ERRORS[at].words : "malformed certificate or handshake message";
}

int lf_why_alert(const lf_dtls_session *session, int error, int sent) {
    if (is_wrong_key(session, error)) return 51;
    if (error == MBEDTLS_ERR_SSL_INVALID_MAC) return 20;
    int at = find_error(error);
    /* What mbedTLS has chosen stands, but for a certificate that it could not read: bad_certificate
     * says too little. */
    if (sent >= 0) return sent == 42 && at >= 0 ? ERRORS[at].alert : sent;
    return at >= 0 ? ERRORS[at].alert : 80;
}

uint32_t lf_why_flags(uint32_t flags) {
    /* certificate_expired says "has expired or is not currently valid" (RFC 5246, section 7.2.2).
     */
    if (flags & MBEDTLS_X509_BADCERT_FUTURE) flags |= MBEDTLS_X509_BADCERT_EXPIRED;
    if (flags & MBEDTLS_X509_BADCERT_BAD_MD) flags |= MBEDTLS_X509_BADCERT_BAD_PK;
    return flags;
}
