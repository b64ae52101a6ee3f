/* A stream's segments and its tail, merged. Sources wait in a heap by the position that they may
 * yield next: one that is not unpacked yet by its first (last) time. A segment is unpacked when its
 * turn comes, and let go when it is done. Segments are found by their first time; going backward,
 * or into the middle, they may reach as far beyond it as the stream's longest one. */
#include "base/vec.h"
#include "services/logs/event.h"
#include "services/logs/logs_int.h"
#include "services/logs/mask.h"

struct source {
    struct log_position next;
    struct log_batch batch;
    struct arena *arena; /* of what was unpacked */
    struct log_event *events;
    size_t at; /* of the event to come */
};
struct log_reader {
    struct arena *arena;
    struct log_range range;
    int64_t span_ms;
    struct kv_cursor *segments;
    bool segments_end;
    struct log_batch ahead; /* the next segment, not yet a source */
    struct source **heap;
    size_t len, cap;
    struct source *yielded; /* whose event the caller holds */
    struct source *spare;
    const struct log_masks *masks;
    struct arena *shown_arena; /* of the event below */
    struct log_event shown;    /* masked */
};

/* --- the heap --- */

static bool goes_before(const struct log_reader *reader, const struct source *a,
                        const struct source *b)
{
    int order = log_position_cmp(a->next, b->next);
    return reader->range.backward ? order > 0 : order < 0;
}

static void sift_down(struct log_reader *reader, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < reader->len; child++)
            if (goes_before(reader, reader->heap[child], reader->heap[least]))
                least = child;
        if (least == at)
            return;
        struct source *moved = reader->heap[at];
        reader->heap[at] = reader->heap[least];
        reader->heap[least] = moved;
        at = least;
    }
}

static void heap_add(struct log_reader *reader, struct source *source)
{
    VEC_PUSH(reader->arena, reader->heap, reader->len, reader->cap, source);
    for (size_t at = reader->len - 1; at > 0; at = (at - 1) / 2) {
        struct source *parent = reader->heap[(at - 1) / 2];
        if (!goes_before(reader, reader->heap[at], parent))
            return;
        reader->heap[(at - 1) / 2] = reader->heap[at];
        reader->heap[at] = parent;
    }
}

/* --- sources --- */

static bool overlaps(const struct log_reader *reader, const struct log_batch *batch)
{
    return batch->last_ms >= reader->range.from.ms && batch->first_ms <= reader->range.to.ms &&
           batch->count > 0;
}

static void source_add(struct log_reader *reader, const struct log_batch *batch)
{
    struct source *source = reader->spare;
    if (!overlaps(reader, batch))
        return;
    if (source == NULL)
        source = ARENA_NEW(reader->arena, struct source);
    reader->spare = NULL;
    *source = (struct source){.batch = *batch};
    /* Before all events of that time: it is unpacked in time. */
    source->next = reader->range.backward ? (struct log_position){batch->last_ms, UINT64_MAX}
                                          : (struct log_position){batch->first_ms, 0};
    heap_add(reader, source);
}

