/* Lines of other parts of the cloud (cloud/log_sink.h) become events. */
#include <stdlib.h>

#include "services/logs/logs_int.h"

enum { BATCH_BYTES = 1024 * 1024 };

/* What programs write is not always UTF-8: what is none becomes U+FFFD. */
static struct str mend(struct arena *arena, struct str text)
{
    struct buf out;
    if (str_is_utf8(text))
        return text;
    buf_init(&out, arena, SIZE_MAX);
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        for (size_t size = 1; size <= 4 && end == at && at + size <= text.len; size++)
            if (str_is_utf8(str_slice(text, at, at + size)))
                end = at + size;
        if (end == at)
            buf_append(&out, STR("\xef\xbf\xbd"));
        else
            buf_append(&out, str_slice(text, at, end));
        at = end == at ? at + 1 : end;
    }
    return buf_str(&out);
}

/* The first part of a text that is no longer than an event may be, no character cut in two. */
static size_t part_of(struct str text)
{
    size_t len = text.len;
    if (len <= LOG_SINK_EVENT_MAX)
        return len;
    len = LOG_SINK_EVENT_MAX;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return len;
}

static int by_time(const void *a, const void *b)
{
    const struct log_event *left = a, *right = b;
    return log_position_cmp(left->at, right->at);
}

/* Numbers are, for now, the order in which they came. */
static struct log_event *events_of(struct arena *arena, const struct log_sink_stream *lines,
                                   size_t *count)
{
    size_t parts = 0;
    for (size_t i = 0; i < lines->count; i++)
        parts += lines->events[i].text.len * 3 / (LOG_SINK_EVENT_MAX - 4) + 1;
    struct log_event *events = ARENA_ARRAY(arena, parts, struct log_event);
    *count = 0;
    for (size_t i = 0; i < lines->count; i++) {
        struct str text = mend(arena, lines->events[i].text);
        while (text.len > 0) {
            size_t part = part_of(text);
            events[*count].at = (struct log_position){lines->events[i].time_ms, *count};
            events[(*count)++].message = str_slice(text, 0, part);
            text = str_slice(text, part, text.len);
        }
    }
    qsort(events, *count, sizeof *events, by_time);
    return events;
}

static RESULT find_or_make(struct call *call, const struct log_sink_stream *lines,
                           struct logs_group *group, struct logs_stream *stream, bool *found)
{
    enum result result = group_find(call, lines->group, group);
    *found = result == RESULT_OK || lines->create_group;
    if (result == RESULT_ERROR && lines->create_group) {
        struct logs_group made = {.name = lines->group, .class = LOGS_LOG_GROUP_CLASS_STANDARD};
        TRY(group_make(call, &made));
        result = group_find(call, lines->group, group);
    }
    if (result == RESULT_ERROR)
        return RESULT_OK;
    TRY(result);
    result = stream_find(call, group, lines->stream, stream);
    return result == RESULT_ERROR ? stream_make(call, group, lines->stream, stream) : result;
}

RESULT logs_keep_lines(struct call *call, const struct log_sink_stream *lines)
{
    struct logs_group group;
    struct logs_stream stream;
    size_t count;
    bool found;
    TRY(find_or_make(call, lines, &group, &stream, &found));
    if (!found)
        return RESULT_OK;
    struct log_event *events = events_of(call->arena, lines, &count);
    for (size_t from = 0, to; from < count; from = to) {
        size_t size = 0;
        for (to = from; to < count; to++) {
            size += events[to].message.len + EVENT_OVERHEAD;
            if (to > from && (size > BATCH_BYTES || events[to].at.ms - events[from].at.ms > DAY_MS))
                break;
        }
        TRY(stream_keep(call, &group, &stream, events + from, to - from));
    }
    return RESULT_OK;
}
