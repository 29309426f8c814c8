/* A fleet of LwM2M devices that asks as fast as it is answered, or at a given
 * rate.
 *
 *   device_load --mode upd --port 5683 --pid SERVER --devices 1000
 *
 * Modes: reg (every device registers again and again), shake (the same, each time in
 * a DTLS session of its own), upd (register once, then Updates), ping (CoAP ping, answered by a reset), send (POST /dp), notify
 * (confirmable notifications), burst (16 notifications, the last one
 * confirmable; one burst counts as one answer), serve (answer the server's
 * reads), idle (register, then sit for --seconds). All but reg and ping
 * register the whole fleet first, unless --locations names a file that --save
 * wrote; notify and burst then wait until the server observes every device,
 * unless --observed is 0.
 *
 * Prints one line of JSON; with --save also writes every device's location, so
 * that a later run can prove that the server still knows them. Speaks DTLS when
 * --suite is given: with pre-shared keys, or with the certificates that --pem names. */
#define _GNU_SOURCE
#include "coap.h"
#include "load.h"
#include "options.h"
#include "reports.h"
#include "secure.h"
#include "sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOKEN_BYTES 2
#define LOCATION_MAX 39
#define SAMPLES 16 /* locations printed in the JSON line */

/* Location of a registration, kept as the Uri-Path options of its Update. */
typedef struct {
    uint8_t size; /* 0: not registered */
    uint8_t options[LOCATION_MAX];
} location;

typedef struct {
    const char *name;
    int needs_registration, needs_observation;
    size_t (*build)(uint32_t device, uint16_t mid, uint8_t *out); /* NULL: asks nothing */
} mode;

static unsigned port = 5683, devices = 1000, shared, outstanding = 64, pid, cpu = 1, server_cpu;
static unsigned models = 1, once, setup_outstanding = 256, first_port, first_mid, observed = 1;
static double rate, seconds = 2.5, warm = 0.5, timeout = 2, rest;
static const char *mode_name = "upd", *prefix = "dev", *save_file = "", *locations_file = "";
static const char *lifetime = "86400", *suite = "", *pem = "", *ca_file = "";
static unsigned cid;

static const option OPTIONS[] = {
    {"mode", OPTION_TEXT, &mode_name, "reg | shake | upd | ping | send | notify | burst | serve | idle"},
    {"port", OPTION_WHOLE, &port, "of the server on 127.0.0.1"},
    {"devices", OPTION_WHOLE, &devices, "in the fleet"},
    {"shared", OPTION_WHOLE, &shared, "sockets that carry them; 0: one each"},
    {"first-port", OPTION_WHOLE, &first_port, "of the shared sockets; 0: any"},
    {"outstanding", OPTION_WHOLE, &outstanding, "requests under way in the closed loop"},
    {"setup", OPTION_WHOLE, &setup_outstanding, "Registers under way before the measurement"},
    {"models", OPTION_WHOLE, &models, "distinct sets of links in the fleet"},
    {"prefix", OPTION_TEXT, &prefix, "of the endpoint names, before seven digits"},
    {"lifetime", OPTION_TEXT, &lifetime, "lt of the Registers, in seconds"},
    {"rate", OPTION_REAL, &rate, "requests/s in the open loop; 0: closed loop"},
    {"seconds", OPTION_REAL, &seconds, "measured"},
    {"warm", OPTION_REAL, &warm, "seconds before that"},
    {"rest", OPTION_REAL, &rest, "seconds of silence before that, once all have registered"},
    {"once", OPTION_WHOLE, &once, "1: every device asks exactly once instead"},
    {"observed", OPTION_WHOLE, &observed, "0: the server observes nobody, tokens are made up"},
    {"first-mid", OPTION_WHOLE, &first_mid, "where message ids begin; else by the clock"},
    {"timeout", OPTION_REAL, &timeout, "seconds after which a request counts as lost"},
    {"save", OPTION_TEXT, &save_file, "write all locations to this file"},
    {"locations", OPTION_TEXT, &locations_file, "read them instead of registering"},
    {"suite", OPTION_TEXT, &suite, "of DTLS, as mbedTLS names it; none: plain UDP"},
    {"cid", OPTION_WHOLE, &cid, "1: offer connection ids"},
    {"pem", OPTION_TEXT, &pem, "certificates with keys: this, seven digits, .pem"},
    {"ca", OPTION_TEXT, &ca_file, "authority of the server's certificate"},
    {"pid", OPTION_WHOLE, &pid, "of the server, whose CPU time and memory are read"},
    {"cpu", OPTION_WHOLE, &cpu, "core of this program"},
    {"server-cpu", OPTION_WHOLE, &server_cpu, "core of the server"},
    {NULL, OPTION_WHOLE, NULL, NULL},
};

static location *fleet;

/* Ten links: the root with what the device speaks, and nine instances. The last
 * one differs from model to model. */
