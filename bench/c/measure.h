/* What a load program can see from outside: the clock, a server's CPU time and memory, how busy
 * a core is, and a histogram of waiting times.
 *
 * Nothing here knows of CoAP or of sockets. Linux only: everything is read from /proc. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdint.h>

/* Nanoseconds on the monotonic clock. */
uint64_t measure_now_ns(void);

/* Tie this process to one core. A negative number leaves it free. */
void measure_pin(int cpu);

/* CPU time in nanoseconds of all threads of `pid` that are alive now, from the scheduler's own
 * sums (a tick of inaccuracy, not a sampling guess). It includes the softirq work done in the
 * threads' context, which is where a loopback answer is delivered. 0: no such process. */
uint64_t measure_process_ns(int pid);

/* Nanoseconds that those threads were ready to run and had to wait for a core, summed. On a core
 * of their own this is the work of other processes; threads of one server also wait for each other.
 */
uint64_t measure_process_wait_ns(int pid);

/* CPU time in nanoseconds of this process. */
uint64_t measure_own_ns(void);

/* A size field of /proc/PID/status in KiB, such as "VmRSS" or "RssAnon"; -1 when unknown. */
long measure_status_kib(int pid, const char *field);

/* Fractions of a core's time since boot, in clock ticks of 10 ms. */
typedef struct {
    uint64_t busy;  /* user, system, interrupts */
    uint64_t steal; /* taken by the host of a virtual machine */
} measure_core;

measure_core measure_core_ticks(int cpu);

/* Histogram with 64 cells for each power of two, so a percentile is right within 1.6 %. */
#define MEASURE_SUB_BITS 6
#define MEASURE_CELLS ((40 - MEASURE_SUB_BITS) << MEASURE_SUB_BITS)

typedef struct {
    uint64_t count;
    uint64_t max_ns;
    uint32_t cell[MEASURE_CELLS];
} measure_histogram;

/* Count one waiting time. Anything above 2^39 ns (nine minutes) is counted in the last cell. */
void measure_add(measure_histogram *histogram, uint64_t ns);

/* The waiting time in microseconds that `part` (0..1) of all counted ones do not exceed. */
double measure_percentile_us(const measure_histogram *histogram, double part);

#endif
