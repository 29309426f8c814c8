/* What the ceilings know of their peers: a table by address, and a ring of the last four answers
 * each for duplicates. A Register is answered 2.01 with a fresh location, any other request 2.04, a
 * notification is acknowledged, a ping reset.
 *
 * Knows no socket and no security. Inlined into each program, as server.h is. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "coap.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define RING 4        /* answers kept per peer */
#define ANSWER_MAX 24 /* bytes of an answer that is kept */
#define PEERS_MAX (1u << 22)

typedef struct {
    uint16_t mid[RING];
    uint8_t size[RING]; /* 0: this place is empty */
    uint8_t oldest;
    uint8_t answer[RING][ANSWER_MAX];
} peer;

typedef struct {
    uint64_t key; /* address and port, never 0 */
    uint32_t peer;
} place;

/* Peers lie dense in order of arrival and the index doubles with them: a small fleet stays in the
 * cache, as it would in any good server. */
static peer *peers;
static uint32_t peer_count;
static place *index_;
static uint64_t index_size = 1024;
static uint32_t next_location;

/* Memory that is zero, and takes none before it is touched. */
static void *reserve(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return memory;
}

static place *find_place(uint64_t key) {
    uint64_t at = key * 0x9E3779B97F4A7C15u >> 20;
    while (index_[at & (index_size - 1)].key && index_[at & (index_size - 1)].key != key)
        at++;
    return &index_[at & (index_size - 1)];
}

static void grow_index(void) {
    place *old = index_;
    uint64_t old_size = index_size;
    index_size *= 2;
    index_ = reserve(index_size * sizeof *index_);
    for (uint64_t i = 0; i < old_size; i++)
        if (old[i].key) *find_place(old[i].key) = old[i];
    munmap(old, old_size * sizeof *old);
}

/* The peer that has this address, new or not; NULL: there are too many. */
static peer *peers_find(const struct sockaddr_in *from) {
    uint64_t key = ((uint64_t)from->sin_addr.s_addr << 16 | from->sin_port) + 1;
    place *found = find_place(key);
    if (found->key) return &peers[found->peer];
    if (peer_count == PEERS_MAX) return NULL;
    if (peer_count >= index_size / 2) {
        grow_index();
        found = find_place(key);
    }
    *found = (place){key, peer_count};
    return &peers[peer_count++];
}

static int is_register(const uint8_t *in, size_t size) {
    coap_walk walk = coap_options(in, size);
    int segments = 0, is_rd = 0;
    while (coap_next(&walk))
        if (walk.number == COAP_URI_PATH)
            is_rd = segments++ == 0 && walk.size == 2 && !memcmp(walk.value, "rd", 2);
    return is_rd && segments == 1;
}

static size_t created(uint8_t *out) {
    char id[9];
    int last = 0;
    size_t used = coap_option(out, &last, COAP_LOCATION_PATH, "rd", 2);
    for (int i = 0; i < 8; i++)
        id[i] = "0123456789abcdef"[next_location >> (28 - 4 * i) & 15];
    next_location++;
    return used + coap_option(out + used, &last, COAP_LOCATION_PATH, id, 8);
}

static size_t decide(const uint8_t *in, size_t size, uint8_t *out) {
    uint16_t mid = coap_mid(in);
    if (in[1] == COAP_EMPTY) return coap_header(out, COAP_RST, COAP_EMPTY, mid, in, 0);
    if (in[1] == COAP_CONTENT) return coap_header(out, COAP_ACK, COAP_EMPTY, mid, in, 0);
    int code = is_register(in, size) ? COAP_CREATED : COAP_CHANGED;
    size_t used = coap_header(out, COAP_ACK, code, mid, in + 4, coap_token_size(in));
    return code == COAP_CREATED ? used + created(out + used) : used;
}

/* What a peer that asked with `in` is told, duplicates included. */
static size_t peers_answer(peer *known, const uint8_t *in, size_t size, uint8_t *out) {
    if (!coap_is_message(in, size) || coap_type(in) != COAP_CON) return 0;
    uint16_t mid = coap_mid(in);
    for (int i = 0; i < RING; i++)
        if (known->size[i] && known->mid[i] == mid) {
            memcpy(out, known->answer[i], known->size[i]);
            return known->size[i];
        }
    size_t used = decide(in, size, out);
    int kept = known->oldest++ % RING;
    known->mid[kept] = mid;
    known->size[kept] = used <= ANSWER_MAX ? (uint8_t)used : 0;
    memcpy(known->answer[kept], out, known->size[kept]);
    return used;
}

static void peers_prepare(void) {
    peers = reserve((size_t)PEERS_MAX * sizeof *peers);
    index_ = reserve(index_size * sizeof *index_);
}

#endif
