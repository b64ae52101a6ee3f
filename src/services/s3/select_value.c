/* Values of S3 Select: from JSON and text, and back. */
#include <math.h>

#include "base/arena.h"
#include "services/s3/select_int.h"
#include "wire/json_text.h"
#include "wire/wire.h"

struct select_value select_string(struct str text)
{
    return (struct select_value){.type = SELECT_STRING, .text = text};
}

struct select_value select_int(int64_t integer)
{
    return (struct select_value){.type = SELECT_INT, .integer = integer};
}

struct select_value select_float(double number)
{
    return (struct select_value){.type = SELECT_FLOAT, .number = number};
}

struct select_value select_bool(bool truth)
{
    return (struct select_value){.type = SELECT_BOOL, .truth = truth};
}

bool select_is_number(const struct select_value *value)
{
    return value->type == SELECT_INT || value->type == SELECT_FLOAT;
}

double select_number(const struct select_value *value)
{
    return value->type == SELECT_INT ? (double)value->integer : value->number;
}

bool select_parse_number(struct str text, struct select_value *out)
{
    struct select_value value = {.text = text};
    if (str_to_i64(text, &value.integer)) {
        value.type = SELECT_INT;
    } else if (str_to_double(text, &value.number) && isfinite(value.number)) {
        value.type = SELECT_FLOAT;
    } else {
        return false;
    }
    *out = value;
    return true;
}

struct select_value select_of_json(struct arena *arena, struct str raw)
{
    struct select_value value = {0};
    raw = str_trim(raw);
    switch (json_kind_of(raw)) {
    case JSON_NULL:
        value.type = SELECT_NULL;
        break;
    case JSON_BOOL:
        value = select_bool(str_eq(raw, STR("true")));
        break;
    case JSON_NUMBER:
        if (!select_parse_number(raw, &value))
            value = select_string(raw);
        break;
    case JSON_STRING:
        value.type = SELECT_STRING;
        if (!json_string(arena, raw, &value.text))
            value.text = STR("");
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        value = (struct select_value){.type = SELECT_JSON, .text = raw};
        break;
    }
    return value;
}

/* The shortest that reads back as the same. */
static struct str number_text(struct arena *arena, double number)
{
    for (int digits = 15; digits < 17; digits++) {
        struct str text = str_format(arena, "%.*g", digits, number);
        double back;
        if (str_to_double(text, &back) && fabs(back - number) <= 0)
            return text;
    }
    return str_format(arena, "%.17g", number);
}

struct str select_text(struct arena *arena, const struct select_value *value)
{
    switch (value->type) {
    case SELECT_MISSING:
    case SELECT_NULL:
        return STR("");
    case SELECT_BOOL:
        return value->truth ? STR("true") : STR("false");
    case SELECT_INT:
        return str_is_absent(value->text) ? str_format(arena, "%lld", (long long)value->integer)
                                          : value->text;
    case SELECT_FLOAT:
        return str_is_absent(value->text) ? number_text(arena, value->number) : value->text;
    case SELECT_TIME:
        return select_format_time(arena, value);
    case SELECT_STRING:
    case SELECT_JSON:
        break;
    }
    return value->text;
}

void select_write_json(struct buf *out, struct arena *arena, const struct select_value *value)
{
    struct str text = select_text(arena, value);
    if (value->type == SELECT_STRING || value->type == SELECT_TIME)
        wire_json_write_string(out, text);
    else
        buf_append(out, value->type == SELECT_NULL || value->type == SELECT_MISSING ? STR("null")
                                                                                    : text);
}
