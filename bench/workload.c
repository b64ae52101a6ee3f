/* The table of workloads, and the requests and replies of each. */
#include "load.h"

#include <openssl/md5.h>

static const struct str SQS_JSON = STR_INIT("application/x-amz-json-1.0");

struct str load_json_member(struct str json, struct str quoted_name)
{
    size_t at = bytes_find(json, 0, quoted_name);
    if (at == SIZE_MAX)
        return (struct str){0};
    at += quoted_name.len;
    while (at < json.len && (json.ptr[at] == ' ' || json.ptr[at] == ':'))
        at++;
    if (at >= json.len || json.ptr[at] != '"')
        return (struct str){0};
    size_t end = ++at;
    while (end < json.len && json.ptr[end] != '"')
        end += json.ptr[end] == '\\' ? 2 : 1;
    return end < json.len ? str_make(json.ptr + at, end - at) : (struct str){0};
}

/* How often `needle` stands in the text. */
static uint64_t count_of(struct str text, struct str needle)
{
    uint64_t count = 0;
    for (size_t at = bytes_find(text, 0, needle); at != SIZE_MAX;
         at = bytes_find(text, at + needle.len, needle))
        count++;
    return count;
}

/* Text of body_bytes for one message: 16 digits that make it unique, then filler. */
static void append_message(struct load *load, struct bytes *out, uint64_t sequence)
{
    size_t digits = load->filler.len < 16 ? load->filler.len : 16;
    bytes_append_hex(out, sequence, digits);
    bytes_append(out, str_make(load->filler.ptr + digits, load->filler.len - digits));
}

void prepare_queue(struct load *load)
{
    struct conn conn = {0};
    struct reply reply;
    struct request request = {0};
    bytes_append(&conn.body, STR("{\"QueueName\":\""));
    bytes_append_json(&conn.body, str_from_c(load->options.queue));
    bytes_append(&conn.body, STR("\"}"));
    build_sqs(&conn, &request, STR("AmazonSQS.CreateQueue"));
    load_exchange(load, &conn, &request, &reply);
    struct str url = load_json_member(reply.body, STR("\"QueueUrl\""));
    if (reply.status != 200 || str_is_absent(url)) {
        load_show_error(load, "CreateQueue", &reply);
        die("there is no queue to work with");
    }
    load->queue_url.len = 0;
    bytes_append(&load->queue_url, url);
    conn_release(&conn);
}

static void prepare_fill(struct load *load)
{
    prepare_queue(load);
    load->left = load->options.messages;
}

/* The echo server looks at no queue: any URL of the usual length makes the same bytes. */
static void prepare_echo(struct load *load)
{
    bytes_append(&load->queue_url, STR("http://127.0.0.1:4566/000000000000/"));
    bytes_append_json(&load->queue_url, str_from_c(load->options.queue));
}

void build_sqs(struct conn *conn, struct request *request, struct str target)
{
    *request = (struct request){
        .method = STR("POST"),
        .path = STR("/"),
        .query = STR(""),
        .content_type = SQS_JSON,
        .target = target,
        .body = bytes_str(&conn->body),
    };
}

static void begin_queue_body(struct load *load, struct conn *conn)
{
    conn->body.len = 0;
    bytes_append(&conn->body, STR("{\"QueueUrl\":\""));
    bytes_append(&conn->body, bytes_str(&load->queue_url));
    bytes_append(&conn->body, STR("\","));
}

void build_send_message(struct load *load, struct conn *conn, struct request *request)
{
    begin_queue_body(load, conn);
    bytes_append(&conn->body, STR("\"MessageBody\":\""));
    conn->sequence = load->sequence++;
    append_message(load, &conn->body, conn->sequence);
    bytes_append(&conn->body, STR("\"}"));
    build_sqs(conn, request, STR("AmazonSQS.SendMessage"));
}

void build_receive(struct load *load, struct conn *conn, struct request *request,
                   unsigned wait_seconds)
{
    begin_queue_body(load, conn);
    bytes_append(&conn->body, STR("\"MaxNumberOfMessages\":1,\"WaitTimeSeconds\":"));
    bytes_append_u64(&conn->body, wait_seconds);
    bytes_append(&conn->body, STR("}"));
    build_sqs(conn, request, STR("AmazonSQS.ReceiveMessage"));
}

void build_delete(struct load *load, struct conn *conn, struct request *request, struct str handle)
{
    begin_queue_body(load, conn);
    bytes_append(&conn->body, STR("\"ReceiptHandle\":\""));
    bytes_append(&conn->body, handle);
    bytes_append(&conn->body, STR("\"}"));
    build_sqs(conn, request, STR("AmazonSQS.DeleteMessage"));
}

static bool build_send(struct load *load, struct conn *conn, struct request *request)
{
    build_send_message(load, conn, request);
    return true;
}

static enum outcome check_status(struct load *load, struct conn *conn, const struct reply *reply,
                                 uint64_t *messages)
{
    (void)load;
    (void)conn;
    (void)messages;
    return reply->status == 200 ? OUTCOME_OK : OUTCOME_ERROR;
}

