/* DynamoDB's workloads: items of --body-bytes under keys that are numbers below --messages, in the
 * table --queue. */
#include <string.h>

#include "load.h"

enum { QUERY_ITEMS = 100, BATCH_ITEMS = 25, KEY_DIGITS = 16 };

static const struct str DYNAMODB_JSON = STR_INIT("application/x-amz-json-1.0");

static void build_dynamodb(struct conn *conn, struct request *request, const char *target)
{
    *request = (struct request){
        .method = STR("POST"),
        .path = STR("/"),
        .query = STR(""),
        .content_type = DYNAMODB_JSON,
        .target = str_from_c(target),
        .body = bytes_str(&conn->body),
    };
}

/* --- tables --- */

static void append_table(struct load *load, struct bytes *out)
{
    bytes_append(out, STR("\"TableName\":\""));
    bytes_append_json(out, str_from_c(load->options.queue));
    bytes_append(out, STR("\""));
}

static bool table_is_active(struct load *load, struct conn *conn)
{
    struct reply reply;
    struct request request = {0};
    conn->body.len = 0;
    bytes_append(&conn->body, STR("{"));
    append_table(load, &conn->body);
    bytes_append(&conn->body, STR("}"));
    build_dynamodb(conn, &request, "DynamoDB_20120810.DescribeTable");
    load_exchange(load, conn, &request, &reply);
    return reply.status == 200 &&
           bytes_find(reply.body, 0, STR("\"TableStatus\":\"ACTIVE\"")) != SIZE_MAX;
}

static void prepare_schema(struct load *load, struct str keys)
{
    struct conn conn = {0};
    struct reply reply;
    struct request request = {0};
    bytes_append(&conn.body, STR("{"));
    append_table(load, &conn.body);
    bytes_append(&conn.body, STR(",\"BillingMode\":\"PAY_PER_REQUEST\","));
    bytes_append(&conn.body, keys);
    bytes_append(&conn.body, STR("}"));
    build_dynamodb(&conn, &request, "DynamoDB_20120810.CreateTable");
    load_exchange(load, &conn, &request, &reply);
    if (reply.status != 200 &&
        bytes_find(reply.body, 0, STR("ResourceInUseException")) == SIZE_MAX) {
        load_show_error(load, "CreateTable", &reply);
        die("there is no table to work with");
    }
    conn_release(&conn);
    for (bool active = false; !active;) {
        conn = (struct conn){0};
        active = table_is_active(load, &conn);
        conn_release(&conn);
    }
}

void prepare_dynamo_items(struct load *load)
{
    prepare_schema(load, STR("\"AttributeDefinitions\":[{\"AttributeName\":\"pk\","
                             "\"AttributeType\":\"S\"}],\"KeySchema\":[{\"AttributeName\":\"pk\","
                             "\"KeyType\":\"HASH\"}]"));
    load->left = load->options.messages;
}

void prepare_dynamo_sorted(struct load *load)
{
    prepare_schema(load,
                   STR("\"AttributeDefinitions\":[{\"AttributeName\":\"pk\",\"AttributeType\":"
                       "\"S\"},{\"AttributeName\":\"sk\",\"AttributeType\":\"N\"}],\"KeySchema\":"
                       "[{\"AttributeName\":\"pk\",\"KeyType\":\"HASH\"},{\"AttributeName\":"
                       "\"sk\",\"KeyType\":\"RANGE\"}]"));
    load->left = load->options.messages;
}

/* --- items --- */

