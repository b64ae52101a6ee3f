#include "services/dynamodb/access.h"

#include "base/encode.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"

/* --- condition keys
 * ---------------------------------------------------------------------------------------------------
 */

struct words {
    struct str *items;
    size_t len, cap;
};

static void words_add(struct arena *arena, struct words *words, struct str word)
{
    for (size_t i = 0; i < words->len; i++)
        if (str_eq(words->items[i], word))
            return;
    VEC_PUSH(arena, words->items, words->len, words->cap, word);
}

static void words_add_all(struct arena *arena, struct words *words, struct str_list list)
{
    for (size_t i = 0; i < list.len; i++)
        words_add(arena, words, list.items[i]);
}

/* A key's value as policies write it. */
static struct str access_text(struct arena *arena, const struct dynamodb_AttributeValue *value)
{
    if (value->S.ptr != NULL)
        return value->S;
    if (value->N.ptr != NULL)
        return value->N;
    struct buf text;
    buf_init(&text, arena, 8 * 1024);
    base64_encode(&text, value->B);
    return buf_str(&text);
}

static struct key_schema access_schema(const struct access *access)
{
    return table_schema(access->table, str_is_absent(access->index)
                                           ? NULL
                                           : table_index(access->table, access->index));
}

/* False: the request may touch any partition. */
static bool access_leading_of_statement(const struct access *access, struct words *out)
{
    struct arena *arena = access->call->arena;
    struct partiql_partitions partitions;
    struct key_schema schema = access_schema(access);
    if (!partiql_partitions(arena, access->statement->where, &schema, &partitions))
        return false;
    for (size_t i = 0; i < partitions.count; i++)
        words_add(arena, out, access_text(arena, partitions.values[i]));
    return true;
}

static void access_leading(const struct access *access, struct words *out)
{
    struct arena *arena = access->call->arena;
    struct str partition = access->table->partition;
    for (size_t i = 0; i < access->item_count; i++) {
        const struct dynamodb_AttributeValue *value = item_get(&access->items[i], partition);
        if (value != NULL)
            words_add(arena, out, access_text(arena, value));
    }
    if (access->key_condition != NULL) {
        struct key_condition condition;
        struct value_failure failure;
        struct key_schema schema = access_schema(access);
        if (key_condition_resolve(arena, access->key_condition, &schema, &condition, &failure) ==
            RESULT_OK)
            for (size_t i = 0; i < condition.partition_len; i++)
                words_add(arena, out, access_text(arena, condition.partition[i]));
    }
    if (access->statement == NULL)
        return;
    if (access->statement->kind == PARTIQL_INSERT) {
        const struct dynamodb_AttributeValue *value = item_get(&access->statement->item, partition);
        if (value != NULL)
            words_add(arena, out, access_text(arena, value));
        return;
    }
    (void)access_leading_of_statement(access, out);
}

static void access_names(struct arena *arena, const struct condition *condition,
                         const struct projection *projection, const struct update *update,
                         struct words *out)
{
    if (condition != NULL)
        words_add_all(arena, out, condition_attributes(arena, condition));
    if (projection != NULL)
        words_add_all(arena, out, projection_attributes(arena, projection));
    if (update != NULL)
        words_add_all(arena, out, update_attributes(arena, update));
}

static void access_attributes(const struct access *access, struct words *out)
{
    struct arena *arena = access->call->arena;
    const struct partiql_statement *statement = access->statement;
    for (size_t i = 0; i < access->item_count; i++)
        for (size_t k = 0; k < access->items[i].len; k++)
            words_add(arena, out, access->items[i].items[k].key);
    access_names(arena, access->condition, access->projection, access->update, out);
    access_names(arena, access->key_condition, NULL, NULL, out);
    if (statement == NULL)
        return;
    for (size_t k = 0; k < statement->item.len; k++)
        words_add(arena, out, statement->item.items[k].key);
    access_names(arena, statement->where, statement->projection, statement->update, out);
}

static bool access_tag(const struct access *access, struct str name, struct words *out)
{
    const struct str_map *tags = &access->table->tags;
    for (size_t i = 0; i < tags->len; i++) {
        if (!str_eq_nocase(tags->items[i].key, name))
            continue;
        words_add(access->call->arena, out, tags->items[i].value);
        return true;
    }
    return false;
}

/* What the request said, or what stands for nothing said. */
static void access_word(const struct access *access, struct str said, struct str otherwise,
                        struct words *out)
{
    words_add(access->call->arena, out, str_is_absent(said) ? otherwise : said);
}

