/* The models' constraints, checked before an operation runs, with the messages of AWS's own front
 * end:
 *
 *   2 validation errors detected: Value 'x y' at 'name' failed to satisfy constraint: Member must
 * satisfy regular expression pattern: [a-z]+; Value null at 'tags.1.member.key' failed to satisfy
 * constraint: Member must not be null
 *
 * Members are named from the input down, first letters lower, list positions from 1, ".member"
 * behind positions and map keys. What is wrong with a list's or a map's simple items, or with the
 * lists of a map, is said of the whole ("Member must satisfy constraint: [...]", "Map keys must
 * satisfy constraint: [...]", "Map value must satisfy constraint: [...]"), with all constraints of
 * the item. EC2 words it otherwise: "Error codes for the Amazon EC2 API",
 * MissingParameter, InvalidParameterValue. */
#include "wire/pattern_int.h"
#include "wire/shape.h"
#include "wire/text.h"
#include "wire/wire_int.h"

/* More than these are not counted, nor longer texts written. */
enum { ERRORS_MAX = 10, MESSAGE_MAX = 256 << 10, PATH_MAX_BYTES = 4096, VALUE_DEPTH_MAX = 8 };

struct validator {
    struct arena *arena;
    struct wire_patterns *patterns;
    const struct wire_model *model;
    bool query; /* the query style: the first failure ends it */
    bool ec2;
    struct buf path;
    struct buf errors; /* joined by "; " */
    unsigned count;
    struct wire_failure *failure;
    bool failed; /* query style: *failure is set */
};

/* A value and what the model says of it. */
struct checked {
    const struct wire_shape *shape;
    const struct wire_constraint *constraint;
    uint16_t constraint_index;
    uint16_t flags; /* of the member */
    const void *place;
    bool by_value;
};

static struct checked checked_value(struct validator *v, uint16_t shape_index, uint16_t flags,
                                    const void *place, bool by_value)
{
    const struct wire_shape *shape = &v->model->shapes[shape_index];
    return (struct checked){.shape = shape,
                            .constraint = &v->model->constraints[shape->constraint],
                            .constraint_index = shape->constraint,
                            .flags = flags,
                            .place = place,
                            .by_value = by_value};
}

static bool is_enough(const struct validator *v)
{
    return v->failed || v->count >= ERRORS_MAX;
}

static bool is_number(const struct wire_shape *shape)
{
    return shape->type >= WIRE_BYTE && shape->type <= WIRE_DOUBLE;
}

/* --- constraints in words --- */

enum rule { RULE_MAX, RULE_MIN, RULE_PATTERN, RULE_ENUM, RULES };

static bool has_rule(const struct checked *c, enum rule rule)
{
    if (c->constraint_index == 0)
        return false;
    switch (rule) {
    case RULE_MAX:
        return c->constraint->flags & WIRE_HAS_MAX;
    case RULE_MIN:
        return c->constraint->flags & WIRE_HAS_MIN;
    case RULE_PATTERN:
        return c->constraint->pattern != 0;
    case RULE_ENUM:
        return c->constraint->enum_count != 0;
    case RULES:
        break;
    }
    return false;
}

static void put_rule(struct validator *v, const struct checked *c, enum rule rule)
{
    struct buf *out = &v->errors;
    const char *what = is_number(c->shape) ? "value" : "length";
    switch (rule) {
    case RULE_MAX:
    case RULE_MIN:
        buf_append_format(out, "Member must have %s %s than or equal to ", what,
                          rule == RULE_MAX ? "less" : "greater");
        wire_write_double(out, rule == RULE_MAX ? c->constraint->max : c->constraint->min, false);
        break;
    case RULE_PATTERN:
        buf_append(out, STR("Member must satisfy regular expression pattern: "));
        buf_append(out, wire_string(v->model, c->constraint->pattern));
        break;
    case RULE_ENUM:
        buf_append(out, STR("Member must satisfy enum value set: ["));
        for (uint32_t i = 0; i < c->constraint->enum_count; i++) {
            if (i > 0)
                buf_append(out, STR(", "));
            buf_append(out,
                       wire_string(v->model, v->model->enum_values[c->constraint->enum_first + i]));
        }
        buf_append_char(out, ']');
        break;
    case RULES:
        break;
    }
}

