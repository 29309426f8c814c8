/* Requests under way, pacing and counting; the contract is in load.h. */
#include "load.h"

#include "sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
#define TRIES_MAX 5
#define BURST 256 /* requests sent between two looks at the answers */

/* One request per source; those under way are linked in the order they were
 * sent, so that the oldest is always at hand and no timeout needs a scan over a
 * million sources. */
typedef struct {
    uint64_t sent_at;
    uint32_t older, newer;
    uint16_t mid;
    uint8_t is_waiting, tries;
} source;

static source *table;
static uint32_t table_size;
static uint32_t oldest, newest, under_way, cursor;
static const load_plan *plan;
static load_result *result;
static uint64_t now, answered_at;

static void link_newest(uint32_t index) {
    table[index].older = newest;
    table[index].newer = NONE;
    *(newest == NONE ? &oldest : &table[newest].newer) = index;
    newest = index;
    under_way++;
}

static void unlink_source(uint32_t index) {
    source *gone = &table[index];
    *(gone->older == NONE ? &oldest : &table[gone->older].newer) = gone->newer;
    *(gone->newer == NONE ? &newest : &table[gone->newer].older) = gone->older;
    gone->is_waiting = 0;
    under_way--;
}

static void ask(uint32_t index, uint64_t due_at) {
    uint8_t request[SOURCES_DATAGRAM];
    source *asking = &table[index];
    size_t size = plan->build(index, ++asking->mid, request);
    if (size == 0) return;
    asking->sent_at = due_at;
    asking->is_waiting = 1;
    link_newest(index);
    sources_send(index, request, size);
    result->sent++;
    result->request_bytes += size;
}

/* The next source that has nothing under way; NONE when all wait or, once, all
 * have asked. */
static uint32_t next_idle(void) {
    for (uint32_t looked = 0; looked < plan->sources; looked++) {
        if (cursor == plan->sources) {
            if (plan->once) return NONE;
            cursor = 0;
        }
        if (!table[cursor++].is_waiting) return cursor - 1;
    }
    return NONE;
}

static void fill(void) {
    for (int burst = 0; burst < BURST && under_way < plan->outstanding; burst++) {
        uint32_t index = next_idle();
        if (index == NONE) return;
        ask(index, now);
    }
}

static void pace(uint64_t start, uint64_t *asked) {
    double interval_ns = 1e9 / plan->rate;
    for (int burst = 0; burst < BURST; burst++) {
        uint64_t due_at = start + (uint64_t)((double)*asked * interval_ns);
        if (due_at > now) return;
        uint32_t index = next_idle();
        if (index == NONE) return;
        ask(index, due_at);
        ++*asked;
    }
}

static void expire(void) {
    uint64_t limit = (uint64_t)(plan->timeout_s * 1e9);
    while (oldest != NONE && now > table[oldest].sent_at + limit) {
        uint32_t index = oldest;
        unlink_source(index);
        result->lost++;
        if (!plan->once) continue;
        if (++table[index].tries < TRIES_MAX)
            ask(index, now);
        else
            result->failed++;
    }
}

static void receive(uint32_t index, const uint8_t *bytes, size_t size) {
    load_verdict verdict = LOAD_STRAY;
    now = measure_now_ns();
    if (index < plan->sources && table[index].is_waiting)
        verdict = plan->receive(index, table[index].mid, bytes, size);
    if (verdict == LOAD_WAIT) return;
    if (verdict == LOAD_STRAY) {
        int is_expected = plan->aside && plan->aside(index, bytes, size);
        *(is_expected ? &result->aside : &result->stray) += 1;
        return;
    }
    unlink_source(index);
    answered_at = now;
    uint64_t sent_at = table[index].sent_at;
    measure_add(&result->waiting, now > sent_at ? now - sent_at : 0);
    result->answer_bytes += size;
    *(verdict == LOAD_ANSWER ? &result->answers : &result->bad) += 1;
}

static void prepare(void) {
    if (table_size < plan->sources) {
        table = realloc(table, plan->sources * sizeof *table);
        if (!table) abort();
        memset(table + table_size, 0, (plan->sources - table_size) * sizeof *table);
        for (uint32_t i = table_size; i < plan->sources; i++)
            table[i].mid = (uint16_t)(i * 7919u + plan->first_mid);
        table_size = plan->sources;
    }
    for (uint32_t i = 0; i < table_size; i++)
        table[i].is_waiting = table[i].tries = 0;
    oldest = newest = NONE;
    under_way = cursor = 0;
}

typedef struct {
    uint64_t at, server_ns, server_wait_ns, client_ns;
    measure_core core;
} reading;

static reading read_all(void) {
    return (reading){measure_now_ns(), measure_process_ns(plan->server_pid),
                     measure_process_wait_ns(plan->server_pid), measure_own_ns(),
                     measure_core_ticks(plan->server_cpu)};
}

