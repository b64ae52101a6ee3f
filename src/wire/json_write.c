/* JSON from typed structs (RFC 8259). Nothing is formatted by printf but rare floating point
 * numbers; clean runs of strings are copied whole. */
#include <time.h>

#include "base/encode.h"
#include "wire/json_int.h"
#include "wire/shape.h"
#include "wire/wire_int.h"

struct writer {
    struct buf *out;
    const struct wire_model *model;
    bool describe; /* wire_json_describe() */
};

static void write_value(struct writer *w, const struct wire_member *member, const void *place,
                        bool by_value);

static inline void put(struct buf *out, const char *ptr, size_t len)
{
    if (out->cap - out->len >= len && !out->full) {
        memcpy(out->ptr + out->len, ptr, len);
        out->len += len;
    } else {
        buf_append(out, str_make(ptr, len));
    }
}

static inline void put_char(struct buf *out, char c)
{
    put(out, &c, 1);
}

static void put_escape(struct buf *out, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char letters[' '] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    if (c >= ' ') {
        text[1] = (char)c;
        put(out, text, 2);
    } else if (letters[c] != 0) {
        text[1] = letters[c];
        put(out, text, 2);
    } else {
        put(out, text, 6);
    }
}

void wire_json_write_string(struct buf *out, struct str s)
{
    uint64_t seen = 0;
    put_char(out, '"');
    while (s.len > 0) {
        size_t run = json_plain_run(s.ptr, s.len, &seen);
        if (run > 0)
            put(out, s.ptr, run);
        if (run == s.len)
            break;
        put_escape(out, (unsigned char)s.ptr[run]);
        s = str_slice(s, run + 1, s.len);
    }
    put_char(out, '"');
}

static void write_blob(struct buf *out, struct str bytes)
{
    put_char(out, '"');
    base64_encode(out, bytes);
    put_char(out, '"');
}

/* "Nov 21, 2026, 8:00:00 AM" */
static void describe_time(struct buf *out, int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char month[8], rest[16];
    put_char(out, '"');
    if (gmtime_r(&seconds, &parts) != NULL && strftime(month, sizeof month, "%b", &parts) > 0 &&
        strftime(rest, sizeof rest, ":%M:%S %p", &parts) > 0)
        buf_append_format(out, "%s %d, %d, %d%s", month, parts.tm_mday, parts.tm_year + 1900,
                          (parts.tm_hour + 11) % 12 + 1, rest);
    put_char(out, '"');
}

static void write_time(struct buf *out, const struct wire_member *member, int64_t ms)
{
    enum wire_time_format format = (enum wire_time_format)member->time_format;
    if (format == WIRE_TIME_DEFAULT || format == WIRE_TIME_UNIX) {
        wire_time_write(out, WIRE_TIME_UNIX, ms);
        return;
    }
    put_char(out, '"');
    wire_time_write(out, format, ms);
    put_char(out, '"');
}

static void write_double(struct buf *out, double value, bool single)
{
    if (single)
        value = (double)(float)value;
    bool word = value != value || value - value != 0;
    if (word)
        put_char(out, '"');
    wire_write_double(out, value, single);
    if (word)
        put_char(out, '"');
}

static void write_members(struct writer *w, const struct wire_shape *shape, const void *structure,
                          bool top, bool *first)
{
    const struct wire_member *members = shape_members(w->model, shape);
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &members[i];
        uint8_t shape_flags = w->model->shapes[member->shape].flags;
        if (w->describe ? shape_flags & WIRE_SHAPE_STREAMING
                        : top && member->location != WIRE_IN_BODY)
            continue;
        if (!member_is_present(w->model, member, structure))
            continue;
        if (shape_flags & WIRE_SHAPE_EVENT_STREAM)
            continue;
        if (!*first)
            put_char(w->out, ',');
        *first = false;
        struct str name = wire_string(w->model, member->name);
        put_char(w->out, '"');
        if (w->describe && name.len > 0 && name.ptr[0] >= 'A' && name.ptr[0] <= 'Z') {
            put_char(w->out, (char)(name.ptr[0] - 'A' + 'a'));
            name = str_slice(name, 1, name.len);
        }
        put(w->out, name.ptr, name.len);
        put(w->out, "\":", 2);
        if (w->describe && shape_flags & WIRE_SHAPE_SENSITIVE)
            wire_json_write_string(w->out, STR("HIDDEN_DUE_TO_SECURITY_REASONS"));
        else
            write_value(w, member, member_value(member, structure), false);
    }
}

static void write_struct(struct writer *w, const struct wire_shape *shape, const void *structure,
                         bool top)
{
    bool first = true;
    put_char(w->out, '{');
    write_members(w, shape, structure, top, &first);
    put_char(w->out, '}');
}

