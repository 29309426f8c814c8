/* What a build with -fsanitize-coverage=trace-pc calls at every branch: keeps the set of branches
 * that an input took. To be preloaded; tests/fuzz/fuzzer.py reads it. Works with gcc and clang.
 *
 * Not thread-safe: a race costs a branch its count, nothing else. */
#include <stdint.h>

enum { SIZE = 1 << 18 };

static uint8_t seen[SIZE];      /* by any input so far */
static uint8_t taken[SIZE];     /* by this input */
static uint32_t list[SIZE];     /* the same, as a list, so that nothing walks the table */
static uint32_t count;
static uintptr_t before;

void __sanitizer_cov_trace_pc(void);
void lf_coverage_begin(void);
int lf_coverage_end(void);

void __sanitizer_cov_trace_pc(void) {
    uintptr_t pc = (uintptr_t)__builtin_return_address(0);
    uint32_t edge = (uint32_t)((pc ^ (before << 1)) * 0x9E3779B97F4A7C15u >> 46) & (SIZE - 1);
    before = pc;
    if (!taken[edge]) {
        taken[edge] = 1;
        list[count++ & (SIZE - 1)] = edge;
    }
}

/* Forget what was taken since the last end. */
void lf_coverage_begin(void) {
    while (count)
        taken[list[--count & (SIZE - 1)]] = 0;
    before = 0;
}

/* How many branches were taken since begin that no input had taken before. */
int lf_coverage_end(void) {
    int fresh = 0;
    while (count) {
        uint32_t edge = list[--count & (SIZE - 1)];
        fresh += !seen[edge];
        seen[edge] = 1;
        taken[edge] = 0;
    }
    return fresh;
}
