/* The loop that the reference servers of bench/ share: up to 64 datagrams in with one syscall, one
 * function per datagram, the answers out with one syscall. It is the fastest plain-socket loop
 * measured on Linux loopback, so what it costs is what no server on one core can go below.
 *
 * IPv4 on 127.0.0.1 only. Inlined into each program, so that a ceiling pays no call. */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_BATCH 64
#define SERVER_DATAGRAM 2048

/* Answer the `size` bytes at `in` with bytes at `out`; returns how many, 0 for no answer. */
typedef size_t (*server_answer)(const struct sockaddr_in *from, const uint8_t *in, size_t size,
                                uint8_t *out);

/* A bound socket with 4 MiB buffers, or the end of the program. Port 0 takes a free one. Prints the
 * line that the rig waits for. */
static inline int server_open(uint16_t port) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int buffer = 4 << 20;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) ||
        getsockname(fd, (struct sockaddr *)&address, &size)) {
        perror("bind");
        exit(1);
    }
    printf("ready coap=udp://127.0.0.1:%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

typedef struct {
    struct mmsghdr message[SERVER_BATCH];
    struct iovec piece[SERVER_BATCH];
    struct sockaddr_in peer[SERVER_BATCH];
    uint8_t bytes[SERVER_BATCH][SERVER_DATAGRAM];
} server_batch;

static inline void server_prepare(server_batch *batch) {
    for (int i = 0; i < SERVER_BATCH; i++) {
        batch->piece[i] = (struct iovec){batch->bytes[i], SERVER_DATAGRAM};
        batch->message[i].msg_hdr = (struct msghdr){.msg_name = &batch->peer[i],
                                                    .msg_namelen = sizeof batch->peer[i],
                                                    .msg_iov = &batch->piece[i],
                                                    .msg_iovlen = 1};
    }
}

static inline void server_send(int fd, server_batch *batch, int count) {
    for (int sent = 0; sent < count;) {
        int now = sendmmsg(fd, batch->message + sent, (unsigned)(count - sent), 0);
        if (now <= 0) return;
        sent += now;
    }
}

/* Serve until a signal ends the process. */
static inline void server_run(int fd, server_answer answer) {
    static server_batch in, out;
    server_prepare(&in);
    server_prepare(&out);
    for (;;) {
        int answers = 0, count = recvmmsg(fd, in.message, SERVER_BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < count; i++) {
            size_t size =
                answer(&in.peer[i], in.bytes[i], in.message[i].msg_len, out.bytes[answers]);
            if (size) {
                out.peer[answers] = in.peer[i];
                out.piece[answers++].iov_len = size;
            }
            in.message[i].msg_hdr.msg_namelen = sizeof in.peer[i];
        }
        server_send(fd, &out, answers);
    }
}

#endif