/* Numbers that follow no order (splitmix64). */
static uint64_t scattered(uint64_t n)
{
    n += UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

static uint64_t any_key(struct load *load, struct conn *conn)
{
    conn->sequence = scattered(load->sequence++) % load->options.messages;
    return conn->sequence;
}

static void append_key(struct bytes *out, uint64_t key)
{
    bytes_append(out, STR("\"pk\":{\"S\":\""));
    bytes_append_hex(out, key, KEY_DIGITS);
    bytes_append(out, STR("\"}"));
}

static void append_item(struct load *load, struct bytes *out, uint64_t key)
{
    bytes_append(out, STR("{"));
    append_key(out, key);
    bytes_append(out, STR(",\"n\":{\"N\":\"1\"},\"body\":{\"S\":\""));
    bytes_append(out, bytes_str(&load->filler));
    bytes_append(out, STR("\"}}"));
}

static void begin_body(struct load *load, struct conn *conn)
{
    conn->body.len = 0;
    bytes_append(&conn->body, STR("{"));
    append_table(load, &conn->body);
    bytes_append(&conn->body, STR(","));
}

bool build_dynamo_put(struct load *load, struct conn *conn, struct request *request)
{
    begin_body(load, conn);
    bytes_append(&conn->body, STR("\"Item\":"));
    append_item(load, &conn->body, any_key(load, conn));
    bytes_append(&conn->body, STR("}"));
    build_dynamodb(conn, request, "DynamoDB_20120810.PutItem");
    return true;
}

bool build_dynamo_get(struct load *load, struct conn *conn, struct request *request)
{
    begin_body(load, conn);
    bytes_append(&conn->body, STR("\"Key\":{"));
    append_key(&conn->body, any_key(load, conn));
    bytes_append(&conn->body, STR("}}"));
    build_dynamodb(conn, request, "DynamoDB_20120810.GetItem");
    return true;
}

bool build_dynamo_update(struct load *load, struct conn *conn, struct request *request)
{
    begin_body(load, conn);
    bytes_append(&conn->body, STR("\"Key\":{"));
    append_key(&conn->body, any_key(load, conn));
    bytes_append(&conn->body,
                 STR("},\"UpdateExpression\":\"SET #n = #n + :one\",\"ConditionExpression\":"
                     "\"attribute_exists(pk) AND #n >= :one\",\"ExpressionAttributeNames\":"
                     "{\"#n\":\"n\"},\"ExpressionAttributeValues\":{\":one\":{\"N\":\"1\"}},"
                     "\"ReturnValues\":\"UPDATED_NEW\"}"));
    build_dynamodb(conn, request, "DynamoDB_20120810.UpdateItem");
    return true;
}

bool build_dynamo_query(struct load *load, struct conn *conn, struct request *request)
{
    begin_body(load, conn);
    bytes_append(&conn->body, STR("\"KeyConditionExpression\":\"pk = :p\","
                                  "\"ExpressionAttributeValues\":{\":p\":{\"S\":\""));
    conn->sequence = scattered(load->sequence++) % (load->options.messages / QUERY_ITEMS);
    bytes_append_hex(&conn->body, conn->sequence, KEY_DIGITS);
    bytes_append(&conn->body, STR("\"}}}"));
    build_dynamodb(conn, request, "DynamoDB_20120810.Query");
    return true;
}

/* --- filling --- */

static bool build_fill(struct load *load, struct conn *conn, struct request *request, bool sorted)
{
    uint64_t count = load->left < BATCH_ITEMS ? load->left : BATCH_ITEMS;
    if (count == 0)
        return false;
    conn->body.len = 0;
    bytes_append(&conn->body, STR("{\"RequestItems\":{\""));
    bytes_append_json(&conn->body, str_from_c(load->options.queue));
    bytes_append(&conn->body, STR("\":["));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t n = --load->left;
        bytes_append(&conn->body, i == 0 ? STR("{\"PutRequest\":{\"Item\":")
                                         : STR(",{\"PutRequest\":{\"Item\":"));
        append_item(load, &conn->body, sorted ? n / QUERY_ITEMS : n);
        if (sorted) {
            conn->body.len--;
            bytes_append(&conn->body, STR(",\"sk\":{\"N\":\""));
            bytes_append_u64(&conn->body, n % QUERY_ITEMS);
            bytes_append(&conn->body, STR("\"}}"));
        }
        bytes_append(&conn->body, STR("}}"));
    }
    bytes_append(&conn->body, STR("]}}"));
    build_dynamodb(conn, request, "DynamoDB_20120810.BatchWriteItem");
    conn->messages = count;
    return true;
}

bool build_dynamo_fill(struct load *load, struct conn *conn, struct request *request)
{
    return build_fill(load, conn, request, false);
}

bool build_dynamo_fill_sorted(struct load *load, struct conn *conn, struct request *request)
{
    return build_fill(load, conn, request, true);
}

/* --- scanning --- */

