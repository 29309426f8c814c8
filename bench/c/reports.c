/* Notifications, Sends and answers to reads; the contract is in reports.h. */
#include "reports.h"

#include "coap.h"
#include "sources.h"

#include <stdlib.h>

#define TOKEN_BYTES 8
#define FORMAT_CBOR 60
#define FORMAT_SENML_CBOR 112

typedef struct {
    uint8_t token[TOKEN_BYTES];
    uint8_t is_observed;
    uint16_t own_mid;  /* of non-confirmable messages */
    uint32_t sequence; /* of the last notification */
} device_state;

static device_state *states;
static uint32_t observed;

/* 21.5 as a number of four bytes, and the same in a record of SenML. */
static const uint8_t VALUE[] = {0xfa, 0x41, 0xac, 0x00, 0x00};
static const uint8_t RECORD[] = {0x81, 0xa2, 0x00, 0x6c, '/', '3',  '3',  '0',  '3',  '/',  '0',
                                 '/',  '5',  '7',  '0',  '0', 0x02, 0xfa, 0x41, 0xac, 0x00, 0x00};

void reports_prepare(uint32_t devices) {
    states = calloc(devices, sizeof *states);
    if (!states) abort();
    for (uint32_t i = 0; i < devices; i++) {
        memcpy(states[i].token, &i, sizeof i);
        states[i].own_mid = (uint16_t)(i * 104729u);
    }
}

static size_t content(uint8_t *out, int *last, int format, const void *value, size_t size) {
    uint8_t number = (uint8_t)format;
    size_t used = coap_option(out, last, COAP_CONTENT_FORMAT, &number, 1);
    out[used++] = 0xff;
    memcpy(out + used, value, size);
    return used + size;
}

static size_t observe(uint8_t *out, int *last, uint32_t sequence) {
    uint8_t value[3] = {(uint8_t)(sequence >> 16), (uint8_t)(sequence >> 8), (uint8_t)sequence};
    int skipped = 0;
    while (skipped < 3 && !value[skipped])
        skipped++;
    return coap_option(out, last, COAP_OBSERVE, value + skipped, (size_t)(3 - skipped));
}

int reports_serve(uint32_t device, const uint8_t *in, size_t size) {
    uint8_t out[64];
    int last = 0, wants_notifications = 0;
    if (!coap_is_message(in, size) || coap_type(in) != COAP_CON) return 0;
    if (in[1] != COAP_GET) {
        sources_send(device, out, coap_header(out, COAP_RST, COAP_EMPTY, coap_mid(in), out, 0));
        return 0;
    }
    coap_walk walk = coap_options(in, size);
    while (coap_next(&walk))
        wants_notifications |= walk.number == COAP_OBSERVE && walk.size == 0;
    size_t used =
        coap_header(out, COAP_ACK, COAP_CONTENT, coap_mid(in), in + 4, coap_token_size(in));
    if (wants_notifications && coap_token_size(in) == TOKEN_BYTES) {
        observed += !states[device].is_observed;
        states[device].is_observed = 1;
        memcpy(states[device].token, in + 4, TOKEN_BYTES);
        used += observe(out + used, &last, ++states[device].sequence);
    }
    used += content(out + used, &last, FORMAT_CBOR, VALUE, sizeof VALUE);
    sources_send(device, out, used);
    return 1;
}

uint32_t reports_observed(void) {
    return observed;
}

size_t reports_send(uint32_t device, uint16_t mid, uint8_t *out) {
    uint8_t token[2] = {(uint8_t)(mid >> 8), (uint8_t)mid};
    int last = 0;
    (void)device;
    size_t used = coap_header(out, COAP_CON, COAP_POST, mid, token, sizeof token);
    used += coap_option(out + used, &last, COAP_URI_PATH, "dp", 2);
    return used + content(out + used, &last, FORMAT_SENML_CBOR, RECORD, sizeof RECORD);
}

static size_t notification(uint32_t device, int type, uint16_t mid, uint8_t *out) {
    device_state *state = &states[device];
    int last = 0;
    size_t used = coap_header(out, type, COAP_CONTENT, mid, state->token, TOKEN_BYTES);
    used += observe(out + used, &last, ++state->sequence & 0xffffff);
    return used + content(out + used, &last, FORMAT_CBOR, VALUE, sizeof VALUE);
}

size_t reports_notify(uint32_t device, uint16_t mid, uint8_t *out) {
    return notification(device, COAP_CON, mid, out);
}

size_t reports_burst(uint32_t device, uint16_t mid, uint8_t *out) {
    for (int i = 1; i < REPORTS_BURST; i++)
        sources_send(device, out, notification(device, COAP_NON, states[device].own_mid++, out));
    return reports_notify(device, mid, out);
}
