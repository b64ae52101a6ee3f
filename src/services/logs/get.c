/* GetLogEvents and FilterLogEvents. */
#include "base/vec.h"
#include "cloud/paging.h"
#include "services/logs/logs_int.h"
#include "services/logs/pattern.h"

enum {
    EVENTS_MAX = 10000,
    REPLY_BYTES = 1024 * 1024,
    /* What one call of FilterLogEvents reads at most: it then answers what it has, and a token. */
    SCAN_BYTES = 24 * 1024 * 1024,
};
/* No event is later. */
#define LATEST_MS INT64_C(0x7fffffffffff)

static int64_t clamp_ms(int64_t ms)
{
    return ms < 0 ? 0 : ms > LATEST_MS ? LATEST_MS : ms;
}

/* --- GetLogEvents --- */

/* "f/" or "b/", the id of the event that it goes on from (which is not shown again), "/s". */
static struct str token_make(struct call *call, char direction, const struct logs_stream *stream,
                             struct log_position at)
{
    struct log_walk_position position = {at.ms, (uint64_t)stream->id, at.number};
    return str_format(call->arena, "%c/%.*s/s", direction,
                      PRSTR(log_event_id(call->arena, position)));
}

static bool token_read(struct str token, const struct logs_stream *stream, bool *backward,
                       struct log_position *at)
{
    struct log_walk_position position;
    if (token.len < 5 || (token.ptr[0] != 'f' && token.ptr[0] != 'b') || token.ptr[1] != '/' ||
        !str_ends_with(token, STR("/s")) ||
        !log_event_id_read(str_slice(token, 2, token.len - 2), &position) ||
        position.stream != (uint64_t)stream->id)
        return false;
    *backward = token.ptr[0] == 'b';
    *at = (struct log_position){position.ms, position.number};
    return true;
}

struct page {
    struct log_range range;
    size_t limit;
    struct log_position first, last; /* of what was read, in its order */
};

static RESULT page_read(struct call *call, const struct log_stream_id *id, struct page *page,
                        struct logs_OutputLogEvents *out)
{
    struct log_reader *reader;
    const struct log_event *event;
    size_t cap = 1, bytes = 0;
    out->items = ARENA_NEW(call->arena, struct logs_OutputLogEvent);
    TRY(log_reader_open(call->arena, call->txn, id, &page->range, &reader));
    while (out->len < page->limit) {
        TRY(log_reader_next(reader, &event));
        if (event == NULL || (out->len > 0 && bytes + event->message.len > REPLY_BYTES))
            break;
        bytes += event->message.len + 26;
        if (out->len == 0)
            page->first = event->at;
        page->last = event->at;
        struct logs_OutputLogEvent shown = {
            .timestamp = opt_long(event->at.ms),
            .message = str_copy(call->arena, event->message),
            .ingestionTime = opt_long(event->ingested_ms),
        };
        VEC_PUSH(call->arena, out->items, out->len, cap, shown);
    }
    log_reader_close(reader);
    for (size_t i = 0; page->range.backward && i < out->len / 2; i++) {
        struct logs_OutputLogEvent other = out->items[i];
        out->items[i] = out->items[out->len - 1 - i];
        out->items[out->len - 1 - i] = other;
    }
    return RESULT_OK;
}

