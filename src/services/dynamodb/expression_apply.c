/* Updates on items ("Using update expressions in DynamoDB"). All operands are read from the item as
 * it was; what changes is copied along its path, everything else is shared with the old item. */
#include "base/map.h"
#include "base/vec.h"
#include "services/dynamodb/expression_int.h"
#include "services/dynamodb/number.h"

enum { SMALL_SET = 16 };

struct application {
    struct arena *arena;
    const struct dynamodb_AttributeMap *item; /* as it was */
    struct value_failure *failure;
};

static RESULT fail_type(const struct application *application, const struct update_clause *clause)
{
    return value_fail(application->arena, application->failure,
                      clause->legacy
                          ? "Type mismatch for attribute to update"
                          : "An operand in the update expression has an incorrect data type");
}

static RESULT fail_path(const struct application *application)
{
    return value_fail(application->arena, application->failure,
                      "The document path provided in the update expression is invalid for update");
}

/* --- operands --------------------------------------------------------------------------------- */

static RESULT add_numbers(const struct application *application, struct str a, struct str b,
                          bool subtract, struct dynamodb_AttributeValue *out)
{
    struct str sum;
    enum number_status status = number_add_text(application->arena, a, b, subtract, &sum);
    if (status != NUMBER_OK) {
        application->failure->message = number_problem(application->arena, status, STR(""));
        return RESULT_ERROR;
    }
    *out = (struct dynamodb_AttributeValue){.N = sum};
    return RESULT_OK;
}

static void append_lists(struct arena *arena, struct dynamodb_ListAttributeValue a,
                         struct dynamodb_ListAttributeValue b, struct dynamodb_AttributeValue *out)
{
    struct dynamodb_ListAttributeValue list = {
        .items = arena_alloc_raw(arena, (a.len + b.len) * sizeof(struct dynamodb_AttributeValue)),
        .len = a.len + b.len};
    if (a.len > 0)
        memcpy(list.items, a.items, a.len * sizeof(struct dynamodb_AttributeValue));
    if (b.len > 0)
        memcpy(list.items + a.len, b.items, b.len * sizeof(struct dynamodb_AttributeValue));
    *out = (struct dynamodb_AttributeValue){.L = list};
}

static RESULT evaluate(const struct application *application, const struct update_clause *clause,
                       const struct operand *operand, struct dynamodb_AttributeValue *out)
{
    if (operand->kind == OPERAND_VALUE) {
        *out = *operand->value;
        return RESULT_OK;
    }
    if (operand->kind == OPERAND_PATH || operand->kind == OPERAND_IF_NOT_EXISTS) {
        const struct path *path =
            operand->kind == OPERAND_PATH ? &operand->path : &operand->left->path;
        const struct dynamodb_AttributeValue *found = path_find(path, application->item);
        if (found != NULL) {
            *out = *found;
            return RESULT_OK;
        }
        if (operand->kind == OPERAND_IF_NOT_EXISTS)
            return evaluate(application, clause, operand->right, out);
        return value_fail(application->arena, application->failure,
                          "The provided expression refers to an attribute that does not exist in "
                          "the item");
    }
    struct dynamodb_AttributeValue left;
    struct dynamodb_AttributeValue right;
    TRY(evaluate(application, clause, operand->left, &left));
    TRY(evaluate(application, clause, operand->right, &right));
    if (operand->kind == OPERAND_LIST_APPEND) {
        if (left.L.items == NULL || right.L.items == NULL)
            return fail_type(application, clause);
        append_lists(application->arena, left.L, right.L, out);
        return RESULT_OK;
    }
    if (left.N.ptr == NULL || right.N.ptr == NULL)
        return fail_type(application, clause);
    return add_numbers(application, left.N, right.N, operand->kind == OPERAND_SUBTRACT, out);
}

/* --- sets ------------------------------------------------------------------------------------- */

static bool in_set(struct str_list set, struct str member)
{
    for (size_t i = 0; i < set.len; i++)
        if (str_eq(set.items[i], member))
            return true;
    return false;
}

/* The members of a that are in b, or that are not; `start` of *out are there already. */
static void filter_set(struct arena *arena, struct str_list a, struct str_list b, bool present,
                       struct str_list *out)
{
    struct map members;
    bool large = b.len > SMALL_SET;
    if (large) {
        map_init(&members, arena);
        for (size_t i = 0; i < b.len; i++)
            (void)map_put(&members, b.items[i], &b.items[i]);
    }
    for (size_t i = 0; i < a.len; i++) {
        bool found = large ? map_get(&members, a.items[i]) != NULL : in_set(b, a.items[i]);
        if (found == present)
            out->items[out->len++] = a.items[i];
    }
}

