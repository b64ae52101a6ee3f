/* CAST and the functions of S3 Select ("Conditional functions", "Conversion functions", "Date
 * functions", "String functions", SQL reference for Amazon S3 Select). */
#include <math.h>

#include "base/arena.h"
#include "services/s3/select_int.h"

static bool is_unknown(const struct select_value *value)
{
    return value->type == SELECT_NULL || value->type == SELECT_MISSING;
}

static bool fail_arguments(struct select_evaluation *e)
{
    return select_fail(e, "EvaluatorInvalidArguments",
                       "Incorrect type of arguments in the function call in the SQL expression.");
}

/* --- CAST --- */

static bool cast_int(const struct select_value *value, struct select_value *out)
{
    struct select_value number = *value;
    if (value->type == SELECT_BOOL) {
        *out = select_int(value->truth ? 1 : 0);
        return true;
    }
    if (value->type == SELECT_STRING && !select_parse_number(str_trim(value->text), &number))
        return false;
    if (number.type == SELECT_INT) {
        *out = select_int(number.integer);
        return true;
    }
    if (number.type != SELECT_FLOAT || !(fabs(number.number) < 9.2e18))
        return false;
    *out = select_int((int64_t)number.number);
    return true;
}

static bool cast_float(const struct select_value *value, struct select_value *out)
{
    struct select_value number = *value;
    if (value->type == SELECT_BOOL) {
        *out = select_float(value->truth ? 1 : 0);
        return true;
    }
    if (value->type == SELECT_STRING && !select_parse_number(str_trim(value->text), &number))
        return false;
    if (!select_is_number(&number))
        return false;
    *out = number;
    return true;
}

static bool cast_bool(const struct select_value *value, struct select_value *out)
{
    *out = *value;
    if (value->type == SELECT_BOOL)
        return true;
    if (select_is_number(value)) {
        *out = select_bool(fabs(select_number(value)) > 0);
        return true;
    }
    if (value->type != SELECT_STRING)
        return false;
    *out = select_bool(str_eq_nocase(value->text, STR("true")));
    return out->truth || str_eq_nocase(value->text, STR("false"));
}

bool select_cast(struct select_evaluation *e, const struct select_value *value,
                 enum select_type type, struct select_value *out)
{
    bool good = false;
    *out = *value;
    if (is_unknown(value))
        return true;
    switch (type) {
    case SELECT_INT:
        good = cast_int(value, out);
        break;
    case SELECT_FLOAT:
        good = cast_float(value, out);
        break;
    case SELECT_BOOL:
        good = cast_bool(value, out);
        break;
    case SELECT_STRING:
        *out = select_string(select_text(e->arena, value));
        good = true;
        break;
    case SELECT_TIME:
        good = value->type == SELECT_TIME ||
               (value->type == SELECT_STRING && select_parse_time(str_trim(value->text), out));
        break;
    case SELECT_MISSING:
    case SELECT_NULL:
    case SELECT_JSON:
        break;
    }
    return good ? true
                : select_fail(e, "CastFailed",
                              "Attempt to convert from one data type to another using CAST failed "
                              "in the SQL expression.");
}

/* --- strings --- */

/* Characters, not bytes. */
static size_t char_offset(struct str text, int64_t chars)
{
    size_t at = 0;
    for (; chars > 0 && at < text.len; chars--)
        for (at++; at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80;)
            at++;
    return at;
}