static size_t links(uint32_t device, uint8_t *out) {
    static const char common[] = "</>;rt=\"oma.lwm2m\";ct=\"60 110 112 11542 11543\",</1/0>,"
                                 "</2/0>,</3/0>,</4/0>,</5/0>,</6/0>,</7/0>,</3303/0>,</3303/";
    memcpy(out, common, sizeof common - 1);
    return sizeof common - 1 +
           (size_t)sprintf((char *)out + sizeof common - 1, "%u>", 1 + device % models);
}

static size_t start_post(uint16_t mid, uint8_t *out) {
    uint8_t token[TOKEN_BYTES] = {(uint8_t)(mid >> 8), (uint8_t)mid};
    return coap_header(out, COAP_CON, COAP_POST, mid, token, sizeof token);
}

static size_t query(uint8_t *out, int *last, const char *name, const char *value) {
    char text[96];
    int size = snprintf(text, sizeof text, "%s=%s", name, value);
    return coap_option(out, last, COAP_URI_QUERY, text, (size_t)size);
}

static size_t build_register(uint32_t device, uint16_t mid, uint8_t *out) {
    char name[64];
    int last = 0;
    uint8_t link_format = 40;
    size_t used = start_post(mid, out);
    snprintf(name, sizeof name, "%.40s%07u", prefix, device);
    used += coap_option(out + used, &last, COAP_URI_PATH, "rd", 2);
    used += coap_option(out + used, &last, COAP_CONTENT_FORMAT, &link_format, 1);
    used += query(out + used, &last, "ep", name);
    used += query(out + used, &last, "lt", lifetime);
    used += query(out + used, &last, "lwm2m", "1.1");
    used += query(out + used, &last, "b", "U");
    out[used++] = 0xff;
    return used + links(device, out + used);
}

static size_t build_shake(uint32_t device, uint16_t mid, uint8_t *out) {
    secure_forget(device);
    return build_register(device, mid, out);
}

static size_t build_update(uint32_t device, uint16_t mid, uint8_t *out) {
    if (fleet[device].size == 0) return 0;
    size_t used = start_post(mid, out);
    memcpy(out + used, fleet[device].options, fleet[device].size);
    return used + fleet[device].size;
}

static size_t build_ping(uint32_t device, uint16_t mid, uint8_t *out) {
    (void)device;
    return coap_header(out, COAP_CON, COAP_EMPTY, mid, out, 0);
}

static const mode MODES[] = {
    {"reg", 0, 0, build_register},
    {"shake", 0, 0, build_shake},
    {"upd", 1, 0, build_update},
    {"ping", 0, 0, build_ping},
    {"send", 1, 0, reports_send},
    {"notify", 1, 1, reports_notify},
    {"burst", 1, 1, reports_burst},
    {"serve", 1, 0, NULL},
    {"idle", 1, 0, NULL},
};

static void keep_location(uint32_t device, const uint8_t *in, size_t size) {
    location *kept = &fleet[device];
    coap_walk walk = coap_options(in, size);
    int last = 0;
    kept->size = 0;
    while (coap_next(&walk)) {
        if (walk.number != COAP_LOCATION_PATH || kept->size + walk.size + 2 > LOCATION_MAX)
            continue;
        kept->size += (uint8_t)coap_option(kept->options + kept->size, &last, COAP_URI_PATH,
                                           walk.value, walk.size);
    }
}

static void reply_empty(uint32_t device, int type, const uint8_t *in) {
    uint8_t out[4];
    coap_header(out, type, COAP_EMPTY, coap_mid(in), out, 0);
    sources_send(device, out, sizeof out);
}

static load_verdict take_answer(uint32_t device, const uint8_t *in, size_t size) {
    load_code(in[1]);
    if (in[1] == COAP_CREATED) keep_location(device, in, size);
    return in[1] >> 5 == 2 ? LOAD_ANSWER : LOAD_BAD;
}

static int has_token(const uint8_t *in, uint16_t mid) {
    return coap_token_size(in) == TOKEN_BYTES && (in[4] << 8 | in[5]) == mid;
}

/* A separate answer (RFC 7252, section 5.2.2): acknowledged, and found by its
 * token. */
static load_verdict receive_separate(uint32_t device, uint16_t mid, const uint8_t *in,
                                     size_t size) {
    int is_answer = in[1] >> 5 >= 2 && has_token(in, mid);
    if (!is_answer && in[1] >> 5 == 0 && in[1] != COAP_EMPTY) return LOAD_STRAY; /* aside */
    if (coap_type(in) == COAP_CON) reply_empty(device, is_answer ? COAP_ACK : COAP_RST, in);
    return is_answer ? take_answer(device, in, size) : LOAD_STRAY;
}

/* A notification is answered by an empty ACK; nothing else is. */
static int is_notifying(void) {
    return !strcmp(mode_name, "notify") || !strcmp(mode_name, "burst");
}