static struct str_list change_set(struct arena *arena, struct str_list old, struct str_list change,
                                  bool add)
{
    struct str_list out = {
        .items = arena_alloc_raw(arena, (old.len + change.len + 1) * sizeof(struct str))};
    if (!add) {
        filter_set(arena, old, change, false, &out);
        return out;
    }
    if (old.len > 0)
        memcpy(out.items, old.items, old.len * sizeof(struct str));
    out.len = old.len;
    filter_set(arena, change, old, false, &out);
    return out;
}

/* AttributeUpdates may ADD a list to a list. */
static RESULT append_change(const struct application *application,
                            const struct dynamodb_AttributeValue *old,
                            const struct dynamodb_AttributeValue *change,
                            struct dynamodb_AttributeValue *out, bool *present)
{
    append_lists(application->arena, old->L, change->L, out);
    *present = true;
    return RESULT_OK;
}

/* ADD and DELETE of sets. *present false: nothing is left. */
static RESULT change_members(const struct application *application,
                             const struct update_clause *clause,
                             const struct dynamodb_AttributeValue *old,
                             struct dynamodb_AttributeValue *out, bool *present)
{
    const struct dynamodb_AttributeValue *change = clause->operand.value;
    bool add = clause->action == UPDATE_ADD;
    struct dynamodb_AttributeValue result = {0};
    struct str_list set;
    enum value_type type = value_type(old);
    if (type != value_type(change))
        return fail_type(application, clause);
    if (type == VALUE_SS)
        set = result.SS = change_set(application->arena, old->SS, change->SS, add);
    else if (type == VALUE_NS)
        set = result.NS = change_set(application->arena, old->NS, change->NS, add);
    else if (type == VALUE_BS)
        set = result.BS = change_set(application->arena, old->BS, change->BS, add);
    else if (type == VALUE_L && clause->legacy)
        return append_change(application, old, change, out, present);
    else
        return fail_type(application, clause);
    *out = result;
    *present = set.len > 0;
    return RESULT_OK;
}

/* --- the tree --------------------------------------------------------------------------------- */

/* Levels below the value. */
static int nesting(const struct dynamodb_AttributeValue *value)
{
    int deepest = 0;
    for (size_t i = 0; i < value->M.len; i++) {
        int depth = 1 + nesting(&value->M.items[i].value);
        deepest = depth > deepest ? depth : deepest;
    }
    for (size_t i = 0; i < value->L.len; i++) {
        int depth = 1 + nesting(&value->L.items[i]);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* What an action makes of the value that is there (NULL: none). */
static RESULT act(const struct application *application, const struct update_clause *clause,
                  const struct dynamodb_AttributeValue *old, struct dynamodb_AttributeValue *out,
                  bool *present)
{
    *present = clause->action != UPDATE_REMOVE;
    if (clause->action == UPDATE_REMOVE)
        return RESULT_OK;
    if (clause->action == UPDATE_SET) {
        TRY(evaluate(application, clause, &clause->operand, out));
        if (clause->path.len > 1 && (int)clause->path.len + nesting(out) > VALUE_NESTING_MAX)
            return value_fail(application->arena, application->failure, VALUE_NESTING_TEXT);
        return RESULT_OK;
    }
    if (old == NULL) {
        *present = clause->action == UPDATE_ADD;
        *out = *clause->operand.value;
        return RESULT_OK;
    }
    if (clause->action == UPDATE_ADD && old->N.ptr != NULL && clause->operand.value->N.ptr != NULL)
        return add_numbers(application, old->N, clause->operand.value->N, false, out);
    return change_members(application, clause, old, out, present);
}

static RESULT change(const struct application *application, const struct path_tree *tree,
                     const struct dynamodb_AttributeValue *old, struct dynamodb_AttributeValue *out,
                     bool *present);

/* Where a name stands in a map that grows; by a hash when many names are asked for. */
struct places {
    struct dynamodb_AttributeMap *map;
    bool hashed;
    struct map by_name;
};

static void places_init(struct arena *arena, struct places *places,
                        struct dynamodb_AttributeMap *map, size_t asked)
{
    places->map = map;
    places->hashed = asked > SMALL_SET;
    if (!places->hashed)
        return;
    map_init(&places->by_name, arena);
    for (size_t i = 0; i < map->len; i++)
        (void)map_put(&places->by_name, map->items[i].key, &map->items[i].value);
}

static struct dynamodb_AttributeValue *places_find(const struct places *places, struct str name)
{
    return places->hashed ? map_get(&places->by_name, name) : item_get(places->map, name);
}

/* Values that were marked by having no type go. */
static void drop_removed(struct dynamodb_AttributeMap *map)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->len; i++)
        if (value_type(&map->items[i].value) != VALUE_NONE)
            map->items[kept++] = map->items[i];
    map->len = kept;
}

