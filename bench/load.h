/* The load generator's contract between its parts: what a workload is, and what a run counts.
 *
 * A workload is a row of the table in workload.c: its name, the service that its requests are
 * signed for, the operations that get a histogram each, how the next request of a connection is
 * built and how its reply is judged. The loop in load.c does the rest. A workload that needs
 * another order of events (parked polls) brings its own run(). */
#ifndef KUMONIWA_BENCH_LOAD_H
#define KUMONIWA_BENCH_LOAD_H

#include <stdio.h>

#include "client.h"
#include "histogram.h"

enum { OPERATIONS_MAX = 2 };

enum outcome {
    OUTCOME_OK,
    OUTCOME_EMPTY, /* a right answer that did no work (nothing to receive): counted apart */
    OUTCOME_ERROR,
};

struct options {
    const char *endpoint;
    const char *access_key, *secret, *region;
    const char *queue;
    uint64_t connections;
    double seconds, warm_up;
    uint64_t requests; /* 0: for `seconds` */
    double rate;       /* requests a second of the open loop; 0: closed loop */
    uint64_t body_bytes;
    uint64_t messages; /* sqs-fill: how many */
    uint64_t rounds;   /* sqs-longpoll: how many wakes */
    uint64_t server_pid;
    bool json;
    bool spin; /* ask for events again and again, never sleep for them */
};

struct operation_count {
    struct histogram histogram; /* of the right answers */
    uint64_t errors;
};

struct counts {
    struct operation_count operations[OPERATIONS_MAX];
    uint64_t empty;
    uint64_t connection_errors;
    uint64_t messages; /* moved by right answers */
    uint64_t start_ns, end_ns;
    uint64_t client_cpu_us,
        server_cpu_us; /* at the start; of the whole span when the run is over */
    uint64_t spun_ns;  /* spent on asking for events when there were none */
};

struct load {
    struct options options;
    const struct workload *workload;
    struct endpoint endpoint;
    struct signer signer;
    int epoll_fd;
    struct conn *conns;
    size_t conn_count;
    struct counts counts;

    struct bytes queue_url; /* as it stands in the reply's JSON, still escaped */
    struct bytes filler;    /* body_bytes of message text */
    uint64_t sequence;
    uint64_t left; /* sqs-fill: messages not claimed by a request yet */
    uint64_t dry;  /* empty answers in a row */
    bool error_shown;
};

struct workload {
    const char *name;
    const char *help;
    const char *service;
    const char *operations[OPERATIONS_MAX]; /* NULL-padded */
    bool bounded; /* ends by itself when build() has nothing more to send */
    /* Once, before the connections open; NULL: nothing to prepare. Ends the program on failure. */
    void (*prepare)(struct load *load);
    /* Fills *request and conn->operation; false when this connection has nothing left to send. The
     * body is borrowed until the reply: conn->body is there to hold it. */
    bool (*build)(struct load *load, struct conn *conn, struct request *request);
    /* Adds to *messages what a right answer moved. */
    enum outcome (*check)(struct load *load, struct conn *conn, const struct reply *reply,
                          uint64_t *messages);
    /* Instead of the common loop; prints its own report. Returns the exit code. */
    int (*run)(struct load *load);
};

/* The table, ended by a row without a name. */
extern const struct workload workloads[];

/* One exchange that waits for its answer, on a connection of its own; the reply's memory is the
 * connection's. Ends the program when the connection breaks. */
void load_exchange(struct load *load, struct conn *conn, const struct request *request,
                   struct reply *reply);
/* Shows the first wrong reply of the run on standard error. */
void load_show_error(struct load *load, const char *operation, const struct reply *reply);

/* The raw text between the quotes of the first member "name":"..." of a JSON text; absent when
 * there is none. Enough for the flat replies looked at here. */
struct str load_json_member(struct str json, struct str quoted_name);

/* Builders that sqs-longpoll shares with the table; the queue is the load's. */
void build_sqs(struct conn *conn, struct request *request, struct str target);
void build_send_message(struct load *load, struct conn *conn, struct request *request);
void build_receive(struct load *load, struct conn *conn, struct request *request,
                   unsigned wait_seconds);
void build_delete(struct load *load, struct conn *conn, struct request *request, struct str handle);
/* Makes the queue when there is none and learns its URL. */
void prepare_queue(struct load *load);

int run_longpoll(struct load *load);

/* dynamodb.c */
void prepare_dynamo_items(struct load *load);
void prepare_dynamo_sorted(struct load *load);
#define DYNAMO_BUILDER(name)                                                                       \
    bool build_dynamo_##name(struct load *load, struct conn *conn, struct request *request)
#define DYNAMO_JUDGE(name)                                                                         \
    enum outcome check_dynamo_##name(struct load *load, struct conn *conn,                         \
                                     const struct reply *reply, uint64_t *messages)
DYNAMO_BUILDER(put);
DYNAMO_BUILDER(get);
DYNAMO_BUILDER(update);
DYNAMO_BUILDER(query);
DYNAMO_BUILDER(fill);
DYNAMO_BUILDER(fill_sorted);
DYNAMO_BUILDER(scan);
DYNAMO_JUDGE(write);
DYNAMO_JUDGE(update);
DYNAMO_JUDGE(get);
DYNAMO_JUDGE(query);
DYNAMO_JUDGE(fill);
DYNAMO_JUDGE(scan);
/* lambda_workload.c */
bool build_invoke(struct load *load, struct conn *conn, struct request *request);
enum outcome check_invoke(struct load *load, struct conn *conn, const struct reply *reply,
                          uint64_t *messages);
/* s3_workload.c */
void prepare_bucket(struct load *load);
void prepare_objects(struct load *load);
bool build_put_object(struct load *load, struct conn *conn, struct request *request);
bool build_fill_objects(struct load *load, struct conn *conn, struct request *request);
bool build_get_object(struct load *load, struct conn *conn, struct request *request);
bool build_list(struct load *load, struct conn *conn, struct request *request);
enum outcome check_put_object(struct load *load, struct conn *conn, const struct reply *reply,
                              uint64_t *messages);
enum outcome check_get_object(struct load *load, struct conn *conn, const struct reply *reply,
                              uint64_t *messages);
enum outcome check_list(struct load *load, struct conn *conn, const struct reply *reply,
                        uint64_t *messages);
/* logs.c */
void prepare_logs(struct load *load);
bool build_logs_put(struct load *load, struct conn *conn, struct request *request);
enum outcome check_logs_put(struct load *load, struct conn *conn, const struct reply *reply,
                            uint64_t *messages);

#endif
