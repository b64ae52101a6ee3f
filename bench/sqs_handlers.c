/* What SQS's hot operations cost without a socket: call_run() of SendMessage, ReceiveMessage and
 * DeleteMessage, each in its own transaction.
 *
 *     build/bench/sqs_handlers [ROUNDS [WAITING [GROUPS [fifo]]]]
 *
 * ROUNDS calls of each (100000), with WAITING messages in the queue all the while (1000), sent
 * under GROUPS message groups (0: none); a FIFO queue when a fourth argument is given. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "cloud/call.h"
#include "gen/sqs.h"
#include "server/server.h"

struct bench {
    struct cloud *cloud;
    struct arena *arena; /* of one call */
    struct str url, body;
    unsigned groups, sent;
    bool fifo;
    struct str handle; /* of what was received last */
    char handle_text[512];
};

static double now_us(void)
{
    struct timespec at;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
    return (double)at.tv_sec * 1e6 + (double)at.tv_nsec / 1e3;
}

static enum result bench_finish(struct call *call, const void *out)
{
    (void)call;
    (void)out;
    return RESULT_OK;
}

static enum result bench_keep_handle(struct call *call, const void *out)
{
    (void)call;
    const struct sqs_ReceiveMessageResult *result = out;
    ASSERT(result->Messages.len == 1);
    (void)result;
    return RESULT_OK;
}

static void bench_call(struct bench *bench, uint32_t operation, const void *in, void *out,
                       enum result (*finish)(struct call *call, const void *out))
{
    struct call call = {
        .arena = bench->arena,
        .cloud = bench->cloud,
        .model = &sqs_model,
        .operation = operation,
        .protocol = WIRE_PROTOCOL_JSON,
        .account = STR("000000000000"),
        .region = STR("us-east-1"),
        .partition = STR("aws"),
        .endpoint = bench->cloud->endpoint,
        .principal = {.kind = PRINCIPAL_ROOT,
                      .account = STR("000000000000"),
                      .arn = STR("arn:aws:iam::000000000000:root"),
                      .user_id = STR("000000000000")},
    };
    enum result result = call_run(&call, in, out, finish);
    if (result == RESULT_OK)
        return;
    fprintf(stderr, "operation %u: result %d: %.*s\n", operation, (int)result, PRSTR(call.message));
    exit(1);
}

static void bench_create(struct bench *bench)
{
    struct str_map_entry attribute = {STR("FifoQueue"), STR("true")};
    struct sqs_CreateQueueRequest in = {.QueueName = STR("bench")};
    struct sqs_CreateQueueResult out;
    if (bench->fifo) {
        in.QueueName = STR("bench.fifo");
        in.Attributes = (struct str_map){&attribute, 1};
    }
    bench->url = str_format(bench->cloud->arena, "http://localhost:4566/000000000000/%.*s",
                            PRSTR(in.QueueName));
    bench_call(bench, SQS_OP_CreateQueue, &in, &out, bench_finish);
}

static void bench_send(struct bench *bench)
{
    char group[16], id[16];
    struct sqs_SendMessageRequest in = {.QueueUrl = bench->url, .MessageBody = bench->body};
    struct sqs_SendMessageResult out;
    if (bench->groups > 0) {
        int len = snprintf(group, sizeof group, "tenant-%u", bench->sent++ % bench->groups);
        in.MessageGroupId = str_make(group, (size_t)len);
    }
    if (bench->fifo) {
        int len = snprintf(id, sizeof id, "%u", bench->sent);
        in.MessageDeduplicationId = str_make(id, (size_t)len);
    }
    bench_call(bench, SQS_OP_SendMessage, &in, &out, bench_finish);
    arena_reset(bench->arena);
}

static void bench_receive(struct bench *bench)
{
    struct sqs_ReceiveMessageRequest in = {.QueueUrl = bench->url};
    struct sqs_ReceiveMessageResult out;
    bench_call(bench, SQS_OP_ReceiveMessage, &in, &out, bench_keep_handle);
    struct str handle = out.Messages.items[0].ReceiptHandle;
    ASSERT(handle.len <= sizeof bench->handle_text);
    memcpy(bench->handle_text, handle.ptr, handle.len);
    bench->handle = str_make(bench->handle_text, handle.len);
    arena_reset(bench->arena);
}

static void bench_delete(struct bench *bench)
{
    struct sqs_DeleteMessageRequest in = {.QueueUrl = bench->url, .ReceiptHandle = bench->handle};
    struct sqs_empty out;
    bench_call(bench, SQS_OP_DeleteMessage, &in, &out, bench_finish);
    arena_reset(bench->arena);
}

static void bench_run(struct bench *bench, unsigned rounds, unsigned waiting)
{
    double send = 0, receive = 0, delete = 0;
    for (unsigned i = 0; i < waiting; i++)
        bench_send(bench);
    for (unsigned i = 0; i < rounds; i++) {
        double at0 = now_us();
        bench_send(bench);
        double at1 = now_us();
        bench_receive(bench);
        double at2 = now_us();
        bench_delete(bench);
        double at3 = now_us();
        send += at1 - at0;
        receive += at2 - at1;
        delete += at3 - at2;
    }
    printf("%u rounds, %u waiting, %u groups, body of %zu bytes; CPU us per call:\n", rounds,
           waiting, bench->groups, bench->body.len);
    printf("  SendMessage %.2f  ReceiveMessage %.2f  DeleteMessage %.2f\n", send / rounds,
           receive / rounds, delete / rounds);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    unsigned waiting = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1000;
    char directory[] = "/tmp/kumoniwa-bench-XXXXXX", body[200], command[64];
    if (mkdtemp(directory) == NULL)
        return 1;
    memset(body, 'x', sizeof body);
    struct arena *arena = arena_new(0);
    struct str message;
    struct cloud_config config = {
        .directory = str_from_c(directory),
        .default_region = STR("us-east-1"),
        .endpoint = STR("http://localhost:4566"),
        .hooks = server_services,
    };
    struct bench bench = {.arena = arena_new(16 * 1024),
                          .body = str_make(body, sizeof body),
                          .fifo = argc > 4,
                          .groups = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0};
    log_set_level(LOG_ERROR);
    if (cloud_open(arena, &config, &bench.cloud, &message) != RESULT_OK)
        return 1;
    bench_create(&bench);
    bench_run(&bench, rounds, waiting);
    cloud_close(bench.cloud);
    arena_free(bench.arena);
    arena_free(arena);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 ? 0 : 1;
}
