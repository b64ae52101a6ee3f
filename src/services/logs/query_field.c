/* Logs Insights QL: fields. "Supported logs and discovered fields", User Guide. */
#include <stdlib.h>

#include "services/logs/query.h"
#include "wire/json_text.h"

enum { DISCOVER_DEPTH = 16 };

/* --- JSON --- */

/* The JSON object in a message: all of it, or what stands between its first and last brace. */
static struct str json_of(struct str message)
{
    size_t from = str_find_char(message, '{'), to = str_find_last_char(message, '}');
    if (from == SIZE_MAX || to == SIZE_MAX || to < from)
        return (struct str){0};
    struct str text = str_slice(message, from, to + 1);
    return json_is_valid(text) ? text : (struct str){0};
}

static struct value json_value(struct arena *arena, struct str raw)
{
    struct str text;
    raw = str_trim(raw);
    switch (json_kind_of(raw)) {
    case JSON_NULL:
        return (struct value){0};
    case JSON_BOOL: /* shown as 1 and 0 */
        return value_of_text(raw.ptr[0] == 't' ? STR("1") : STR("0"));
    case JSON_STRING:
        return json_string(arena, raw, &text) ? value_of_text(text) : (struct value){0};
    case JSON_NUMBER:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return value_of_text(raw);
}

static bool json_child(struct arena *arena, struct str raw, struct str name, struct str *child)
{
    uint64_t index;
    struct str rest = raw;
    raw = str_trim(raw);
    if (json_kind_of(raw) == JSON_OBJECT)
        return json_member(arena, raw, name, child);
    if (json_kind_of(raw) != JSON_ARRAY || !str_to_u64(name, &index))
        return false;
    for (uint64_t i = 0; json_next_item(&rest, child); i++)
        if (i == index)
            return true;
    return false;
}

/* A path of members and positions, divided by dots; a member's own name may have some. */
static bool json_path(struct arena *arena, struct str raw, struct str path, int depth,
                      struct str *found)
{
    struct str child;
    if (depth > DISCOVER_DEPTH)
        return false;
    if (json_child(arena, raw, path, found))
        return true;
    for (size_t dot = 0; dot < path.len; dot++) {
        if (path.ptr[dot] != '.')
            continue;
        if (json_child(arena, raw, str_slice(path, 0, dot), &child) &&
            json_path(arena, child, str_slice(path, dot + 1, path.len), depth + 1, found))
            return true;
    }
    return false;
}

static struct str compact(struct arena *arena, struct str raw)
{
    struct buf out;
    bool quoted = false;
    buf_init(&out, arena, SIZE_MAX);
    (void)buf_reserve(&out, raw.len);
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (!quoted && (c == ' ' || c == '\t' || c == '\n' || c == '\r'))
            continue;
        buf_append_char(&out, c);
        if (quoted && c == '\\' && i + 1 < raw.len)
            buf_append_char(&out, raw.ptr[++i]);
        else if (c == '"')
            quoted = !quoted;
    }
    return buf_str(&out);
}

struct value query_parse_json(struct arena *arena, struct str text)
{
    if (!json_is_valid(text))
        return (struct value){0};
    struct value value = json_value(arena, text);
    enum json_kind kind = json_kind_of(str_trim(text));
    value.structured = kind == JSON_OBJECT || kind == JSON_ARRAY;
    if (value.structured)
        value.text = compact(arena, value.text);
    return value;
}

/* "a.b.0" of a row's own map or list "a". */
static struct value attribute(const struct evaluation *evaluation, const struct named_value *of,
                              struct str name)
{
    struct str raw;
    if (!of->value.structured || name.len <= of->name.len + 1 || !str_starts_with(name, of->name) ||
        name.ptr[of->name.len] != '.' ||
        !json_path(evaluation->arena, of->value.text, str_slice(name, of->name.len + 1, name.len),
                   0, &raw))
        return (struct value){0};
    return query_parse_json(evaluation->arena, raw);
}

/* --- Lambda --- */

static const struct lambda_field {
    struct str name, label;
    double times;
} lambda_fields[] = {
    {STR_INIT("@duration"), STR_INIT("\tDuration: "), 1},
    {STR_INIT("@billedDuration"), STR_INIT("Billed Duration: "), 1},
    {STR_INIT("@initDuration"), STR_INIT("Init Duration: "), 1},
    {STR_INIT("@memorySize"), STR_INIT("Memory Size: "), 1e6},
    {STR_INIT("@maxMemoryUsed"), STR_INIT("Max Memory Used: "), 1e6},
};

static bool is_uuid(struct str text)
{
    if (text.len != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        char c = text.ptr[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !digit)
            return false;
    }
    return true;
}

static struct str lambda_type(struct str message)
{
    static const struct str types[] = {STR_INIT("START"), STR_INIT("END"), STR_INIT("REPORT")};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (str_starts_with(message, types[i]) &&
            str_starts_with(str_slice(message, types[i].len, message.len), STR(" RequestId: ")))
            return types[i];
    return (struct str){0};
}

/* "REPORT RequestId: ID\t..." or "TIME\tID\tLEVEL\t...". */
static struct str lambda_request(struct str message)
{
    struct str type = lambda_type(message), time, rest, id;
    if (!str_is_absent(type)) {
        id = str_slice(message, type.len + 12, type.len + 48);
        return is_uuid(id) ? id : (struct str){0};
    }
    if (!str_cut(message, '\t', &time, &rest) || !str_cut(rest, '\t', &id, &rest))
        return (struct str){0};
    return is_uuid(id) ? id : (struct str){0};
}

