#define _GNU_SOURCE
#include "lf_batch.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The kernel adds its drop counter (SO_RXQ_OVFL, a u32) to a datagram once it has dropped any. */
#define CONTROL_BYTES CMSG_SPACE(sizeof(uint32_t))

struct lf_batch {
    int family;
    uint16_t local;
    uint32_t last_overflow;
    lf_counts counts;
    struct mmsghdr messages[LF_BATCH_SLOTS];
    struct iovec vectors[LF_BATCH_SLOTS];
    struct sockaddr_in6 names[LF_BATCH_SLOTS]; /* large enough for either family */
    _Alignas(struct cmsghdr) uint8_t control[LF_BATCH_SLOTS][CONTROL_BYTES];
};

static const uint8_t V4_PREFIX[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

lf_batch *lf_batch_new(int family, uint16_t local) {
    lf_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    batch->family = family;
    batch->local = local;
    for (int i = 0; i < LF_BATCH_SLOTS; i++) {
        struct msghdr *header = &batch->messages[i].msg_hdr;
        header->msg_name = &batch->names[i];
        header->msg_iov = &batch->vectors[i];
        header->msg_iovlen = 1;
    }
    return batch;
}

void lf_batch_free(lf_batch *batch) {
    free(batch);
}

const lf_counts *lf_batch_counts(const lf_batch *batch) {
    return &batch->counts;
}

static void addr_from_name(lf_addr *addr, const struct sockaddr_in6 *name, uint16_t local) {
    addr->local = local;
    if (name->sin6_family == AF_INET6) {
        memcpy(addr->ip, &name->sin6_addr, 16);
        addr->port = ntohs(name->sin6_port);
        addr->scope = name->sin6_scope_id;
        return;
    }
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)name;
    memcpy(addr->ip, V4_PREFIX, 12);
    memcpy(addr->ip + 12, &v4->sin_addr, 4);
    addr->port = ntohs(v4->sin_port);
    addr->scope = 0;
}

/* Returns the size of the name, or 0 when the socket's family cannot reach the address. */
static socklen_t name_from_addr(struct sockaddr_in6 *name, const lf_addr *addr, int family) {
    memset(name, 0, sizeof *name);
    if (family == AF_INET6) {
        name->sin6_family = AF_INET6;
        name->sin6_port = htons(addr->port);
        name->sin6_scope_id = addr->scope;
        memcpy(&name->sin6_addr, addr->ip, 16);
        return sizeof(struct sockaddr_in6);
    }
    if (memcmp(addr->ip, V4_PREFIX, 12) != 0) return 0;
    struct sockaddr_in *v4 = (struct sockaddr_in *)name;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(addr->port);
    memcpy(&v4->sin_addr, addr->ip + 12, 4);
    return sizeof(struct sockaddr_in);
}

static void note_overflow(lf_batch *batch, struct msghdr *header) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL) continue;
        uint32_t total;
        memcpy(&total, CMSG_DATA(c), sizeof total);
        batch->counts.kernel_dropped += (uint32_t)(total - batch->last_overflow);
        batch->last_overflow = total;
    }
}

/* Errors that say "nothing now" or report what an earlier datagram met: the socket is fine. */
static int is_passing(int error) {
    switch (error) {
    case EAGAIN:
    case EINTR:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EMSGSIZE:
    case ENOBUFS:
    case ENOMEM:
        return 1;
    default:
        return 0;
    }
}

int lf_batch_recv(lf_batch *batch, int fd, lf_slot *slots, int *more) {
    for (int i = 0; i < LF_BATCH_SLOTS; i++) {
        struct msghdr *header = &batch->messages[i].msg_hdr;
        batch->vectors[i].iov_base = slots[i].data;
        batch->vectors[i].iov_len = LF_DATAGRAM_BYTES;
        header->msg_namelen = sizeof batch->names[i];
        header->msg_control = batch->control[i];
        header->msg_controllen = CONTROL_BYTES;
    }
    int count = recvmmsg(fd, batch->messages, LF_BATCH_SLOTS, MSG_DONTWAIT, NULL);
    if (count < 0) {
        int error = errno;
        *more = error != EAGAIN && is_passing(error);
        if (*more) batch->counts.receive_errors++;
        return is_passing(error) ? 0 : -error;
    }
    *more = count == LF_BATCH_SLOTS;
    int kept = 0;
    for (int i = 0; i < count; i++) {
        struct msghdr *header = &batch->messages[i].msg_hdr;
        if (header->msg_controllen) note_overflow(batch, header);
        if (header->msg_flags & MSG_TRUNC) {
            batch->counts.truncated++;
            continue;
        }
        /* The slot's own buffer holds the bytes: after a truncated one, swap buffers forward. */
        uint8_t *data = slots[i].data;
        slots[i].data = slots[kept].data;
        slots[kept].data = data;
        slots[kept].size = batch->messages[i].msg_len;
        addr_from_name(&slots[kept].from, &batch->names[i], batch->local);
        kept++;
    }
    batch->counts.received += (uint64_t)kept;
    return kept;
}

/* One datagram could not leave; the others must. Returns 0 when the socket would block. */
static int refuse_one(lf_batch *batch, int error) {
    if (error == EAGAIN || error == EINTR) return error == EINTR ? -1 : 0;
    if (error == ENOBUFS || error == ENOMEM)
        batch->counts.send_no_memory++;
    else
        batch->counts.send_refused++;
    return 1;
}

static int fill(lf_batch *batch, const uint8_t *arena, const lf_out *out, int count) {
    int filled = 0;
    for (; filled < count && filled < LF_BATCH_SLOTS; filled++) {
        struct msghdr *header = &batch->messages[filled].msg_hdr;
        header->msg_namelen = name_from_addr(&batch->names[filled], &out[filled].to, batch->family);
        if (!header->msg_namelen) break;
        header->msg_control = NULL;
        header->msg_controllen = 0;
        batch->vectors[filled].iov_base = (void *)(uintptr_t)(arena + out[filled].offset);
        batch->vectors[filled].iov_len = out[filled].size;
    }
    return filled;
}

int lf_batch_send(lf_batch *batch, int fd, const uint8_t *arena, const lf_out *out, int count) {
    int done = 0;
    while (done < count) {
        int filled = fill(batch, arena, out + done, count - done);
        if (!filled) { /* an address of the other family */
            batch->counts.send_refused++;
            done++;
            continue;
        }
        int sent = sendmmsg(fd, batch->messages, (unsigned)filled, MSG_DONTWAIT);
        if (sent > 0) {
            batch->counts.sent += (uint64_t)sent;
            done += sent;
            continue;
        }
        int refused = refuse_one(batch, errno);
        if (refused == 0) break;
        if (refused > 0) done++;
    }
    return done;
}