/* Every connection walks a segment of its own, over and over. conn->handle: where its next page
 * begins. */
bool build_dynamo_scan(struct load *load, struct conn *conn, struct request *request)
{
    begin_body(load, conn);
    bytes_append(&conn->body, STR("\"Segment\":"));
    bytes_append_u64(&conn->body, (uint64_t)(conn - load->conns));
    bytes_append(&conn->body, STR(",\"TotalSegments\":"));
    bytes_append_u64(&conn->body, load->conn_count);
    if (conn->handle.len > 0) {
        bytes_append(&conn->body, STR(",\"ExclusiveStartKey\":"));
        bytes_append(&conn->body, bytes_str(&conn->handle));
    }
    bytes_append(&conn->body, STR("}"));
    build_dynamodb(conn, request, "DynamoDB_20120810.Scan");
    return true;
}

static bool read_count(struct str body, struct str name, uint64_t *count)
{
    size_t at = bytes_find(body, 0, name);
    if (at == SIZE_MAX)
        return false;
    *count = 0;
    for (at += name.len; at < body.len && body.ptr[at] >= '0' && body.ptr[at] <= '9'; at++)
        *count = 10 * *count + (uint64_t)(body.ptr[at] - '0');
    return true;
}

enum outcome check_dynamo_scan(struct load *load, struct conn *conn, const struct reply *reply,
                               uint64_t *messages)
{
    uint64_t count;
    (void)load;
    /* The counts stand behind the items: look at the end alone. */
    struct str body = reply->body;
    struct str end = body.len > 512 ? str_make(body.ptr + body.len - 512, 512) : body;
    if (reply->status != 200 || !read_count(end, STR("\"ScannedCount\":"), &count))
        return OUTCOME_ERROR;
    const struct str name = STR("\"LastEvaluatedKey\":");
    size_t at = bytes_find(end, 0, name);
    conn->handle.len = 0;
    if (at != SIZE_MAX) {
        size_t to = at += name.len;
        while (to < end.len && strncmp(end.ptr + to, "}}", 2) != 0)
            to++;
        bytes_append(&conn->handle, str_make(end.ptr + at, to + 2 - at));
    }
    *messages += count;
    return OUTCOME_OK;
}

/* --- judging --- */

enum outcome check_dynamo_write(struct load *load, struct conn *conn, const struct reply *reply,
                                uint64_t *messages)
{
    (void)load, (void)conn;
    *messages += 1;
    return reply->status == 200 && str_eq(reply->body, STR("{}")) ? OUTCOME_OK : OUTCOME_ERROR;
}

enum outcome check_dynamo_update(struct load *load, struct conn *conn, const struct reply *reply,
                                 uint64_t *messages)
{
    (void)load, (void)conn;
    *messages += 1;
    return reply->status == 200 &&
                   bytes_find(reply->body, 0, STR("{\"Attributes\":{\"n\":{\"N\":\"")) == 0
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}

/* The item that was asked for, and all of it. */
enum outcome check_dynamo_get(struct load *load, struct conn *conn, const struct reply *reply,
                              uint64_t *messages)
{
    char key[KEY_DIGITS + 1];
    *messages += 1;
    snprintf(key, sizeof key, "%016llx", (unsigned long long)conn->sequence);
    return reply->status == 200 && reply->body.len > load->options.body_bytes &&
                   bytes_find(reply->body, 0, str_from_c(key)) != SIZE_MAX
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}

enum outcome check_dynamo_query(struct load *load, struct conn *conn, const struct reply *reply,
                                uint64_t *messages)
{
    uint64_t count;
    struct str body = reply->body;
    struct str end = body.len > 512 ? str_make(body.ptr + body.len - 512, 512) : body;
    (void)load, (void)conn;
    *messages += QUERY_ITEMS;
    return reply->status == 200 && read_count(end, STR("\"Count\":"), &count) &&
                   count == QUERY_ITEMS
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}

enum outcome check_dynamo_fill(struct load *load, struct conn *conn, const struct reply *reply,
                               uint64_t *messages)
{
    (void)load;
    *messages += conn->messages;
    return reply->status == 200 &&
                   bytes_find(reply->body, 0, STR("\"UnprocessedItems\":{}")) != SIZE_MAX
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}
