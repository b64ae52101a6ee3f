/* What management policies come to along the way from the root ("Understanding management policy
 * inheritance", "Inheritance operators", AWS Organizations User Guide). A tree of named elements;
 * the operators of each policy change the values of its leaves, the policies of the root first. */
#include "base/buf.h"
#include "base/vec.h"
#include "services/organizations/organizations_int.h"
#include "wire/json_text.h"
#include "wire/wire.h"

enum operator{
    OPERATOR_ASSIGN = 1,
    OPERATOR_APPEND = 2,
    OPERATOR_REMOVE = 4,
    OPERATORS_ALL = 7,
    OPERATORS_RESTRICTED = 8, /* and here are those that are left */
};
/* The root, the units and the account. */
enum { LEVELS_MAX = ORG_DEPTH_MAX + 2 };

struct element {
    struct str name;
    struct element *children, *next;
    struct str *values; /* raw JSON */
    size_t len, cap;
    bool has_value, is_list;
    bool assigned; /* by a policy of assigned_level: the first there wins */
    size_t assigned_level;
    unsigned allowed[LEVELS_MAX]; /* to policies below the level; 0 at a level: not restricted */
};

static struct element *element_child(struct arena *arena, struct element *parent, struct str name)
{
    struct element **at = &parent->children;
    for (; *at != NULL; at = &(*at)->next)
        if (str_eq((*at)->name, name))
            return *at;
    *at = ARENA_NEW(arena, struct element);
    (*at)->name = name;
    return *at;
}

static bool element_holds(const struct element *element, struct str value)
{
    for (size_t i = 0; i < element->len; i++)
        if (str_eq(element->values[i], value))
            return true;
    return false;
}

static void element_add(struct arena *arena, struct element *element, struct str raw)
{
    struct str item;
    element->has_value = true;
    if (json_kind_of(raw) != JSON_ARRAY) {
        if (!element_holds(element, str_trim(raw)))
            VEC_PUSH(arena, element->values, element->len, element->cap, str_trim(raw));
        return;
    }
    element->is_list = true;
    while (json_next_item(&raw, &item))
        if (!element_holds(element, str_trim(item)))
            VEC_PUSH(arena, element->values, element->len, element->cap, str_trim(item));
}

static void element_drop(struct element *element, struct str value)
{
    size_t kept = 0;
    for (size_t i = 0; i < element->len; i++)
        if (!str_eq(element->values[i], str_trim(value)))
            element->values[kept++] = element->values[i];
    element->len = kept;
}

static void element_remove(struct element *element, struct str raw)
{
    struct str item;
    if (json_kind_of(raw) != JSON_ARRAY) {
        element_drop(element, raw);
        return;
    }
    while (json_next_item(&raw, &item))
        element_drop(element, item);
}

static unsigned operators_named(struct arena *arena, struct str raw)
{
    unsigned allowed = 0;
    struct str item, name;
    while (json_next_item(&raw, &item)) {
        if (!json_string(arena, item, &name))
            continue;
        if (str_eq(name, STR("@@all")))
            allowed |= OPERATORS_ALL;
        else if (str_eq(name, STR("@@assign")))
            allowed |= OPERATOR_ASSIGN;
        else if (str_eq(name, STR("@@append")))
            allowed |= OPERATOR_APPEND;
        else if (str_eq(name, STR("@@remove")))
            allowed |= OPERATOR_REMOVE;
    }
    return allowed;
}

/* Of several policies at one level that assign, the one that was attached first. */
static void element_assign(struct arena *arena, struct element *element, struct str raw,
                           size_t level)
{
    if (element->assigned && element->assigned_level == level)
        return;
    element->assigned = true;
    element->assigned_level = level;
    element->len = 0;
    element->is_list = false;
    element_add(arena, element, raw);
}

/* What policies of one level leave to those below is what all of them leave. */
static void element_restrict(struct element *element, unsigned named, size_t level)
{
    if (element->allowed[level] & OPERATORS_RESTRICTED)
        named &= element->allowed[level];
    element->allowed[level] = named | OPERATORS_RESTRICTED;
}

static unsigned element_allowed(const struct element *element, size_t level)
{
    unsigned allowed = OPERATORS_ALL;
    for (size_t i = 0; i < level; i++)
        if (element->allowed[i] & OPERATORS_RESTRICTED)
            allowed &= element->allowed[i];
    return allowed;
}

/* `allowed`: what the elements above permit at this level. */
static void element_merge(struct arena *arena, struct element *element, struct str raw,
                          size_t level, unsigned allowed)
{
    struct str name, value;
    allowed &= element_allowed(element, level);
    if (json_kind_of(raw) != JSON_OBJECT) {
        if (allowed & OPERATOR_ASSIGN)
            element_assign(arena, element, raw, level);
        return;
    }
    while (json_next_member(arena, &raw, &name, &value)) {
        if (str_eq(name, STR("@@assign"))) {
            if (allowed & OPERATOR_ASSIGN)
                element_assign(arena, element, value, level);
        } else if (str_eq(name, STR("@@append"))) {
            if (allowed & OPERATOR_APPEND) {
                element_add(arena, element, value);
                element->is_list = true;
            }
        } else if (str_eq(name, STR("@@remove"))) {
            if (allowed & OPERATOR_REMOVE)
                element_remove(element, value);
        } else if (str_eq(name, STR("@@operators_allowed_for_child_policies"))) {
            element_restrict(element, operators_named(arena, value), level);
        } else {
            element_merge(arena, element_child(arena, element, name), value, level, allowed);
        }
    }
}

static bool element_is_empty(const struct element *element)
{
    if (element->has_value)
        return element->len == 0;
    for (const struct element *child = element->children; child != NULL; child = child->next)
        if (!element_is_empty(child))
            return false;
    return true;
}

static void element_print(struct arena *arena, const struct element *element, struct buf *out)
{
    bool first = true;
    if (element->has_value && !element->is_list && element->len == 1) {
        buf_append(out, element->values[0]);
        return;
    }
    buf_append(out, element->has_value ? STR("[") : STR("{"));
    for (size_t i = 0; i < element->len && element->has_value; i++) {
        if (i > 0)
            buf_append(out, STR(","));
        buf_append(out, element->values[i]);
    }
    for (const struct element *child = element->children; child != NULL && !element->has_value;
         child = child->next) {
        if (element_is_empty(child))
            continue;
        if (!first)
            buf_append(out, STR(","));
        first = false;
        wire_json_write_string(out, child->name);
        buf_append(out, STR(":"));
        element_print(arena, child, out);
    }
    buf_append(out, element->has_value ? STR("]") : STR("}"));
}

struct str org_policies_merge(struct arena *arena, const struct str *contents, const size_t *levels,
                              size_t count)
{
    struct element root = {0};
    struct buf out;
    for (size_t i = 0; i < count; i++)
        element_merge(arena, &root, contents[i], levels[i], OPERATORS_ALL);
    if (count == 0 || element_is_empty(&root))
        return (struct str){0};
    buf_init(&out, arena, 1 << 20);
    element_print(arena, &root, &out);
    return buf_str(&out);
}
