/* Clock, /proc and histogram; the contract is in measure.h. */
#define _GNU_SOURCE
#include "measure.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

uint64_t measure_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void measure_pin(int cpu) {
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) perror("sched_setaffinity");
}

/* The scheduler's sums of one thread: ns on a core, ns waiting for one. */
typedef struct {
    uint64_t used, waited;
} sums;

static sums thread_sums(int pid, const char *thread) {
    char path[320];
    sums read = {0, 0};
    snprintf(path, sizeof path, "/proc/%d/task/%.200s/schedstat", pid, thread);
    FILE *file = fopen(path, "r");
    if (!file) return read;
    if (fscanf(file, "%" SCNu64 " %" SCNu64, &read.used, &read.waited) != 2) read = (sums){0, 0};
    fclose(file);
    return read;
}

static sums process_sums(int pid) {
    char path[64];
    sums all = {0, 0};
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    if (!threads) return all;
    for (struct dirent *entry; (entry = readdir(threads));) {
        if (entry->d_name[0] == '.') continue;
        sums one = thread_sums(pid, entry->d_name);
        all = (sums){all.used + one.used, all.waited + one.waited};
    }
    closedir(threads);
    return all;
}

uint64_t measure_process_ns(int pid) {
    return process_sums(pid).used;
}

uint64_t measure_process_wait_ns(int pid) {
    return process_sums(pid).waited;
}

uint64_t measure_own_ns(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

long measure_status_kib(int pid, const char *field) {
    char path[64], line[256];
    long kib = -1;
    size_t size = strlen(field);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    while (kib < 0 && fgets(line, sizeof line, file))
        if (!strncmp(line, field, size) && line[size] == ':')
            kib = strtol(line + size + 1, NULL, 10);
    fclose(file);
    return kib;
}

measure_core measure_core_ticks(int cpu) {
    measure_core core = {0, 0};
    char line[512], name[16];
    int size = snprintf(name, sizeof name, "cpu%d ", cpu);
    FILE *file = fopen("/proc/stat", "r");
    if (!file) return core;
    while (fgets(line, sizeof line, file)) {
        uint64_t t[8] = {0}; /* user nice system idle iowait irq softirq steal */
        if (strncmp(line, name, (size_t)size)) continue;
        char *at = line + size;
        for (int i = 0; i < 8; i++)
            t[i] = strtoull(at, &at, 10);
        core = (measure_core){t[0] + t[1] + t[2] + t[5] + t[6], t[7]};
        break;
    }
    fclose(file);
    return core;
}

/* Below 64 ns a cell is one nanosecond; above, the top seven bits choose the cell. */
static uint32_t cell_of(uint64_t ns) {
    if (ns < 1u << MEASURE_SUB_BITS) return (uint32_t)ns;
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(ns) - MEASURE_SUB_BITS;
    uint32_t cell =
        ((shift + 1) << MEASURE_SUB_BITS) + (uint32_t)(ns >> shift) - (1u << MEASURE_SUB_BITS);
    return cell < MEASURE_CELLS ? cell : MEASURE_CELLS - 1;
}

static uint64_t top_of(uint32_t cell) {
    uint32_t row = cell >> MEASURE_SUB_BITS, sub = cell & ((1u << MEASURE_SUB_BITS) - 1);
    if (row == 0) return cell;
    return ((uint64_t)(sub + (1u << MEASURE_SUB_BITS) + 1) << (row - 1)) - 1;
}

void measure_add(measure_histogram *histogram, uint64_t ns) {
    histogram->cell[cell_of(ns)]++;
    histogram->count++;
    if (ns > histogram->max_ns) histogram->max_ns = ns;
}

double measure_percentile_us(const measure_histogram *histogram, double part) {
    uint64_t wanted = (uint64_t)((double)histogram->count * part), seen = 0;
    for (uint32_t cell = 0; cell < MEASURE_CELLS; cell++) {
        seen += histogram->cell[cell];
        if (seen > wanted || (seen == histogram->count && seen)) {
            uint64_t top = top_of(cell);
            return (double)(top < histogram->max_ns ? top : histogram->max_ns) / 1e3;
        }
    }
    return 0;
}
