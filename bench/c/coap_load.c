/* Load for a CoAP or echo server: confirmable GETs of one path, or plain datagrams to be echoed.
 *
 *   coap_load --mode coap --path .well-known/core --port 5683 --pid SERVER --sources 1000
 *
 * Speaks DTLS with pre-shared keys when --suite is given. Prints one line of JSON. Every answer is checked: an echo must carry the request's first bytes, a
 * CoAP answer must be a piggybacked 2.xx with the request's message id and token. */
#include "coap.h"
#include "load.h"
#include "options.h"
#include "secure.h"
#include "sources.h"

#include <stdio.h>
#include <stdlib.h>

#define TOKEN_BYTES 2

static unsigned port = 5683, sources = 1000, shared, outstanding = 64, bytes = 100, pid, cpu = 1;
static unsigned server_cpu, first_port, first_mid;
static double rate, seconds = 2.5, warm = 0.5, timeout = 2;
static const char *mode = "coap", *path = "time", *suite = "";
static uint8_t path_options[256];
static size_t path_bytes;

static const option OPTIONS[] = {
    {"mode", OPTION_TEXT, &mode, "coap | echo"},
    {"port", OPTION_WHOLE, &port, "of the server on 127.0.0.1"},
    {"path", OPTION_TEXT, &path, "coap: what to GET, without the leading slash"},
    {"bytes", OPTION_WHOLE, &bytes, "echo: size of a datagram, 4 to 1500"},
    {"sources", OPTION_WHOLE, &sources, "addresses that ask in turn"},
    {"shared", OPTION_WHOLE, &shared, "sockets that carry them; 0: one each"},
    {"first-port", OPTION_WHOLE, &first_port, "of the shared sockets; 0: any"},
    {"outstanding", OPTION_WHOLE, &outstanding, "requests under way in the closed loop"},
    {"suite", OPTION_TEXT, &suite, "of DTLS, as mbedTLS names it; none: plain UDP"},
    {"rate", OPTION_REAL, &rate, "requests/s in the open loop; 0: closed loop"},
    {"seconds", OPTION_REAL, &seconds, "measured"},
    {"warm", OPTION_REAL, &warm, "seconds before that"},
    {"first-mid", OPTION_WHOLE, &first_mid, "where message ids begin; else by the clock"},
    {"timeout", OPTION_REAL, &timeout, "seconds after which a request counts as lost"},
    {"pid", OPTION_WHOLE, &pid, "of the server, whose CPU time is read"},
    {"cpu", OPTION_WHOLE, &cpu, "core of this program"},
    {"server-cpu", OPTION_WHOLE, &server_cpu, "core of the server"},
    {NULL, OPTION_WHOLE, NULL, NULL},
};

static void encode_path(void) {
    int last = 0;
    for (const char *at = path; *at;) {
        size_t size = strcspn(at, "/");
        if (size > 200 || path_bytes + size + 2 > sizeof path_options) exit(2);
        path_bytes += coap_option(path_options + path_bytes, &last, COAP_URI_PATH, at, size);
        at += size + (at[size] == '/');
    }
}

static size_t build_get(uint32_t source, uint16_t mid, uint8_t *out) {
    uint8_t token[TOKEN_BYTES] = {(uint8_t)(mid >> 8), (uint8_t)mid};
    size_t used = coap_header(out, COAP_CON, COAP_GET, mid, token, sizeof token);
    (void)source;
    memcpy(out + used, path_options, path_bytes);
    return used + path_bytes;
}

static load_verdict receive_get(uint32_t source, uint16_t mid, const uint8_t *in, size_t size) {
    (void)source;
    if (!coap_is_message(in, size) || coap_mid(in) != mid) return LOAD_STRAY;
    load_code(in[1]);
    int fits = coap_type(in) == COAP_ACK && in[1] >> 5 == 2 && coap_token_size(in) == TOKEN_BYTES &&
               (in[4] << 8 | in[5]) == mid;
    return fits ? LOAD_ANSWER : LOAD_BAD;
}

static size_t build_echo(uint32_t source, uint16_t mid, uint8_t *out) {
    (void)source;
    memset(out, 0x5a, bytes);
    out[0] = (uint8_t)(mid >> 8);
    out[1] = (uint8_t)mid;
    return bytes;
}

static load_verdict receive_echo(uint32_t source, uint16_t mid, const uint8_t *in, size_t size) {
    (void)source;
    if (size < 2 || (in[0] << 8 | in[1]) != mid) return LOAD_STRAY;
    return LOAD_ANSWER;
}

int main(int count, char **words) {
    static load_result result;
    first_mid = (unsigned)measure_now_ns();
    options_read(OPTIONS, count, words);
    if (bytes < 4 || bytes > 1500) {
        fprintf(stderr, "coap_load: bytes is %u, 4 to 1500 are possible\n", bytes);
        return 2;
    }
    int is_echo = !strcmp(mode, "echo");
    measure_pin((int)cpu);
    encode_path();
    sources_open(sources, shared, (uint16_t)first_port, (uint16_t)port);
    secure_options security = {suite, "dev", "", "", 0};
    if (*suite) secure_sources(sources, &security);
    load_plan plan = {.sources = sources,
                      .outstanding = outstanding,
                      .rate = rate,
                      .first_mid = (uint16_t)first_mid,
                      .timeout_s = timeout,
                      .warm_s = warm,
                      .duration_s = seconds,
                      .server_pid = (int)pid,
                      .server_cpu = (int)server_cpu,
                      .build = is_echo ? build_echo : build_get,
                      .receive = is_echo ? receive_echo : receive_get};
    load_run(&plan, &result);
    printf("{\"program\":\"coap_load\",\"mode\":\"%s\",\"sources\":%u,\"outstanding\":%u,", mode,
           sources, outstanding);
    load_print(&result);
    printf("}\n");
}
