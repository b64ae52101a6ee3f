/* "Accessing real-time telemetry data for extensions using the Telemetry API" and "Using the Lambda
 * Logs API" (deprecated), AWS Lambda Developer Guide. Events are gathered for each subscriber and
 * posted to it in batches, over sockets of the sandbox's own network. The engine's thread does all
 * of the sending. */
#include "functions/functions_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "wire/json_text.h"
#include "wire/wire.h"

/* A subscriber that does not take its batches loses what is above this much; it is told how much.
 */
enum { GATHERED_MAX = 4 << 20 };
/* What a post may take. */
#define POST_NS (2 * SECOND_NS)

enum post_state { POST_NONE, POST_WAITS, POST_SENDS, POST_READS };

struct subscription {
    struct str name; /* of the extension */
    bool logs;       /* by the Logs API: its records */
    bool platform, function, extension;
    uint16_t port;
    struct str path;
    uint64_t most_items, most_bytes, wait_ns;
    /* Gathered, heap memory: JSON objects with commas between. */
    char *text;
    size_t length, room;
    uint64_t items, since_ns;
    uint64_t lost, lost_bytes;
    bool flush;
    /* The batch that is under way. */
    enum post_state state;
    int fd;
    char *batch;
    size_t batch_length, sent;
    uint64_t until_ns;
};

struct telemetry {
    struct subscription items[EXTENSIONS_MAX];
    size_t count;
};

bool telemetry_wanted(const struct environment *environment, enum line_source source)
{
    const struct telemetry *telemetry = environment->telemetry;
    for (size_t i = 0; telemetry != NULL && i < telemetry->count; i++) {
        const struct subscription *one = &telemetry->items[i];
        if ((source == LINE_PLATFORM && one->platform) ||
            (source == LINE_FUNCTION && one->function) ||
            (source == LINE_EXTENSION && one->extension))
            return true;
    }
    return false;
}

/* --- gathering --- */

static void gather(struct subscription *one, struct str event)
{
    if (one->length + event.len + 3 > GATHERED_MAX) {
        one->lost++;
        one->lost_bytes += event.len;
        return;
    }
    if (one->length + event.len + 3 > one->room) {
        size_t room = one->room == 0 ? 4096 : one->room;
        while (room < one->length + event.len + 3)
            room *= 2;
        one->text = heap_grow(one->text, room);
        one->room = room;
    }
    one->text[one->length++] = one->items == 0 ? '[' : ',';
    memcpy(one->text + one->length, event.ptr, event.len);
    one->length += event.len;
    if (one->items++ == 0)
        one->since_ns = time_monotonic_ns();
}

static struct str make_event(struct arena *arena, const char *type, struct str record, bool text,
                             int64_t time_ms)
{
    struct buf out;
    buf_init(&out, arena, 8 * (size_t)LINE_BYTES);
    buf_append(&out, STR("{\"time\":\""));
    time_format_iso8601(&out, time_ms);
    buf_append_format(&out, "\",\"type\":\"%s\",\"record\":", type);
    if (text)
        wire_json_write_string(&out, record);
    else
        buf_append(&out, record);
    buf_append_char(&out, '}');
    return buf_str(&out);
}

/* The Logs API knows the older half of the platform's events. */
static bool is_for_logs(const char *type)
{
    static const char *const known[] = {"platform.start",       "platform.runtimeDone",
                                        "platform.report",      "platform.extension",
                                        "platform.logsDropped", "platform.logsSubscription"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], type) == 0)
            return true;
    return false;
}

static bool is_due(const struct subscription *one, uint64_t now)
{
    return one->items > 0 && one->state == POST_NONE &&
           (one->flush || one->items >= one->most_items || one->length >= one->most_bytes ||
            now - one->since_ns >= one->wait_ns);
}

