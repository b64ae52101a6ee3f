/* PutLogEvents. */
#include "services/logs/filters.h"

/* "PutLogEvents", API Reference. */
enum {
    EVENT_MAX = 1024 * 1024,
    BATCH_MAX = 1024 * 1024,
};
#define FUTURE_MS (INT64_C(2) * 3600 * 1000)
#define PAST_MS (14 * DAY_MS)

static RESULT check_sizes(struct call *call, const struct logs_InputLogEvents *events)
{
    uint64_t total = 0;
    for (size_t i = 0; i < events->len; i++) {
        size_t size = events->items[i].message.len + EVENT_OVERHEAD;
        if (size > EVENT_MAX)
            return call_fail(call, LOGS_INVALID_PARAMETER,
                             "Log event too large: %zu bytes exceeds limit of %d", size, EVENT_MAX);
        if (i > 0 && events->items[i].timestamp.value < events->items[i - 1].timestamp.value)
            return call_fail(call, LOGS_INVALID_PARAMETER,
                             "Log events in a single PutLogEvents request must be in chronological "
                             "order.");
        total += size;
    }
    if (total > BATCH_MAX)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "Upload too large: %llu bytes exceeds limit of %d",
                         (unsigned long long)total, BATCH_MAX);
    return RESULT_OK;
}

/* The events that are taken: [*from, *to). */
static RESULT check_times(struct call *call, const struct logs_group *group,
                          const struct logs_InputLogEvents *events, size_t *from, size_t *to,
                          struct logs_RejectedLogEventsInfo **rejected)
{
    int64_t oldest = group_oldest_ms(group, call->now_ms);
    size_t old = 0, expired = 0, until = events->len;
    while (old < until && events->items[old].timestamp.value < call->now_ms - PAST_MS)
        old++;
    while (expired < until && events->items[expired].timestamp.value < oldest)
        expired++;
    while (until > 0 && events->items[until - 1].timestamp.value > call->now_ms + FUTURE_MS)
        until--;
    *from = old > expired ? old : expired;
    *to = until;
    if (*from < *to &&
        events->items[*to - 1].timestamp.value - events->items[*from].timestamp.value > DAY_MS)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "The batch of log events in a single PutLogEvents request cannot span "
                         "more than 24 hours.");
    if (*from == 0 && *to == events->len)
        return RESULT_OK;
    *rejected = ARENA_NEW(call->arena, struct logs_RejectedLogEventsInfo);
    if (old > 0)
        (*rejected)->tooOldLogEventEndIndex = opt_int((int32_t)old);
    if (expired > old)
        (*rejected)->expiredLogEventEndIndex = opt_int((int32_t)expired);
    if (until < events->len)
        (*rejected)->tooNewLogEventStartIndex = opt_int((int32_t)until);
    return RESULT_OK;
}

RESULT stream_keep(struct call *call, const struct logs_group *group, struct logs_stream *stream,
                   struct log_event *events, size_t count)
{
    struct key key = log_key_tail(call->arena, (uint64_t)group->id, (uint64_t)stream->id);
    struct key bytes = log_key_of(call->arena, STR("logs-bytes"), (uint64_t)group->id);
    int64_t first = events[0].at.ms, last = events[count - 1].at.ms;
    int64_t old_last = stream->last_ms, size = 0;
    bool had = stream->number > 0;
    struct buf batch;
    key_u64(&key, (uint64_t)stream->number + 1);
    for (size_t i = 0; i < count; i++) {
        events[i].at.number = (uint64_t)++stream->number;
        events[i].ingested_ms = call->now_ms;
        size += (int64_t)events[i].message.len + EVENT_OVERHEAD;
    }
    buf_init(&batch, call->arena, SIZE_MAX);
    TRY(log_batch_write(&batch, events, count, false));
    TRY(kv_put(call->txn, key_bytes(&key), buf_str(&batch)));
    TRY(log_count_add(call->txn, &bytes, size));
    if (!had || first < stream->first_ms)
        stream->first_ms = first;
    if (!had || last > stream->last_ms)
        stream->last_ms = last;
    stream->ingested_ms = call->now_ms;
    stream->tail_bytes += (int64_t)batch.len;
    stream->tail_batches++;
    if (!had || stream->last_ms != old_last)
        TRY(stream_moved(call, group, stream, old_last));
    if ((stream->tail_bytes >= TAIL_BYTES || stream->tail_batches >= TAIL_BATCHES) &&
        !stream->packing)
        TRY(sweep_pack_soon(call, group, stream));
    TRY(filters_wake(call, group, stream, events, count));
    return stream_put(call, group, stream);
}

static RESULT keep(struct call *call, const struct logs_group *group, struct logs_stream *stream,
                   const struct logs_InputLogEvent *events, size_t count)
{
    struct log_event *kept = ARENA_ARRAY(call->arena, count, struct log_event);
    for (size_t i = 0; i < count; i++) {
        kept[i].at.ms = events[i].timestamp.value;
        kept[i].message = events[i].message;
    }
    return stream_keep(call, group, stream, kept, count);
}

RESULT logs_PutLogEvents(struct call *call, const struct logs_PutLogEventsRequest *in,
                         struct logs_PutLogEventsResponse *out)
{
    struct logs_group group;
    struct logs_stream stream;
    size_t from, to;
    TRY(check_sizes(call, &in->logEvents));
    TRY(group_find(call, in->logGroupName, &group));
    TRY(stream_find(call, &group, in->logStreamName, &stream));
    TRY(check_times(call, &group, &in->logEvents, &from, &to, &out->rejectedLogEventsInfo));
    if (from < to)
        TRY(keep(call, &group, &stream, in->logEvents.items + from, to - from));
    if (in->entity != NULL) { /* "the entity is rejected, the log events are still accepted" */
        out->rejectedEntityInfo = ARENA_NEW(call->arena, struct logs_RejectedEntityInfo);
        out->rejectedEntityInfo->errorType =
            LOGS_ENTITY_REJECTION_ERROR_TYPE_UNSUPPORTED_LOG_GROUP_TYPE;
    }
    out->nextSequenceToken =
        log_event_id(call->arena, (struct log_walk_position){call->now_ms, (uint64_t)stream.id,
                                                             (uint64_t)stream.number});
    return RESULT_OK;
}
