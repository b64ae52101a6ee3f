/* Queries at work: slices of some milliseconds on the cloud's workers, each with a transaction of
 * its own, so that a long query holds neither a thread nor old pages of the store. It goes on from
 * the last event that it read. What it does is the record's status to say: a query that was stopped
 * finds that out at its next slice. */
#include <pthread.h>
#include <stdatomic.h>

#include "base/log.h"
#include "base/rng.h"
#include "base/time.h"
#include "base/vec.h"
#include "cloud/clock.h"
#include "cloud/work.h"
#include "services/logs/mask.h"
#include "services/logs/memory.h"
#include "services/logs/queries.h"
#include "store/record.h"

enum { SLICE_NS = 20000000, LOOK_EVERY = 64 };

struct query_task {
    struct work_slice slice; /* first */
    struct arena *arena;
    struct cloud *cloud;
    struct str account, region;
    struct logs_query query; /* as it was when it began */
    struct query parsed;
    struct query_run *run;
    struct logs_group *groups;
    size_t group_count;
    struct log_walk_position to; /* what is beyond was read */
    bool ended, full;
    uint64_t began_ns;
    _Atomic uint64_t scanned, bytes, matched;
    struct query_task *next, *previous;
};
struct query_table {
    pthread_mutex_t mutex;
    struct query_task *first;
    _Atomic bool stopping; /* the workers end */
};

/* --- those that run --- */

struct query_table *query_table_new(void)
{
    struct query_table *memory = heap_alloc(sizeof *memory);
    pthread_mutex_init(&memory->mutex, NULL);
    return memory;
}

static void task_free(struct query_table *memory, struct query_task *task)
{
    pthread_mutex_lock(&memory->mutex);
    if (task->next != NULL)
        task->next->previous = task->previous;
    if (task->previous != NULL)
        task->previous->next = task->next;
    else
        memory->first = task->next;
    pthread_mutex_unlock(&memory->mutex);
    arena_free(task->arena);
}

void query_table_free(struct query_table *memory)
{
    while (memory->first != NULL)
        task_free(memory, memory->first);
    pthread_mutex_destroy(&memory->mutex);
    heap_free(memory);
}

static struct query_task *task_find(struct query_table *memory, struct str id)
{
    struct query_task *task = memory->first;
    while (task != NULL && !str_eq(task->query.id, id))
        task = task->next;
    return task;
}

bool query_progress(struct cloud *cloud, struct str id, struct logs_query *query)
{
    struct query_table *memory = logs_memory_of(cloud)->queries;
    pthread_mutex_lock(&memory->mutex);
    struct query_task *task = task_find(memory, id);
    if (task != NULL) {
        query->scanned = (double)atomic_load(&task->scanned);
        query->bytes = (double)atomic_load(&task->bytes);
        query->matched = (double)atomic_load(&task->matched);
        query->groups_scanned = (int64_t)task->group_count;
    }
    pthread_mutex_unlock(&memory->mutex);
    return task != NULL;
}

/* --- reading --- */

static RESULT task_streams(struct query_task *task, struct arena *arena, struct kv_txn *txn,
                           struct log_walk_stream **out, size_t *count)
{
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    for (size_t i = 0; i < task->group_count; i++) {
        struct log_walk_stream *streams;
        struct log_masks *masks;
        size_t more;
        TRY(log_masks_load(arena, txn, task->account, task->region, &task->groups[i], &masks));
        TRY(log_walk_streams(arena, txn, (uint64_t)task->groups[i].id, masks, (struct str){0},
                             task->query.from_ms, task->to.ms, &streams, &more));
        for (size_t at = 0; at < more; at++)
            VEC_PUSH(arena, *out, *count, cap, streams[at]);
    }
    return RESULT_OK;
}

static struct str task_group(const struct query_task *task, uint64_t id)
{
    for (size_t i = 0; i < task->group_count; i++)
        if (task->groups[i].id == (int64_t)id)
            return task->groups[i].name;
    return (struct str){0};
}

/* False: a group's retention hides it. */
static bool task_sees(const struct query_task *task, uint64_t group, int64_t ms, int64_t now_ms)
{
    for (size_t i = 0; i < task->group_count; i++)
        if (task->groups[i].id == (int64_t)group)
            return ms >= group_oldest_ms(&task->groups[i], now_ms);
    return false;
}