void telemetry_put(struct environment *environment, const char *type, struct str record,
                   int64_t time_ms)
{
    struct telemetry *telemetry = environment->telemetry;
    bool platform = strncmp(type, "platform.", 9) == 0;
    struct arena *arena = arena_new(0);
    struct str event = make_event(arena, type, record, !platform, time_ms);
    uint64_t now = time_monotonic_ns();
    for (size_t i = 0; i < telemetry->count; i++) {
        struct subscription *one = &telemetry->items[i];
        bool wanted = platform                        ? one->platform
                      : strcmp(type, "function") == 0 ? one->function
                                                      : one->extension;
        if (!wanted || (one->logs && platform && !is_for_logs(type)))
            continue;
        bool first = one->items == 0;
        gather(one, event);
        if (first || is_due(one, now))
            engine_wake(environment->functions);
    }
    arena_free(arena);
}

/* --- subscribing --- */

struct wish {
    struct subscription one;
    struct arena *arena;
    const char *problem;
};

static uint64_t bounded(struct arena *arena, struct str object, struct str name, int64_t least,
                        int64_t most, int64_t otherwise, struct wish *wish)
{
    struct str raw;
    int64_t number = otherwise;
    if (json_member(arena, object, name, &raw) && !json_integer(raw, &number))
        wish->problem = "A number of buffering is none";
    if (number < least || number > most)
        wish->problem = "A number of buffering is out of range";
    return (uint64_t)number;
}

static void read_destination(struct wish *wish, struct str object)
{
    struct str raw, protocol = {0}, uri = {0}, host, path, port;
    if (json_member(wish->arena, object, STR("protocol"), &raw))
        (void)json_string(wish->arena, raw, &protocol);
    if (!str_eq(protocol, STR("HTTP"))) {
        wish->problem = "Only the protocol HTTP is supported";
        return;
    }
    if (json_member(wish->arena, object, STR("URI"), &raw))
        (void)json_string(wish->arena, raw, &uri);
    int64_t number = 80;
    if (!str_starts_with(uri, STR("http://"))) {
        wish->problem = "The destination's URI is not http://sandbox.localdomain:PORT/PATH";
        return;
    }
    uri = str_slice(uri, 7, uri.len);
    if (!str_cut(uri, '/', &host, &path))
        host = uri, path = STR("");
    if (str_cut(host, ':', &host, &port) && !str_to_i64(port, &number))
        number = 0;
    bool known = str_eq(host, STR("sandbox.localdomain")) || str_eq(host, STR("sandbox")) ||
                 str_eq(host, STR("localhost")) || str_eq(host, STR("127.0.0.1"));
    if (!known || number <= 0 || number > UINT16_MAX || number == 9001)
        wish->problem = "The destination's URI is not http://sandbox.localdomain:PORT/PATH";
    wish->one.port = (uint16_t)number;
    wish->one.path = path;
}

static void read_types(struct wish *wish, struct str list)
{
    struct str raw, name;
    while (json_next_item(&list, &raw)) {
        if (!json_string(wish->arena, raw, &name))
            name = (struct str){0};
        if (str_eq(name, STR("platform")))
            wish->one.platform = true;
        else if (str_eq(name, STR("function")))
            wish->one.function = true;
        else if (str_eq(name, STR("extension")))
            wish->one.extension = true;
        else
            wish->problem = "types holds another than platform, function and extension";
    }
    if (!wish->one.platform && !wish->one.function && !wish->one.extension)
        wish->problem = "types is missing";
}

static void read_wish(struct wish *wish, struct str body)
{
    struct str raw = {0}, buffering = STR("{}");
    if (!json_is_valid(body) || json_kind_of(body) != JSON_OBJECT) {
        wish->problem = "The body is not a JSON object";
        return;
    }
    if (json_member(wish->arena, body, STR("types"), &raw))
        read_types(wish, raw);
    else
        wish->problem = "types is missing";
    if (json_member(wish->arena, body, STR("destination"), &raw))
        read_destination(wish, raw);
    else
        wish->problem = "destination is missing";
    (void)json_member(wish->arena, body, STR("buffering"), &buffering);
    wish->one.most_bytes =
        bounded(wish->arena, buffering, STR("maxBytes"), 262144, 1048576, 262144, wish);
    wish->one.most_items =
        bounded(wish->arena, buffering, STR("maxItems"), 1000, 10000, 10000, wish);
    wish->one.wait_ns =
        bounded(wish->arena, buffering, STR("timeoutMs"), 25, 30000, 1000, wish) * 1000000;
}