static void conclude(reading before) {
    reading after = read_all();
    result->seconds = (double)(after.at - before.at) / 1e9;
    if (after.server_ns) { /* it may have been killed meanwhile */
        result->server_ns = after.server_ns - before.server_ns;
        result->server_wait_ns = after.server_wait_ns - before.server_wait_ns;
    }
    result->client_ns = after.client_ns - before.client_ns;
    double ticks = result->seconds * 100;
    result->core_busy = (double)(after.core.busy - before.core.busy) / ticks;
    result->core_steal = (double)(after.core.steal - before.core.steal) / ticks;
}

static int is_over(uint64_t end) {
    if (!plan->once) return now >= end;
    int is_silent = now > answered_at + (uint64_t)(TRIES_MAX * plan->timeout_s * 1e9);
    return is_silent || (under_way == 0 && cursor == plan->sources);
}

static void turn(uint64_t start, uint64_t *asked) {
    expire();
    if (plan->rate > 0)
        pace(start, asked);
    else
        fill();
    sources_flush();
    sources_poll(plan->rate > 0 ? 0 : 10, receive);
    now = measure_now_ns();
}

/* The open loop counts a request as lost only when its whole time is over. */
static void drain(void) {
    uint64_t end = now + (uint64_t)(plan->timeout_s * 1e9);
    while (under_way && now < end) {
        sources_poll(10, receive);
        now = measure_now_ns();
    }
    result->lost += under_way;
}

void load_run(const load_plan *to_run, load_result *to_fill) {
    plan = to_run;
    result = to_fill;
    *result = (load_result){0};
    prepare();
    now = measure_now_ns();
    uint64_t start = now, asked = 0, warm_end = now + (uint64_t)(plan->warm_s * 1e9);
    while (!plan->once && now < warm_end)
        turn(start, &asked);
    *result = (load_result){0};
    reading before = read_all();
    uint64_t end = before.at + (uint64_t)(plan->duration_s * 1e9);
    for (now = answered_at = before.at; !is_over(end);)
        turn(start, &asked);
    conclude(before);
    result->failed += plan->once ? under_way : 0;
    if (plan->rate > 0) drain();
}

static void listen(uint64_t end) {
    for (; now < end; now = measure_now_ns()) {
        sources_poll(10, receive);
        sources_flush();
    }
}

void load_listen(const load_plan *to_run, load_result *to_fill) {
    plan = to_run;
    result = to_fill;
    *result = (load_result){0};
    prepare();
    now = measure_now_ns();
    listen(now + (uint64_t)(plan->warm_s * 1e9));
    *result = (load_result){0};
    reading before = read_all();
    listen(before.at + (uint64_t)(plan->duration_s * 1e9));
    conclude(before);
    result->answers = result->sent = result->aside;
}

int load_listen_until(const load_plan *to_run, double limit_s, int (*is_enough)(void)) {
    static load_result unused;
    plan = to_run;
    result = &unused;
    prepare();
    uint64_t end = measure_now_ns() + (uint64_t)(limit_s * 1e9);
    for (now = measure_now_ns(); now < end && !is_enough(); now = measure_now_ns()) {
        sources_poll(10, receive);
        sources_flush();
    }
    return is_enough();
}

void load_code(uint8_t code) {
    result->codes[code]++;
}

static void print_codes(const uint64_t *codes) {
    const char *comma = "";
    printf(",\"codes\":{");
    for (int code = 0; code < 256; code++)
        if (codes[code]) {
            printf("%s\"%d.%02d\":%lu", comma, code >> 5, code & 31, codes[code]);
            comma = ",";
        }
    printf("}");
}

void load_print(const load_result *r) {
    double answered = (double)(r->answers + r->bad), each = answered > 0 ? answered : 1;
    double sent = r->sent ? (double)r->sent : 1, seconds = r->seconds > 0 ? r->seconds : 1;
    printf("\"seconds\":%.3f,\"rate\":%.0f,\"sent\":%lu,\"answers\":%lu,\"bad\":%"
           "lu,\"lost\":%lu,"
           "\"stray\":%lu,\"failed\":%lu,\"refused\":%lu,",
           r->seconds, answered / seconds, r->sent, r->answers, r->bad, r->lost, r->stray,
           r->failed, sources_refused());
    printf("\"server_us\":%.4f,\"server_busy\":%.3f,\"server_waited\":%.3f,"
           "\"client_us\":%.4f,"
           "\"client_busy\":%.3f,"
           "\"core_busy\":%.3f,\"core_steal\":%.3f,",
           (double)r->server_ns / 1e3 / each, (double)r->server_ns / 1e9 / seconds,
           (double)r->server_wait_ns / 1e9 / seconds, (double)r->client_ns / 1e3 / each,
           (double)r->client_ns / 1e9 / seconds, r->core_busy, r->core_steal);
    printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p99_99_us\":%.1f,\"max_us\":%.1f,"
           "\"request_bytes\":%.1f,\"answer_bytes\":%.1f",
           measure_percentile_us(&r->waiting, 0.5), measure_percentile_us(&r->waiting, 0.99),
           measure_percentile_us(&r->waiting, 0.9999), (double)r->waiting.max_ns / 1e3,
           (double)r->request_bytes / sent, (double)r->answer_bytes / each);
    print_codes(r->codes);
}
