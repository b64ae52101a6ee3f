/* CloudWatch Logs: batches of events. The group is --queue; each batch goes to a stream of its own
 * connection's and holds about a mebibyte of events of --body-bytes each. */
#include <time.h>

#include "load.h"

enum { BATCH_BYTES = 1000 * 1000, EVENT_OVERHEAD = 26, EVENTS_MAX = 10000, STREAMS = 64 };
enum { NUMBER = 16, TEXT = 1 << 20 };

static uint64_t events_of(const struct load *load)
{
    uint64_t count = BATCH_BYTES / (load->options.body_bytes + NUMBER + EVENT_OVERHEAD);
    return count > EVENTS_MAX ? EVENTS_MAX : count == 0 ? 1 : count;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void build_logs(struct conn *conn, struct request *request, struct str target)
{
    *request = (struct request){
        .method = STR("POST"),
        .path = STR("/"),
        .query = STR(""),
        .content_type = STR("application/x-amz-json-1.1"),
        .target = target,
        .body = bytes_str(&conn->body),
    };
}

/* {"logGroupName":"...","logStreamName":"s7" */
static void append_names(const struct load *load, struct bytes *body, uint64_t stream)
{
    body->len = 0;
    bytes_append(body, STR("{\"logGroupName\":\""));
    bytes_append_json(body, str_from_c(load->options.queue));
    if (stream != UINT64_MAX) {
        bytes_append(body, STR("\",\"logStreamName\":\"s"));
        bytes_append_u64(body, stream);
    }
    bytes_append(body, STR("\""));
}

static void make(struct load *load, struct str target, uint64_t stream)
{
    struct conn conn = {0};
    struct request request;
    struct reply reply;
    append_names(load, &conn.body, stream);
    bytes_append(&conn.body, STR("}"));
    build_logs(&conn, &request, target);
    load_exchange(load, &conn, &request, &reply);
    if (reply.status != 200) {
        load_show_error(load, "preparing", &reply);
        die("the log group could not be made");
    }
    conn_release(&conn);
}

/* What services log: words that come again, numbers that do not. */
static void write_text(struct bytes *text, size_t size)
{
    uint64_t random = 20261121;
    text->len = 0;
    while (text->len < size) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes_append(text, STR("level=info method=GET path=/items/"));
        bytes_append_hex(text, random >> 40, 6);
        bytes_append(text, STR(" status=200 took_us="));
        bytes_append_u64(text, (random >> 33) % 100000);
        bytes_append(text, STR(" user="));
        bytes_append_hex(text, random >> 20, 8);
        bytes_append(text, STR(" "));
    }
}

void prepare_logs(struct load *load)
{
    write_text(&load->filler, TEXT + load->options.body_bytes);
    make(load, STR("Logs_20140328.CreateLogGroup"), UINT64_MAX);
    for (uint64_t i = 0; i < STREAMS; i++)
        make(load, STR("Logs_20140328.CreateLogStream"), i);
}

bool build_logs_put(struct load *load, struct conn *conn, struct request *request)
{
    uint64_t count = events_of(load), now = now_ms();
    struct bytes *body = &conn->body;
    append_names(load, body, (uint64_t)(conn - load->conns) % STREAMS);
    bytes_append(body, STR(",\"logEvents\":["));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t from = load->sequence++ * 8191 % TEXT;
        bytes_append(body, i == 0 ? STR("{\"timestamp\":") : STR(",{\"timestamp\":"));
        bytes_append_u64(body, now);
        bytes_append(body, STR(",\"message\":\""));
        bytes_append_hex(body, load->sequence, NUMBER);
        bytes_append(body,
                     str_slice(bytes_str(&load->filler), from, from + load->options.body_bytes));
        bytes_append(body, STR("\"}"));
    }
    bytes_append(body, STR("]}"));
    build_logs(conn, request, STR("Logs_20140328.PutLogEvents"));
    return true;
}

/* *messages counts the bytes of messages. */
enum outcome check_logs_put(struct load *load, struct conn *conn, const struct reply *reply,
                            uint64_t *messages)
{
    (void)conn;
    *messages += events_of(load) * (load->options.body_bytes + NUMBER);
    return reply->status == 200 &&
                   bytes_find(reply->body, 0, STR("nextSequenceToken")) != SIZE_MAX &&
                   bytes_find(reply->body, 0, STR("rejected")) == SIZE_MAX
               ? OUTCOME_OK
               : OUTCOME_ERROR;
}