static void put_rules(struct validator *v, const struct checked *c)
{
    bool first = true;
    buf_append_char(&v->errors, '[');
    for (enum rule rule = RULE_MAX; rule < RULES; rule++) {
        if (!has_rule(c, rule))
            continue;
        if (!first)
            buf_append(&v->errors, STR(", "));
        first = false;
        put_rule(v, c, rule);
    }
    buf_append_char(&v->errors, ']');
}

/* --- values in words: as Java prints them --- */

/* The letter at `start`, if it is there, as Java's members begin. */
static void lower_first(struct buf *text, size_t start)
{
    if (text->len > start && text->ptr[start] >= 'A' && text->ptr[start] <= 'Z')
        text->ptr[start] = (char)(text->ptr[start] | 0x20);
}

static void put_value(struct validator *v, const struct checked *c, int depth);

static void put_collection(struct validator *v, const struct checked *c, int depth)
{
    const struct wire_list *list = c->place;
    bool map = c->shape->type == WIRE_MAP;
    const struct wire_member *members = shape_members(v->model, c->shape);
    size_t size = map ? shape_entry_size(v->model, c->shape) : shape_item_size(v->model, c->shape);
    buf_append_char(&v->errors, map ? '{' : '[');
    for (size_t i = 0; i < list->len; i++) {
        const char *item = (const char *)list->items + i * size;
        if (i > 0)
            buf_append(&v->errors, STR(", "));
        if (map) {
            buf_append(&v->errors, *(const struct str *)(const void *)item);
            buf_append_char(&v->errors, '=');
            item += members[1].offset;
        }
        struct checked inner = checked_value(v, members[map].shape, 0, item, true);
        put_value(v, &inner, depth + 1);
    }
    buf_append_char(&v->errors, map ? '}' : ']');
}

static void put_structure(struct validator *v, const struct checked *c, int depth)
{
    const void *structure = c->by_value ? c->place : *(const void *const *)c->place;
    const struct wire_member *members = shape_members(v->model, c->shape);
    buf_append(&v->errors, wire_string(v->model, c->shape->name));
    buf_append_char(&v->errors, '(');
    bool first = true;
    for (size_t i = 0; i < c->shape->member_count; i++) {
        if (!member_is_present(v->model, &members[i], structure))
            continue;
        if (!first)
            buf_append(&v->errors, STR(", "));
        first = false;
        size_t start = v->errors.len;
        buf_append(&v->errors, member_name(v->model, &members[i]));
        lower_first(&v->errors, start);
        buf_append_char(&v->errors, '=');
        struct checked inner = checked_value(v, members[i].shape, members[i].flags,
                                             member_value(&members[i], structure), false);
        put_value(v, &inner, depth + 1);
    }
    buf_append_char(&v->errors, ')');
}

