/* Logs Insights QL: functions. "Boolean, comparison, numeric, datetime, and other functions", User
 * Guide. */
#include <arpa/inet.h>
#include <math.h>

#include "services/logs/query.h"

typedef struct value query_operation(const struct evaluation *evaluation,
                                     const struct value *arguments, size_t count);

static struct value truth(bool value)
{
    return value_of_number(value ? 1 : 0);
}

static struct value finite_value(double number)
{
    return isfinite(number) ? value_of_number(number) : (struct value){0};
}

/* --- numbers --- */

static struct value of_number(const struct value *argument, double (*function)(double))
{
    double number;
    return value_number(argument, &number) ? finite_value(function(number)) : (struct value){0};
}
static struct value do_abs(const struct evaluation *evaluation, const struct value *arguments,
                           size_t count)
{
    (void)evaluation, (void)count;
    return of_number(arguments, fabs);
}
static struct value do_ceil(const struct evaluation *evaluation, const struct value *arguments,
                            size_t count)
{
    (void)evaluation, (void)count;
    return of_number(arguments, ceil);
}
static struct value do_floor(const struct evaluation *evaluation, const struct value *arguments,
                             size_t count)
{
    (void)evaluation, (void)count;
    return of_number(arguments, floor);
}
static struct value do_log(const struct evaluation *evaluation, const struct value *arguments,
                           size_t count)
{
    (void)evaluation, (void)count;
    return of_number(arguments, log);
}
static struct value do_sqrt(const struct evaluation *evaluation, const struct value *arguments,
                            size_t count)
{
    (void)evaluation, (void)count;
    return of_number(arguments, sqrt);
}

static struct value extreme(const struct value *arguments, size_t count, bool most)
{
    double found = 0, number;
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        if (!value_number(&arguments[i], &number))
            continue;
        found = !any || (most ? number > found : number < found) ? number : found;
        any = true;
    }
    return any ? value_of_number(found) : (struct value){0};
}
static struct value do_greatest(const struct evaluation *evaluation, const struct value *arguments,
                                size_t count)
{
    (void)evaluation;
    return extreme(arguments, count, true);
}
static struct value do_least(const struct evaluation *evaluation, const struct value *arguments,
                             size_t count)
{
    (void)evaluation;
    return extreme(arguments, count, false);
}

/* --- times --- */

/* To the end of the year 9999. */
static struct value time_value(double ms)
{
    return fabs(ms) < 253402300800000.0 ? (struct value){.kind = VALUE_TIME, .number = trunc(ms)}
                                        : (struct value){0};
}

static struct value cut_time(const struct value *time, const struct value *period, bool up)
{
    double ms, step;
    if (!value_number(time, &ms) || !value_number(period, &step) || step < 1)
        return (struct value){0};
    double cut = floor(ms / step) * step;
    if (up && cut < ms)
        cut += step;
    return time_value(cut);
}
static struct value do_bin(const struct evaluation *evaluation, const struct value *arguments,
                           size_t count)
{
    struct value time = query_field(evaluation, STR("@timestamp"));
    (void)count;
    return cut_time(&time, arguments, false);
}
static struct value do_datefloor(const struct evaluation *evaluation, const struct value *arguments,
                                 size_t count)
{
    (void)evaluation, (void)count;
    return cut_time(&arguments[0], &arguments[1], false);
}
static struct value do_dateceil(const struct evaluation *evaluation, const struct value *arguments,
                                size_t count)
{
    (void)evaluation, (void)count;
    return cut_time(&arguments[0], &arguments[1], true);
}
static struct value do_from_millis(const struct evaluation *evaluation,
                                   const struct value *arguments, size_t count)
{
    double ms;
    (void)evaluation, (void)count;
    return value_number(arguments, &ms) ? time_value(ms) : (struct value){0};
}
static struct value do_to_millis(const struct evaluation *evaluation, const struct value *arguments,
                                 size_t count)
{
    double ms;
    (void)evaluation, (void)count;
    return value_number(arguments, &ms) ? value_of_number(ms) : (struct value){0};
}
static struct value do_now(const struct evaluation *evaluation, const struct value *arguments,
                           size_t count)
{
    (void)arguments, (void)count;
    return value_of_number(floor((double)evaluation->now_ms / 1000));
}

