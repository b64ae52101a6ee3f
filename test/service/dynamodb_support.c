#include "service/dynamodb_support.h"

#include "wire/shape.h"

int ddb_setup(void **state)
{
    struct loopback *lo = heap_alloc(sizeof *lo);
    loopback_open(lo);
    *state = lo;
    return 0;
}

int ddb_teardown(void **state)
{
    loopback_close(*state);
    heap_free(*state);
    return 0;
}

static struct str swap_quotes(struct arena *arena, struct str text, char from, char to)
{
    char *copy = arena_alloc_raw(arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        copy[i] = text.ptr[i] == from ? to : text.ptr[i];
    return str_make(copy, text.len);
}

struct str ddb_call(struct loopback *lo, uint32_t operation, const char *format, ...)
{
    const struct wire_operation *row = &dynamodb_model.operations[operation];
    const size_t max = 2 * 1024 * 1024;
    char *text = arena_alloc_raw(lo->arena, max);
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, max, format, arguments);
    va_end(arguments);
    assert_true(len >= 0 && (size_t)len < max);
    struct str json = swap_quotes(lo->arena, str_make(text, (size_t)len), '\'', '"');
    void *in = arena_alloc(lo->arena, dynamodb_model.shapes[row->input].size + 1);
    struct wire_failure failure = {0};
    if (wire_json_decode(lo->arena, &dynamodb_model, row->input, json, in, &failure) != RESULT_OK)
        fail_msg("%.*s: %.*s", PRSTR(json), PRSTR(failure.message));
    struct loopback_reply reply = loopback_call(lo, &dynamodb_model, operation, in);
    if (reply.result == RESULT_ERROR)
        return str_format(lo->arena, "%.*s: %.*s", PRSTR(reply.code), PRSTR(reply.message));
    assert_int_equal(reply.result, RESULT_OK);
    struct buf out;
    buf_init(&out, lo->arena, 64 * 1024 * 1024);
    assert_int_equal(wire_json_encode(&out, &dynamodb_model, row->output, reply.out), RESULT_OK);
    return swap_quotes(lo->arena, buf_str(&out), '"', '\'');
}

void ddb_check(struct str actual, const char *expected, const char *file, int line)
{
    if (str_eq(actual, str_from_c(expected)))
        return;
    print_error("expected %s\ngot      %.*s\n", expected, PRSTR(actual));
    _fail(file, line);
}

void ddb_check_part(struct str actual, const char *part, const char *file, int line)
{
    if (str_find(actual, str_from_c(part)) != SIZE_MAX)
        return;
    print_error("expected %s\nin       %.*s\n", part, PRSTR(actual));
    _fail(file, line);
}

void ddb_table(struct loopback *lo)
{
    struct str answer =
        DDB(lo, CreateTable,
            "{'TableName':'tab','BillingMode':'PAY_PER_REQUEST','AttributeDefinitions':["
            "{'AttributeName':'pk','AttributeType':'S'},{'AttributeName':'sk','AttributeType':'N'},"
            "{'AttributeName':'g','AttributeType':'S'},{'AttributeName':'h','AttributeType':'N'},"
            "{'AttributeName':'l','AttributeType':'B'}],'KeySchema':["
            "{'AttributeName':'pk','KeyType':'HASH'},{'AttributeName':'sk','KeyType':'RANGE'}],"
            "'GlobalSecondaryIndexes':[{'IndexName':'global','KeySchema':["
            "{'AttributeName':'g','KeyType':'HASH'},{'AttributeName':'h','KeyType':'RANGE'}],"
            "'Projection':{'ProjectionType':'INCLUDE','NonKeyAttributes':['v']}}],"
            "'LocalSecondaryIndexes':[{'IndexName':'local','KeySchema':["
            "{'AttributeName':'pk','KeyType':'HASH'},{'AttributeName':'l','KeyType':'RANGE'}],"
            "'Projection':{'ProjectionType':'KEYS_ONLY'}}]}");
    assert_holds(answer, "'TableStatus':'CREATING'");
    loopback_deliver(lo);
    assert_holds(DDB(lo, DescribeTable, "{'TableName':'tab'}"), "'TableStatus':'ACTIVE'");
}

size_t ddb_stored(struct loopback *lo, const char *prefix)
{
    struct key key;
    struct kv_txn *txn;
    struct kv_cursor *cursor;
    struct str at, value;
    size_t count = 0;
    key_init(&key, lo->arena);
    key_str(&key, str_from_c(prefix));
    assert_int_equal(kv_begin(lo->cloud->kv, false, &txn), RESULT_OK);
    assert_int_equal(kv_cursor_open(txn, lo->arena, key_bytes(&key), false, &cursor), RESULT_OK);
    for (;; count++) {
        assert_int_equal(kv_next(cursor, &at, &value), RESULT_OK);
        if (str_is_absent(at))
            break;
    }
    kv_abort(txn);
    return count;
}

struct call ddb_s3_call(struct loopback *lo, struct object_io_caller *caller)
{
    struct call call = {.arena = arena_new_child(lo->arena),
                        .cloud = lo->cloud,
                        .model = &dynamodb_model,
                        .account = lo->account,
                        .region = lo->region,
                        .partition = STR("aws"),
                        .now_ms = loopback_now(lo)};
    *caller = (struct object_io_caller){
        .principal = {.kind = PRINCIPAL_ROOT, .account = lo->account, .name = STR("root")}};
    assert_int_equal(kv_begin(lo->cloud->kv, true, &call.txn), RESULT_OK);
    return call;
}
