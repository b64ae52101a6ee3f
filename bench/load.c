/* A load generator for AWS services: signs every request, drives N keep-alive connections from one
 * thread, in a closed loop (each connection sends when it has its answer) or an open one (requests
 * are due at a fixed rate whatever the server does, and latency counts from when a request was
 * due). bench/README.md. */
#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/time.h"
#include "process.h"
#include "report.h"

enum { EVENTS = 256, EXCHANGE_SECONDS = 30 };

static const char *operation_name(const struct load *load, const struct conn *conn)
{
    return load->workload->operations[conn->operation];
}

void load_show_error(struct load *load, const char *operation, const struct reply *reply)
{
    if (load->error_shown)
        return;
    load->error_shown = true;
    fprintf(stderr, "load: the first wrong reply, to %s:\n%.*s%.*s\n", operation,
            PRSTR(reply->head), (int)(reply->body.len < 2000 ? reply->body.len : 2000),
            reply->body.ptr);
}

void load_exchange(struct load *load, struct conn *conn, const struct request *request,
                   struct reply *reply)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0 || !conn_open(conn, &load->endpoint, epoll_fd))
        die("cannot connect to %s: %s", load->options.endpoint, strerror(errno));
    for (;;) {
        struct epoll_event event;
        int got = epoll_wait(epoll_fd, &event, 1, EXCHANGE_SECONDS * 1000);
        if (got < 0 && errno == EINTR)
            continue;
        if (got != 1)
            die("%s does not answer", load->options.endpoint);
        enum progress progress = conn_event(conn, event.events, reply);
        if (progress == PROGRESS_REPLY)
            break;
        if (progress == PROGRESS_FAILED)
            die("cannot talk to %s: %s", load->options.endpoint, strerror(errno));
        if (progress == PROGRESS_READY && !conn_send(conn, &load->signer, request))
            die("%s closed the connection", load->options.endpoint);
    }
    conn_close(conn);
    close(epoll_fd);
}

/* The state of the common loop. */
struct loop {
    struct load *load;
    struct conn **idle; /* a stack */
    size_t idle_count;
    size_t busy; /* connections that connect or wait for an answer */
    uint64_t interval_ns, due_ns, end_ns;
    uint64_t answered; /* since the counts were begun */
    uint64_t failures_in_row;
    bool counting;
};

static void begin_counts(struct loop *loop, uint64_t now)
{
    struct load *load = loop->load;
    struct counts *counts = &load->counts;
    memset(counts, 0, sizeof *counts);
    counts->server_cpu_us = process_cpu_us(load->options.server_pid);
    counts->client_cpu_us = own_cpu_us();
    counts->start_ns = now;
    loop->answered = 0;
    loop->counting = true;
    loop->end_ns = now + (uint64_t)(load->options.seconds * 1e9);
}

static void end_counts(struct load *load)
{
    struct counts *counts = &load->counts;
    counts->end_ns = time_monotonic_ns();
    uint64_t used = own_cpu_us() - counts->client_cpu_us, spun = counts->spun_ns / 1000;
    counts->client_cpu_us = used > spun ? used - spun : 0;
    counts->server_cpu_us = process_cpu_us(load->options.server_pid) - counts->server_cpu_us;
}

static void reopen(struct loop *loop, struct conn *conn)
{
    if (!conn_open(conn, &loop->load->endpoint, loop->load->epoll_fd))
        die("cannot connect to %s: %s", loop->load->options.endpoint, strerror(errno));
    loop->busy++;
}

/* A connection broke. It is opened again: one lost connection is an error counted, a server that is
 * gone ends the run. */
static void broken(struct loop *loop, struct conn *conn)
{
    struct load *load = loop->load;
    load->counts.connection_errors++;
    if (++loop->failures_in_row > 2 * load->conn_count + 16)
        die("%s: the connections keep breaking: %s", load->options.endpoint, strerror(errno));
    loop->busy--;
    conn->handle.len = 0;
    reopen(loop, conn);
}

static void send_next(struct loop *loop, struct conn *conn, uint64_t start_ns)
{
    struct request request;
    if (!loop->load->workload->build(loop->load, conn, &request))
        return;
    conn->start_ns = start_ns;
    loop->busy++;
    if (!conn_send(conn, &loop->load->signer, &request))
        broken(loop, conn);
}