/* Every reply names a message; every 16th one's digest is compared with that of the body sent. */
static enum outcome check_send(struct load *load, struct conn *conn, const struct reply *reply,
                               uint64_t *messages)
{
    if (reply->status != 200 || bytes_find(reply->body, 0, STR("\"MessageId\"")) == SIZE_MAX)
        return OUTCOME_ERROR;
    if (conn->sequence % 16 == 0) {
        uint8_t digest[MD5_DIGEST_LENGTH];
        struct bytes text = {0}, hex = {0};
        append_message(load, &text, conn->sequence);
        MD5((const uint8_t *)text.ptr, text.len, digest);
        for (size_t i = 0; i < sizeof digest; i++)
            bytes_append_hex(&hex, digest[i], 2);
        bool same =
            str_eq(load_json_member(reply->body, STR("\"MD5OfMessageBody\"")), bytes_str(&hex));
        bytes_release(&text);
        bytes_release(&hex);
        if (!same)
            return OUTCOME_ERROR;
    }
    *messages += 1;
    return OUTCOME_OK;
}

enum { RECEIVE, DELETE };

static bool build_receive_delete(struct load *load, struct conn *conn, struct request *request)
{
    if (conn->handle.len != 0) {
        conn->operation = DELETE;
        build_delete(load, conn, request, bytes_str(&conn->handle));
    } else {
        conn->operation = RECEIVE;
        build_receive(load, conn, request, 0);
    }
    return true;
}

static enum outcome check_receive_delete(struct load *load, struct conn *conn,
                                         const struct reply *reply, uint64_t *messages)
{
    conn->handle.len = 0;
    if (reply->status != 200)
        return OUTCOME_ERROR;
    if (conn->operation == DELETE) {
        *messages += 1;
        return OUTCOME_OK;
    }
    struct str handle = load_json_member(reply->body, STR("\"ReceiptHandle\""));
    if (str_is_absent(handle)) {
        load->dry++;
        return OUTCOME_EMPTY;
    }
    load->dry = 0;
    bytes_append(&conn->handle, handle);
    return OUTCOME_OK;
}

static void build_batch(struct load *load, struct conn *conn, struct request *request,
                        uint64_t messages)
{
    begin_queue_body(load, conn);
    bytes_append(&conn->body, STR("\"Entries\":["));
    for (uint64_t i = 0; i < messages; i++) {
        bytes_append(&conn->body, i == 0 ? STR("{\"Id\":\"") : STR(",{\"Id\":\""));
        bytes_append_u64(&conn->body, i);
        bytes_append(&conn->body, STR("\",\"MessageBody\":\""));
        append_message(load, &conn->body, load->sequence++);
        bytes_append(&conn->body, STR("\"}"));
    }
    bytes_append(&conn->body, STR("]}"));
    build_sqs(conn, request, STR("AmazonSQS.SendMessageBatch"));
    conn->messages = messages;
}

static bool build_send_batch(struct load *load, struct conn *conn, struct request *request)
{
    build_batch(load, conn, request, 10);
    return true;
}

static bool build_fill(struct load *load, struct conn *conn, struct request *request)
{
    uint64_t messages = load->left < 10 ? load->left : 10;
    if (messages == 0)
        return false;
    load->left -= messages;
    build_batch(load, conn, request, messages);
    return true;
}

/* All entries of the batch must have been taken. */
static enum outcome check_batch(struct load *load, struct conn *conn, const struct reply *reply,
                                uint64_t *messages)
{
    (void)load;
    if (reply->status != 200 ||
        count_of(reply->body, STR("\"MD5OfMessageBody\"")) != conn->messages)
        return OUTCOME_ERROR;
    *messages += conn->messages;
    return OUTCOME_OK;
}

static bool build_caller_identity(struct load *load, struct conn *conn, struct request *request)
{
    (void)load;
    (void)conn;
    *request = (struct request){
        .method = STR("POST"),
        .path = STR("/"),
        .query = STR(""),
        .content_type = STR("application/x-www-form-urlencoded; charset=utf-8"),
        .target = STR(""),
        .body = STR("Action=GetCallerIdentity&Version=2011-06-15"),
    };
    return true;
}

static enum outcome check_caller_identity(struct load *load, struct conn *conn,
                                          const struct reply *reply, uint64_t *messages)
{
    (void)load;
    (void)conn;
    (void)messages;
    return reply->status == 200 && bytes_find(reply->body, 0, STR("<Account>")) != SIZE_MAX
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}