static void put_value(struct validator *v, const struct checked *c, int depth)
{
    if (c->shape->flags & WIRE_SHAPE_SENSITIVE) {
        buf_append(&v->errors, STR("*** Sensitive Data Redacted ***"));
        return;
    }
    if (depth > VALUE_DEPTH_MAX) {
        buf_append(&v->errors, STR("..."));
        return;
    }
    switch ((enum wire_type)c->shape->type) {
    case WIRE_STRING:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
        buf_append(&v->errors, *(const struct str *)c->place);
        break;
    case WIRE_BLOB: {
        size_t len = ((const struct str *)c->place)->len;
        buf_append_format(&v->errors, "java.nio.HeapByteBuffer[pos=0 lim=%zu cap=%zu]", len, len);
        break;
    }
    case WIRE_BOOL:
        buf_append_c(&v->errors, member_bool(c->flags, c->place) ? "true" : "false");
        break;
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
        buf_append_i64(&v->errors, member_integer(c->shape, c->flags, c->place));
        break;
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        wire_write_double(&v->errors, member_double(c->flags, c->place),
                          c->shape->type == WIRE_FLOAT);
        break;
    case WIRE_TIMESTAMP:
        wire_time_write(&v->errors, WIRE_TIME_ISO8601, member_time(c->flags, c->place));
        break;
    case WIRE_LIST:
    case WIRE_MAP:
        put_collection(v, c, depth);
        break;
    case WIRE_STRUCT:
        put_structure(v, c, depth);
        break;
    }
}

/* --- failures
 * -----------------------------------------------------------------------------------------------
 */

/* "Value 'x' at 'path' failed to satisfy constraint: ", c NULL: null. Sensitive values stay unsaid.
 */
static void begin_error(struct validator *v, const struct checked *c, bool sensitive)
{
    if (v->count++ > 0)
        buf_append(&v->errors, STR("; "));
    if (c == NULL) {
        buf_append(&v->errors, STR("Value null at '"));
    } else if (sensitive) {
        buf_append(&v->errors, STR("Value at '"));
    } else {
        buf_append(&v->errors, STR("Value '"));
        put_value(v, c, 0);
        buf_append(&v->errors, STR("' at '"));
    }
    buf_append(&v->errors, buf_str(&v->path));
    buf_append(&v->errors, STR("' failed to satisfy constraint: "));
}

static void fail_query(struct validator *v, const struct checked *c)
{
    struct str path = buf_str(&v->path);
    v->failed = true;
    enum result result;
    if (c == NULL) {
        result = wire_fail(v->arena, v->failure, WIRE_MISSING_PARAMETER,
                           "The request must contain the parameter %.*s%s", PRSTR(path),
                           v->ec2 ? "" : ".");
    } else {
        buf_clear(&v->errors);
        put_value(v, c, 0);
        result = wire_fail(v->arena, v->failure, WIRE_INVALID_PARAMETER_VALUE,
                           "Value (%.*s) for parameter %.*s is invalid.",
                           PRSTR(str_slice(buf_str(&v->errors), 0, 1024)), PRSTR(path));
    }
    ASSERT(result == RESULT_ERROR);
}

static void report_missing(struct validator *v)
{
    if (v->query) {
        fail_query(v, NULL);
        return;
    }
    begin_error(v, NULL, false);
    buf_append(&v->errors, STR("Member must not be null"));
}

static void report(struct validator *v, const struct checked *c, enum rule rule)
{
    if (v->query) {
        fail_query(v, c);
        return;
    }
    begin_error(v, c, c->shape->flags & WIRE_SHAPE_SENSITIVE);
    put_rule(v, c, rule);
}

/* Something about the simple items of a collection. */
static void report_items(struct validator *v, const struct checked *collection,
                         const struct checked *item, const char *what)
{
    if (v->query) {
        fail_query(v, item);
        return;
    }
    begin_error(v, collection,
                (collection->shape->flags | item->shape->flags) & WIRE_SHAPE_SENSITIVE);
    buf_append_c(&v->errors, what);
    put_rules(v, item);
}

/* --- checks
 * -------------------------------------------------------------------------------------------------
 */

static double measure(const struct checked *c)
{
    switch ((enum wire_type)c->shape->type) {
    case WIRE_STRING: {
        struct str s = *(const struct str *)c->place;
        return (double)(str_is_utf8(s) ? str_utf8_length(s) : s.len);
    }
    case WIRE_BLOB:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
        return (double)((const struct str *)c->place)->len;
    case WIRE_LIST:
    case WIRE_MAP:
        return (double)((const struct wire_list *)c->place)->len;
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
        return (double)member_integer(c->shape, c->flags, c->place);
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        return member_double(c->flags, c->place);
    case WIRE_BOOL:
    case WIRE_TIMESTAMP:
    case WIRE_STRUCT:
        break;
    }
    return 0;
}

