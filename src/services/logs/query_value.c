/* Logs Insights QL: values. */
#include <math.h>

#include "base/time.h"
#include "services/logs/query.h"

bool value_number(const struct value *value, double *number)
{
    switch (value->kind) {
    case VALUE_NUMBER:
    case VALUE_TIME:
        *number = value->number;
        return true;
    case VALUE_TEXT:
        return str_to_double(str_trim(value->text), number) && isfinite(*number);
    case VALUE_NONE:
        break;
    }
    return false;
}

bool value_is_true(const struct value *value)
{
    double number;
    if (value_number(value, &number))
        return number < 0 || number > 0;
    return value->kind == VALUE_TEXT && value->text.len > 0;
}

/* The shortest digits that mean the number. */
static struct str number_text(struct arena *arena, double number)
{
    double back;
    if (number >= -9e15 && number <= 9e15 && number >= trunc(number) && number <= trunc(number))
        return str_format(arena, "%.0f", number + 0.0);
    for (int digits = 6; digits < 17; digits++) {
        struct str text = str_format(arena, "%.*g", digits, number);
        if (str_to_double(text, &back) && back >= number && back <= number)
            return text;
    }
    return str_format(arena, "%.17g", number);
}

/* 2026-11-21 00:00:00.000 */
static struct str time_text(struct arena *arena, double ms)
{
    struct civil_time at = time_to_civil((int64_t)ms);
    return str_format(arena, "%04d-%02d-%02d %02d:%02d:%02d.%03d", at.year, at.month, at.day,
                      at.hour, at.minute, at.second, at.millisecond);
}

struct str value_text(struct arena *arena, const struct value *value)
{
    switch (value->kind) {
    case VALUE_NUMBER:
        return number_text(arena, value->number);
    case VALUE_TIME:
        return time_text(arena, value->number);
    case VALUE_TEXT:
        return value->text;
    case VALUE_NONE:
        break;
    }
    return (struct str){0};
}

int value_cmp(struct arena *arena, const struct value *a, const struct value *b)
{
    double left, right;
    if (a->kind == VALUE_NONE || b->kind == VALUE_NONE)
        return (a->kind != VALUE_NONE) - (b->kind != VALUE_NONE);
    if (value_number(a, &left) && value_number(b, &right))
        return (left > right) - (left < right);
    return str_cmp(value_text(arena, a), value_text(arena, b));
}

struct value value_copy(struct arena *arena, const struct value *value)
{
    struct value copy = *value;
    if (copy.kind == VALUE_TEXT)
        copy.text = str_copy(arena, copy.text);
    return copy;
}