static RESULT task_event(struct query_task *task, struct arena *scratch,
                         const struct log_event *event, const struct log_walk_stream *stream,
                         struct str plain)
{
    struct log_walk_position at = {event->at.ms, stream->id.stream, event->at.number};
    struct str group = task_group(task, stream->id.group);
    const struct query_event shown = {
        .ms = event->at.ms,
        .ingested_ms = event->ingested_ms,
        .message = event->message,
        .plain = plain,
        .stream = stream->name,
        .log = str_format(scratch, "%.*s:%.*s", PRSTR(task->account), PRSTR(group)),
        .pointer = query_pointer(scratch, group, stream->name, at),
    };
    task->to = (struct log_walk_position){at.ms, at.stream, at.number - 1};
    atomic_fetch_add(&task->scanned, 1);
    atomic_fetch_add(&task->bytes, event->message.len);
    enum result result = query_run_event(task->run, &shown, &task->ended);
    atomic_store(&task->matched, query_run_matched(task->run));
    arena_reset(scratch);
    task->full |= result == RESULT_FULL;
    task->ended |= task->full;
    return result == RESULT_FULL ? RESULT_OK : result;
}

/* For some milliseconds; all: to the end. The call's arena outlives the transaction, as cursors
 * must. */
static RESULT task_read(struct query_task *task, struct call *call, bool all)
{
    struct arena *arena = call->arena, *scratch = arena_new_child(arena);
    const struct log_walk_position from = {task->query.from_ms, 0, 0};
    const struct log_walk_stream *stream;
    const struct log_event *event;
    struct log_walk_stream *streams;
    struct log_walk *walk;
    uint64_t began = time_monotonic_ns();
    size_t count;
    enum result result = task_streams(task, arena, call->txn, &streams, &count);
    if (result == RESULT_OK)
        result = log_walk_open(arena, call->txn, streams, count, from, task->to, true, &walk);
    /* Finding the streams takes its time: then reading may take more, too. */
    uint64_t until = time_monotonic_ns() + SLICE_NS + 4 * (time_monotonic_ns() - began);
    for (unsigned n = 1; result == RESULT_OK && !task->ended; n++) {
        result = log_walk_next(walk, &event, &stream);
        if (result != RESULT_OK)
            break;
        task->ended = event == NULL;
        if (event != NULL && task_sees(task, stream->id.group, event->at.ms, call->now_ms))
            result = task_event(task, scratch, event, stream,
                                stream->id.masks != NULL ? log_walk_plain(walk) : event->message);
        if (!all && n % LOOK_EVERY == 0 && time_monotonic_ns() > until)
            break;
    }
    return result;
}

/* --- the end --- */

static RESULT task_rows(struct call *call, struct query_task *task, struct logs_query *query)
{
    struct query_result result;
    struct logs_query_rows rows = {0};
    enum result ended = query_run_end(task->run, &result);
    if (ended == RESULT_FULL) {
        task->full = true;
        return RESULT_OK;
    }
    TRY(ended);
    rows.rows.items = ARENA_ARRAY(call->arena, result.count + 1, struct logs_ResultRows);
    for (size_t i = 0; i < result.count; i++) {
        struct logs_ResultRows *row = &rows.rows.items[rows.rows.len++];
        row->items = ARENA_ARRAY(call->arena, result.name_count + 1, struct logs_ResultField);
        for (size_t at = 0; at < result.name_count; at++)
            if (!str_is_absent(result.rows[i].values[at]))
                row->items[row->len++] =
                    (struct logs_ResultField){result.names[at], result.rows[i].values[at]};
    }
    query->row_count = (int64_t)rows.rows.len;
    struct key key = query_rows_key(call, query->id);
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_query_rows, &rows);
}