static bool is_bounded(const struct checked *c)
{
    return c->shape->type != WIRE_BOOL && c->shape->type != WIRE_TIMESTAMP &&
           c->shape->type != WIRE_STRUCT;
}

static bool is_in_enum(struct validator *v, const struct checked *c)
{
    struct str s = *(const struct str *)c->place;
    for (uint32_t i = 0; i < c->constraint->enum_count; i++)
        if (str_eq(s, wire_string(v->model, v->model->enum_values[c->constraint->enum_first + i])))
            return true;
    return false;
}

static bool breaks_rule(struct validator *v, const struct checked *c, enum rule rule)
{
    if (!has_rule(c, rule))
        return false;
    switch (rule) {
    case RULE_MAX:
        return is_bounded(c) && measure(c) > c->constraint->max;
    case RULE_MIN:
        return is_bounded(c) && measure(c) < c->constraint->min;
    case RULE_PATTERN:
        return c->shape->type == WIRE_STRING &&
               !wire_pattern_matches(v->patterns, v->arena, v->model, c->constraint_index,
                                     *(const struct str *)c->place);
    case RULE_ENUM:
        return c->shape->type == WIRE_STRING && !is_in_enum(v, c);
    case RULES:
        break;
    }
    return false;
}

static bool breaks_any_rule(struct validator *v, const struct checked *c)
{
    for (enum rule rule = RULE_MAX; rule < RULES; rule++)
        if (breaks_rule(v, c, rule))
            return true;
    return false;
}

static void check_value(struct validator *v, const struct checked *c);

/* The path grows and shrinks with the walk. */
static size_t enter_member(struct validator *v, const struct wire_member *member)
{
    size_t before = v->path.len;
    struct str name =
        v->query ? wire_string(v->model, member->query_name) : member_name(v->model, member);
    if (before > 0)
        buf_append_char(&v->path, '.');
    size_t start = v->path.len;
    buf_append(&v->path, name);
    if (!v->query)
        lower_first(&v->path, start);
    return before;
}

static size_t enter_item(struct validator *v, struct str key, size_t position)
{
    size_t before = v->path.len;
    buf_append_char(&v->path, '.');
    if (str_is_absent(key))
        buf_append_u64(&v->path, position);
    else
        buf_append(&v->path, key);
    if (!v->query)
        buf_append(&v->path, STR(".member"));
    return before;
}

static void leave(struct validator *v, size_t before)
{
    v->path.len = before;
    v->path.full = false;
}

static void check_struct(struct validator *v, const struct wire_shape *shape, const void *structure)
{
    const struct wire_member *members = shape_members(v->model, shape);
    for (size_t i = 0; i < shape->member_count && !is_enough(v); i++) {
        const struct wire_member *member = &members[i];
        const struct wire_shape *target = &v->model->shapes[member->shape];
        /* Streams are not in memory. */
        if ((member->flags & WIRE_MEMBER_STREAMING) ||
            (target->flags & (WIRE_SHAPE_STREAMING | WIRE_SHAPE_EVENT_STREAM)))
            continue;
        bool present = member_is_present(v->model, member, structure);
        bool simple = wire_is_simple(target);
        if (present ? simple && target->constraint == 0 : !(member->flags & WIRE_MEMBER_REQUIRED))
            continue;
        size_t before = enter_member(v, member);
        if (present) {
            struct checked c = checked_value(v, member->shape, member->flags,
                                             member_value(member, structure), false);
            check_value(v, &c);
        } else {
            report_missing(v);
        }
        leave(v, before);
    }
}

