#include "services/logs/tail.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/rng.h"
#include "base/vec.h"
#include "cloud/authorize.h"
#include "cloud/clock.h"
#include "cloud/park.h"
#include "services/logs/filters.h"
#include "services/logs/memory.h"
#include "wire/wire.h"

/* "StartLiveTail", API Reference, and "CloudWatch Logs quotas", User Guide. */
enum { SESSIONS_MAX = 15, GROUPS_MAX = 10, SAMPLE = 500, EVERY_MS = 1000 };
#define SESSION_MS (INT64_C(3) * 3600 * 1000)

enum { MEMBER_START, MEMBER_UPDATE, MEMBER_TIMEOUT }; /* of StartLiveTailResponseStream */

struct tail_session {
    struct arena *arena;
    struct cloud *cloud;
    struct wire_route route;
    struct str account, region;
    struct str group_names[GROUPS_MAX];
    uint64_t groups[GROUPS_MAX];
    size_t group_count;
    struct str_list streams, prefixes;
    struct pattern *pattern;
    int64_t until_ms;
    struct park_waiter waiter; /* for the next second */
    struct tail_session *next, *previous;

    pthread_mutex_t lock; /* of what follows */
    struct arena *gathering, *sending;
    struct logs_LiveTailSessionLogEvent *events;
    size_t count, cap;
    bool sampled;
    bool due; /* the second is over */
    struct buf ready;
    size_t sent;
    bool finished;
    void (*wake)(void *waker);
    void *waker;
};
struct tail_table {
    pthread_mutex_t mutex;
    struct tail_session *first;
    _Atomic size_t count;
};

struct tail_table *tail_table_new(void)
{
    struct tail_table *table = heap_alloc(sizeof *table);
    pthread_mutex_init(&table->mutex, NULL);
    return table;
}

void tail_table_free(struct tail_table *table)
{
    ASSERT(table->first == NULL); /* the server closes connections first */
    pthread_mutex_destroy(&table->mutex);
    heap_free(table);
}

/* --- events --- */

static bool session_watches(const struct tail_session *session, uint64_t group)
{
    for (size_t i = 0; i < session->group_count; i++)
        if (session->groups[i] == group)
            return true;
    return false;
}

bool tail_is_watched(const struct cloud *cloud, uint64_t group)
{
    struct tail_table *table = logs_memory_of(cloud)->tails;
    bool found = false;
    if (atomic_load_explicit(&table->count, memory_order_relaxed) == 0)
        return false;
    pthread_mutex_lock(&table->mutex);
    for (struct tail_session *at = table->first; at != NULL && !found; at = at->next)
        found = session_watches(at, group);
    pthread_mutex_unlock(&table->mutex);
    return found;
}

static bool session_wants(const struct tail_session *session, struct str stream)
{
    bool all = session->streams.len == 0 && session->prefixes.len == 0;
    for (size_t i = 0; i < session->streams.len; i++)
        all |= str_eq(session->streams.items[i], stream);
    for (size_t i = 0; i < session->prefixes.len; i++)
        all |= str_starts_with(stream, session->prefixes.items[i]);
    return all;
}

static void session_give(struct tail_session *session, const struct logs_came *came,
                         const struct log_event *event)
{
    pthread_mutex_lock(&session->lock);
    if (session->count == SAMPLE) {
        session->sampled = true;
    } else {
        const struct logs_LiveTailSessionLogEvent shown = {
            .logStreamName = str_copy(session->gathering, came->stream),
            .logGroupIdentifier = str_format(session->gathering, "%.*s:%.*s",
                                             PRSTR(session->account), PRSTR(came->group)),
            .message = str_copy(session->gathering, event->message),
            .timestamp = opt_long(event->at.ms),
            .ingestionTime = opt_long(event->ingested_ms),
        };
        VEC_PUSH(session->gathering, session->events, session->count, session->cap, shown);
    }
    pthread_mutex_unlock(&session->lock);
}

RESULT logs_deliver_tail(struct call *call, const struct outbox_item *item)
{
    struct tail_table *table = logs_memory_of(call->cloud)->tails;
    struct logs_came came;
    struct logs_group group;
    struct log_event *events;
    size_t count;
    TRY(filters_read(call, item, &came, &group, &events, &count));
    struct arena *scratch = arena_new_child(call->arena);
    pthread_mutex_lock(&table->mutex);
    for (struct tail_session *at = table->first; at != NULL; at = at->next) {
        if (!session_watches(at, (uint64_t)came.group_id) || !session_wants(at, came.stream))
            continue;
        for (size_t i = 0; i < count; i++) {
            if (log_pattern_matches(at->pattern, scratch, events[i].message))
                session_give(at, &came, &events[i]);
            arena_reset(scratch);
        }
    }
    pthread_mutex_unlock(&table->mutex);
    return RESULT_OK;
}

/* --- sending --- */