void telemetry_subscribe(struct environment *environment, struct http_exchange *exchange,
                         struct str name, struct api_reply *reply)
{
    struct wish wish = {.arena = exchange->arena, .one = {.fd = -1}};
    read_wish(&wish, exchange->body);
    if (wish.problem != NULL) {
        api_error(reply, 400, "ValidationError", wish.problem);
        return;
    }
    if (environment->phase != ENVIRONMENT_STARTING) {
        api_error(reply, 403, "Telemetry.SubscriptionClosed",
                  "Subscriptions are made in the init phase");
        return;
    }
    if (environment->telemetry == NULL)
        environment->telemetry = heap_alloc(sizeof *environment->telemetry);
    struct telemetry *telemetry = environment->telemetry;
    size_t at = 0;
    while (at < telemetry->count && !str_eq(telemetry->items[at].name, name))
        at++;
    if (at == telemetry->count)
        telemetry->items[telemetry->count++] = (struct subscription){.fd = -1};
    struct subscription *one = &telemetry->items[at];
    one->name = str_copy(environment->arena, name);
    one->logs = str_starts_with(exchange->path, STR("/2020-08-15/"));
    one->platform = wish.one.platform;
    one->function = wish.one.function;
    one->extension = wish.one.extension;
    one->port = wish.one.port;
    one->path = str_copy(environment->arena, wish.one.path);
    one->most_bytes = wish.one.most_bytes;
    one->most_items = wish.one.most_items;
    one->wait_ns = wish.one.wait_ns;
    const bool types[3] = {one->platform, one->function, one->extension};
    report_subscription(environment, one->logs, one->name, types);
    reply->status = 200;
    reply->body = STR("\"OK\"");
}

/* --- posting --- */

static void end_post(struct subscription *one)
{
    if (one->fd >= 0)
        close(one->fd);
    one->fd = -1;
    heap_free(one->batch);
    one->batch = NULL;
    one->state = POST_NONE;
}

/* Takes what is gathered for a request that is sent when the socket is there. */
static void begin_post(struct environment *environment, struct subscription *one, uint64_t now)
{
    struct arena *arena = arena_new(0);
    if (one->lost > 0) {
        const struct functions_config *config = &environment->functions->config;
        struct str record = str_format(
            arena,
            "{\"reason\":\"Consumer seems to have fallen behind as it has not acknowledged receipt "
            "of logs.\",\"droppedRecords\":%llu,\"droppedBytes\":%llu}",
            (unsigned long long)one->lost, (unsigned long long)one->lost_bytes);
        one->lost = one->lost_bytes = 0;
        gather(one, make_event(arena, "platform.logsDropped", record, false,
                               config->now_ms(config->context)));
    }
    struct str head = str_format(arena,
                                 "POST /%.*s HTTP/1.1\r\nHost: sandbox.localdomain:%u\r\n"
                                 "Content-Type: application/json\r\nContent-Length: %zu\r\n"
                                 "Connection: close\r\n\r\n",
                                 PRSTR(one->path), one->port, one->length + 1);
    one->batch = heap_alloc(head.len + one->length + 1);
    memcpy(one->batch, head.ptr, head.len);
    memcpy(one->batch + head.len, one->text, one->length);
    one->batch[head.len + one->length] = ']';
    one->batch_length = head.len + one->length + 1;
    one->sent = 0;
    one->length = one->items = 0;
    one->flush = false;
    one->state = POST_WAITS;
    one->until_ns = now + POST_NS;
    sandbox_want_socket(environment->sandbox);
    arena_free(arena);
}

