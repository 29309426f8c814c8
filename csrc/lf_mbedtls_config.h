/* What of mbedTLS 3.6 is built into this product, and how large: DTLS 1.2 with PSK and X.509, both
 * roles.
 *
 * For a library of our own (.ci/mbedtls); one of the system has its own configuration, and
 * lf_dtls_library() says so. Left out on purpose: RSA (LwM2M certificates are ECDSA),
 * renegotiation, tickets, TLS 1.3, PSA, SHA-1, anything that reads files. */
#ifndef LF_MBEDTLS_CONFIG_H
#define LF_MBEDTLS_CONFIG_H

#include "lf_memory.h"

/* Platform */
#define MBEDTLS_HAVE_ASM
#define MBEDTLS_HAVE_TIME
#define MBEDTLS_HAVE_TIME_DATE /* validity of certificates */
#define MBEDTLS_PLATFORM_C
#define MBEDTLS_PLATFORM_MEMORY
#define MBEDTLS_PLATFORM_CALLOC_MACRO lf_memory_take
#define MBEDTLS_PLATFORM_FREE_MACRO lf_memory_give
#define MBEDTLS_ENTROPY_C
#define MBEDTLS_CTR_DRBG_C
#define MBEDTLS_CTR_DRBG_USE_128_BIT_KEY /* no suite has more */
#define MBEDTLS_ERROR_C
#define MBEDTLS_VERSION_C

/* Ciphers and hashes */
#define MBEDTLS_AES_C
#define MBEDTLS_AES_ONLY_128_BIT_KEY_LENGTH /* a session has two AES contexts: 192 bytes less */
#define MBEDTLS_AES_ROM_TABLES /* none made at run time: nothing that two threads could race for   \
                                */
#define MBEDTLS_CIPHER_C
#define MBEDTLS_CIPHER_MODE_CBC
#define MBEDTLS_CCM_C
#define MBEDTLS_GCM_C
#define MBEDTLS_MD_C
#define MBEDTLS_SHA224_C
#define MBEDTLS_SHA256_C
#define MBEDTLS_SHA384_C
#define MBEDTLS_SHA512_C
#if defined(__x86_64__)
#define MBEDTLS_AESNI_C
#define MBEDTLS_SHA256_PROCESS_ALT /* csrc/lf_sha256_mbedtls.c */
#elif defined(__aarch64__)
#define MBEDTLS_AESCE_C
#define MBEDTLS_SHA256_USE_ARMV8_A_CRYPTO_IF_PRESENT
#endif

/* Curves, keys, certificates */
#define MBEDTLS_BIGNUM_C
#define MBEDTLS_ECP_C
#define MBEDTLS_ECP_DP_SECP256R1_ENABLED
#define MBEDTLS_ECP_DP_SECP384R1_ENABLED /* of authorities */
#define MBEDTLS_ECP_NIST_OPTIM
#define MBEDTLS_ECDH_C
#define MBEDTLS_ECDSA_C
#define MBEDTLS_ASN1_PARSE_C
#define MBEDTLS_ASN1_WRITE_C
#define MBEDTLS_BASE64_C
#define MBEDTLS_PEM_PARSE_C
#define MBEDTLS_OID_C
#define MBEDTLS_PK_C
#define MBEDTLS_PK_PARSE_C
#define MBEDTLS_X509_USE_C
#define MBEDTLS_X509_CRT_PARSE_C

/* DTLS. Without MBEDTLS_SSL_KEEP_PEER_CERTIFICATE a session keeps the SHA-256 of its peer's
 * certificate only. */
#define MBEDTLS_SSL_TLS_C
#define MBEDTLS_SSL_SRV_C
#define MBEDTLS_SSL_CLI_C
#define MBEDTLS_SSL_PROTO_TLS1_2
#define MBEDTLS_SSL_PROTO_DTLS
#define MBEDTLS_SSL_ALL_ALERT_MESSAGES /* a device is told why it was refused */
#define MBEDTLS_SSL_DTLS_ANTI_REPLAY
#define MBEDTLS_SSL_DTLS_CONNECTION_ID
#define MBEDTLS_SSL_DTLS_CONNECTION_ID_COMPAT 0 /* RFC 9146, not its drafts */
#define MBEDTLS_SSL_DTLS_HELLO_VERIFY
#define MBEDTLS_SSL_COOKIE_C
#define MBEDTLS_SSL_CACHE_C
#define MBEDTLS_SSL_EXTENDED_MASTER_SECRET
#define MBEDTLS_SSL_ENCRYPT_THEN_MAC
#define MBEDTLS_SSL_CONTEXT_SERIALIZATION
#define MBEDTLS_SSL_MAX_FRAGMENT_LENGTH
#define MBEDTLS_KEY_EXCHANGE_PSK_ENABLED
#define MBEDTLS_KEY_EXCHANGE_ECDHE_ECDSA_ENABLED

/* Sizes in bytes. A session has a buffer each way as long as it lives, so they are as small as may
 * be: for 1,280 bytes of CoAP, and for a handshake message, the longest of which is a chain of two
 * P-256 certificates. */
#define MBEDTLS_PSK_MAX_LEN 64
#define MBEDTLS_SSL_IN_CONTENT_LEN 1344
#define MBEDTLS_SSL_OUT_CONTENT_LEN 1344
#define MBEDTLS_SSL_DTLS_MAX_BUFFERING 4096 /* of a handshake's flights that came out of order */
#define MBEDTLS_SSL_CID_IN_LEN_MAX 16
#define MBEDTLS_SSL_CID_OUT_LEN_MAX 32
#define MBEDTLS_SSL_CID_TLS1_3_PADDING_GRANULARITY 1 /* none */

#endif
