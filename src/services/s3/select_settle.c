/* A query whose text has been read: its names are looked up, and what it may not say is refused. */
#include "services/s3/select_int.h"

static bool fail(struct select_failure *failure, const char *code, const char *message)
{
    *failure = (struct select_failure){code, str_from_c(message)};
    return false;
}

static bool is_table(const struct select_query *query, struct str name)
{
    return str_eq_nocase(name, STR("s3object")) ||
           (!str_is_absent(query->alias) && str_eq_nocase(name, query->alias));
}

/* The table's name or alias goes from the head of paths. */
static void settle(const struct select_query *query, struct select_node *node)
{
    if (node == NULL)
        return;
    if (node->kind == SELECT_PATH) {
        if (node->count > 0 && !str_is_absent(node->steps[0].name) &&
            is_table(query, node->steps[0].name) && (node->count > 1 || !node->steps[0].quoted)) {
            node->steps++;
            node->count--;
        }
        return;
    }
    for (size_t i = 0; i < node->count; i++)
        settle(query, node->args[i]);
}

static bool holds_aggregate(const struct select_node *node, bool *bare)
{
    bool found = node->kind == SELECT_AGGREGATE;
    if (found)
        return true;
    if (node->kind == SELECT_PATH)
        *bare = true;
    else
        for (size_t i = 0; i < node->count; i++)
            found = holds_aggregate(node->args[i], bare) || found;
    return found;
}

/* A column beside an aggregate would need groups. */
static bool check_aggregates(const struct select_query *query, struct select_failure *failure)
{
    bool bare = false;
    if (query->where != NULL && holds_aggregate(query->where, &bare))
        return fail(failure, "UnsupportedSqlStructure",
                    "Aggregates do not stand in a WHERE clause.");
    bare = false;
    for (size_t i = 0; query->aggregates > 0 && i < query->item_count; i++)
        (void)holds_aggregate(query->items[i].node, &bare);
    if (bare)
        return fail(failure, "UnsupportedSqlStructure",
                    "Columns do not stand beside aggregates: there is no GROUP BY.");
    return true;
}

static void name_items(struct arena *arena, struct select_query *query)
{
    for (size_t i = 0; i < query->item_count; i++) {
        struct select_item *item = &query->items[i];
        const struct select_node *node = item->node;
        if (str_is_absent(item->name) && node->kind == SELECT_PATH && node->count > 0)
            item->name = node->steps[node->count - 1].name;
        if (str_is_absent(item->name))
            item->name = str_format(arena, "_%zu", i + 1);
    }
}

bool select_settle(struct arena *arena, struct select_query *query, struct select_failure *failure)
{
    if (!str_is_absent(query->all_of) && !is_table(query, query->all_of))
        return fail(failure, "ParseInvalidPathComponent",
                    "The SQL expression contains an invalid path component.");
    name_items(arena, query);
    settle(query, query->where);
    for (size_t i = 0; i < query->item_count; i++)
        settle(query, query->items[i].node);
    return check_aggregates(query, failure);
}
