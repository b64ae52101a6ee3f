/* What DynamoDB's hot operations cost without a socket: call_run() of PutItem, GetItem, UpdateItem
 * with a condition and Query, each in its own transaction, on items of 1 KiB.
 *
 *     build/bench/dynamodb_handlers [ROUNDS [ITEMS]]
 *
 * ROUNDS calls of each (100000) with ITEMS items in the table (10000). */
#include <stdio.h>

#include "alone.h"
#include "base/rng.h"
#include "cloud/outbox.h"
#include "gen/dynamodb.h"

struct bench {
    struct alone alone;
    unsigned items;
};

/* The request as JSON, decoded outside what is measured. Yields the CPU us of the call. */
static double bench_call(struct bench *bench, uint32_t operation, const char *json)
{
    const struct wire_operation *row = &dynamodb_model.operations[operation];
    struct arena *arena = bench->alone.arena;
    void *in = arena_alloc(arena, dynamodb_model.shapes[row->input].size);
    void *out = arena_alloc(arena, dynamodb_model.shapes[row->output].size);
    struct wire_failure failure;
    struct call call = alone_call(&bench->alone, &dynamodb_model, operation, &alone_root);
    enum result result =
        wire_json_decode(arena, &dynamodb_model, row->input, str_from_c(json), in, &failure);
    ASSERT(result == RESULT_OK);
    double begin = alone_cpu_us();
    alone_run(&call, in, out);
    double took = alone_cpu_us() - begin;
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
    enum result result = dispatcher_step(bench->alone.cloud, &delivered);
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
    struct bench bench = {.items = alone_argument(argc, argv, 2, 10000)};
    rng_set_seed(1);
    alone_open(&bench.alone);
    bench_table(&bench);
    bench_run(&bench, alone_argument(argc, argv, 1, 100000));
    alone_close(&bench.alone);
    return 0;
}