static RESULT put_event(struct tail_session *session, uint16_t member, const void *value)
{
    struct str frame;
    TRY(wire_encode_event(session->sending, &session->route, LOGS_SHAPE_StartLiveTailResponseStream,
                          member, value, &frame));
    buf_append(&session->ready, frame);
    return RESULT_OK;
}

static void ready_clear(struct tail_session *session)
{
    arena_reset(session->sending);
    buf_init(&session->ready, session->sending, SIZE_MAX);
    session->sent = 0;
}

/* The lock is held. */
static RESULT session_update(struct tail_session *session, int64_t now_ms)
{
    struct logs_LiveTailSessionMetadata metadata = {.sampled = opt_bool(session->sampled)};
    const struct logs_LiveTailSessionLogEvent none = {0};
    struct logs_LiveTailSessionUpdate update = {.sessionMetadata = &metadata};
    ready_clear(session);
    update.sessionResults.items = session->events;
    update.sessionResults.len = session->count;
    if (session->count == 0)
        update.sessionResults.items =
            (struct logs_LiveTailSessionLogEvent *)(uintptr_t)&none; /* empty, and there */
    TRY(put_event(session, MEMBER_UPDATE, &update));
    session->events = NULL;
    session->count = session->cap = 0;
    session->sampled = false;
    session->due = false;
    arena_reset(session->gathering);
    if (now_ms < session->until_ms)
        return RESULT_OK;
    const struct logs_SessionTimeoutException timeout = {
        .message = STR("The session has reached its limit of three hours.")};
    session->finished = true;
    return put_event(session, MEMBER_TIMEOUT, &timeout);
}

static void second_is_over(struct park_waiter *waiter)
{
    struct tail_session *session =
        (struct tail_session *)(void *)((char *)waiter - offsetof(struct tail_session, waiter));
    pthread_mutex_lock(&session->lock);
    session->due = true;
    if (session->wake != NULL)
        session->wake(session->waker);
    session->wake = NULL;
    pthread_mutex_unlock(&session->lock);
}

static void wait_a_second(struct tail_session *session)
{
    struct park_table *parks = session->cloud->parks;
    park_add(parks, &session->waiter, STR("logs-live-tail"),
             clock_now(session->cloud->clock) + EVERY_MS, park_mark(parks));
}

static int64_t session_pull(void *self, char *out, size_t size, void (*wake)(void *waker),
                            void *waker)
{
    struct tail_session *session = self;
    bool updated = false;
    int64_t count = CALL_SOURCE_WAIT;
    pthread_mutex_lock(&session->lock);
    if (session->sent == session->ready.len && session->due && !session->finished) {
        updated = true;
        if (session_update(session, clock_now(session->cloud->clock)) != RESULT_OK)
            count = -1;
    }
    size_t left = session->ready.len - session->sent;
    if (count != -1 && left > 0) {
        count = (int64_t)(left < size ? left : size);
        memcpy(out, session->ready.ptr + session->sent, (size_t)count);
        session->sent += (size_t)count;
    } else if (count != -1) {
        count = session->finished ? 0 : CALL_SOURCE_WAIT;
    }
    session->wake = count == CALL_SOURCE_WAIT ? wake : NULL;
    session->waker = waker;
    bool again = updated && !session->finished;
    pthread_mutex_unlock(&session->lock);
    if (again)
        wait_a_second(session);
    return count;
}

static void session_free(struct tail_session *session)
{
    pthread_mutex_destroy(&session->lock);
    arena_free(session->arena);
}

static void session_close(void *self)
{
    struct tail_session *session = self;
    struct tail_table *table = logs_memory_of(session->cloud)->tails;
    pthread_mutex_lock(&table->mutex);
    if (session->next != NULL)
        session->next->previous = session->previous;
    if (session->previous != NULL)
        session->previous->next = session->next;
    else
        table->first = session->next;
    atomic_fetch_sub(&table->count, 1);
    pthread_mutex_unlock(&table->mutex);
    pthread_mutex_lock(&session->lock);
    session->wake = NULL;
    pthread_mutex_unlock(&session->lock);
    (void)park_cancel(session->cloud->parks, &session->waiter);
    session_free(session);
}

/* --- StartLiveTail --- */

static RESULT check_input(struct call *call, const struct logs_StartLiveTailRequest *in)
{
    if ((in->logStreamNames.len > 0 || in->logStreamNamePrefixes.len > 0) &&
        in->logGroupIdentifiers.len != 1)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "logStreamNames and logStreamNamePrefixes can be specified only with "
                         "exactly one log group.");
    if (in->logStreamNames.len > 0 && in->logStreamNamePrefixes.len > 0)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "logStreamNames and logStreamNamePrefixes are mutually exclusive "
                         "parameters.");
    return RESULT_OK;
}