static void write_list(struct writer *w, const struct wire_shape *shape,
                       const struct wire_list *list)
{
    const struct wire_member *item = shape_members(w->model, shape);
    const struct wire_shape *item_shape = &w->model->shapes[item->shape];
    size_t size = item_shape->size;
    bool first = true;
    put_char(w->out, '[');
    for (size_t i = 0; i < list->len; i++) {
        const char *place = (const char *)list->items + i * size;
        bool present = shape_is_present(item_shape, place, true);
        if (!present && !(shape->flags & WIRE_SHAPE_SPARSE))
            continue;
        if (!first)
            put_char(w->out, ',');
        first = false;
        if (present)
            write_value(w, item, place, true);
        else
            put(w->out, "null", 4);
    }
    put_char(w->out, ']');
}

static void write_map(struct writer *w, const struct wire_shape *shape, const struct wire_list *map)
{
    const struct wire_member *value = &shape_members(w->model, shape)[1];
    const struct wire_shape *value_shape = &w->model->shapes[value->shape];
    size_t size = shape_entry_size(w->model, shape);
    bool first = true;
    put_char(w->out, '{');
    for (size_t i = 0; i < map->len; i++) {
        const char *entry = (const char *)map->items + i * size;
        const void *place = member_value(value, entry);
        bool present = shape_is_present(value_shape, place, true);
        if (!present && !(shape->flags & WIRE_SHAPE_SPARSE))
            continue;
        if (!first)
            put_char(w->out, ',');
        first = false;
        wire_json_write_string(w->out, *(const struct str *)(const void *)entry);
        put_char(w->out, ':');
        if (present)
            write_value(w, value, place, true);
        else
            put(w->out, "null", 4);
    }
    put_char(w->out, '}');
}

/* Documents and big numbers are JSON already. */
static void write_raw(struct buf *out, struct str text)
{
    if (str_is_empty(text))
        text = STR("null");
    put(out, text.ptr, text.len);
}

static void write_value(struct writer *w, const struct wire_member *member, const void *place,
                        bool by_value)
{
    const struct wire_shape *shape = &w->model->shapes[member->shape];
    uint16_t flags = by_value ? 0 : member->flags;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRING: {
        struct str s = *(const struct str *)place;
        wire_json_write_string(w->out, str_is_absent(s) ? STR("") : s);
        break;
    }
    case WIRE_BLOB:
        write_blob(w->out, *(const struct str *)place);
        break;
    case WIRE_BOOL:
        put(w->out, member_bool(flags, place) ? "true" : "false",
            member_bool(flags, place) ? 4 : 5);
        break;
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
        buf_append_i64(w->out, member_integer(shape, flags, place));
        break;
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        write_double(w->out, member_double(flags, place), shape->type == WIRE_FLOAT);
        break;
    case WIRE_TIMESTAMP:
        if (w->describe)
            describe_time(w->out, member_time(flags, place));
        else
            write_time(w->out, member, member_time(flags, place));
        break;
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
        write_raw(w->out, *(const struct str *)place);
        break;
    case WIRE_LIST:
        write_list(w, shape, place);
        break;
    case WIRE_MAP:
        write_map(w, shape, place);
        break;
    case WIRE_STRUCT:
        write_struct(w, shape, by_value ? place : *(const void *const *)place, false);
        break;
    }
}

/* A whole value of any shape, as it stands in a list. */
static RESULT write_whole(struct writer *w, uint16_t shape, const void *value, bool top)
{
    if (w->model->shapes[shape].type == WIRE_STRUCT) {
        write_struct(w, &w->model->shapes[shape], value, top);
    } else {
        struct wire_member self = {.shape = shape};
        write_value(w, &self, value, true);
    }
    return buf_is_full(w->out) ? RESULT_FULL : RESULT_OK;
}

RESULT wire_json_write(struct buf *out, const struct wire_model *model, uint16_t shape,
                       const void *value)
{
    struct writer w = {.out = out, .model = model};
    return write_whole(&w, shape, value, true);
}

RESULT wire_json_write_members(struct buf *out, const struct wire_model *model, uint16_t shape,
                               const void *value, bool *first)
{
    struct writer w = {.out = out, .model = model};
    write_members(&w, &model->shapes[shape], value, true, first);
    return buf_is_full(out) ? RESULT_FULL : RESULT_OK;
}

RESULT wire_json_describe(struct buf *out, const struct wire_model *model, uint16_t shape,
                          const void *value)
{
    struct writer w = {.out = out, .model = model, .describe = true};
    return write_whole(&w, shape, value, true);
}

RESULT wire_json_encode(struct buf *out, const struct wire_model *model, uint16_t shape,
                        const void *value)
{
    struct writer w = {.out = out, .model = model};
    return write_whole(&w, shape, value, false);
}