RESULT logs_GetLogEvents(struct call *call, const struct logs_GetLogEventsRequest *in,
                         struct logs_GetLogEventsResponse *out)
{
    struct logs_group group;
    struct logs_stream stream;
    struct log_position at = {0};
    const struct log_masks *masks;
    TRY(group_find_either(call, in->logGroupName, in->logGroupIdentifier, &group));
    TRY(protection_masks(call, &group, in->unmask.set && in->unmask.value, &masks));
    TRY(stream_find(call, &group, in->logStreamName, &stream));
    struct page page = {
        .range = {.from = {clamp_ms(in->startTime.set ? in->startTime.value : 0), 0},
                  .to = {clamp_ms(in->endTime.set ? in->endTime.value - 1 : LATEST_MS), UINT64_MAX},
                  .backward = !in->startFromHead.set || !in->startFromHead.value},
        .limit = in->limit.set ? (size_t)in->limit.value : EVENTS_MAX,
    };
    if (in->startTime.set && in->endTime.set && in->startTime.value > in->endTime.value)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "The start time must not be later than the end time.");
    int64_t oldest = group_oldest_ms(&group, call->now_ms);
    if (page.range.from.ms < oldest)
        page.range.from = (struct log_position){oldest, 0};
    struct log_position low = page.range.from, high = page.range.to;
    bool token = !str_is_absent(in->nextToken);
    if (token && !token_read(in->nextToken, &stream, &page.range.backward, &at))
        return call_fail(call, LOGS_INVALID_PARAMETER, "The specified nextToken is invalid.");
    if (token && !page.range.backward && log_position_cmp(at, low) >= 0)
        page.range.from = (struct log_position){at.ms, at.number + 1};
    if (token && page.range.backward && log_position_cmp(at, high) <= 0)
        page.range.to = at.number > 0 ? (struct log_position){at.ms, at.number - 1}
                                      : (struct log_position){at.ms - 1, UINT64_MAX};
    struct log_stream_id id = {(uint64_t)group.id, (uint64_t)stream.id, stream.span_ms, masks};
    if (log_position_cmp(page.range.from, page.range.to) <= 0)
        TRY(page_read(call, &id, &page, &out->events));
    else
        out->events.items = ARENA_NEW(call->arena, struct logs_OutputLogEvent);
    struct log_position forward = low, backward = low;
    if (out->events.len > 0) {
        forward = page.range.backward ? page.first : page.last;
        backward = page.range.backward ? page.last : page.first;
    } else if (token) { /* at the end: the same token, and one that turns back */
        forward =
            page.range.backward && at.number > 0 ? (struct log_position){at.ms, at.number - 1} : at;
        backward = page.range.backward ? at : (struct log_position){at.ms, at.number + 1};
    }
    out->nextForwardToken = token_make(call, 'f', &stream, forward);
    out->nextBackwardToken = token_make(call, 'b', &stream, backward);
    return RESULT_OK;
}

/* --- FilterLogEvents --- */

struct filter {
    const struct logs_FilterLogEventsRequest *in;
    struct logs_group group;
    const struct log_masks *masks;
    struct pattern *pattern;
    struct log_walk_position from, to;
    bool backward;
    struct log_walk_stream *streams;
    size_t count;
};

/* A page's token: the direction, and the position to go on from. */
static struct str filter_token(struct call *call, const struct filter *filter,
                               struct log_walk_position at)
{
    return paging_token(call, str_format(call->arena, "%c%.*s", filter->backward ? 'b' : 'f',
                                         PRSTR(log_event_id(call->arena, at))));
}

static RESULT filter_resume(struct call *call, struct filter *filter)
{
    struct str position;
    struct log_walk_position at;
    TRY(logs_page(call, filter->in->nextToken, &position));
    if (str_is_absent(position))
        return RESULT_OK;
    if (!log_event_id_read(str_slice(position, 1, position.len), &at))
        return call_fail(call, LOGS_INVALID_PARAMETER, "The specified nextToken is invalid.");
    filter->backward = position.ptr[0] == 'b';
    if (filter->backward) {
        at.number--;
        filter->to = at;
    } else {
        at.number++;
        filter->from = at;
    }
    return RESULT_OK;
}

static RESULT filter_streams(struct call *call, struct filter *filter)
{
    const struct logs_FilterLogEventsRequest *in = filter->in;
    if (in->logStreamNames.len > 0 && !str_is_absent(in->logStreamNamePrefix))
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "logStreamNames and logStreamNamePrefix are mutually exclusive "
                         "parameters.");
    if (in->logStreamNames.len == 0)
        return log_walk_streams(call->arena, call->txn, (uint64_t)filter->group.id, filter->masks,
                                in->logStreamNamePrefix, filter->from.ms, filter->to.ms,
                                &filter->streams, &filter->count);
    filter->streams = ARENA_ARRAY(call->arena, in->logStreamNames.len, struct log_walk_stream);
    for (size_t i = 0; i < in->logStreamNames.len; i++) {
        struct logs_stream stream;
        bool twice = false;
        TRY(stream_find(call, &filter->group, in->logStreamNames.items[i], &stream));
        for (size_t other = 0; other < filter->count; other++)
            twice |= filter->streams[other].id.stream == (uint64_t)stream.id;
        if (stream.number > 0 && !twice)
            filter->streams[filter->count++] = (struct log_walk_stream){
                .name = stream.name,
                .id = {(uint64_t)filter->group.id, (uint64_t)stream.id, stream.span_ms,
                       filter->masks},
                .first_ms = stream.first_ms,
                .last_ms = stream.last_ms,
            };
    }
    return RESULT_OK;
}