static RESULT session_groups(struct call *call, const struct logs_StartLiveTailRequest *in,
                             struct tail_session *session)
{
    if (in->logGroupIdentifiers.len > GROUPS_MAX)
        return call_fail(call, LOGS_INVALID_PARAMETER, "At most %d log groups can be tailed.",
                         GROUPS_MAX);
    for (size_t i = 0; i < in->logGroupIdentifiers.len; i++) {
        struct logs_group group;
        if (!str_starts_with(in->logGroupIdentifiers.items[i], STR("arn:")))
            return call_fail(call, LOGS_INVALID_PARAMETER,
                             "logGroupIdentifiers must be ARNs of log groups.");
        TRY(group_find_either(call, (struct str){0}, in->logGroupIdentifiers.items[i], &group));
        const struct authorize_ask ask = {
            .action = STR("logs:StartLiveTail"),
            .resource = group_arn(call, group.name),
            .owner = call->account,
        };
        TRY(authorize_ask(call, &ask));
        session->group_names[session->group_count] = str_copy(session->arena, group.name);
        session->groups[session->group_count++] = (uint64_t)group.id;
    }
    return RESULT_OK;
}

static struct str_list copy_list(struct arena *arena, const struct str_list *list)
{
    struct str_list copy = {ARENA_ARRAY(arena, list->len + 1, struct str), list->len};
    for (size_t i = 0; i < list->len; i++)
        copy.items[i] = str_copy(arena, list->items[i]);
    return copy;
}

/* The frames that come before all events. */
static RESULT session_greet(struct call *call, struct tail_session *session,
                            const struct logs_StartLiveTailRequest *in)
{
    char *id = arena_alloc(call->arena, 36);
    const struct logs_StartLiveTailResponse none = {0};
    struct str frame;
    rng_uuid(id);
    const struct logs_LiveTailSessionStart start = {
        .requestId = call->request_id,
        .sessionId = str_make(id, 36),
        .logGroupIdentifiers = in->logGroupIdentifiers,
        .logStreamNames = in->logStreamNames,
        .logStreamNamePrefixes = in->logStreamNamePrefixes,
        .logEventFilterPattern = in->logEventFilterPattern,
    };
    ready_clear(session);
    TRY(wire_encode_initial_response(session->sending, &session->route, &none, &frame));
    buf_append(&session->ready, frame);
    return put_event(session, MEMBER_START, &start);
}

static RESULT session_make(struct call *call, const struct logs_StartLiveTailRequest *in,
                           struct tail_session *session)
{
    struct str problem;
    TRY(session_groups(call, in, session));
    if (!log_pattern_parse(session->arena, str_copy(session->arena, in->logEventFilterPattern),
                           &session->pattern, &problem))
        return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid filter pattern: %.*s",
                         PRSTR(problem));
    session->streams = copy_list(session->arena, &in->logStreamNames);
    session->prefixes = copy_list(session->arena, &in->logStreamNamePrefixes);
    return session_greet(call, session, in);
}

static bool table_add(struct tail_table *table, struct tail_session *session)
{
    size_t count = 0;
    pthread_mutex_lock(&table->mutex);
    for (struct tail_session *at = table->first; at != NULL; at = at->next)
        count += str_eq(at->account, session->account) && str_eq(at->region, session->region);
    if (count < SESSIONS_MAX) {
        session->next = table->first;
        if (session->next != NULL)
            session->next->previous = session;
        table->first = session;
        atomic_fetch_add(&table->count, 1);
    }
    pthread_mutex_unlock(&table->mutex);
    return count < SESSIONS_MAX;
}

RESULT logs_StartLiveTail(struct call *call, const struct logs_StartLiveTailRequest *in,
                          struct logs_StartLiveTailResponse *out)
{
    struct arena *arena = arena_new(0);
    struct tail_session *session = ARENA_NEW(arena, struct tail_session);
    (void)out;
    *session = (struct tail_session){
        .arena = arena,
        .cloud = call->cloud,
        .route = {.model = call->model,
                  .operation = (int)call->operation,
                  .protocol = call->protocol},
        .account = str_copy(arena, call->account),
        .region = str_copy(arena, call->region),
        .until_ms = call->now_ms + SESSION_MS,
        .waiter = {.wake = second_is_over},
        .gathering = arena_new_child(arena),
        .sending = arena_new_child(arena),
    };
    pthread_mutex_init(&session->lock, NULL);
    enum result result = check_input(call, in);
    if (result == RESULT_OK)
        result = session_make(call, in, session);
    if (result == RESULT_OK && !table_add(logs_memory_of(call->cloud)->tails, session))
        result = call_fail(call, LOGS_LIMIT_EXCEEDED,
                           "At most %d Live Tail sessions can run at once.", SESSIONS_MAX);
    if (result != RESULT_OK) {
        session_free(session);
        return result;
    }
    wait_a_second(session);
    call->stream =
        (struct call_stream){.present = true, .source = {session_pull, session_close, session}};
    return RESULT_OK;
}