static void go_on(struct subscription *one)
{
    char ignored[4096];
    while (one->state == POST_SENDS) {
        ssize_t sent = send(one->fd, one->batch + one->sent, one->batch_length - one->sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EAGAIN || errno == ENOTCONN))
            return;
        if (sent < 0) {
            end_post(one);
            return;
        }
        one->sent += (size_t)sent;
        if (one->sent == one->batch_length)
            one->state = POST_READS;
    }
    while (one->state == POST_READS) {
        ssize_t got = recv(one->fd, ignored, sizeof ignored, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        /* The answer's head has come, or nothing will. */
        end_post(one);
    }
}

/* The sandbox has given a socket: it is for the one that waits longest. */
void telemetry_socket(struct environment *environment, int fd)
{
    struct telemetry *telemetry = environment->telemetry;
    for (size_t i = 0; telemetry != NULL && i < telemetry->count; i++) {
        struct subscription *one = &telemetry->items[i];
        if (one->state != POST_WAITS)
            continue;
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(one->port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        union {
            const struct sockaddr_in *in;
            const struct sockaddr *any;
        } as = {.in = &address};
        one->fd = fd;
        one->state = POST_SENDS;
        if (connect(fd, as.any, sizeof address) != 0 && errno != EINPROGRESS) {
            end_post(one);
            return;
        }
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                    .data = {.u64 = engine_tag(environment->id, WATCH_TELEMETRY)}};
        (void)epoll_ctl(environment->functions->epoll, EPOLL_CTL_ADD, fd, &event);
        go_on(one);
        return;
    }
    close(fd);
}

void telemetry_ready(struct environment *environment)
{
    struct telemetry *telemetry = environment->telemetry;
    for (size_t i = 0; telemetry != NULL && i < telemetry->count; i++) {
        struct subscription *one = &telemetry->items[i];
        if (one->fd < 0)
            continue;
        go_on(one);
        /* What was gathered meanwhile is looked at. */
        if (one->state == POST_NONE && one->items > 0)
            engine_wake(environment->functions);
    }
}

void telemetry_tick(struct environment *environment, uint64_t now_ns)
{
    struct telemetry *telemetry = environment->telemetry;
    for (size_t i = 0; telemetry != NULL && i < telemetry->count; i++) {
        struct subscription *one = &telemetry->items[i];
        if (one->state != POST_NONE && now_ns >= one->until_ns)
            end_post(one);
        if (environment->sandbox != NULL && environment->running && is_due(one, now_ns))
            begin_post(environment, one, now_ns);
    }
}

uint64_t telemetry_due_ns(const struct environment *environment)
{
    const struct telemetry *telemetry = environment->telemetry;
    uint64_t due = 0;
    for (size_t i = 0; telemetry != NULL && i < telemetry->count; i++) {
        const struct subscription *one = &telemetry->items[i];
        uint64_t at = one->state != POST_NONE ? one->until_ns
                      : one->items > 0        ? one->since_ns + one->wait_ns
                                              : 0;
        if (at != 0 && (due == 0 || at < due))
            due = at;
    }
    return due;
}

void telemetry_flush(struct environment *environment)
{
    struct telemetry *telemetry = environment->telemetry;
    for (size_t i = 0; telemetry != NULL && i < telemetry->count; i++)
        telemetry->items[i].flush = true;
    if (telemetry != NULL)
        engine_wake(environment->functions);
}

void telemetry_free(struct environment *environment)
{
    struct telemetry *telemetry = environment->telemetry;
    environment->telemetry = NULL;
    if (telemetry == NULL)
        return;
    for (size_t i = 0; i < telemetry->count; i++) {
        end_post(&telemetry->items[i]);
        heap_free(telemetry->items[i].text);
    }
    heap_free(telemetry);
}
