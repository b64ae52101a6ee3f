/* What happens to events later: the tail becomes segments, what was deleted goes piece by piece,
 * and what is older than the retention goes too. Each runs in the outbox's transactions, some
 * milliseconds at a time. */
#include <stdlib.h>

#include "base/vec.h"
#include "services/logs/logs_int.h"
#include "store/record.h"

enum { PACK_BYTES = 768 * 1024, DROP_KEYS = 500, EXPIRE_SEGMENTS = 200 };
#define EXPIRE_EVERY_MS (INT64_C(3600) * 1000)

/* --- packing --- */

static struct str two_ids(struct arena *arena, uint64_t group, uint64_t stream, struct str name)
{
    return str_format(arena, "%llu %llu %.*s", (unsigned long long)group,
                      (unsigned long long)stream, PRSTR(name));
}

static bool two_ids_read(struct str text, uint64_t *group, uint64_t *stream, struct str *name)
{
    struct str first, second, rest;
    return str_cut(text, ' ', &first, &rest) && str_cut(rest, ' ', &second, name) &&
           str_to_u64(first, group) && str_to_u64(second, stream);
}

RESULT sweep_pack_soon(struct call *call, const struct logs_group *group,
                       struct logs_stream *stream)
{
    stream->packing = true;
    return outbox_post(
        call, STR("logs.pack"), (struct str){0},
        two_ids(call->arena, (uint64_t)group->id, (uint64_t)stream->id, stream->name));
}

static int by_position(const void *a, const void *b)
{
    const struct log_event *left = a, *right = b;
    return log_position_cmp(left->at, right->at);
}

struct packing {
    struct log_event *events;
    size_t count, cap, batches;
    int64_t bytes;
};

/* The first batch's events are taken as they are: often it is the only one. */
static void packing_add(struct arena *arena, struct packing *out, struct log_event *events,
                        size_t count)
{
    if (out->count == 0) {
        out->events = events;
        out->count = out->cap = count;
        return;
    }
    for (size_t i = 0; i < count; i++)
        VEC_PUSH(arena, out->events, out->count, out->cap, events[i]);
}

