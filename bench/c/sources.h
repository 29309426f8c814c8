/* Sources: the addresses a load program speaks from, each an ip:port of its own, towards one server
 * on 127.0.0.1. Two styles:
 *
 *   own sockets     one connected socket per source. As real as loopback gets; bounded by the
 *                   file descriptor limit (about 19,900 sources here).
 *   shared sockets  a few sockets bound to 0.0.0.0; source i speaks from 127.1.0.0 + i, chosen for
 *                   each datagram by IP_PKTINFO, and an answer is told apart by the address it came
 *                   to. For a million sources, and for less work per datagram on this side.
 *
 * Knows no CoAP and remembers no request. One set per process; IPv4 only. */
#ifndef BENCH_SOURCES_H
#define BENCH_SOURCES_H

#include <stddef.h>
#include <stdint.h>

#define SOURCES_DATAGRAM 1536 /* bytes of the largest datagram sent or received */
#define SOURCES_MAX 4000000u  /* addresses from 127.1.0.0 up that stay inside 127.0.0.0/8 */

/* Called for each datagram received; `bytes` are valid only inside the call. */
typedef void (*sources_receiver)(uint32_t source, const uint8_t *bytes, size_t size);

/* Open `count` sources towards 127.0.0.1:`port`; `shared` sockets carry them all, 0 means one each.
 * Shared sockets take ports from `first_port` up, so that a later run has the same sources again; 0
 * means any ports. Ends the program with a message naming the limit when that cannot be. */
void sources_open(uint32_t count, uint32_t shared, uint16_t first_port, uint16_t port);

/* Send `size` bytes from a source: at once (own sockets), or with the next flush (shared). */
void sources_send(uint32_t source, const uint8_t *bytes, size_t size);

/* What may stand between a program and its datagrams: DTLS. */
typedef struct {
    /* Bring `size` bytes of the program on their way, by sources_send_raw. */
    void (*send)(uint32_t source, const uint8_t *bytes, size_t size);
    /* Give what a datagram carries, if anything, to `receiver`. */
    void (*receive)(uint32_t source, const uint8_t *bytes, size_t size, sources_receiver receiver);
} sources_layer;

/* From now on everything goes through `layer`. */
void sources_wrap(const sources_layer *layer);

/* sources_send past the layer. */
void sources_send_raw(uint32_t source, const uint8_t *bytes, size_t size);

/* Hand everything queued to the kernel. A datagram that it refuses is counted and dropped. */
void sources_flush(void);

/* Wait at most `timeout_ms` for datagrams and give up to a few hundred of them to `receiver`. */
void sources_poll(int timeout_ms, sources_receiver receiver);

/* Datagrams that could not be sent, and "port unreachable" answers seen. */
uint64_t sources_refused(void);

#endif