/* In a writing transaction. */
static RESULT task_end(struct call *call, struct query_task *task, struct str status)
{
    struct key key = query_key(call, task->query.id);
    struct key running = query_running_key(call, task->account, task->region, task->query.id);
    struct logs_query query;
    bool found;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_query, &query, &found));
    if (!found || !str_eq(query.status, LOGS_QUERY_STATUS_RUNNING))
        return RESULT_OK; /* it was stopped */
    if (!task->full && str_eq(status, LOGS_QUERY_STATUS_COMPLETE))
        TRY(task_rows(call, task, &query));
    query.status = task->full ? LOGS_QUERY_STATUS_FAILED : status;
    query.ended_ms = call->now_ms;
    query.scanned = (double)atomic_load(&task->scanned);
    query.bytes = (double)atomic_load(&task->bytes);
    query.matched = (double)atomic_load(&task->matched);
    query.groups_scanned = (int64_t)task->group_count;
    if (task->full)
        log_line(LOG_WARN, "logs: query %.*s needs more than %d MiB of memory: it failed",
                 PRSTR(query.id), QUERY_MEMORY >> 20);
    TRY(kv_delete(call->txn, key_bytes(&running), NULL));
    return call_put_record(call, &key, &logs_model, LOGS_SHAPE_query, &query);
}

static struct call task_call(const struct query_task *task, struct arena *arena)
{
    char *id = arena_alloc(arena, 36);
    rng_uuid(id);
    return (struct call){
        .arena = arena,
        .cloud = task->cloud,
        .model = &logs_model,
        .account = task->account,
        .region = task->region,
        .partition = STR("aws"),
        .principal = {.kind = PRINCIPAL_SERVICE, .name = STR("logs.amazonaws.com")},
        .now_ms = clock_now(task->cloud->clock),
        .endpoint = task->cloud->endpoint,
        .request_id = str_make(id, 36),
    };
}

static bool task_goes_on(struct call *call, const struct query_task *task)
{
    struct key key = query_key(call, task->query.id);
    struct logs_query query;
    bool found;
    return call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_query, &query, &found) ==
               RESULT_OK &&
           found && str_eq(query.status, LOGS_QUERY_STATUS_RUNNING);
}

static RESULT task_slice(struct query_task *task, struct call *call, bool *more)
{
    struct str status = LOGS_QUERY_STATUS_COMPLETE;
    *more = false;
    TRY(kv_begin(task->cloud->kv, false, &call->txn));
    bool goes_on = task_goes_on(call, task);
    enum result result = goes_on ? task_read(task, call, false) : RESULT_OK;
    kv_abort(call->txn);
    if (!goes_on)
        return RESULT_OK;
    if (result != RESULT_OK)
        status = LOGS_QUERY_STATUS_FAILED;
    else if ((int64_t)((time_monotonic_ns() - task->began_ns) / 1000000) > QUERY_TIME_MS)
        status = LOGS_QUERY_STATUS_TIMEOUT;
    else if (!task->ended) {
        *more = true;
        return RESULT_OK;
    }
    TRY(kv_begin(task->cloud->kv, true, &call->txn));
    result = task_end(call, task, status);
    if (result == RESULT_OK)
        return call_commit(call);
    kv_abort(call->txn);
    return result;
}

static void task_run(struct work_slice *slice)
{
    struct query_task *task = (struct query_task *)slice;
    struct query_table *memory = logs_memory_of(task->cloud)->queries;
    struct arena *arena = arena_new(0);
    struct call call = task_call(task, arena);
    bool more = false;
    if (!atomic_load(&memory->stopping) && task_slice(task, &call, &more) != RESULT_OK)
        log_line(LOG_WARN, "logs: query %.*s could not be ended", PRSTR(task->query.id));
    arena_free(arena);
    if (!more || !work_post(task->cloud, &task->slice))
        task_free(memory, task);
}

/* --- the beginning --- */