static void make_idle(struct loop *loop, struct conn *conn)
{
    loop->busy--;
    if (loop->interval_ns == 0)
        send_next(loop, conn, time_monotonic_ns());
    else
        loop->idle[loop->idle_count++] = conn;
}

static void take_reply(struct loop *loop, struct conn *conn, const struct reply *reply)
{
    struct load *load = loop->load;
    struct operation_count *count = &load->counts.operations[conn->operation];
    uint64_t latency = time_monotonic_ns() - conn->start_ns, messages = 0;
    loop->failures_in_row = 0;
    loop->answered++;
    switch (load->workload->check(load, conn, reply, &messages)) {
    case OUTCOME_OK:
        histogram_add(&count->histogram, latency);
        load->counts.messages += messages;
        break;
    case OUTCOME_EMPTY:
        load->counts.empty++;
        break;
    case OUTCOME_ERROR:
        count->errors++;
        load_show_error(load, operation_name(load, conn), reply);
        break;
    }
    if (!reply->close) {
        make_idle(loop, conn);
        return;
    }
    loop->busy--;
    reopen(loop, conn);
}

static bool is_over(const struct loop *loop, uint64_t now)
{
    const struct load *load = loop->load;
    if (load->workload->bounded)
        return load->left == 0 && loop->busy == 0;
    if (!loop->counting)
        return false;
    if (load->dry > 4 * load->conn_count)
        return true;
    return load->options.requests != 0 ? loop->answered >= load->options.requests
                                       : now >= loop->end_ns;
}

static void send_due(struct loop *loop, uint64_t now)
{
    while (loop->idle_count > 0 && loop->due_ns <= now) {
        send_next(loop, loop->idle[--loop->idle_count], loop->due_ns);
        loop->due_ns += loop->interval_ns;
    }
}

static int wait_for_events(const struct loop *loop, struct epoll_event *events, uint64_t now)
{
    uint64_t until = now + 100000000;
    if (loop->interval_ns != 0 && loop->idle_count > 0 && loop->due_ns < until)
        until = loop->due_ns < now ? now : loop->due_ns;
    uint64_t wait = loop->load->options.spin ? 0 : until - now;
    const struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000U),
                                     .tv_nsec = (long)(wait % 1000000000U)};
    int count = epoll_pwait2(loop->load->epoll_fd, events, EVENTS, &timeout, NULL);
    if (count < 0 && errno != EINTR)
        die("epoll_pwait2: %s", strerror(errno));
    return count < 0 ? 0 : count;
}

static void run_events(struct loop *loop, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        struct conn *conn = events[i].data.ptr;
        struct reply reply;
        enum conn_state before = conn->state;
        switch (conn_event(conn, events[i].events, &reply)) {
        case PROGRESS_MORE:
            break;
        case PROGRESS_READY:
            make_idle(loop, conn);
            break;
        case PROGRESS_REPLY:
            take_reply(loop, conn, &reply);
            break;
        case PROGRESS_FAILED:
            if (before ==
                CONN_IDLE) { /* closed between two requests: not in the count of busy ones */
                for (size_t k = 0; k < loop->idle_count; k++)
                    if (loop->idle[k] == conn)
                        loop->idle[k--] = loop->idle[--loop->idle_count];
                loop->busy++;
            }
            broken(loop, conn);
            break;
        }
    }
}

static int run_loop(struct load *load)
{
    struct loop loop = {.load = load};
    struct epoll_event events[EVENTS];
    uint64_t now = time_monotonic_ns();
    uint64_t warm_ns = now + (uint64_t)(load->options.warm_up * 1e9);

    loop.idle = heap_alloc(load->conn_count * sizeof *loop.idle);
    loop.interval_ns = load->options.rate > 0 ? (uint64_t)(1e9 / load->options.rate) : 0;
    loop.due_ns = now;
    if (load->workload->bounded)
        begin_counts(&loop, now);
    for (size_t i = 0; i < load->conn_count; i++)
        reopen(&loop, &load->conns[i]);
    while (!is_over(&loop, now)) {
        if (!loop.counting && now >= warm_ns)
            begin_counts(&loop, now);
        if (loop.interval_ns != 0)
            send_due(&loop, now);
        int count = wait_for_events(&loop, events, now);
        run_events(&loop, events, count);
        uint64_t before = now;
        now = time_monotonic_ns();
        if (count == 0 && load->options.spin)
            load->counts.spun_ns += now - before;
    }
    end_counts(load);
    /* Requests of the open loop that came due and never left: the server is slower than the rate.
     */
    uint64_t unsent =
        loop.interval_ns != 0 && loop.due_ns < now ? (now - loop.due_ns) / loop.interval_ns : 0;
    heap_free(loop.idle);
    return report_run(load, unsent);
}

