/* What DynamoDB's hot operations cost without a socket: call_run() of PutItem, GetItem, UpdateItem
 * with a condition and Query, each in its own transaction, on items of 1 KiB.
 *
 *     build/bench/dynamodb_handlers [ROUNDS [ITEMS]]
 *
 * ROUNDS calls of each (100000) with ITEMS items in the table (10000). */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/rng.h"
#include "cloud/call.h"
#include "cloud/outbox.h"
#include "gen/dynamodb.h"
#include "server/server.h"

struct bench {
    struct cloud *cloud;
    struct arena *arena; /* of one call */
    unsigned items;
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

/* The request as JSON, decoded outside what is measured. Yields the CPU us of the call. */
static double bench_call(struct bench *bench, uint32_t operation, const char *json)
{
    const struct wire_operation *row = &dynamodb_model.operations[operation];
    struct arena *arena = bench->arena;
    void *in = arena_alloc(arena, dynamodb_model.shapes[row->input].size);
    void *out = arena_alloc(arena, dynamodb_model.shapes[row->output].size);
    struct wire_failure failure;
    struct call call = {
        .arena = arena,
        .cloud = bench->cloud,
        .model = &dynamodb_model,
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
    enum result result =
        wire_json_decode(arena, &dynamodb_model, row->input, str_from_c(json), in, &failure);
    ASSERT(result == RESULT_OK);
    double begin = now_us();
    result = call_run(&call, in, out, bench_finish);
    double took = now_us() - begin;
    if (result != RESULT_OK) {
        fprintf(stderr, "%s: %.*s\n", json, PRSTR(call.message));
        exit(1);
    }
    arena_reset(arena);
    return took;
}

static void bench_table(struct bench *bench)
{
    size_t delivered;
    bench_call(bench, DYNAMODB_OP_CreateTable,
               "{\"TableName\":\"bench\",\"BillingMode\":\"PAY_PER_REQUEST\","
               "\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"},"
               "{\"AttributeName\":\"sk\",\"AttributeType\":\"N\"}],\"KeySchema\":["
               "{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"},"
               "{\"AttributeName\":\"sk\",\"KeyType\":\"RANGE\"}]}");
    enum result result = dispatcher_step(bench->cloud, &delivered);
    ASSERT(result == RESULT_OK);
}

static double bench_put(struct bench *bench, unsigned n)
{
    char json[2048], body[801];
    memset(body, 'x', 800);
    body[800] = 0;
    snprintf(json, sizeof json,
             "{\"TableName\":\"bench\",\"Item\":{\"pk\":{\"S\":\"partition-%u\"},"
             "\"sk\":{\"N\":\"%u\"},\"name\":{\"S\":\"item %u\"},\"flag\":{\"BOOL\":true},"
             "\"count\":{\"N\":\"1\"},\"tags\":{\"SS\":[\"red\",\"green\",\"blue\"]},"
             "\"nested\":{\"M\":{\"a\":{\"N\":\"1\"},\"b\":{\"L\":[{\"S\":\"two\"}]}}},"
             "\"body\":{\"S\":\"%s\"}}}",
             n / 100, n % 100, n, body);
    return bench_call(bench, DYNAMODB_OP_PutItem, json);
}

static double bench_get(struct bench *bench, unsigned n)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"TableName\":\"bench\",\"Key\":{\"pk\":{\"S\":\"partition-%u\"},"
             "\"sk\":{\"N\":\"%u\"}}}",
             n / 100, n % 100);
    return bench_call(bench, DYNAMODB_OP_GetItem, json);
}

static double bench_update(struct bench *bench, unsigned n)
{
    char json[768];
    snprintf(json, sizeof json,
             "{\"TableName\":\"bench\",\"Key\":{\"pk\":{\"S\":\"partition-%u\"},"
             "\"sk\":{\"N\":\"%u\"}},\"UpdateExpression\":\"SET #c = #c + :one\","
             "\"ConditionExpression\":\"attribute_exists(pk) AND #c >= :one\","
             "\"ExpressionAttributeNames\":{\"#c\":\"count\"},"
             "\"ExpressionAttributeValues\":{\":one\":{\"N\":\"1\"}}}",
             n / 100, n % 100);
    return bench_call(bench, DYNAMODB_OP_UpdateItem, json);
}

static double bench_query(struct bench *bench, unsigned n)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"TableName\":\"bench\",\"KeyConditionExpression\":\"pk = :p\","
             "\"ExpressionAttributeValues\":{\":p\":{\"S\":\"partition-%u\"}}}",
             n / 100);
    return bench_call(bench, DYNAMODB_OP_Query, json);
}

static void bench_run(struct bench *bench, unsigned rounds)
{
    double put = 0, get = 0, update = 0, query = 0;
    for (unsigned i = 0; i < bench->items; i++)
        bench_put(bench, i);
    for (unsigned i = 0; i < rounds; i++) {
        unsigned n = (unsigned)rng_below(bench->items);
        put += bench_put(bench, n);
        get += bench_get(bench, n);
        update += bench_update(bench, n);
    }
    unsigned queries = rounds / 100 + 1;
    for (unsigned i = 0; i < queries; i++)
        query += bench_query(bench, (unsigned)rng_below(bench->items));
    printf("%u rounds, %u items of 1 KiB; CPU us per call:\n", rounds, bench->items);
    printf("  PutItem %.2f  GetItem %.2f  UpdateItem %.2f  Query of 100 %.2f\n", put / rounds,
           get / rounds, update / rounds, query / queries);
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
    char directory[] = "/tmp/kumoniwa-bench-XXXXXX", command[64];
    if (mkdtemp(directory) == NULL)
        return 1;
    struct arena *arena = arena_new(0);
    struct str message;
    struct cloud_config config = {
        .directory = str_from_c(directory),
        .default_region = STR("us-east-1"),
        .endpoint = STR("http://localhost:4566"),
        .hooks = server_services,
    };
    struct bench bench = {.arena = arena_new(64 * 1024),
                          .items = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10000};
    log_set_level(LOG_ERROR);
    rng_set_seed(1);
    if (cloud_open(arena, &config, &bench.cloud, &message) != RESULT_OK)
        return 1;
    bench_table(&bench);
    bench_run(&bench, rounds);
    cloud_close(bench.cloud);
    arena_free(bench.arena);
    arena_free(arena);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command) == 0 ? 0 : 1;
}