static RESULT tail_add(struct log_reader *reader, struct kv_txn *txn,
                       const struct log_stream_id *stream)
{
    struct key prefix = log_key_tail(reader->arena, stream->group, stream->stream);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(txn, reader->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct log_batch batch;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(log_batch_read(value, &batch));
        source_add(reader, &batch);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}

static RESULT segment_ahead(struct log_reader *reader)
{
    struct str key, value;
    if (reader->segments_end)
        return RESULT_OK;
    TRY(kv_next(reader->segments, &key, &value));
    reader->segments_end = str_is_absent(key);
    return reader->segments_end ? RESULT_OK : log_batch_read(value, &reader->ahead);
}

/* Whether the segment ahead, or one behind it, may hold what goes before `next`. */
static bool segment_is_due(const struct log_reader *reader)
{
    if (reader->segments_end)
        return false;
    const struct source *top = reader->len == 0 ? NULL : reader->heap[0];
    int64_t first = reader->ahead.first_ms;
    if (!reader->range.backward)
        return first <= reader->range.to.ms && (top == NULL || first <= top->next.ms);
    int64_t reach = first > INT64_MAX - reader->span_ms ? INT64_MAX : first + reader->span_ms;
    return reach >= reader->range.from.ms && (top == NULL || reach >= top->next.ms);
}

static RESULT segments_open(struct log_reader *reader, struct kv_txn *txn,
                            const struct log_stream_id *stream)
{
    struct key prefix = log_key_segment(reader->arena, stream->group, stream->stream);
    struct key from = prefix;
    TRY(kv_cursor_open(txn, reader->arena, key_bytes(&prefix), reader->range.backward,
                       &reader->segments));
    if (reader->range.backward) {
        key_i64(&from, reader->range.to.ms);
        key_u64(&from, UINT64_MAX);
    } else {
        int64_t first = reader->range.from.ms;
        key_i64(&from, first < INT64_MIN + stream->span_ms ? INT64_MIN : first - stream->span_ms);
    }
    TRY(kv_cursor_seek(reader->segments, key_bytes(&from)));
    return segment_ahead(reader);
}

RESULT log_reader_open(struct arena *arena, struct kv_txn *txn, const struct log_stream_id *stream,
                       const struct log_range *range, struct log_reader **out)
{
    struct arena *own = arena_new_child(arena);
    struct log_reader *reader = ARENA_NEW(own, struct log_reader);
    reader->arena = own;
    reader->range = *range;
    reader->span_ms = stream->span_ms;
    reader->masks = stream->masks;
    if (stream->masks != NULL)
        reader->shown_arena = arena_new_child(own);
    TRY(segments_open(reader, txn, stream));
    TRY(tail_add(reader, txn, stream));
    *out = reader;
    return RESULT_OK;
}

void log_reader_close(struct log_reader *reader)
{
    kv_cursor_close(reader->segments);
    arena_free(reader->arena);
}

/* The source at the top goes on to its next event within the range, or ends. */
static void source_step(struct log_reader *reader)
{
    struct source *source = reader->heap[0];
    const struct log_range *range = &reader->range;
    for (; source->at < source->batch.count; source->at++) {
        size_t index = range->backward ? source->batch.count - 1 - source->at : source->at;
        struct log_position at = source->events[index].at;
        if (log_position_cmp(at, range->from) >= 0 && log_position_cmp(at, range->to) <= 0) {
            source->next = at;
            sift_down(reader, 0);
            return;
        }
    }
    reader->heap[0] = reader->heap[--reader->len];
    sift_down(reader, 0);
    arena_free(source->arena);
    reader->spare = source;
}

static const struct log_event *event_masked(struct log_reader *reader,
                                            const struct log_event *event)
{
    arena_reset(reader->shown_arena);
    reader->shown = *event;
    reader->shown.message = log_mask(reader->masks, reader->shown_arena, event);
    return &reader->shown;
}

struct str log_reader_plain(const struct log_reader *reader)
{
    const struct source *source = reader->yielded;
    size_t at = reader->range.backward ? source->batch.count - 1 - source->at : source->at;
    return source->events[at].message;
}

RESULT log_reader_next(struct log_reader *reader, const struct log_event **event)
{
    if (reader->yielded != NULL) { /* it is still at the top: nothing was added since */
        reader->yielded->at++;
        reader->yielded = NULL;
        source_step(reader);
    }
    for (;;) {
        while (segment_is_due(reader)) {
            source_add(reader, &reader->ahead);
            TRY(segment_ahead(reader));
        }
        if (reader->len == 0) {
            *event = NULL;
            return RESULT_OK;
        }
        struct source *source = reader->heap[0];
        if (source->events != NULL) {
            size_t count = source->batch.count;
            *event = &source->events[reader->range.backward ? count - 1 - source->at : source->at];
            reader->yielded = source;
            if (reader->masks != NULL)
                *event = event_masked(reader, *event);
            return RESULT_OK;
        }
        source->arena = arena_new_child(reader->arena);
        TRY(log_batch_events(source->arena, &source->batch, &source->events));
        source_step(reader);
    }
}