enum flag {
    FLAG_WORKLOAD = 256,
    FLAG_ENDPOINT,
    FLAG_ACCESS_KEY,
    FLAG_SECRET,
    FLAG_REGION,
    FLAG_QUEUE,
    FLAG_CONNECTIONS,
    FLAG_SECONDS,
    FLAG_WARM_UP,
    FLAG_REQUESTS,
    FLAG_RATE,
    FLAG_BODY,
    FLAG_MESSAGES,
    FLAG_ROUNDS,
    FLAG_SERVER_PID,
    FLAG_JSON,
    FLAG_SPIN,
    FLAG_HELP,
};

static const struct option flags[] = {
    {"workload", required_argument, NULL, FLAG_WORKLOAD},
    {"endpoint", required_argument, NULL, FLAG_ENDPOINT},
    {"access-key", required_argument, NULL, FLAG_ACCESS_KEY},
    {"secret", required_argument, NULL, FLAG_SECRET},
    {"region", required_argument, NULL, FLAG_REGION},
    {"queue", required_argument, NULL, FLAG_QUEUE},
    {"connections", required_argument, NULL, FLAG_CONNECTIONS},
    {"duration", required_argument, NULL, FLAG_SECONDS},
    {"warm-up", required_argument, NULL, FLAG_WARM_UP},
    {"requests", required_argument, NULL, FLAG_REQUESTS},
    {"rate", required_argument, NULL, FLAG_RATE},
    {"body-bytes", required_argument, NULL, FLAG_BODY},
    {"messages", required_argument, NULL, FLAG_MESSAGES},
    {"rounds", required_argument, NULL, FLAG_ROUNDS},
    {"server-pid", required_argument, NULL, FLAG_SERVER_PID},
    {"json", no_argument, NULL, FLAG_JSON},
    {"spin", no_argument, NULL, FLAG_SPIN},
    {"help", no_argument, NULL, FLAG_HELP},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
    printf("load: drives an AWS endpoint with signed requests and measures it.\n\n"
           "  --workload NAME       one of those below (sqs-send)\n"
           "  --endpoint URL        http://HOST:PORT (http://127.0.0.1:4566)\n"
           "  --access-key ID --secret KEY --region NAME   (test, test, us-east-1)\n"
           "  --queue NAME          the queue to use; made when there is none (kumoniwa-bench)\n"
           "  --connections N       keep-alive connections (64; sqs-longpoll 10000)\n"
           "  --duration S          seconds to measure (5)\n"
           "  --warm-up S           seconds before (1)\n"
           "  --requests N          measure so many answers instead of a duration\n"
           "  --rate R              open loop: R requests a second (closed loop)\n"
           "  --body-bytes N        of a message (200)\n"
           "  --messages N          sqs-fill: how many (1000000)\n"
           "  --rounds N            sqs-longpoll: wakes to measure (300)\n"
           "  --server-pid PID      also report that local process's time and memory\n"
           "  --spin                ask for events without sleeping: for a client with a core of "
           "its own\n"
           "  --json                one JSON object instead of text\n\nWorkloads:\n");
    for (const struct workload *workload = workloads; workload->name != NULL; workload++)
        printf("  %-20s  %s\n", workload->name, workload->help);
}

static uint64_t number(const char *flag, const char *text)
{
    uint64_t n;
    if (!str_to_u64(str_from_c(text), &n))
        die("--%s wants a whole number, not %s", flag, text);
    return n;
}

static double positive(const char *flag, const char *text)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end != '\0' || !(n >= 0 && n <= 1e9))
        die("--%s wants a number, not %s", flag, text);
    return n;
}

static const struct workload *find_workload(const char *name)
{
    const struct workload *workload = workloads;
    while (workload->name != NULL && strcmp(workload->name, name) != 0)
        workload++;
    if (workload->name == NULL)
        die("no workload is called %s; --help lists them", name);
    return workload;
}

