/* DTLS 1.2 for the sources of a load program, by mbedTLS: one session each, opened when something
 * is to be sent. A request waits for its handshake; only the newest one does.
 *
 * Nothing is retransmitted: what is lost, the load asks again, with a new handshake. Knows no CoAP.
 */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <stdint.h>

#define SECURE_KEY "0123456789abcdef" /* the pre-shared key of every source */

typedef struct {
    const char *suite;   /* mbedTLS's name: TLS-PSK-WITH-AES-128-CCM-8 */
    const char *prefix;  /* of the identities, before seven digits */
    const char *pem;     /* before seven digits and .pem: a certificate and key each; empty: keys */
    const char *ca_file; /* what the server's certificate must come from */
    int offers_cid;      /* whether connection ids are offered; own ones are of length zero */
} secure_options;

/* Put DTLS under `count` sources, which are open. Ends the program with a message when it cannot.
 */
void secure_sources(uint32_t count, const secure_options *options);

/* Forget a source's session, without a word to the server: the next request needs a handshake. */
void secure_forget(uint32_t source);

/* Handshakes that ended well so far, and sessions or handshakes that ended with an error. */
uint64_t secure_handshakes(void);
uint64_t secure_failures(void);

#endif