static void check_simple_items(struct validator *v, const struct checked *c, uint16_t item_shape,
                               size_t offset, size_t size, const char *what)
{
    const struct wire_list *list = c->place;
    if (v->model->shapes[item_shape].constraint == 0)
        return;
    for (size_t i = 0; i < list->len; i++) {
        const char *place = (const char *)list->items + i * size + offset;
        struct checked item = checked_value(v, item_shape, 0, place, true);
        if (!shape_is_present(item.shape, place, true) || !breaks_any_rule(v, &item))
            continue;
        report_items(v, c, &item, what);
        return;
    }
}

static void check_collection(struct validator *v, const struct checked *c)
{
    const struct wire_list *list = c->place;
    bool map = c->shape->type == WIRE_MAP;
    const struct wire_member *members = shape_members(v->model, c->shape);
    const struct wire_member *item = &members[map];
    size_t size = map ? shape_entry_size(v->model, c->shape) : shape_item_size(v->model, c->shape);
    size_t offset = map ? item->offset : 0;
    if (map)
        check_simple_items(v, c, members[0].shape, 0, size, "Map keys must satisfy constraint: ");
    if (is_enough(v))
        return;
    bool simple = wire_is_simple(&v->model->shapes[item->shape]);
    bool lists = map && v->model->shapes[item->shape].type == WIRE_LIST;
    if (simple || lists)
        check_simple_items(v, c, item->shape, offset, size,
                           map ? "Map value must satisfy constraint: "
                               : "Member must satisfy constraint: ");
    if (simple)
        return;
    for (size_t i = 0; i < list->len && !is_enough(v); i++) {
        const char *entry = (const char *)list->items + i * size;
        struct str key = map ? *(const struct str *)(const void *)entry : (struct str){0};
        size_t before = enter_item(v, key, i + 1);
        struct checked inner = checked_value(v, item->shape, 0, entry + offset, true);
        if (shape_is_present(inner.shape, inner.place, true) && lists)
            check_collection(v, &inner);
        else if (shape_is_present(inner.shape, inner.place, true))
            check_value(v, &inner);
        leave(v, before);
    }
}

static void check_value(struct validator *v, const struct checked *c)
{
    for (enum rule rule = RULE_MAX; rule < RULES && !is_enough(v); rule++)
        if (breaks_rule(v, c, rule))
            report(v, c, rule);
    if (is_enough(v))
        return;
    if (c->shape->type == WIRE_STRUCT)
        check_struct(v, c->shape, c->by_value ? c->place : *(const void *const *)c->place);
    else if (c->shape->type == WIRE_LIST || c->shape->type == WIRE_MAP)
        check_collection(v, c);
}

RESULT wire_validate(struct arena *arena, struct wire_patterns *patterns,
                     const struct wire_route *route, const void *in, struct wire_failure *failure)
{
    const struct wire_model *model = route->model;
    if (model->validation == WIRE_VALIDATE_NONE)
        return RESULT_OK;
    struct validator v = {
        .arena = arena,
        .patterns = patterns,
        .model = model,
        .query = model->validation == WIRE_VALIDATE_QUERY,
        .ec2 = route->protocol == WIRE_PROTOCOL_EC2,
        .failure = failure,
    };
    buf_init(&v.path, arena, PATH_MAX_BYTES);
    buf_init(&v.errors, arena, MESSAGE_MAX);
    check_struct(&v, &model->shapes[model->operations[route->operation].input], in);
    if (v.failed)
        return RESULT_ERROR;
    if (v.count == 0)
        return RESULT_OK;
    struct buf message;
    buf_init(&message, arena, MESSAGE_MAX + 64);
    buf_append_u64(&message, v.count);
    buf_append_c(&message,
                 v.count == 1 ? " validation error detected: " : " validation errors detected: ");
    buf_append(&message, buf_str(&v.errors));
    *failure = (struct wire_failure){.error = WIRE_VALIDATION, .message = buf_str(&message)};
    return RESULT_ERROR;
}
