/* CBOR from typed structs, definite lengths throughout. */
#include "wire/cbor_int.h"
#include "wire/shape.h"
#include "wire/wire_int.h"

struct writer {
    struct buf *out;
    const struct wire_model *model;
};

static void write_value(struct writer *w, const struct wire_member *member, const void *place,
                        bool by_value);

static void put_big_endian(struct buf *out, unsigned first, uint64_t value, size_t width)
{
    char bytes[9] = {(char)first};
    for (size_t i = 0; i < width; i++)
        bytes[width - i] = (char)(value >> (8 * i));
    buf_append(out, str_make(bytes, width + 1));
}

static void put_head(struct buf *out, enum cbor_major major, uint64_t value)
{
    unsigned first = (unsigned)major << 5;
    if (value < 24)
        buf_append_char(out, (char)(first | (unsigned)value));
    else if (value <= UINT8_MAX)
        put_big_endian(out, first | 24, value, 1);
    else if (value <= UINT16_MAX)
        put_big_endian(out, first | 25, value, 2);
    else if (value <= UINT32_MAX)
        put_big_endian(out, first | 26, value, 4);
    else
        put_big_endian(out, first | 27, value, 8);
}

static void put_integer(struct buf *out, int64_t value)
{
    if (value >= 0)
        put_head(out, CBOR_UNSIGNED, (uint64_t)value);
    else
        put_head(out, CBOR_NEGATIVE, (uint64_t)(-1 - value));
}

static void put_text(struct buf *out, enum cbor_major major, struct str s)
{
    put_head(out, major, s.len);
    buf_append(out, s);
}

static void put_double(struct buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_big_endian(out, CBOR_SIMPLE << 5 | CBOR_DOUBLE, bits, sizeof(bits));
}

static void put_float(struct buf *out, double value)
{
    float single = (float)value;
    uint32_t bits;
    memcpy(&bits, &single, sizeof(bits));
    put_big_endian(out, CBOR_SIMPLE << 5 | CBOR_SINGLE, bits, sizeof(bits));
}

static void put_time(struct buf *out, int64_t ms)
{
    put_head(out, CBOR_TAG, CBOR_TAG_EPOCH);
    if (ms % 1000 == 0)
        put_integer(out, ms / 1000);
    else
        put_double(out, (double)ms / 1000);
}

static bool is_written(struct writer *w, const struct wire_member *member, const void *structure)
{
    return member_is_present(w->model, member, structure) &&
           !(w->model->shapes[member->shape].flags & WIRE_SHAPE_EVENT_STREAM) &&
           w->model->shapes[member->shape].type != WIRE_DOCUMENT;
}

static uint64_t count_members(struct writer *w, const struct wire_shape *shape,
                              const void *structure)
{
    const struct wire_member *members = shape_members(w->model, shape);
    uint64_t count = 0;
    for (size_t i = 0; i < shape->member_count; i++)
        count += is_written(w, &members[i], structure);
    return count;
}

static void write_members(struct writer *w, const struct wire_shape *shape, const void *structure)
{
    const struct wire_member *members = shape_members(w->model, shape);
    for (size_t i = 0; i < shape->member_count; i++) {
        if (!is_written(w, &members[i], structure))
            continue;
        put_text(w->out, CBOR_TEXT, member_name(w->model, &members[i]));
        write_value(w, &members[i], member_value(&members[i], structure), false);
    }
}

static void write_struct(struct writer *w, const struct wire_shape *shape, const void *structure)
{
    put_head(w->out, CBOR_MAP, count_members(w, shape, structure));
    write_members(w, shape, structure);
}

/* How many of the values at items + offset are written: all, but absent ones of collections that
 * are not sparse. */
static uint64_t count_items(const struct wire_shape *collection, const struct wire_shape *value,
                            const struct wire_list *list, size_t size, size_t offset)
{
    if (collection->flags & WIRE_SHAPE_SPARSE)
        return list->len;
    uint64_t count = 0;
    for (size_t i = 0; i < list->len; i++)
        count += shape_is_present(value, (const char *)list->items + i * size + offset, true);
    return count;
}

static void write_item(struct writer *w, const struct wire_member *member, const void *place)
{
    if (shape_is_present(&w->model->shapes[member->shape], place, true))
        write_value(w, member, place, true);
    else
        buf_append_char(w->out, (char)CBOR_NULL);
}

