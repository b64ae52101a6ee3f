/* Document paths in items: finding, and the tree of several paths that projections and updates go
 * along. */
#include "base/map.h"
#include "base/vec.h"
#include "services/dynamodb/expression_int.h"

const struct dynamodb_AttributeValue *path_find(const struct path *path,
                                                const struct dynamodb_AttributeMap *item)
{
    const struct dynamodb_AttributeValue *value = item_get(item, path->elements[0].name);
    for (size_t i = 1; i < path->len && value != NULL; i++) {
        const struct path_element *element = &path->elements[i];
        if (element->name.ptr != NULL) {
            struct dynamodb_AttributeMap map = ITEM_OF(value->M);
            value = item_get(&map, element->name);
        } else {
            value = element->index < value->L.len ? &value->L.items[element->index] : NULL;
        }
    }
    return value;
}

static bool element_equal(const struct path_element *a, const struct path_element *b)
{
    if ((a->name.ptr == NULL) != (b->name.ptr == NULL))
        return false;
    return a->name.ptr != NULL ? str_eq(a->name, b->name) : a->index == b->index;
}

bool path_equal(const struct path *a, const struct path *b)
{
    if (a->len != b->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if (!element_equal(&a->elements[i], &b->elements[i]))
            return false;
    return true;
}

static const struct path *any_leaf(const struct path_tree *tree)
{
    while (tree->leaf == NULL)
        tree = tree->children[0];
    return tree->leaf;
}

static struct path_tree *find_child(const struct path_tree *tree,
                                    const struct path_element *element)
{
    if (tree->by_name != NULL)
        return map_get(tree->by_name, element->name);
    for (size_t i = 0; i < tree->len; i++)
        if (element_equal(&tree->children[i]->element, element))
            return tree->children[i];
    return NULL;
}

/* Many names at one place, as legacy parameters may have them, are found through a map. */
static void index_child(struct arena *arena, struct path_tree *tree, struct path_tree *child)
{
    if (tree->by_name != NULL) {
        (void)map_put(tree->by_name, child->element.name, child);
        return;
    }
    if (tree->len <= PATH_TREE_FEW)
        return;
    tree->by_name = ARENA_NEW(arena, struct map);
    map_init(tree->by_name, arena);
    for (size_t i = 0; i < tree->len; i++)
        (void)map_put(tree->by_name, tree->children[i]->element.name, tree->children[i]);
}

/* The child for the element, made when there is none; indices stay in order. */
static struct path_tree *take_child(struct arena *arena, struct path_tree *tree,
                                    const struct path_element *element, bool *is_new)
{
    *is_new = false;
    struct path_tree *found = find_child(tree, element);
    if (found != NULL)
        return found;
    struct path_tree *child = ARENA_NEW(arena, struct path_tree);
    child->element = *element;
    VEC_PUSH(arena, tree->children, tree->len, tree->cap, child);
    if (element->name.ptr == NULL) {
        size_t i = tree->len - 1;
        for (; i > 0 && tree->children[i - 1]->element.index > element->index; i--)
            tree->children[i] = tree->children[i - 1];
        tree->children[i] = child;
    } else {
        index_child(arena, tree, child);
    }
    *is_new = true;
    return child;
}

bool path_tree_add(struct arena *arena, struct path_tree *root, const struct path *path,
                   const struct update_clause *clause, const struct path **other, bool *conflict)
{
    struct path_tree *tree = root;
    bool is_new = false;
    *conflict = false;
    for (size_t i = 0; i < path->len; i++) {
        const struct path_element *element = &path->elements[i];
        if (tree->leaf != NULL) {
            *other = tree->leaf;
            return false;
        }
        if (tree->len > 0 &&
            (tree->children[0]->element.name.ptr == NULL) != (element->name.ptr == NULL)) {
            *other = any_leaf(tree);
            *conflict = true;
            return false;
        }
        tree = take_child(arena, tree, element, &is_new);
    }
    if (!is_new) {
        *other = any_leaf(tree);
        return false;
    }
    tree->leaf = path;
    tree->clause = clause;
    return true;
}

/* --- projection ------------------------------------------------------------------------------- */

static bool project(struct arena *arena, const struct path_tree *tree,
                    const struct dynamodb_AttributeValue *value,
                    struct dynamodb_AttributeValue *out);

struct dynamodb_AttributeMap path_tree_project(struct arena *arena, const struct path_tree *root,
                                               const struct dynamodb_AttributeMap *item)
{
    struct dynamodb_AttributeMap out = {
        .items = arena_alloc_raw(arena, root->len * sizeof(struct dynamodb_AttributeMap_entry))};
    for (size_t i = 0; i < root->len; i++) {
        const struct path_tree *child = root->children[i];
        const struct dynamodb_AttributeValue *value = item_get(item, child->element.name);
        if (value == NULL || !project(arena, child, value, &out.items[out.len].value))
            continue;
        out.items[out.len++].key = child->element.name;
    }
    return out;
}

static bool project_list(struct arena *arena, const struct path_tree *tree,
                         const struct dynamodb_AttributeValue *value,
                         struct dynamodb_AttributeValue *out)
{
    struct dynamodb_AttributeValue list = {
        .L = {.items = ARENA_ARRAY(arena, tree->len, struct dynamodb_AttributeValue)}};
    for (size_t i = 0; i < tree->len; i++) {
        const struct path_tree *child = tree->children[i];
        if (child->element.index < value->L.len &&
            project(arena, child, &value->L.items[child->element.index], &list.L.items[list.L.len]))
            list.L.len++;
    }
    *out = list;
    return list.L.len > 0;
}

static bool project(struct arena *arena, const struct path_tree *tree,
                    const struct dynamodb_AttributeValue *value,
                    struct dynamodb_AttributeValue *out)
{
    if (tree->leaf != NULL) {
        *out = *value;
        return true;
    }
    if (tree->children[0]->element.name.ptr == NULL)
        return project_list(arena, tree, value, out);
    struct dynamodb_AttributeMap map = ITEM_OF(value->M);
    map = path_tree_project(arena, tree, &map);
    *out = (struct dynamodb_AttributeValue){
        .M = {.items = (struct dynamodb_MapAttributeValue_entry *)(void *)map.items,
              .len = map.len}};
    return map.len > 0;
}

/* Two paths that cannot stand in one projection or update. */
static void note_overlap(struct parser *parser, const struct path *one, const struct path *two,
                         bool conflict)
{
    struct arena *arena = parser->scope->arena;
    struct str first = path_text(arena, one);
    struct str second = path_text(arena, two);
    parser_problem(parser, PROBLEM_OVERLAP,
                   "Two document paths %s with each other; must remove or rewrite one of these "
                   "paths; path one: %.*s, path two: %.*s",
                   conflict ? "conflict" : "overlap", PRSTR(first), PRSTR(second));
}

void parser_add_path(struct parser *parser, struct path_tree *root, const struct path *path,
                     const struct update_clause *clause)
{
    const struct path *other = NULL;
    bool conflict = false;
    if (!path_tree_add(parser->scope->arena, root, path, clause, &other, &conflict))
        note_overlap(parser, other, path, conflict);
}

RESULT projection_parse(struct expression_scope *scope, struct str text,
                        const struct projection **out)
{
    struct parser parser;
    TRY(parser_init(&parser, scope, EXPRESSION_PROJECTION, text));
    struct projection *projection = ARENA_NEW(scope->arena, struct projection);
    for (;;) {
        struct path *path = ARENA_NEW(scope->arena, struct path);
        TRY(parser_path(&parser, path));
        parser_add_path(&parser, &projection->root, path, NULL);
        if (parser.token_kind != TOKEN_COMMA)
            break;
        parser_next(&parser);
    }
    TRY(parser_finish(&parser));
    *out = projection;
    return RESULT_OK;
}

struct dynamodb_AttributeMap projection_apply(struct arena *arena,
                                              const struct projection *projection,
                                              const struct dynamodb_AttributeMap *item)
{
    return path_tree_project(arena, &projection->root, item);
}

struct str_list projection_attributes(struct arena *arena, const struct projection *projection)
{
    const struct path_tree *root = &projection->root;
    struct str_list names = {.items = ARENA_ARRAY(arena, root->len, struct str), .len = root->len};
    for (size_t i = 0; i < root->len; i++)
        names.items[i] = root->children[i]->element.name;
    return names;
}
