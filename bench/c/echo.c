/* The floor of every request and answer: each datagram is sent back, nothing is looked at.
 *
 *   echo PORT [ANSWER_BYTES]
 *
 * With ANSWER_BYTES every answer has that size (the datagram's bytes first), so that a server
 * whose answers are longer than its requests is compared with an echo that moves as many bytes. */
#define _GNU_SOURCE
#include "server.h"

static size_t answer_bytes;

static size_t send_back(const struct sockaddr_in *from, const uint8_t *in, size_t size,
                        uint8_t *out) {
    (void)from;
    if (!answer_bytes) {
        memcpy(out, in, size);
        return size;
    }
    /* beyond the request lies whatever an earlier answer left there: its size is what costs */
    memcpy(out, in, size < answer_bytes ? size : answer_bytes);
    return answer_bytes;
}

int main(int count, char **words) {
    if (count < 2) {
        fprintf(stderr, "usage: echo PORT [ANSWER_BYTES]\n");
        return 2;
    }
    answer_bytes = count > 2 ? strtoul(words[2], NULL, 10) : 0;
    if (answer_bytes > SERVER_DATAGRAM) {
        fprintf(stderr, "echo: ANSWER_BYTES is %zu, at most %d\n", answer_bytes, SERVER_DATAGRAM);
        return 2;
    }
    server_run(server_open((uint16_t)strtoul(words[1], NULL, 10)), send_back);
}