static void access_select(const struct access *access, struct words *out)
{
    bool specific = access->projection != NULL ||
                    (access->statement != NULL && access->statement->projection != NULL);
    struct str otherwise = specific ? DYNAMODB_SELECT_SPECIFIC_ATTRIBUTES
                           : str_is_absent(access->index)
                               ? DYNAMODB_SELECT_ALL_ATTRIBUTES
                               : DYNAMODB_SELECT_ALL_PROJECTED_ATTRIBUTES;
    access_word(access, access->select, otherwise, out);
}

static struct str access_returning(const struct access *access)
{
    static const struct str values[] = {
        [PARTIQL_RETURN_NONE] = STR_INIT("NONE"),
        [PARTIQL_RETURN_ALL_OLD] = STR_INIT("ALL_OLD"),
        [PARTIQL_RETURN_MODIFIED_OLD] = STR_INIT("UPDATED_OLD"),
        [PARTIQL_RETURN_ALL_NEW] = STR_INIT("ALL_NEW"),
        [PARTIQL_RETURN_MODIFIED_NEW] = STR_INIT("UPDATED_NEW"),
    };
    return access->statement == NULL ? access->return_values : values[access->statement->returning];
}

static bool access_find(void *self, struct str key, struct policy_values *out)
{
    const struct access *access = self;
    const struct str tag = STR("aws:ResourceTag/");
    struct words words = {0};
    if (str_eq_nocase(key, STR("dynamodb:LeadingKeys")))
        access_leading(access, &words);
    else if (str_eq_nocase(key, STR("dynamodb:Attributes")))
        access_attributes(access, &words);
    else if (str_eq_nocase(key, STR("dynamodb:Select")))
        access_select(access, &words);
    else if (str_eq_nocase(key, STR("dynamodb:ReturnValues")))
        access_word(access, access_returning(access), DYNAMODB_RETURN_VALUE_NONE, &words);
    else if (str_eq_nocase(key, STR("dynamodb:ReturnConsumedCapacity")))
        access_word(access, access->capacity, DYNAMODB_RETURN_CONSUMED_CAPACITY_NONE, &words);
    else if (str_eq_nocase(key, STR("dynamodb:EnclosingOperation")) &&
             !str_is_absent(access->enclosing))
        words_add(access->call->arena, &words, access->enclosing);
    else if (str_eq_nocase(key, STR("dynamodb:FullTableScan")) && access->statement != NULL) {
        struct words ignored = {0};
        bool scan = !access_leading_of_statement(access, &ignored);
        words_add(access->call->arena, &words, scan ? STR("true") : STR("false"));
    } else if (str_eq_nocase(str_slice(key, 0, tag.len), tag))
        (void)access_tag(access, str_slice(key, tag.len, key.len), &words);
    *out = (struct policy_values){words.items, words.len};
    return words.len > 0;
}

/* --- asking
 * -----------------------------------------------------------------------------------------------------------
 */

/* The service itself, and root of the table's own account where no policy stands: nothing could
 * refuse them. */
static bool access_is_plain(const struct call *call, const struct authorize_ask *ask)
{
    const struct principal *who = &call->principal;
    if (who->kind == PRINCIPAL_SERVICE)
        return str_starts_with(who->name, STR("dynamodb."));
    return who->kind == PRINCIPAL_ROOT && who->session == NULL && str_is_absent(ask->policy) &&
           str_eq(who->account, ask->owner);
}

RESULT access_open(struct call *call, struct access *access, struct str name,
                   struct dynamodb_table *table)
{
    bool found;
    struct arn arn;
    TRY(table_find(call, name, table, &found));
    TRY(table_read_name(call, name, &arn));
    if (!found) { /* as far as the question goes */
        table->name = arn.resource;
        table->account = arn.account;
        table->region = arn.region;
    }
    access->call = call;
    access->table = table;
    struct authorize_ask ask = {
        .action = access->action,
        .resource = table_arn(call->arena, table),
        .owner = arn.account,
        .form = POLICY_FORM_RESOURCE,
        .find = access_find,
        .self = access,
    };
    if (!str_is_absent(access->index))
        ask.resource =
            str_format(call->arena, "%.*s/index/%.*s", PRSTR(ask.resource), PRSTR(access->index));
    if (found && table->guarded)
        TRY(policy_of_table(call, table, &ask.policy));
    if (!access_is_plain(call, &ask))
        TRY(authorize_ask(call, &ask));
    if (!found || !table_is_usable(table))
        return call_fail(call, DYNAMODB_RESOURCE_NOT_FOUND, "Requested resource not found");
    return RESULT_OK;
}