const struct workload workloads[] = {
    {
        .name = "echo",
        .help = "the bytes of sqs-send, sent to a server that only echoes: the machine's limit",
        .service = "sqs",
        .operations = {"echo"},
        .prepare = prepare_echo,
        .build = build_send,
        .check = check_status,
    },
    {
        .name = "sts-caller-identity",
        .help = "GetCallerIdentity: a request that touches no state",
        .service = "sts",
        .operations = {"GetCallerIdentity"},
        .build = build_caller_identity,
        .check = check_caller_identity,
    },
    {
        .name = "lambda-invoke",
        .help = "Invoke of the function --queue, or of --messages functions in turn",
        .service = "lambda",
        .operations = {"Invoke"},
        .build = build_invoke,
        .check = check_invoke,
    },
    {
        .name = "sqs-send",
        .help = "SendMessage, one message of --body-bytes a request",
        .service = "sqs",
        .operations = {"SendMessage"},
        .prepare = prepare_queue,
        .build = build_send,
        .check = check_send,
    },
    {
        .name = "sqs-send-batch",
        .help = "SendMessageBatch, ten messages a request",
        .service = "sqs",
        .operations = {"SendMessageBatch"},
        .prepare = prepare_queue,
        .build = build_send_batch,
        .check = check_batch,
    },
    {
        .name = "sqs-receive-delete",
        .help =
            "ReceiveMessage of one message, then DeleteMessage; ends early when the queue is empty",
        .service = "sqs",
        .operations = {"ReceiveMessage", "DeleteMessage"},
        .prepare = prepare_queue,
        .build = build_receive_delete,
        .check = check_receive_delete,
    },
    {
        .name = "sqs-fill",
        .help = "leaves --messages more messages waiting, by batches of ten",
        .service = "sqs",
        .operations = {"SendMessageBatch"},
        .bounded = true,
        .prepare = prepare_fill,
        .build = build_fill,
        .check = check_batch,
    },
    {
        .name = "sqs-longpoll",
        .help = "--connections parked in ReceiveMessage; then --rounds messages, each waking one",
        .service = "sqs",
        .operations = {"wake"},
        .prepare = prepare_queue,
        .run = run_longpoll,
    },
    {
        .name = "dynamo-fill",
        .help = "--messages items of --body-bytes, by batches of 25",
        .service = "dynamodb",
        .operations = {"BatchWriteItem"},
        .bounded = true,
        .prepare = prepare_dynamo_items,
        .build = build_dynamo_fill,
        .check = check_dynamo_fill,
    },
    {
        .name = "dynamo-put",
        .help = "PutItem of --body-bytes under any of --messages keys",
        .service = "dynamodb",
        .operations = {"PutItem"},
        .prepare = prepare_dynamo_items,
        .build = build_dynamo_put,
        .check = check_dynamo_write,
    },
    {
        .name = "dynamo-get",
        .help = "GetItem of any of --messages keys",
        .service = "dynamodb",
        .operations = {"GetItem"},
        .prepare = prepare_dynamo_items,
        .build = build_dynamo_get,
        .check = check_dynamo_get,
    },
    {
        .name = "dynamo-update",
        .help = "UpdateItem of a counter, with a condition",
        .service = "dynamodb",
        .operations = {"UpdateItem"},
        .prepare = prepare_dynamo_items,
        .build = build_dynamo_update,
        .check = check_dynamo_update,
    },
    {
        .name = "dynamo-scan",
        .help = "Scan, each connection a segment; messages are items",
        .service = "dynamodb",
        .operations = {"Scan"},
        .prepare = prepare_dynamo_items,
        .build = build_dynamo_scan,
        .check = check_dynamo_scan,
    },
    {
        .name = "dynamo-fill-sorted",
        .help = "--messages items, a hundred to a partition",
        .service = "dynamodb",
        .operations = {"BatchWriteItem"},
        .bounded = true,
        .prepare = prepare_dynamo_sorted,
        .build = build_dynamo_fill_sorted,
        .check = check_dynamo_fill,
    },
    {
        .name = "dynamo-query",
        .help = "Query of the hundred items of a partition",
        .service = "dynamodb",
        .operations = {"Query"},
        .prepare = prepare_dynamo_sorted,
        .build = build_dynamo_query,
        .check = check_dynamo_query,
    },
    {
        .name = "s3-put",
        .help = "PutObject of --body-bytes, a new key each, into the bucket --queue",
        .service = "s3",
        .operations = {"PutObject"},
        .prepare = prepare_bucket,
        .build = build_put_object,
        .check = check_put_object,
    },
    {
        .name = "s3-get",
        .help = "GetObject of one of a thousand objects of --body-bytes",
        .service = "s3",
        .operations = {"GetObject"},
        .prepare = prepare_objects,
        .build = build_get_object,
        .check = check_get_object,
    },
    {
        .name = "s3-fill",
        .help = "makes --messages empty objects",
        .service = "s3",
        .operations = {"PutObject"},
        .bounded = true,
        .prepare = prepare_bucket,
        .build = build_fill_objects,
        .check = check_put_object,
    },
    {
        .name = "s3-list",
        .help = "ListObjectsV2 of a thousand keys, from anywhere among --messages of them",
        .service = "s3",
        .operations = {"ListObjectsV2"},
        .prepare = prepare_bucket,
        .build = build_list,
        .check = check_list,
    },
    {
        .name = "logs-put",
        .help = "PutLogEvents, about a megabyte of events of --body-bytes a request",
        .service = "logs",
        .operations = {"PutLogEvents"},
        .prepare = prepare_logs,
        .build = build_logs_put,
        .check = check_logs_put,
    },
    {.name = NULL},
};