/* --- what is there --- */

static struct value do_ispresent(const struct evaluation *evaluation, const struct value *arguments,
                                 size_t count)
{
    (void)evaluation, (void)count;
    return truth(arguments->kind != VALUE_NONE);
}
static struct value do_coalesce(const struct evaluation *evaluation, const struct value *arguments,
                                size_t count)
{
    (void)evaluation;
    for (size_t i = 0; i < count; i++)
        if (arguments[i].kind != VALUE_NONE)
            return arguments[i];
    return (struct value){0};
}
static struct value do_isempty(const struct evaluation *evaluation, const struct value *arguments,
                               size_t count)
{
    (void)count;
    return truth(value_text(evaluation->arena, arguments).len == 0);
}
static struct value do_isblank(const struct evaluation *evaluation, const struct value *arguments,
                               size_t count)
{
    (void)count;
    return truth(str_trim(value_text(evaluation->arena, arguments)).len == 0);
}

/* --- texts --- */

static struct value do_concat(const struct evaluation *evaluation, const struct value *arguments,
                              size_t count)
{
    struct buf out;
    buf_init(&out, evaluation->arena, SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        buf_append(&out, value_text(evaluation->arena, &arguments[i]));
    return value_of_text(buf_str(&out));
}

/* Characters of a set, white space by itself, at either end. */
static struct value trim(const struct evaluation *evaluation, const struct value *arguments,
                         size_t count, bool left, bool right)
{
    struct str text = value_text(evaluation->arena, arguments);
    struct str set = count > 1 ? value_text(evaluation->arena, &arguments[1]) : STR(" \t\n\r\f\v");
    if (str_is_absent(text))
        return (struct value){0};
    while (left && text.len > 0 && str_find_char(set, text.ptr[0]) != SIZE_MAX)
        text = str_slice(text, 1, text.len);
    while (right && text.len > 0 && str_find_char(set, text.ptr[text.len - 1]) != SIZE_MAX)
        text = str_slice(text, 0, text.len - 1);
    return value_of_text(text);
}
static struct value do_ltrim(const struct evaluation *evaluation, const struct value *arguments,
                             size_t count)
{
    return trim(evaluation, arguments, count, true, false);
}
static struct value do_rtrim(const struct evaluation *evaluation, const struct value *arguments,
                             size_t count)
{
    return trim(evaluation, arguments, count, false, true);
}
static struct value do_trim(const struct evaluation *evaluation, const struct value *arguments,
                            size_t count)
{
    return trim(evaluation, arguments, count, true, true);
}

static struct value do_strlen(const struct evaluation *evaluation, const struct value *arguments,
                              size_t count)
{
    struct str text = value_text(evaluation->arena, arguments);
    (void)count;
    if (str_is_absent(text))
        return (struct value){0};
    return value_of_number((double)(str_is_utf8(text) ? str_utf8_length(text) : text.len));
}
static struct value do_tolower(const struct evaluation *evaluation, const struct value *arguments,
                               size_t count)
{
    struct str text = value_text(evaluation->arena, arguments);
    (void)count;
    return str_is_absent(text) ? (struct value){0}
                               : value_of_text(str_lower(evaluation->arena, text));
}
static struct value do_toupper(const struct evaluation *evaluation, const struct value *arguments,
                               size_t count)
{
    struct str text = value_text(evaluation->arena, arguments);
    char *upper;
    (void)count;
    if (str_is_absent(text))
        return (struct value){0};
    upper = arena_alloc_raw(evaluation->arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        upper[i] =
            text.ptr[i] >= 'a' && text.ptr[i] <= 'z' ? (char)(text.ptr[i] - 32) : text.ptr[i];
    return value_of_text(str_make(upper, text.len));
}

/* Where character n begins. */
static size_t character_at(struct str text, double n)
{
    size_t at = 0;
    for (double seen = 0; at < text.len && seen < n; seen++)
        for (at++; at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80;)
            at++;
    return at;
}
static struct value do_substr(const struct evaluation *evaluation, const struct value *arguments,
                              size_t count)
{
    struct str text = value_text(evaluation->arena, arguments);
    double from, length = 0;
    if (str_is_absent(text) || !value_number(&arguments[1], &from) ||
        (count > 2 && !value_number(&arguments[2], &length)))
        return (struct value){0};
    text = str_slice(text, character_at(text, from), text.len);
    if (count > 2)
        text = str_slice(text, 0, character_at(text, length));
    return value_of_text(text);
}
static struct value do_replace(const struct evaluation *evaluation, const struct value *arguments,
                               size_t count)
{
    struct str text = value_text(evaluation->arena, &arguments[0]);
    struct str from = value_text(evaluation->arena, &arguments[1]);
    struct str to = value_text(evaluation->arena, &arguments[2]);
    struct buf out;
    (void)count;
    if (str_is_absent(text) || str_is_empty(from))
        return arguments[0];
    buf_init(&out, evaluation->arena, SIZE_MAX);
    for (size_t at; (at = str_find(text, from)) != SIZE_MAX;) {
        buf_append(&out, str_slice(text, 0, at));
        buf_append(&out, to);
        text = str_slice(text, at + from.len, text.len);
    }
    buf_append(&out, text);
    return value_of_text(buf_str(&out));
}
static struct value do_strcontains(const struct evaluation *evaluation,
                                   const struct value *arguments, size_t count)
{
    struct str text = value_text(evaluation->arena, &arguments[0]);
    struct str part = value_text(evaluation->arena, &arguments[1]);
    (void)count;
    return truth(!str_is_absent(text) && !str_is_absent(part) && str_find(text, part) != SIZE_MAX);
}

/* --- addresses --- */

struct address {
    int family;
    unsigned char bytes[16];
    size_t size;
};

static bool address_read(struct arena *arena, struct str text, struct address *out)
{
    const char *name;
    *out = (struct address){.family = AF_INET, .size = 4};
    if (str_is_absent(text) || text.len > 45)
        return false;
    name = str_to_c(arena, text);
    if (inet_pton(AF_INET, name, out->bytes) == 1)
        return true;
    *out = (struct address){.family = AF_INET6, .size = 16};
    return inet_pton(AF_INET6, name, out->bytes) == 1;
}

static bool is_address(const struct evaluation *evaluation, const struct value *value, int family)
{
    struct address address;
    return address_read(evaluation->arena, value_text(evaluation->arena, value), &address) &&
           (family == 0 || address.family == family);
}

static bool in_subnet(const struct evaluation *evaluation, const struct value *arguments,
                      int family)
{
    struct address address, subnet;
    struct str base, bits_text;
    uint64_t bits;
    struct arena *arena = evaluation->arena;
    if (!str_cut(value_text(arena, &arguments[1]), '/', &base, &bits_text) ||
        !str_to_u64(bits_text, &bits) || !address_read(arena, base, &subnet) ||
        !address_read(arena, value_text(arena, &arguments[0]), &address) ||
        address.family != subnet.family || bits > subnet.size * 8 ||
        (family != 0 && family != address.family))
        return false;
    for (size_t i = 0; i < bits; i++)
        if (((address.bytes[i / 8] ^ subnet.bytes[i / 8]) >> (7 - i % 8) & 1) != 0)
            return false;
    return true;
}

static struct value do_is_valid_ip(const struct evaluation *evaluation,
                                   const struct value *arguments, size_t count)
{
    (void)count;
    return truth(is_address(evaluation, arguments, 0));
}
static struct value do_is_valid_ipv4(const struct evaluation *evaluation,
                                     const struct value *arguments, size_t count)
{
    (void)count;
    return truth(is_address(evaluation, arguments, AF_INET));
}
static struct value do_is_valid_ipv6(const struct evaluation *evaluation,
                                     const struct value *arguments, size_t count)
{
    (void)count;
    return truth(is_address(evaluation, arguments, AF_INET6));
}
static struct value do_is_ip_in_subnet(const struct evaluation *evaluation,
                                       const struct value *arguments, size_t count)
{
    (void)count;
    return truth(in_subnet(evaluation, arguments, 0));
}
static struct value do_is_ipv4_in_subnet(const struct evaluation *evaluation,
                                         const struct value *arguments, size_t count)
{
    (void)count;
    return truth(in_subnet(evaluation, arguments, AF_INET));
}
static struct value do_is_ipv6_in_subnet(const struct evaluation *evaluation,
                                         const struct value *arguments, size_t count)
{
    (void)count;
    return truth(in_subnet(evaluation, arguments, AF_INET6));
}

/* --- JSON --- */

static struct value do_json_parse(const struct evaluation *evaluation,
                                  const struct value *arguments, size_t count)
{
    struct str text = value_text(evaluation->arena, arguments);
    (void)count;
    return str_is_absent(text) ? (struct value){0} : query_parse_json(evaluation->arena, text);
}

static struct value do_json_stringify(const struct evaluation *evaluation,
                                      const struct value *arguments, size_t count)
{
    (void)evaluation, (void)count;
    return arguments->structured ? value_of_text(arguments->text) : (struct value){0};
}

/* --- their names --- */

enum { ANY = 64 };
static const struct {
    struct str name;
    size_t least, most;
    query_operation *operation;
} functions[] = {
    {STR_INIT("abs"), 1, 1, do_abs},
    {STR_INIT("ceil"), 1, 1, do_ceil},
    {STR_INIT("floor"), 1, 1, do_floor},
    {STR_INIT("greatest"), 1, ANY, do_greatest},
    {STR_INIT("least"), 1, ANY, do_least},
    {STR_INIT("log"), 1, 1, do_log},
    {STR_INIT("sqrt"), 1, 1, do_sqrt},
    {STR_INIT("bin"), 1, 1, do_bin},
    {STR_INIT("datefloor"), 2, 2, do_datefloor},
    {STR_INIT("dateceil"), 2, 2, do_dateceil},
    {STR_INIT("fromMillis"), 1, 1, do_from_millis},
    {STR_INIT("toMillis"), 1, 1, do_to_millis},
    {STR_INIT("now"), 0, 0, do_now},
    {STR_INIT("ispresent"), 1, 1, do_ispresent},
    {STR_INIT("coalesce"), 1, ANY, do_coalesce},
    {STR_INIT("isempty"), 1, 1, do_isempty},
    {STR_INIT("isblank"), 1, 1, do_isblank},
    {STR_INIT("concat"), 1, ANY, do_concat},
    {STR_INIT("ltrim"), 1, 2, do_ltrim},
    {STR_INIT("rtrim"), 1, 2, do_rtrim},
    {STR_INIT("trim"), 1, 2, do_trim},
    {STR_INIT("strlen"), 1, 1, do_strlen},
    {STR_INIT("toupper"), 1, 1, do_toupper},
    {STR_INIT("tolower"), 1, 1, do_tolower},
    {STR_INIT("substr"), 2, 3, do_substr},
    {STR_INIT("replace"), 3, 3, do_replace},
    {STR_INIT("strcontains"), 2, 2, do_strcontains},
    {STR_INIT("jsonParse"), 1, 1, do_json_parse},
    {STR_INIT("jsonStringify"), 1, 1, do_json_stringify},
    {STR_INIT("isValidIp"), 1, 1, do_is_valid_ip},
    {STR_INIT("isValidIpv4"), 1, 1, do_is_valid_ipv4},
    {STR_INIT("isValidIpv6"), 1, 1, do_is_valid_ipv6},
    {STR_INIT("isIpInSubnet"), 2, 2, do_is_ip_in_subnet},
    {STR_INIT("isIpv4InSubnet"), 2, 2, do_is_ipv4_in_subnet},
    {STR_INIT("isIpv6InSubnet"), 2, 2, do_is_ipv6_in_subnet},
};

int query_function(struct str name, size_t *least, size_t *most)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (str_eq_nocase(functions[i].name, name)) {
            *least = functions[i].least;
            *most = functions[i].most;
            return (int)i;
        }
    return -1;
}

struct value query_call(const struct evaluation *evaluation, int function,
                        const struct value *arguments, size_t count)
{
    return functions[function].operation(evaluation, arguments, count);
}
