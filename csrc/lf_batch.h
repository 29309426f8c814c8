/* lf_batch: many UDP datagrams in one system call, into and out of memory that the caller owns.
 *
 * Knows sockets and addresses, nothing of CoAP. No global state, no allocation after
 * lf_batch_new(), no logging. One lf_batch serves one thread.
 */
#ifndef LF_BATCH_H
#define LF_BATCH_H

#include <stddef.h>
#include <stdint.h>

#define LF_BATCH_SLOTS 64      /* datagrams per system call: 32 to 128 measured alike */
#define LF_DATAGRAM_BYTES 2048 /* room per slot; a longer datagram is reported as truncated */

/* Where a datagram came from or goes to. IPv4 is kept as ::ffff:a.b.c.d, so that equal bytes mean
 * the same peer; `port` is in host order; `scope` is the interface of a link-local address, else
 * 0; `local` is the number the caller gave the socket (one registration belongs to one socket). */
typedef struct {
    uint8_t ip[16];
    uint16_t port;
    uint16_t local;
    uint32_t scope;
} lf_addr;

/* One received datagram. `data` has room for LF_DATAGRAM_BYTES and belongs to the caller. */
typedef struct {
    lf_addr from;
    uint32_t size;
    uint8_t *data;
} lf_slot;

/* One datagram to send: `size` bytes at `offset` of the arena given to lf_batch_send(). */
typedef struct {
    lf_addr to;
    uint32_t offset;
    uint32_t size;
} lf_out;

typedef struct {
    uint64_t received;       /* datagrams handed to the caller */
    uint64_t truncated;      /* longer than LF_DATAGRAM_BYTES: dropped here */
    uint64_t kernel_dropped; /* dropped by the kernel because the receive buffer was full */
    uint64_t sent;
    uint64_t send_refused;   /* this one datagram cannot leave: no route, filtered, too long ... */
    uint64_t send_no_memory; /* ENOBUFS or ENOMEM: the datagram is dropped */
    uint64_t receive_errors; /* pending ICMP errors and the like: skipped */
} lf_counts;

typedef struct lf_batch lf_batch;

/* NULL when out of memory. `family` is AF_INET or AF_INET6 and must be the socket's own. */
lf_batch *lf_batch_new(int family, uint16_t local);
void lf_batch_free(lf_batch *batch);
const lf_counts *lf_batch_counts(const lf_batch *batch);

/* Fill up to LF_BATCH_SLOTS `slots` from the non-blocking socket `fd`. Returns how many were
 * filled, which may be 0 with `*more` set when every datagram of the call was truncated;
 * `*more` says whether another call may find more. Returns -errno only for an error that will
 * not go away by itself (EBADF, ENOTSOCK, ...); EAGAIN, EINTR and ICMP errors are not errors. */
int lf_batch_recv(lf_batch *batch, int fd, lf_slot *slots, int *more);

/* Send `count` datagrams in order. Returns how many are done with (sent, or refused and counted);
 * fewer than `count` means that the socket would block: call again with the rest when it is
 * writable. Never returns an error: what one datagram meets must not stop the others. */
int lf_batch_send(lf_batch *batch, int fd, const uint8_t *arena, const lf_out *out, int count);

#endif
