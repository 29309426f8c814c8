/* The ceiling of an LwM2M server on plain UDP: what is left when everything that makes a server
 * useful is taken out. recvmmsg, peer table, minimal CoAP parse, a ring of the last four answers
 * per peer for duplicates, a fixed answer, sendmmsg.
 *
 *   ceiling PORT
 *
 * It keeps no registration, checks nothing and stores nothing. */
#define _GNU_SOURCE
#include "peers.h"
#include "server.h"

static size_t answer(const struct sockaddr_in *from, const uint8_t *in, size_t size, uint8_t *out) {
    peer *known = peers_find(from);
    return known ? peers_answer(known, in, size, out) : 0;
}

int main(int count, char **words) {
    if (count != 2) {
        fprintf(stderr, "usage: ceiling PORT\n");
        return 2;
    }
    peers_prepare();
    server_run(server_open((uint16_t)strtoul(words[1], NULL, 10)), answer);
}
