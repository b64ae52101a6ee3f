/* What SQS's hot operations cost without a socket: call_run() of SendMessage, ReceiveMessage and
 * DeleteMessage, each in its own transaction.
 *
 *     build/bench/sqs_handlers [ROUNDS [WAITING [GROUPS [fifo]]]]
 *
 * ROUNDS calls of each (100000), with WAITING messages in the queue all the while (1000), sent
 * under GROUPS message groups (0: none); a FIFO queue when a fourth argument is given. */
#include <stdio.h>

#include "alone.h"
#include "gen/sqs.h"

struct bench {
    struct alone alone;
    struct str url, body;
    unsigned groups, sent;
    bool fifo;
    struct str handle; /* of what was received last */
    char handle_text[512];
};

static void bench_call(struct bench *bench, uint32_t operation, const void *in, void *out)
{
    struct call call = alone_call(&bench->alone, &sqs_model, operation, &alone_root);
    alone_run(&call, in, out);
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
    bench->url = str_format(bench->alone.kept, "http://localhost:4566/000000000000/%.*s",
                            PRSTR(in.QueueName));
    bench_call(bench, SQS_OP_CreateQueue, &in, &out);
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
    bench_call(bench, SQS_OP_SendMessage, &in, &out);
    arena_reset(bench->alone.arena);
}

static void bench_receive(struct bench *bench)
{
    struct sqs_ReceiveMessageRequest in = {.QueueUrl = bench->url};
    struct sqs_ReceiveMessageResult out;
    bench_call(bench, SQS_OP_ReceiveMessage, &in, &out);
    ASSERT(out.Messages.len == 1);
    struct str handle = out.Messages.items[0].ReceiptHandle;
    ASSERT(handle.len <= sizeof bench->handle_text);
    memcpy(bench->handle_text, handle.ptr, handle.len);
    bench->handle = str_make(bench->handle_text, handle.len);
    arena_reset(bench->alone.arena);
}

static void bench_delete(struct bench *bench)
{
    struct sqs_DeleteMessageRequest in = {.QueueUrl = bench->url, .ReceiptHandle = bench->handle};
    struct sqs_empty out;
    bench_call(bench, SQS_OP_DeleteMessage, &in, &out);
    arena_reset(bench->alone.arena);
}

static void bench_run(struct bench *bench, unsigned rounds, unsigned waiting)
{
    double send = 0, receive = 0, delete = 0;
    for (unsigned i = 0; i < waiting; i++)
        bench_send(bench);
    for (unsigned i = 0; i < rounds; i++) {
        double at0 = alone_cpu_us();
        bench_send(bench);
        double at1 = alone_cpu_us();
        bench_receive(bench);
        double at2 = alone_cpu_us();
        bench_delete(bench);
        double at3 = alone_cpu_us();
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
    char body[200];
    memset(body, 'x', sizeof body);
    struct bench bench = {.body = str_make(body, sizeof body),
                          .fifo = argc > 4,
                          .groups = alone_argument(argc, argv, 3, 0)};
    alone_open(&bench.alone);
    bench_create(&bench);
    bench_run(&bench, alone_argument(argc, argv, 1, 100000), alone_argument(argc, argv, 2, 1000));
    alone_close(&bench.alone);
    return 0;
}