static void write_list(struct writer *w, const struct wire_shape *shape,
                       const struct wire_list *list)
{
    const struct wire_member *item = shape_members(w->model, shape);
    const struct wire_shape *item_shape = &w->model->shapes[item->shape];
    bool sparse = shape->flags & WIRE_SHAPE_SPARSE;
    put_head(w->out, CBOR_LIST, count_items(shape, item_shape, list, item_shape->size, 0));
    for (size_t i = 0; i < list->len; i++) {
        const char *place = (const char *)list->items + i * item_shape->size;
        if (sparse || shape_is_present(item_shape, place, true))
            write_item(w, item, place);
    }
}

static void write_map(struct writer *w, const struct wire_shape *shape, const struct wire_list *map)
{
    const struct wire_member *value = &shape_members(w->model, shape)[1];
    const struct wire_shape *value_shape = &w->model->shapes[value->shape];
    size_t size = shape_entry_size(w->model, shape);
    bool sparse = shape->flags & WIRE_SHAPE_SPARSE;
    put_head(w->out, CBOR_MAP, count_items(shape, value_shape, map, size, value->offset));
    for (size_t i = 0; i < map->len; i++) {
        const char *entry = (const char *)map->items + i * size;
        const void *place = member_value(value, entry);
        if (!sparse && !shape_is_present(value_shape, place, true))
            continue;
        put_text(w->out, CBOR_TEXT, *(const struct str *)(const void *)entry);
        write_item(w, value, place);
    }
}

static void write_big_number(struct buf *out, struct str text)
{
    int64_t whole;
    uint64_t natural;
    double number = 0;
    if (str_to_i64(text, &whole))
        put_integer(out, whole);
    else if (str_to_u64(text, &natural))
        put_head(out, CBOR_UNSIGNED, natural);
    else
        put_double(out, str_to_double(text, &number) ? number : 0);
}

static void write_value(struct writer *w, const struct wire_member *member, const void *place,
                        bool by_value)
{
    const struct wire_shape *shape = &w->model->shapes[member->shape];
    uint16_t flags = by_value ? 0 : member->flags;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
        put_text(w->out, CBOR_TEXT, *(const struct str *)place);
        break;
    case WIRE_BLOB:
        put_text(w->out, CBOR_BYTES, *(const struct str *)place);
        break;
    case WIRE_BIG_NUMBER:
        write_big_number(w->out, *(const struct str *)place);
        break;
    case WIRE_BOOL:
        put_head(w->out, CBOR_SIMPLE, member_bool(flags, place) ? CBOR_TRUE : CBOR_FALSE);
        break;
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
        put_integer(w->out, member_integer(shape, flags, place));
        break;
    case WIRE_FLOAT:
        put_float(w->out, member_double(flags, place));
        break;
    case WIRE_DOUBLE:
        put_double(w->out, member_double(flags, place));
        break;
    case WIRE_TIMESTAMP:
        put_time(w->out, member_time(flags, place));
        break;
    case WIRE_LIST:
        write_list(w, shape, place);
        break;
    case WIRE_MAP:
        write_map(w, shape, place);
        break;
    case WIRE_STRUCT:
        write_struct(w, shape, by_value ? place : *(const void *const *)place);
        break;
    case WIRE_DOCUMENT: /* not in this protocol; is_written() leaves out members */
        buf_append_char(w->out, (char)CBOR_NULL);
        break;
    }
}

RESULT wire_cbor_write(struct buf *out, const struct wire_model *model, uint16_t shape,
                       const void *value)
{
    struct writer w = {.out = out, .model = model};
    write_struct(&w, &model->shapes[shape], value);
    return buf_is_full(out) ? RESULT_FULL : RESULT_OK;
}

RESULT wire_cbor_write_error(struct buf *out, const struct wire_model *model, struct str type,
                             struct str message_name, struct str message, uint16_t shape,
                             const void *value)
{
    struct writer w = {.out = out, .model = model};
    uint64_t count = 1 + !str_is_absent(message);
    if (value != NULL)
        count += count_members(&w, &model->shapes[shape], value);
    put_head(out, CBOR_MAP, count);
    put_text(out, CBOR_TEXT, STR("__type"));
    put_text(out, CBOR_TEXT, type);
    if (!str_is_absent(message)) {
        put_text(out, CBOR_TEXT, message_name);
        put_text(out, CBOR_TEXT, message);
    }
    if (value != NULL)
        write_members(&w, &model->shapes[shape], value);
    return buf_is_full(out) ? RESULT_FULL : RESULT_OK;
}
