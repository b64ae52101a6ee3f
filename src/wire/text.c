#include "wire/text.h"

#include "base/encode.h"
#include "wire/shape.h"
#include "wire/wire_int.h"

static bool read_string(struct str text, void *place)
{
    if (!str_is_utf8(text))
        return false;
    *(struct str *)place = text.ptr == NULL ? STR("") : text;
    return true;
}

static bool read_bool(uint16_t flags, struct str text, void *place)
{
    bool value;
    if (str_eq_nocase(text, STR("true")))
        value = true;
    else if (str_eq_nocase(text, STR("false")))
        value = false;
    else
        return false;
    member_set_bool(flags, place, value);
    return true;
}

static bool read_integer(const struct wire_shape *shape, uint16_t flags, struct str text,
                         void *place)
{
    int64_t value;
    if (!str_to_i64(text, &value) || !shape_integer_fits(shape, flags, value))
        return false;
    member_set_integer(shape, flags, place, value);
    return true;
}

static bool read_blob(struct arena *arena, struct str text, void *place)
{
    struct str bytes;
    if (!base64_decode(arena, str_trim(text), &bytes))
        return false;
    *(struct str *)place = bytes.ptr == NULL ? STR("") : bytes;
    return true;
}

bool wire_text_read(struct arena *arena, const struct wire_shape *shape,
                    const struct wire_member *member, enum wire_time_format time, struct str text,
                    void *place)
{
    enum wire_time_format own = member->time_format;
    double number;
    int64_t ms;

    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
    case WIRE_DOCUMENT:
        return read_string(text, place);
    case WIRE_BIG_NUMBER:
        if (!wire_read_double(str_trim(text), &number))
            return false;
        return read_string(str_trim(text), place);
    case WIRE_BLOB:
        return read_blob(arena, text, place);
    case WIRE_BOOL:
        return read_bool(member->flags, str_trim(text), place);
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
        return read_integer(shape, member->flags, str_trim(text), place);
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        if (!wire_read_double(str_trim(text), &number) || !wire_double_fits(shape, number))
            return false;
        member_set_double(member->flags, place, number);
        return true;
    case WIRE_TIMESTAMP:
        if (!wire_time_read(str_trim(text), own != WIRE_TIME_DEFAULT ? own : time, &ms))
            return false;
        member_set_time(member->flags, place, ms);
        return true;
    case WIRE_LIST:
    case WIRE_MAP:
    case WIRE_STRUCT:
        break;
    }
    return false;
}

void wire_text_write(struct buf *out, const struct wire_shape *shape,
                     const struct wire_member *member, enum wire_time_format time,
                     const void *place)
{
    enum wire_time_format own = member->time_format;

    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
        buf_append(out, *(const struct str *)place);
        break;
    case WIRE_BLOB:
        base64_encode(out, *(const struct str *)place);
        break;
    case WIRE_BOOL:
        buf_append_c(out, member_bool(member->flags, place) ? "true" : "false");
        break;
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
        buf_append_i64(out, member_integer(shape, member->flags, place));
        break;
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        wire_write_double(out, member_double(member->flags, place), shape->type == WIRE_FLOAT);
        break;
    case WIRE_TIMESTAMP:
        wire_time_write(out, own != WIRE_TIME_DEFAULT ? own : time,
                        member_time(member->flags, place));
        break;
    case WIRE_LIST:
    case WIRE_MAP:
    case WIRE_STRUCT:
        break;
    }
}

const char *wire_text_type(const struct wire_shape *shape)
{
    static const char *const names[] = {
        [WIRE_STRING] = "string",       [WIRE_BLOB] = "blob",     [WIRE_BOOL] = "boolean",
        [WIRE_BYTE] = "byte",           [WIRE_SHORT] = "short",   [WIRE_INT] = "integer",
        [WIRE_LONG] = "long",           [WIRE_FLOAT] = "float",   [WIRE_DOUBLE] = "double",
        [WIRE_TIMESTAMP] = "timestamp", [WIRE_DOCUMENT] = "JSON", [WIRE_BIG_NUMBER] = "number",
        [WIRE_LIST] = "list",           [WIRE_MAP] = "map",       [WIRE_STRUCT] = "structure",
    };
    return names[shape->type];
}