static struct value lambda_value(struct str message, const struct lambda_field *field)
{
    struct str rest = message;
    double number;
    size_t at;
    /* "Duration: " also ends other labels, "Memory..." begins one. */
    for (; (at = str_find(rest, field->label)) != SIZE_MAX;) {
        size_t from = at + field->label.len, end = from;
        while (end < rest.len &&
               ((rest.ptr[end] >= '0' && rest.ptr[end] <= '9') || rest.ptr[end] == '.'))
            end++;
        if (str_to_double(str_slice(rest, from, end), &number))
            return value_of_number(number * field->times);
        rest = str_slice(rest, from, rest.len);
    }
    return (struct value){0};
}

static struct value lambda_trace(struct str message, struct str label)
{
    size_t at = str_find(message, label), end;
    if (at == SIZE_MAX)
        return (struct value){0};
    for (end = at += label.len; end < message.len && message.ptr[end] > ' '; end++)
        ;
    return value_of_text(str_slice(message, at, end));
}

static struct value lambda_field(struct str message, struct str name)
{
    struct str type = lambda_type(message);
    if (str_eq(name, STR("@requestId")))
        return value_of_text(lambda_request(message));
    if (str_eq(name, STR("@type")))
        return value_of_text(type);
    if (!str_eq(type, STR("REPORT")))
        return (struct value){0};
    if (str_eq(name, STR("@xrayTraceId")))
        return lambda_trace(message, STR("XRAY TraceId: "));
    if (str_eq(name, STR("@xraySegmentId")))
        return lambda_trace(message, STR("SegmentId: "));
    for (size_t i = 0; i < sizeof lambda_fields / sizeof lambda_fields[0]; i++)
        if (str_eq(name, lambda_fields[i].name))
            return lambda_value(message, &lambda_fields[i]);
    return (struct value){0};
}

/* --- fields --- */

static struct value event_field(const struct query_event *event, struct str name)
{
    if (str_eq(name, STR("@timestamp")))
        return (struct value){.kind = VALUE_TIME, .number = (double)event->ms};
    if (str_eq(name, STR("@ingestionTime")))
        return (struct value){.kind = VALUE_TIME, .number = (double)event->ingested_ms};
    if (str_eq(name, STR("@message")))
        return value_of_text(event->message);
    if (str_eq(name, STR("@logStream")))
        return value_of_text(event->stream);
    if (str_eq(name, STR("@log")))
        return value_of_text(event->log);
    if (str_eq(name, STR("@ptr")))
        return value_of_text(event->pointer);
    return lambda_field(event->message, name);
}

struct value query_field(const struct evaluation *evaluation, struct str name)
{
    struct row *row = evaluation->row;
    struct str raw;
    for (size_t i = row->count; i-- > 0;)
        if (str_eq(row->values[i].name, name))
            return row->values[i].value;
    for (size_t i = row->count; i-- > 0;) {
        struct value value = attribute(evaluation, &row->values[i], name);
        if (value.kind != VALUE_NONE)
            return value;
    }
    if (row->event == NULL)
        return (struct value){0};
    if (str_starts_with(name, STR("@"))) {
        struct value value = event_field(row->event, name);
        if (value.kind != VALUE_NONE)
            return value;
        if (str_starts_with(name, STR("@@"))) /* of a member whose name begins with @ */
            name = str_slice(name, 1, name.len);
    }
    if (!row->looked) {
        row->looked = true;
        row->json = json_of(row->event->message);
    }
    if (str_is_absent(row->json) || !json_path(evaluation->arena, row->json, name, 0, &raw))
        return (struct value){0};
    return json_value(evaluation->arena, raw);
}

/* --- what there is --- */

struct discovery {
    struct arena *arena;
    struct named_value *out;
    size_t count, max;
};

static void discover(struct discovery *to, struct str prefix, struct str raw, int depth)
{
    struct str rest = raw, name, child;
    enum json_kind kind = json_kind_of(str_trim(raw));
    bool object = kind == JSON_OBJECT;
    if (to->count == to->max)
        return;
    if ((!object && kind != JSON_ARRAY) || depth > DISCOVER_DEPTH) {
        to->out[to->count++] = (struct named_value){prefix, json_value(to->arena, raw)};
        return;
    }
    for (size_t i = 0;
         object ? json_next_member(to->arena, &rest, &name, &child) : json_next_item(&rest, &child);
         i++) {
        if (!object)
            name = str_format(to->arena, "%zu", i);
        else if (depth == 0 && str_starts_with(name, STR("@")))
            name = str_concat(to->arena, STR("@"), name);
        struct str path =
            depth == 0 ? name : str_format(to->arena, "%.*s.%.*s", PRSTR(prefix), PRSTR(name));
        discover(to, path, child, depth + 1);
    }
}

size_t query_discover(struct arena *arena, struct str message, struct named_value *out, size_t max)
{
    static const struct str names[] = {STR_INIT("@requestId"), STR_INIT("@type"),
                                       STR_INIT("@xrayTraceId"), STR_INIT("@xraySegmentId")};
    struct discovery to = {.arena = arena, .out = out, .max = max};
    struct str json = json_of(message);
    for (size_t i = 0; i < sizeof names / sizeof names[0] && to.count < max; i++) {
        struct value value = lambda_field(message, names[i]);
        if (value.kind != VALUE_NONE)
            out[to.count++] = (struct named_value){names[i], value};
    }
    for (size_t i = 0; i < sizeof lambda_fields / sizeof lambda_fields[0] && to.count < max; i++) {
        struct value value = lambda_field(message, lambda_fields[i].name);
        if (value.kind != VALUE_NONE)
            out[to.count++] = (struct named_value){lambda_fields[i].name, value};
    }
    if (!str_is_absent(json))
        discover(&to, STR(""), json, 0);
    return to.count;
}