static RESULT task_new(struct call *call, const struct logs_query *query, struct query_task **out)
{
    struct arena *arena = arena_new(0);
    struct query_task *task = ARENA_NEW(arena, struct query_task);
    struct query_table *memory = logs_memory_of(call->cloud)->queries;
    struct query_problem problem;
    task->arena = arena;
    task->cloud = call->cloud;
    task->account = str_copy(arena, call->account);
    task->region = str_copy(arena, call->region);
    task->query = *query;
    task->query.id = str_copy(arena, query->id);
    task->query.text = str_copy(arena, query->text);
    task->to = (struct log_walk_position){query->to_ms, UINT64_MAX, UINT64_MAX};
    task->began_ns = time_monotonic_ns();
    task->slice.run = task_run;
    task->slice.cancelled = &memory->stopping;
    task->groups = ARENA_ARRAY(arena, query->groups.len + 1, struct logs_group);
    bool fine = query_parse(arena, task->query.text, &task->parsed, &problem);
    for (size_t i = 0; fine && i < query->groups.len; i++) {
        struct key key = call_key(call, STR("group"));
        struct logs_group group;
        bool found;
        key_str(&key, query->groups.items[i]);
        enum result result =
            call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_group, &group, &found);
        fine = result == RESULT_OK;
        if (!fine || !found)
            continue;
        group.name = str_copy(arena, group.name);
        group.class = str_copy(arena, group.class);
        task->groups[task->group_count++] = group;
    }
    if (!fine) {
        arena_free(arena);
        return FAULT("query %.*s cannot begin", PRSTR(query->id));
    }
    task->run = query_run_new(arena, &task->parsed, (size_t)query->limit, call->now_ms);
    pthread_mutex_lock(&memory->mutex);
    task->next = memory->first;
    if (task->next != NULL)
        task->next->previous = task;
    memory->first = task;
    pthread_mutex_unlock(&memory->mutex);
    *out = task;
    return RESULT_OK;
}

RESULT logs_deliver_query(struct call *call, const struct outbox_item *item)
{
    struct query_table *memory = logs_memory_of(call->cloud)->queries;
    struct key key = query_key(call, item->payload);
    struct query_task *task = NULL;
    struct logs_query query;
    bool found;
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_query, &query, &found));
    pthread_mutex_lock(&memory->mutex);
    bool runs = task_find(memory, item->payload) != NULL;
    pthread_mutex_unlock(&memory->mutex);
    if (!found || runs ||
        (!str_eq(query.status, LOGS_QUERY_STATUS_SCHEDULED) &&
         !str_eq(query.status, LOGS_QUERY_STATUS_RUNNING)))
        return RESULT_OK;
    if (!str_eq(query.status, LOGS_QUERY_STATUS_RUNNING)) {
        query.status = LOGS_QUERY_STATUS_RUNNING;
        TRY(call_put_record(call, &key, &logs_model, LOGS_SHAPE_query, &query));
        if (call->cloud->workers != NULL) /* seen by its slices when this is through */
            return outbox_post(call, STR("logs.query"), item->payload, item->payload);
    }
    TRY(task_new(call, &query, &task));
    if (work_post(call->cloud, &task->slice))
        return RESULT_OK;
    enum result result = task_read(task, call, true);
    if (result == RESULT_OK)
        result = task_end(call, task, LOGS_QUERY_STATUS_COMPLETE);
    task_free(memory, task);
    return result;
}

static RESULT wake_all(struct call *call)
{
    struct key all = query_running_key(call, STR(""), STR(""), (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value, id;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&all), false, &cursor));
    for (;;) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        struct key_reader reader = key_read(
            call->arena, str_copy(call->arena, str_slice(key, key_bytes(&all).len, key.len)));
        if (!key_next_str(&reader, &call->account) || !key_next_str(&reader, &call->region) ||
            !key_next_str(&reader, &id))
            return FAULT("the key of a query is broken");
        TRY(outbox_post(call, STR("logs.query"), id, id));
    }
}

RESULT logs_start(struct cloud *cloud)
{
    struct arena *arena = arena_new(0);
    const struct query_task none = {.cloud = cloud};
    struct call call = task_call(&none, arena);
    struct key all = query_running_key(&call, STR(""), STR(""), (struct str){0});
    struct kv_cursor *cursor;
    struct str key = {0}, value;
    enum result result = kv_begin(cloud->kv, false, &call.txn);
    if (result == RESULT_OK) {
        result = kv_cursor_open(call.txn, arena, key_bytes(&all), false, &cursor);
        if (result == RESULT_OK)
            result = kv_next(cursor, &key, &value);
        kv_abort(call.txn);
    }
    if (result == RESULT_OK && !str_is_absent(key)) {
        result = kv_begin(cloud->kv, true, &call.txn);
        if (result == RESULT_OK)
            result = wake_all(&call);
        if (result == RESULT_OK)
            result = call_commit(&call);
        else
            kv_abort(call.txn);
    }
    arena_free(arena);
    return result;
}