static load_verdict receive(uint32_t device, uint16_t mid, const uint8_t *in, size_t size) {
    if (!coap_is_message(in, size)) return LOAD_STRAY;
    if (coap_type(in) == COAP_CON || coap_type(in) == COAP_NON)
        return receive_separate(device, mid, in, size);
    if (coap_mid(in) != mid) return LOAD_STRAY;
    if (coap_type(in) == COAP_RST) {
        load_code(COAP_EMPTY);
        return !strcmp(mode_name, "ping") ? LOAD_ANSWER : LOAD_BAD;
    }
    if (in[1] == COAP_EMPTY) return is_notifying() ? LOAD_ANSWER : LOAD_WAIT;
    return has_token(in, mid) ? take_answer(device, in, size) : LOAD_BAD;
}

static const mode *find_mode(void) {
    for (size_t i = 0; i < sizeof MODES / sizeof *MODES; i++)
        if (!strcmp(MODES[i].name, mode_name)) return &MODES[i];
    fprintf(stderr, "device_load: unknown mode %s\n", mode_name);
    exit(2);
}

static void move_locations(const char *name, const char *how) {
    FILE *file = fopen(name, how);
    size_t moved = 0;
    if (file)
        moved = *how == 'r' ? fread(fleet, sizeof *fleet, devices, file)
                            : fwrite(fleet, sizeof *fleet, devices, file);
    if (!file || moved != devices || fclose(file)) {
        fprintf(stderr, "device_load: %s: %zu of %u locations\n", name, moved, devices);
        exit(1);
    }
}

static void print_samples(void) {
    const char *comma = "";
    unsigned step = devices > SAMPLES ? devices / SAMPLES : 1;
    printf(",\"locations\":{");
    for (unsigned device = 0; device < devices; device += step) {
        if (!fleet[device].size) continue;
        printf("%s\"%s%07u\":\"", comma, prefix, device);
        for (int i = 0; i < fleet[device].size; i++)
            printf("%02x", fleet[device].options[i]);
        printf("\"");
        comma = ",";
    }
    printf("}");
}

static void print_memory(const char *when) {
    printf("\"%s_rss_kib\":%ld,\"%s_anon_kib\":%ld,", when, measure_status_kib((int)pid, "VmRSS"),
           when, measure_status_kib((int)pid, "RssAnon"));
}

/* Register the whole fleet and print what that took. */
static void set_up(load_plan plan) {
    static load_result registered;
    plan.once = 1;
    plan.rate = 0;
    plan.outstanding = setup_outstanding;
    plan.build = build_register;
    load_run(&plan, &registered);
    printf("\"setup\":{");
    load_print(&registered);
    printf("},");
    if (registered.answers == devices) return;
    printf("\"error\":\"%lu of %u devices registered\"}\n", registered.answers, devices);
    exit(1);
}

static int is_observed(void) {
    return reports_observed() == devices;
}

static void await_observation(load_plan plan) {
    if (load_listen_until(&plan, 30, is_observed)) return;
    printf("\"error\":\"%u of %u devices are observed\"}\n", reports_observed(), devices);
    exit(1);
}

static void measure(const mode *chosen, load_plan plan) {
    static load_result result;
    plan.build = chosen->build;
    if (chosen->build)
        load_run(&plan, &result);
    else if (!strcmp(chosen->name, "serve"))
        load_listen(&plan, &result);
    else
        usleep((useconds_t)(seconds * 1e6));
    load_print(&result);
}

int main(int count, char **words) {
    first_mid = (unsigned)measure_now_ns();
    options_read(OPTIONS, count, words);
    const mode *chosen = find_mode();
    fleet = calloc(devices, sizeof *fleet);
    if (!fleet || models == 0) {
        fprintf(stderr, "device_load: %u devices of %u models\n", devices, models);
        return 2;
    }
    measure_pin((int)cpu);
    reports_prepare(devices);
    sources_open(devices, shared, (uint16_t)first_port, (uint16_t)port);
    secure_options security = {suite, prefix, pem, ca_file, (int)cid};
    if (*suite) secure_sources(devices, &security);
    load_plan plan = {.sources = devices,
                      .outstanding = outstanding,
                      .once = (int)once,
                      .rate = rate,
                      .first_mid = (uint16_t)first_mid,
                      .timeout_s = timeout,
                      .warm_s = warm,
                      .duration_s = seconds,
                      .server_pid = (int)pid,
                      .server_cpu = (int)server_cpu,
                      .receive = receive,
                      .aside = reports_serve};
    printf("{\"program\":\"device_load\",\"mode\":\"%s\",\"devices\":%u,"
           "\"outstanding\":%u,",
           mode_name, devices, outstanding);
    print_memory("before");
    if (*locations_file)
        move_locations(locations_file, "r");
    else if (chosen->needs_registration)
        set_up(plan);
    if (chosen->needs_observation && observed) await_observation(plan);
    print_memory("loaded");
    usleep((useconds_t)(rest * 1e6));
    print_memory("rested");
    measure(chosen, plan);
    if (*save_file) move_locations(save_file, "w");
    printf(",\"handshakes\":%lu,\"session_failures\":%lu", secure_handshakes(), secure_failures());
    print_samples();
    printf("}\n");
}