/* The oldest batches of the tail, taken out of the store. */
static RESULT tail_take(struct call *call, uint64_t group, uint64_t stream, struct packing *out)
{
    struct key prefix = log_key_tail(call->arena, group, stream);
    struct kv_cursor *cursor;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (out->bytes < PACK_BYTES) {
        struct str key, value;
        struct log_batch batch;
        struct log_event *events;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        out->bytes += (int64_t)value.len;
        out->batches++;
        TRY(log_batch_read(str_copy(call->arena, value), &batch));
        TRY(log_batch_events(call->arena, &batch, &events));
        packing_add(call->arena, out, events, batch.count);
        TRY(kv_delete(call->txn, str_copy(call->arena, key), NULL));
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static RESULT segment_put(struct call *call, uint64_t group, struct logs_stream *stream,
                          const struct log_event *events, size_t count)
{
    struct key key = log_key_segment(call->arena, group, (uint64_t)stream->id);
    int64_t span = events[count - 1].at.ms - events[0].at.ms;
    struct buf segment;
    key_i64(&key, events[0].at.ms);
    key_u64(&key, events[0].at.number);
    buf_init(&segment, call->arena, SIZE_MAX);
    TRY(log_batch_write(&segment, events, count, true));
    if (span > stream->span_ms)
        stream->span_ms = span;
    return kv_put(call->txn, key_bytes(&key), buf_str(&segment));
}

static RESULT segments_put(struct call *call, uint64_t group, struct logs_stream *stream,
                           const struct packing *packing)
{
    for (size_t from = 0, to; from < packing->count; from = to) {
        size_t size = 0;
        for (to = from; to < packing->count; to++) {
            if (to > from && (size >= SEGMENT_BYTES ||
                              packing->events[to].at.ms - packing->events[from].at.ms > DAY_MS))
                break;
            size += packing->events[to].message.len;
        }
        TRY(segment_put(call, group, stream, packing->events + from, to - from));
    }
    return RESULT_OK;
}

RESULT logs_deliver_pack(struct call *call, const struct outbox_item *item)
{
    struct logs_group group = {0};
    struct logs_stream stream;
    struct packing packing = {0};
    struct str name;
    uint64_t group_id, id;
    bool found;
    if (!two_ids_read(item->payload, &group_id, &id, &name))
        return FAULT("an event's payload is broken");
    group.id = (int64_t)group_id;
    struct key key = stream_key(call, &group, name);
    TRY(call_get_record_copy(call, &key, &logs_model, LOGS_SHAPE_stream, &stream, &found));
    if (!found || stream.id != (int64_t)id)
        return RESULT_OK;
    TRY(tail_take(call, group_id, id, &packing));
    if (packing.count > 0)
        qsort(packing.events, packing.count, sizeof *packing.events, by_position);
    TRY(segments_put(call, group_id, &stream, &packing));
    stream.tail_bytes -= packing.bytes;
    stream.tail_batches -= (int64_t)packing.batches;
    stream.packing = false;
    if (stream.tail_bytes >= TAIL_BYTES || stream.tail_batches >= TAIL_BATCHES)
        TRY(sweep_pack_soon(call, &group, &stream));
    return stream_put(call, &group, &stream);
}

/* --- dropping --- */

RESULT sweep_drop_soon(struct call *call, uint64_t group, uint64_t stream)
{
    return outbox_post(call, STR("logs.drop"), (struct str){0},
                       two_ids(call->arena, group, stream, STR("")));
}

/* What a batch counts for in its group's storedBytes. */
static RESULT batch_bytes(struct call *call, struct str value, int64_t *bytes)
{
    struct log_batch batch;
    struct log_event *events;
    struct arena *arena = arena_new_child(call->arena);
    enum result result = log_batch_read(value, &batch);
    if (result == RESULT_OK)
        result = log_batch_events(arena, &batch, &events);
    for (uint64_t i = 0; result == RESULT_OK && i < batch.count; i++)
        *bytes += (int64_t)events[i].message.len + 26;
    arena_free(arena);
    return result;
}

/* Up to `limit` batches or segments that end before `before` go; *left: there may be more. */
static RESULT batches_remove(struct call *call, uint64_t group, const struct key *prefix,
                             int64_t before, bool ordered, size_t limit, bool *left)
{
    struct key counter = log_key_of(call->arena, STR("logs-bytes"), group);
    struct kv_cursor *cursor;
    int64_t bytes = 0;
    size_t removed = 0;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(prefix), false, &cursor));
    while (removed < limit) {
        struct str key, value;
        struct log_batch batch;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(log_batch_read(value, &batch));
        if (ordered && batch.first_ms >= before)
            break;
        if (batch.last_ms >= before)
            continue;
        TRY(batch_bytes(call, value, &bytes));
        TRY(kv_delete(call->txn, str_copy(call->arena, key), NULL));
        removed++;
    }
    kv_cursor_close(cursor);
    *left = removed == limit;
    return removed == 0 ? RESULT_OK : log_count_add(call->txn, &counter, -bytes);
}

static RESULT drop_group(struct call *call, uint64_t group, bool *left)
{
    static const struct str kinds[] = {
        STR_INIT("logs-segment"),      STR_INIT("logs-tail"),
        STR_INIT("logs-stream"),       STR_INIT("logs-recent"),
        STR_INIT("logs-bytes"),        STR_INIT("logs-metric-filter"),
        STR_INIT("logs-subscription"), STR_INIT("logs-index-policy"),
        STR_INIT("logs-protection"),
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct key prefix = log_key_of(call->arena, kinds[i], group);
        size_t deleted;
        TRY(kv_delete_prefix(call->txn, key_bytes(&prefix), DROP_KEYS, &deleted));
        if (deleted == DROP_KEYS) {
            *left = true;
            return RESULT_OK;
        }
    }
    return RESULT_OK;
}