static RESULT change_map(const struct application *application, const struct path_tree *tree,
                         const struct dynamodb_AttributeMap *old, struct dynamodb_AttributeMap *out)
{
    struct dynamodb_AttributeMap map = {
        .items =
            arena_alloc_raw(application->arena,
                            (old->len + tree->len) * sizeof(struct dynamodb_AttributeMap_entry)),
        .len = old->len};
    if (old->len > 0)
        memcpy(map.items, old->items, old->len * sizeof(struct dynamodb_AttributeMap_entry));
    struct places places;
    places_init(application->arena, &places, &map, tree->len);
    bool removed = false;
    for (size_t i = 0; i < tree->len; i++) {
        const struct path_tree *child = tree->children[i];
        struct dynamodb_AttributeValue *place = places_find(&places, child->element.name);
        struct dynamodb_AttributeValue value;
        bool present = false;
        TRY(change(application, child, place, &value, &present));
        if (present && place == NULL) {
            map.items[map.len].key = child->element.name;
            place = &map.items[map.len++].value;
        } else if (!present && place != NULL) {
            value = (struct dynamodb_AttributeValue){0};
            removed = true;
        }
        if (place != NULL)
            *place = value;
    }
    if (removed)
        drop_removed(&map);
    *out = map;
    return RESULT_OK;
}

/* Indices are those of the old list; what lies behind its end is appended, in the indices' order.
 */
static RESULT change_list(const struct application *application, const struct path_tree *tree,
                          const struct dynamodb_AttributeValue *old,
                          struct dynamodb_AttributeValue *out)
{
    struct dynamodb_ListAttributeValue list = {
        .items = arena_alloc_raw(application->arena, (old->L.len + tree->len) *
                                                         sizeof(struct dynamodb_AttributeValue))};
    size_t next = 0;
    for (size_t i = 0; i < tree->len; i++) {
        const struct path_tree *child = tree->children[i];
        size_t index = child->element.index;
        size_t until = index < old->L.len ? index : old->L.len;
        for (; next < until; next++)
            list.items[list.len++] = old->L.items[next];
        const struct dynamodb_AttributeValue *there = NULL;
        if (index < old->L.len)
            there = &old->L.items[next++];
        bool present = false;
        TRY(change(application, child, there, &list.items[list.len], &present));
        list.len += present;
    }
    for (; next < old->L.len; next++)
        list.items[list.len++] = old->L.items[next];
    *out = (struct dynamodb_AttributeValue){.L = list};
    return RESULT_OK;
}

static RESULT change(const struct application *application, const struct path_tree *tree,
                     const struct dynamodb_AttributeValue *old, struct dynamodb_AttributeValue *out,
                     bool *present)
{
    if (tree->leaf != NULL)
        return act(application, tree->clause, old, out, present);
    bool names = tree->children[0]->element.name.ptr != NULL;
    if (old == NULL || (names ? old->M.items == NULL : old->L.items == NULL))
        return fail_path(application);
    *present = true;
    if (!names)
        return change_list(application, tree, old, out);
    struct dynamodb_AttributeMap map = ITEM_OF(old->M);
    TRY(change_map(application, tree, &map, &map));
    *out = (struct dynamodb_AttributeValue){
        .M = {.items = (struct dynamodb_MapAttributeValue_entry *)(void *)map.items,
              .len = map.len}};
    return RESULT_OK;
}

RESULT update_apply(struct arena *arena, const struct update *update,
                    const struct dynamodb_AttributeMap *old, struct dynamodb_AttributeMap *out,
                    struct value_failure *failure)
{
    struct application application = {.arena = arena, .item = old, .failure = failure};
    return change_map(&application, &update->root, old, out);
}

bool update_only_removes(const struct update *update)
{
    for (size_t i = 0; i < update->len; i++)
        if (update->clauses[i].action == UPDATE_SET || update->clauses[i].action == UPDATE_ADD)
            return false;
    return true;
}

struct dynamodb_AttributeMap update_returned(struct arena *arena, const struct update *update,
                                             const struct dynamodb_AttributeMap *item)
{
    return path_tree_project(arena, &update->root, item);
}
