/* Sockets, addresses and batches of the load programs; the contract is in sources.h. */
#define _GNU_SOURCE
#include "sources.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_ADDRESS 0x7f010000u /* 127.1.0.0 */
#define BATCH 64
#define EVENTS 256
#define SPARE_FILES 32 /* descriptors that are not sources */

typedef union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in_pktinfo))];
} control;

typedef struct {
    struct mmsghdr message[BATCH];
    struct iovec piece[BATCH];
    control info[BATCH];
    uint8_t bytes[BATCH][SOURCES_DATAGRAM];
    unsigned used;
} batch;

static int *files, poller;
static uint32_t shared_sockets;
static struct sockaddr_in server;
static uint64_t refused;
static batch *outgoing; /* one per shared socket */
static batch incoming;
static const sources_layer *layer;

uint64_t sources_refused(void) {
    return refused;
}

static void give_up(const char *what) {
    fprintf(stderr, "sources: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void raise_file_limit(uint32_t count) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) give_up("getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit)) give_up("setrlimit");
    if (limit.rlim_max != RLIM_INFINITY && count + SPARE_FILES > limit.rlim_max) {
        fprintf(stderr, "sources: %u own sockets, the file limit allows %lu; use shared sockets\n",
                count, (unsigned long)limit.rlim_max - SPARE_FILES);
        exit(2);
    }
}

static void watch(int fd, uint32_t index) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event)) give_up("epoll_ctl");
}

static int open_own(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server)) give_up("connect");
    return fd;
}

static int open_shared(uint16_t own_port) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), size = 4 << 20, on = 1;
    struct sockaddr_in any = {
        .sin_family = AF_INET, .sin_port = htons(own_port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof any)) give_up("bind");
    if (setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on)) give_up("IP_PKTINFO");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return fd;
}

static void prepare(batch *each, void *peer, socklen_t peer_size) {
    for (int i = 0; i < BATCH; i++) {
        each->piece[i] = (struct iovec){each->bytes[i], SOURCES_DATAGRAM};
        each->message[i].msg_hdr = (struct msghdr){.msg_name = peer,
                                                   .msg_namelen = peer_size,
                                                   .msg_iov = &each->piece[i],
                                                   .msg_iovlen = 1,
                                                   .msg_control = &each->info[i],
                                                   .msg_controllen = sizeof each->info[i]};
    }
}

static void prepare_outgoing(batch *each) {
    prepare(each, &server, sizeof server);
    for (int i = 0; i < BATCH; i++) {
        each->info[i].align = (struct cmsghdr){.cmsg_level = IPPROTO_IP,
                                               .cmsg_type = IP_PKTINFO,
                                               .cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo))};
    }
}

void sources_open(uint32_t count, uint32_t shared, uint16_t first_port, uint16_t port) {
    if (count == 0 || count > SOURCES_MAX) {
        fprintf(stderr, "sources: %u sources, 1 to %u are possible\n", count, SOURCES_MAX);
        exit(2);
    }
    uint32_t sockets = shared ? shared : count;
    raise_file_limit(sockets);
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    shared_sockets = shared;
    files = calloc(sockets, sizeof *files);
    outgoing = calloc(shared ? shared : 1, sizeof *outgoing);
    poller = epoll_create1(0);
    if (!files || !outgoing || poller < 0) give_up("start");
    for (uint32_t i = 0; i < sockets; i++) {
        uint16_t own_port = first_port ? (uint16_t)(first_port + i) : 0;
        files[i] = shared ? open_shared(own_port) : open_own();
        watch(files[i], i);
    }
    for (uint32_t i = 0; i < shared; i++)
        prepare_outgoing(&outgoing[i]);
    prepare(&incoming, NULL, 0);
}

static void flush_one(uint32_t socket) {
    batch *queued = &outgoing[socket];
    for (unsigned sent = 0; sent < queued->used;) {
        int now = sendmmsg(files[socket], queued->message + sent, queued->used - sent, 0);
        if (now <= 0) { /* the first of the rest is refused: leave it out and go on */
            refused++;
            now = 1;
        }
        sent += (unsigned)now;
    }
    queued->used = 0;
}

void sources_flush(void) {
    for (uint32_t i = 0; i < shared_sockets; i++)
        if (outgoing[i].used) flush_one(i);
}

void sources_wrap(const sources_layer *wrapped) {
    layer = wrapped;
}

void sources_send(uint32_t source, const uint8_t *bytes, size_t size) {
    (layer ? layer->send : sources_send_raw)(source, bytes, size);
}

void sources_send_raw(uint32_t source, const uint8_t *bytes, size_t size) {
    if (!shared_sockets) {
        refused += send(files[source], bytes, size, 0) < 0;
        return;
    }
    uint32_t socket = source % shared_sockets;
    batch *queue = &outgoing[socket];
    if (queue->used == BATCH) flush_one(socket);
    struct in_pktinfo info = {.ipi_spec_dst.s_addr = htonl(FIRST_ADDRESS + source)};
    memcpy(CMSG_DATA(&queue->info[queue->used].align), &info, sizeof info);
    memcpy(queue->bytes[queue->used], bytes, size);
    queue->piece[queue->used++].iov_len = size;
}

static void deliver(uint32_t source, const uint8_t *bytes, size_t size, sources_receiver receiver) {
    if (layer)
        layer->receive(source, bytes, size, receiver);
    else
        receiver(source, bytes, size);
}

static void receive_own(uint32_t source, sources_receiver receiver) {
    ssize_t size = recv(files[source], incoming.bytes[0], SOURCES_DATAGRAM, 0);
    if (size >= 0)
        deliver(source, incoming.bytes[0], (size_t)size, receiver);
    else
        refused += errno == ECONNREFUSED;
}

static void receive_shared(uint32_t socket, sources_receiver receiver) {
    int count = recvmmsg(files[socket], incoming.message, BATCH, 0, NULL);
    for (int i = 0; i < count; i++) {
        struct in_pktinfo info;
        struct msghdr *header = &incoming.message[i].msg_hdr;
        memcpy(&info, CMSG_DATA(&incoming.info[i].align), sizeof info);
        if (header->msg_controllen >= CMSG_LEN(sizeof info))
            deliver(ntohl(info.ipi_addr.s_addr) - FIRST_ADDRESS, incoming.bytes[i],
                    incoming.message[i].msg_len, receiver);
        header->msg_controllen = sizeof incoming.info[i];
    }
}

void sources_poll(int timeout_ms, sources_receiver receiver) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++)
        (shared_sockets ? receive_shared : receive_own)(events[i].data.u32, receiver);
}