static void read_flag(struct load *load, int flag, const char *name, const char *value)
{
    struct options *options = &load->options;
    switch (flag) {
    case FLAG_WORKLOAD:
        load->workload = find_workload(value);
        break;
    case FLAG_ENDPOINT:
        options->endpoint = value;
        break;
    case FLAG_ACCESS_KEY:
        options->access_key = value;
        break;
    case FLAG_SECRET:
        options->secret = value;
        break;
    case FLAG_REGION:
        options->region = value;
        break;
    case FLAG_QUEUE:
        options->queue = value;
        break;
    case FLAG_CONNECTIONS:
        options->connections = number(name, value);
        break;
    case FLAG_SECONDS:
        options->seconds = positive(name, value);
        break;
    case FLAG_WARM_UP:
        options->warm_up = positive(name, value);
        break;
    case FLAG_REQUESTS:
        options->requests = number(name, value);
        break;
    case FLAG_RATE:
        options->rate = positive(name, value);
        break;
    case FLAG_BODY:
        options->body_bytes = number(name, value);
        break;
    case FLAG_MESSAGES:
        options->messages = number(name, value);
        break;
    case FLAG_ROUNDS:
        options->rounds = number(name, value);
        break;
    case FLAG_SERVER_PID:
        options->server_pid = number(name, value);
        break;
    case FLAG_JSON:
        options->json = true;
        break;
    case FLAG_SPIN:
        options->spin = true;
        break;
    case FLAG_HELP:
        print_help();
        exit(0);
    default:
        die("--help lists the flags");
    }
}

static void read_flags(struct load *load, int argc, char **argv)
{
    struct options *options = &load->options;
    *options = (struct options){
        .endpoint = "http://127.0.0.1:4566",
        .access_key = "test",
        .secret = "test",
        .region = "us-east-1",
        .queue = "kumoniwa-bench",
        .seconds = 5,
        .warm_up = 1,
        .body_bytes = 200,
        .messages = 1000000,
        .rounds = 300,
    };
    int flag, index = 0;
    read_flag(load, FLAG_WORKLOAD, "workload", "sqs-send");
    while ((flag = getopt_long(argc, argv, "", flags, &index)) != -1)
        read_flag(load, flag, flags[index].name, optarg);
    if (optind != argc)
        die("%s is not a flag; --help lists them", argv[optind]);
    if (options->connections == 0)
        options->connections = load->workload->run == run_longpoll ? 10000 : 64;
    if (options->body_bytes == 0 || options->body_bytes > 1 << 20)
        die("--body-bytes goes from 1 to 1048576");
    if (options->rate > 0 && (load->workload->run != NULL || load->workload->bounded))
        die("%s has no open loop", load->workload->name);
}

int main(int argc, char **argv)
{
    struct load load = {0};
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    read_flags(&load, argc, argv);

    struct options *options = &load.options;
    if (raise_descriptor_limit() < options->connections + 16)
        die("%llu connections need a higher limit of open files (ulimit -Hn)",
            (unsigned long long)options->connections);
    endpoint_resolve(&load.endpoint, options->endpoint);
    signer_init(&load.signer, str_from_c(options->access_key), str_from_c(options->secret),
                str_from_c(options->region), str_from_c(load.workload->service),
                bytes_str(&load.endpoint.host));
    bytes_reserve(&load.filler, options->body_bytes);
    while (load.filler.len < options->body_bytes)
        bytes_append(&load.filler, STR("k"));
    /* So that the messages of two runs on one queue differ. */
    load.sequence = time_monotonic_ns() << 20;
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll_fd < 0)
        die("epoll_create1: %s", strerror(errno));
    load.conn_count = options->connections;
    load.conns = heap_alloc(load.conn_count * sizeof *load.conns);

    if (load.workload->prepare != NULL)
        load.workload->prepare(&load);
    int code = load.workload->run != NULL ? load.workload->run(&load) : run_loop(&load);

    for (size_t i = 0; i < load.conn_count; i++)
        conn_release(&load.conns[i]);
    heap_free(load.conns);
    close(load.epoll_fd);
    signer_release(&load.signer);
    bytes_release(&load.endpoint.host);
    bytes_release(&load.queue_url);
    bytes_release(&load.filler);
    return code;
}