static int64_t char_count(struct str text)
{
    int64_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* From 1; what lies before the first character counts, as in SQL. */
static bool call_substring(struct select_evaluation *e, const struct select_value *args,
                           size_t count, struct select_value *out)
{
    struct select_value start, length;
    if (args[0].type != SELECT_STRING || !cast_int(&args[1], &start) ||
        (count == 3 && !cast_int(&args[2], &length)))
        return fail_arguments(e);
    int64_t from = start.integer, all = char_count(args[0].text), to = all + 1;
    if (count == 3) {
        if (length.integer < 0)
            return fail_arguments(e);
        if (__builtin_add_overflow(from, length.integer, &to) || to > all + 1)
            to = all + 1;
    }
    from = from < 1 ? 1 : from;
    if (to <= from) {
        *out = select_string(STR(""));
        return true;
    }
    *out = select_string(str_slice(args[0].text, char_offset(args[0].text, from - 1),
                                   char_offset(args[0].text, to - 1)));
    return true;
}

static bool call_trim(struct select_evaluation *e, const struct select_node *node,
                      const struct select_value *args, struct select_value *out)
{
    struct str set = STR(" ");
    if (args[0].type != SELECT_STRING || (node->count == 2 && args[1].type != SELECT_STRING))
        return fail_arguments(e);
    if (node->count == 2)
        set = args[1].text;
    struct str text = args[0].text;
    while (node->part <= 0 && text.len > 0 && str_find_char(set, text.ptr[0]) != SIZE_MAX)
        text = str_slice(text, 1, text.len);
    while (node->part >= 0 && text.len > 0 &&
           str_find_char(set, text.ptr[text.len - 1]) != SIZE_MAX)
        text = str_slice(text, 0, text.len - 1);
    *out = select_string(text);
    return true;
}

static bool call_case(struct select_evaluation *e, const struct select_value *arg, bool upper,
                      struct select_value *out)
{
    if (arg->type != SELECT_STRING)
        return fail_arguments(e);
    char *text = arena_alloc_raw(e->arena, arg->text.len + 1);
    for (size_t i = 0; i < arg->text.len; i++) {
        char c = arg->text.ptr[i];
        if (upper ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z')
            c = (char)(c ^ 0x20);
        text[i] = c;
    }
    *out = select_string(str_make(text, arg->text.len));
    return true;
}

/* --- dates --- */

static bool as_time(struct select_evaluation *e, const struct select_value *value,
                    struct select_value *out)
{
    *out = *value;
    if (value->type == SELECT_TIME ||
        (value->type == SELECT_STRING && select_parse_time(value->text, out)))
        return true;
    return fail_arguments(e);
}

static bool call_date(struct select_evaluation *e, const struct select_node *node,
                      const struct select_value *args, struct select_value *out)
{
    struct select_value a, b;
    enum select_part part = (enum select_part)node->part;
    if (node->op == SELECT_EXTRACT) {
        if (!as_time(e, &args[0], &a))
            return false;
        *out = select_int(select_extract(&a, part));
        return true;
    }
    if (node->op == SELECT_DATE_DIFF) {
        if (!as_time(e, &args[0], &a) || !as_time(e, &args[1], &b))
            return false;
        *out = select_int(select_date_diff(part, &a, &b));
        return true;
    }
    if (!cast_int(&args[0], &a) || !as_time(e, &args[1], out))
        return fail_arguments(e);
    return select_date_add(part, a.integer, out)
               ? true
               : select_fail(e, "EvaluatorTimestampOutOfRange", "A timestamp is out of range.");
}

static bool call_to_string(struct select_evaluation *e, const struct select_value *args,
                           struct select_value *out)
{
    struct select_value time;
    struct str text;
    if (!as_time(e, &args[0], &time) || args[1].type != SELECT_STRING)
        return fail_arguments(e);
    if (!select_format_pattern(e->arena, &time, args[1].text, &text))
        return select_fail(e, "EvaluatorInvalidTimestampFormatPatternSymbol",
                           "Timestamp format pattern contains a format token that is not valid.");
    *out = select_string(text);
    return true;
}

/* --- all of them --- */

static bool call_coalesce(struct select_evaluation *e, const struct select_node *node,
                          struct select_value *out)
{
    for (size_t i = 0; i < node->count; i++) {
        if (!select_evaluate(e, node->args[i], out))
            return false;
        if (!is_unknown(out))
            return true;
    }
    return true;
}

static bool call_nullif(const struct select_value *args, struct select_value *out)
{
    bool same = args[0].type == args[1].type;
    if (same && args[0].type == SELECT_STRING)
        same = str_eq(args[0].text, args[1].text);
    else if (select_is_number(&args[0]) && select_is_number(&args[1]))
        same = fabs(select_number(&args[0]) - select_number(&args[1])) <= 0;
    else if (same && args[0].type == SELECT_BOOL)
        same = args[0].truth == args[1].truth;
    else if (same && args[0].type == SELECT_TIME)
        same = args[0].integer == args[1].integer;
    *out = same ? (struct select_value){.type = SELECT_NULL} : args[0];
    return true;
}

bool select_call(struct select_evaluation *e, const struct select_node *node,
                 struct select_value *out)
{
    struct select_value args[3] = {{0}};
    *out = (struct select_value){.type = SELECT_NULL};
    if (node->op == SELECT_COALESCE)
        return call_coalesce(e, node, out);
    for (size_t i = 0; i < node->count && i < 3; i++)
        if (!select_evaluate(e, node->args[i], &args[i]))
            return false;
    if (node->op == SELECT_NULLIF)
        return call_nullif(args, out);
    for (size_t i = 0; i < node->count && i < 3; i++)
        if (is_unknown(&args[i]))
            return true;
    switch ((enum select_function)node->op) {
    case SELECT_CHAR_LENGTH:
        if (args[0].type != SELECT_STRING)
            return fail_arguments(e);
        *out = select_int(char_count(args[0].text));
        return true;
    case SELECT_LOWER:
    case SELECT_UPPER:
        return call_case(e, &args[0], node->op == SELECT_UPPER, out);
    case SELECT_SUBSTRING:
        return call_substring(e, args, node->count, out);
    case SELECT_TRIM:
        return call_trim(e, node, args, out);
    case SELECT_DATE_ADD:
    case SELECT_DATE_DIFF:
    case SELECT_EXTRACT:
        return call_date(e, node, args, out);
    case SELECT_TO_STRING:
        return call_to_string(e, args, out);
    case SELECT_TO_TIMESTAMP:
        return as_time(e, &args[0], out);
    case SELECT_UTCNOW:
        *out = (struct select_value){.type = SELECT_TIME,
                                     .integer = e->now_ms,
                                     .precision = SELECT_SECOND,
                                     .fraction = true};
        return true;
    case SELECT_COALESCE:
    case SELECT_NULLIF:
    case SELECT_COUNT:
    case SELECT_SUM:
    case SELECT_AVG:
    case SELECT_MIN:
    case SELECT_MAX:
        break;
    }
    return fail_arguments(e);
}
