/* How long a server's loop stands still, seen from outside: one CoAP ping each millisecond, and
 * the time until its reset, whatever else the server is doing.
 *
 *   probe --port 5683 --seconds 60
 *
 * Runs at real-time priority where that is allowed and takes the kernel's arrival time of each
 * answer, so that a load generator on the same core does not show up as a stall of the server. Ends
 * at SIGTERM or after --seconds, and prints one line of JSON. */
#define _GNU_SOURCE
#include "coap.h"
#include "measure.h"
#include "options.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

static unsigned port = 5683, cpu = 1;
static double seconds = 60, interval_ms = 1;
static volatile sig_atomic_t is_over;
static uint64_t sent_at[65536]; /* by message id; 0: answered */

static const option OPTIONS[] = {
    {"port", OPTION_WHOLE, &port, "of the server on 127.0.0.1"},
    {"seconds", OPTION_REAL, &seconds, "at most"},
    {"interval", OPTION_REAL, &interval_ms, "milliseconds between two pings"},
    {"cpu", OPTION_WHOLE, &cpu, "core of this program"},
    {NULL, OPTION_WHOLE, NULL, NULL},
};

static void stop(int signal_number) {
    (void)signal_number;
    is_over = 1;
}

/* The wall clock: it is what the kernel stamps datagrams with. */
static uint64_t wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int open_socket(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server) ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on)) {
        perror("probe");
        return -1;
    }
    return fd;
}

static void receive(int fd, measure_histogram *waiting, uint64_t *slowest_sent_at) {
    uint8_t bytes[64];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct timespec))];
    } control;
    struct iovec piece = {bytes, sizeof bytes};
    for (;;) {
        struct msghdr header = {.msg_iov = &piece,
                                .msg_iovlen = 1,
                                .msg_control = &control,
                                .msg_controllen = sizeof control};
        ssize_t size = recvmsg(fd, &header, MSG_DONTWAIT);
        if (size < 0) return;
        struct timespec at;
        uint64_t *asked_at = &sent_at[size >= 4 ? coap_mid(bytes) : 0];
        if (size < 4 || !*asked_at || header.msg_controllen < CMSG_LEN(sizeof at)) continue;
        memcpy(&at, CMSG_DATA(&control.align), sizeof at);
        uint64_t arrived_at = (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
        uint64_t waited = arrived_at > *asked_at ? arrived_at - *asked_at : 0;
        if (waited > waiting->max_ns) *slowest_sent_at = *asked_at;
        measure_add(waiting, waited);
        *asked_at = 0;
    }
}

int main(int count, char **words) {
    static measure_histogram waiting;
    uint64_t sent = 0, wall_start = wall_ns(), slowest_sent_at = wall_start;
    options_read(OPTIONS, count, words);
    int fd = open_socket();
    if (fd < 0) return 1;
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    measure_pin((int)cpu);
    int is_realtime =
        !sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
    uint64_t interval = (uint64_t)(interval_ms * 1e6), start = measure_now_ns(), due_at = start;
    while (!is_over && measure_now_ns() - start < (uint64_t)(seconds * 1e9)) {
        struct timespec pause;
        uint8_t ping[4];
        uint16_t mid = (uint16_t)++sent;
        coap_header(ping, COAP_CON, COAP_EMPTY, mid, ping, 0);
        sent_at[mid] = wall_ns();
        if (send(fd, ping, sizeof ping, 0) < 0) sent_at[mid] = 0;
        due_at += interval;
        pause = (struct timespec){(time_t)(due_at / 1000000000u), (long)(due_at % 1000000000u)};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &pause, NULL);
        receive(fd, &waiting, &slowest_sent_at);
    }
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 200);
    receive(fd, &waiting, &slowest_sent_at);
    printf("{\"program\":\"probe\",\"realtime\":%s,\"sent\":%lu,\"answers\":%lu,\"p50_us\":%.1f,"
           "\"p99_us\":%.1f,\"p99_99_us\":%.1f,\"max_us\":%.1f,\"max_at_s\":%.3f}\n",
           is_realtime ? "true" : "false", sent, waiting.count,
           measure_percentile_us(&waiting, 0.5), measure_percentile_us(&waiting, 0.99),
           measure_percentile_us(&waiting, 0.9999), (double)waiting.max_ns / 1e3,
           (double)(slowest_sent_at - wall_start) / 1e9);
}
