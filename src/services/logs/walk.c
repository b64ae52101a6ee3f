/* Many streams as one: a heap of readers. A stream's reader is opened when the walk comes to its
 * first event and closed after its last, so that what is open at a time is what overlaps. */
#include "base/vec.h"
#include "services/logs/logs_int.h"
#include "store/record.h"

struct lane {
    struct log_walk_position next; /* a bound while the reader is not open */
    const struct log_walk_stream *stream;
    struct log_reader *reader;
    const struct log_event *event;
};
struct log_walk {
    struct arena *arena;
    struct kv_txn *txn;
    struct log_walk_position from, to;
    bool backward, yielded;
    struct lane *heap;
    size_t len;
};

static int compare(const struct log_walk_position *a, const struct log_walk_position *b)
{
    if (a->ms != b->ms)
        return a->ms < b->ms ? -1 : 1;
    if (a->stream != b->stream)
        return a->stream < b->stream ? -1 : 1;
    return a->number == b->number ? 0 : a->number < b->number ? -1 : 1;
}

static bool goes_before(const struct log_walk *walk, const struct lane *a, const struct lane *b)
{
    int order = compare(&a->next, &b->next);
    return walk->backward ? order > 0 : order < 0;
}

static void sift_down(struct log_walk *walk, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < walk->len; child++)
            if (goes_before(walk, &walk->heap[child], &walk->heap[least]))
                least = child;
        if (least == at)
            return;
        struct lane moved = walk->heap[at];
        walk->heap[at] = walk->heap[least];
        walk->heap[least] = moved;
        at = least;
    }
}

RESULT log_walk_open(struct arena *arena, struct kv_txn *txn, const struct log_walk_stream *streams,
                     size_t count, struct log_walk_position from, struct log_walk_position to,
                     bool backward, struct log_walk **out)
{
    struct log_walk *walk = ARENA_NEW(arena, struct log_walk);
    *walk =
        (struct log_walk){.arena = arena, .txn = txn, .from = from, .to = to, .backward = backward};
    walk->heap = ARENA_ARRAY(arena, count + 1, struct lane);
    for (size_t i = 0; i < count; i++) {
        const struct log_walk_stream *stream = &streams[i];
        if (stream->last_ms < from.ms || stream->first_ms > to.ms)
            continue;
        struct lane lane = {.stream = stream};
        if (backward)
            lane.next = (struct log_walk_position){stream->last_ms, stream->id.stream, UINT64_MAX};
        else
            lane.next = (struct log_walk_position){stream->first_ms, stream->id.stream, 0};
        walk->heap[walk->len++] = lane;
    }
    for (size_t i = walk->len / 2; i-- > 0;)
        sift_down(walk, i);
    *out = walk;
    return RESULT_OK;
}

/* The walk's end as one of the stream's positions: of the same time, streams are one behind the
 * other. */
static struct log_position end_of(struct log_walk_position end, uint64_t stream, bool upper)
{
    if (stream == end.stream)
        return (struct log_position){end.ms, end.number};
    bool all = upper ? stream < end.stream : stream > end.stream;
    if (all)
        return (struct log_position){end.ms, upper ? UINT64_MAX : 0};
    return upper ? (struct log_position){end.ms - 1, UINT64_MAX}
                 : (struct log_position){end.ms + 1, 0};
}

/* The lane at the top goes on; it leaves when it has no more. */
static RESULT lane_step(struct log_walk *walk)
{
    struct lane *lane = &walk->heap[0];
    if (lane->reader == NULL) {
        struct log_range range = {
            .from = end_of(walk->from, lane->stream->id.stream, false),
            .to = end_of(walk->to, lane->stream->id.stream, true),
            .backward = walk->backward,
        };
        TRY(log_reader_open(walk->arena, walk->txn, &lane->stream->id, &range, &lane->reader));
    }
    TRY(log_reader_next(lane->reader, &lane->event));
    if (lane->event == NULL) {
        log_reader_close(lane->reader);
        *lane = walk->heap[--walk->len];
    } else {
        lane->next = (struct log_walk_position){lane->event->at.ms, lane->stream->id.stream,
                                                lane->event->at.number};
    }
    sift_down(walk, 0);
    return RESULT_OK;
}

RESULT log_walk_next(struct log_walk *walk, const struct log_event **event,
                     const struct log_walk_stream **stream)
{
    if (walk->yielded)
        TRY(lane_step(walk));
    while (walk->len > 0 && walk->heap[0].event == NULL)
        TRY(lane_step(walk));
    walk->yielded = walk->len > 0;
    *event = walk->yielded ? walk->heap[0].event : NULL;
    *stream = walk->yielded ? walk->heap[0].stream : NULL;
    return RESULT_OK;
}

struct str log_walk_plain(const struct log_walk *walk)
{
    return log_reader_plain(walk->heap[0].reader);
}

RESULT log_walk_streams(struct arena *arena, struct kv_txn *txn, uint64_t group,
                        const struct log_masks *masks, struct str prefix, int64_t from_ms,
                        int64_t to_ms, struct log_walk_stream **out, size_t *count)
{
    struct key all = log_key_of(arena, STR("logs-stream"), group), first = all;
    struct kv_cursor *cursor;
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    TRY(kv_cursor_open(txn, arena, key_bytes(&all), false, &cursor));
    if (!str_is_absent(prefix)) {
        key_str(&first, prefix);
        TRY(kv_cursor_seek(cursor, str_slice(key_bytes(&first), 0, key_bytes(&first).len - 1)));
    }
    for (;;) {
        struct logs_stream stream;
        struct str key, value;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(arena, &logs_model, LOGS_SHAPE_stream, value, &stream));
        if (!str_is_absent(prefix) && !str_starts_with(stream.name, prefix))
            break;
        if (stream.number == 0 || stream.last_ms < from_ms || stream.first_ms > to_ms)
            continue;
        struct log_walk_stream item = {
            .name = str_copy(arena, stream.name),
            .id = {group, (uint64_t)stream.id, stream.span_ms, masks},
            .first_ms = stream.first_ms,
            .last_ms = stream.last_ms,
        };
        VEC_PUSH(arena, *out, *count, cap, item);
    }
    kv_cursor_close(cursor);
    return RESULT_OK;
}
