/* The engine of the load programs: asks from many sources, one request
 * outstanding per source, and times the answers. Three ways to run:
 *
 *   once         every source asks once and asks again when lost, up to five
 * times; ends early when nobody has answered for as long as that takes closed
 * loop  `outstanding` requests are always under way: finds the maximum rate
 *   open loop    `rate` requests a second, whatever comes back: finds the loss
 * and the waiting time below the maximum. Waiting is counted from the moment a
 * request was due.
 *
 * What a request and an answer are is the program's business (load_plan.build,
 * .receive). */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "measure.h"

#include <stddef.h>
#include <stdint.h>

typedef enum {
    LOAD_ANSWER, /* what was asked for */
    LOAD_BAD,    /* an answer to this request, but not the hoped one */
    LOAD_WAIT,   /* not the end of this request: go on waiting */
    LOAD_STRAY   /* belongs to no request under way */
} load_verdict;

typedef struct {
    uint32_t sources;     /* sources 0..sources-1 ask in turn */
    uint32_t outstanding; /* bound of requests under way, except in the open loop */
    int once;
    double rate;        /* requests a second; 0: closed loop */
    double timeout_s;   /* unanswered so long is lost */
    double warm_s;      /* asked but not counted, before duration_s */
    double duration_s;  /* counted */
    uint16_t first_mid; /* message ids of a source go up from here, each source
                           from its own */
    int server_pid;     /* whose CPU time is read; 0: none */
    int server_cpu;     /* the core whose load is read */
    /* Write the next request of `source`; returns its size, at most
     * SOURCES_DATAGRAM, or 0 when it has nothing to ask. */
    size_t (*build)(uint32_t source, uint16_t mid, uint8_t *out);
    /* Judge a datagram; `mid` is that of the request under way from `source`. */
    load_verdict (*receive)(uint32_t source, uint16_t mid, const uint8_t *bytes, size_t size);
    /* What ends no request under way: 1 when it was expected all the same. NULL:
     * all of it is stray. */
    int (*aside)(uint32_t source, const uint8_t *bytes, size_t size);
} load_plan;

typedef struct {
    double seconds;
    uint64_t sent, answers, bad, lost, stray;
    uint64_t aside;  /* datagrams that plan->aside expected */
    uint64_t failed; /* once: sources that asked and never got an answer */
    uint64_t request_bytes, answer_bytes;
    uint64_t codes[256]; /* answers by CoAP code, as told by load_code; a reset is 0 */
    uint64_t server_ns, server_wait_ns, client_ns;
    double core_busy, core_steal; /* of the server's core, all processes: 1.0 =
                                     the whole time */
    measure_histogram waiting;
} load_result;

/* Run one plan to its end. The sources must be open. Answers that arrive
 * between two runs are strays of the second. */
void load_run(const load_plan *plan, load_result *result);

/* Ask nothing: give everything that arrives to plan->aside, and count what that
 * expected as answers. */
void load_listen(const load_plan *plan, load_result *result);

/* The same until `is_enough` or `limit_s` is over, and nothing is measured;
 * whether it was. */
int load_listen_until(const load_plan *plan, double limit_s, int (*is_enough)(void));

/* Count the code of an answer; to be called from load_plan.receive. */
void load_code(uint8_t code);

/* Write the result as JSON members without braces: "rate":1,...
 * "codes":{"2.04":9} */
void load_print(const load_result *result);

#endif
