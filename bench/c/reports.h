/* What a device says by itself (notifications, Send) and what it answers when
 * its server reads or observes it. One value, /3303/0/5700, in CBOR or SenML
 * CBOR. Knows the server's requests only as far as these measurements need
 * them: every GET is for that value, anything else is reset. */
#ifndef BENCH_REPORTS_H
#define BENCH_REPORTS_H

#include <stddef.h>
#include <stdint.h>

#define REPORTS_BURST 16 /* notifications of one burst, the last of them confirmable */

/* Room for so many devices. Until a device is observed its token is one that
 * nobody gave out. */
void reports_prepare(uint32_t devices);

/* Answer a request of the server, and keep its token when it observes. 1: it
 * was a GET. */
int reports_serve(uint32_t device, const uint8_t *in, size_t size);

/* Devices that are observed by now. */
uint32_t reports_observed(void);

/* The next Send (POST /dp), confirmable. */
size_t reports_send(uint32_t device, uint16_t mid, uint8_t *out);

/* The next notification, confirmable. */
size_t reports_notify(uint32_t device, uint16_t mid, uint8_t *out);

/* Send all but one notification of a burst at once, non-confirmable, and write
 * the last one. */
size_t reports_burst(uint32_t device, uint16_t mid, uint8_t *out);

#endif