RESULT logs_deliver_drop(struct call *call, const struct outbox_item *item)
{
    uint64_t group, stream;
    struct str rest;
    bool left = false;
    if (!two_ids_read(item->payload, &group, &stream, &rest))
        return FAULT("an event's payload is broken");
    if (stream == 0) {
        TRY(drop_group(call, group, &left));
    } else {
        struct key tail = log_key_tail(call->arena, group, stream);
        struct key segments = log_key_segment(call->arena, group, stream);
        TRY(batches_remove(call, group, &tail, INT64_MAX, false, DROP_KEYS, &left));
        if (!left)
            TRY(batches_remove(call, group, &segments, INT64_MAX, false, EXPIRE_SEGMENTS, &left));
    }
    return left ? sweep_drop_soon(call, group, stream) : RESULT_OK;
}

/* --- retention --- */

RESULT sweep_expire_soon(struct call *call, struct logs_group *group)
{
    if (group->expiring)
        return RESULT_OK;
    group->expiring = true;
    return job_schedule(call, STR("logs.expire"), call->now_ms + EXPIRE_EVERY_MS,
                        two_ids(call->arena, (uint64_t)group->id, 0, group->name), NULL);
}

/* One stream's share: *left when there is more to do. */
static RESULT expire_stream(struct call *call, const struct logs_group *group,
                            struct logs_stream *stream, int64_t oldest, bool *left)
{
    struct key tail = log_key_tail(call->arena, (uint64_t)group->id, (uint64_t)stream->id);
    struct key segments = log_key_segment(call->arena, (uint64_t)group->id, (uint64_t)stream->id);
    TRY(batches_remove(call, (uint64_t)group->id, &segments, oldest, true, EXPIRE_SEGMENTS, left));
    if (*left)
        return RESULT_OK;
    /* What little the tail has goes as a whole, and is then a segment. */
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&tail), false, &cursor));
    TRY(kv_next(cursor, &key, &value));
    kv_cursor_close(cursor);
    if (!str_is_absent(key) && !stream->packing && stream->last_ms < oldest) {
        struct logs_group plain = *group;
        TRY(sweep_pack_soon(call, &plain, stream));
    }
    if (stream->first_ms < oldest)
        stream->first_ms = oldest;
    return stream_put(call, group, stream);
}

RESULT logs_deliver_expire(struct call *call, const struct outbox_item *item)
{
    struct logs_group group;
    struct str name, key, value;
    uint64_t id, ignored;
    struct kv_cursor *cursor;
    bool left = false;
    if (!two_ids_read(item->payload, &id, &ignored, &name))
        return FAULT("a job's payload is broken");
    struct key group_at = call_key(call, STR("group"));
    key_str(&group_at, name);
    bool found;
    TRY(call_get_record_copy(call, &group_at, &logs_model, LOGS_SHAPE_group, &group, &found));
    if (!found || group.id != (int64_t)id)
        return RESULT_OK;
    group.expiring = false;
    int64_t oldest = group_oldest_ms(&group, call->now_ms);
    struct key prefix = stream_key(call, &group, (struct str){0});
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    while (!left && group.retention_days != 0) {
        struct logs_stream stream;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode_copy(call->arena, &logs_model, LOGS_SHAPE_stream, value, &stream));
        if (stream.number == 0 || stream.first_ms >= oldest)
            continue;
        TRY(expire_stream(call, &group, &stream, oldest, &left));
    }
    kv_cursor_close(cursor);
    if (left) {
        group.expiring = true;
        TRY(job_schedule(call, STR("logs.expire"), call->now_ms, item->payload, NULL));
    } else if (group.retention_days != 0) {
        TRY(sweep_expire_soon(call, &group));
    }
    return group_put(call, &group);
}