static RESULT filter_open(struct call *call, struct filter *filter)
{
    const struct logs_FilterLogEventsRequest *in = filter->in;
    struct str problem;
    TRY(group_find_either(call, in->logGroupName, in->logGroupIdentifier, &filter->group));
    TRY(protection_masks(call, &filter->group, in->unmask.set && in->unmask.value, &filter->masks));
    if (!log_pattern_parse(call->arena, in->filterPattern, &filter->pattern, &problem))
        return call_fail(call, LOGS_INVALID_PARAMETER, "Invalid filter pattern: %.*s",
                         PRSTR(problem));
    int64_t from = clamp_ms(in->startTime.set ? in->startTime.value : 0);
    int64_t oldest = group_oldest_ms(&filter->group, call->now_ms);
    filter->from.ms = from < oldest ? oldest : from;
    filter->to = (struct log_walk_position){
        clamp_ms(in->endTime.set ? in->endTime.value : LATEST_MS), UINT64_MAX, UINT64_MAX};
    filter->backward = in->startFromHead.set && !in->startFromHead.value;
    if (in->startTime.set && in->endTime.set && in->startTime.value > in->endTime.value)
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "The start time must not be later than the end time.");
    if (filter->backward && from < INT64_C(1704067200000)) /* 2024-01-01, as its page says */
        return call_fail(call, LOGS_INVALID_PARAMETER,
                         "startFromHead can be false only when startTime is on or after January 1, "
                         "2024 00:00:00 UTC.");
    TRY(filter_resume(call, filter));
    return filter_streams(call, filter);
}

RESULT logs_FilterLogEvents(struct call *call, const struct logs_FilterLogEventsRequest *in,
                            struct logs_FilterLogEventsResponse *out)
{
    struct filter filter = {.in = in};
    size_t limit = in->limit.set ? (size_t)in->limit.value : EVENTS_MAX;
    size_t cap = 1, bytes = 0, scanned = 0;
    struct log_walk *walk;
    struct arena *scratch = arena_new_child(call->arena);
    struct log_walk_position at = {0};
    TRY(filter_open(call, &filter));
    out->events.items = ARENA_NEW(call->arena, struct logs_FilteredLogEvent);
    out->searchedLogStreams.items = ARENA_NEW(call->arena, struct logs_SearchedLogStream);
    TRY(log_walk_open(call->arena, call->txn, filter.streams, filter.count, filter.from, filter.to,
                      filter.backward, &walk));
    for (;;) {
        const struct log_event *event;
        const struct log_walk_stream *stream;
        TRY(log_walk_next(walk, &event, &stream));
        if (event == NULL)
            return RESULT_OK;
        size_t size = event->message.len + 26;
        if (out->events.len == limit || scanned > SCAN_BYTES)
            break;
        arena_reset(scratch);
        bool matches = log_pattern_matches(filter.pattern, scratch, event->message);
        if (matches && bytes > 0 && bytes + size > REPLY_BYTES)
            break;
        at = (struct log_walk_position){event->at.ms, stream->id.stream, event->at.number};
        scanned += size;
        if (!matches)
            continue;
        bytes += size;
        struct logs_FilteredLogEvent shown = {
            .logStreamName = stream->name,
            .timestamp = opt_long(event->at.ms),
            .message = str_copy(call->arena, event->message),
            .ingestionTime = opt_long(event->ingested_ms),
            .eventId = log_event_id(call->arena, at),
        };
        VEC_PUSH(call->arena, out->events.items, out->events.len, cap, shown);
    }
    out->nextToken = filter_token(call, &filter, at);
    return RESULT_OK;
}
