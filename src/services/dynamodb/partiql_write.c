/* One item by its key: INSERT, UPDATE, DELETE, EXISTS, and the SELECTs of batches and transactions
 * ("PartiQL insert | update | delete statements for DynamoDB"). */
#include "services/dynamodb/access.h"
#include "services/dynamodb/meter.h"
#include "services/dynamodb/partiql_run.h"

/* "IAM security policies with PartiQL for DynamoDB": EXISTS is a SELECT. */
RESULT partiql_open(struct call *call, const struct partiql_statement *statement,
                    struct str enclosing, struct str capacity, struct dynamodb_table *table)
{
    static const struct str actions[] = {
        [PARTIQL_SELECT] = STR_INIT("dynamodb:PartiQLSelect"),
        [PARTIQL_INSERT] = STR_INIT("dynamodb:PartiQLInsert"),
        [PARTIQL_UPDATE] = STR_INIT("dynamodb:PartiQLUpdate"),
        [PARTIQL_DELETE] = STR_INIT("dynamodb:PartiQLDelete"),
        [PARTIQL_EXISTS] = STR_INIT("dynamodb:PartiQLSelect"),
    };
    struct access access = {
        .action = actions[statement->kind],
        .index = statement->index,
        .statement = statement,
        .capacity = capacity,
        .enclosing = enclosing,
    };
    return access_open(call, &access, statement->table, table);
}

/* The whole key from the WHERE clause, and what it says besides. *found false: it does not name the
 * whole key. */
static RESULT partiql_key(struct call *call, const struct dynamodb_table *table,
                          const struct condition *where, struct dynamodb_AttributeMap *key,
                          const struct condition **rest, bool *found)
{
    struct value_failure failure;
    struct key_condition condition;
    const struct condition *keys;
    const struct key_schema schema = table_schema(table, NULL);
    partiql_split(call->arena, where, &schema, &keys, rest);
    *found = keys != NULL;
    if (!*found)
        return RESULT_OK;
    CHECK(call, failure, key_condition_resolve(call->arena, keys, &schema, &condition, &failure));
    *found = schema.sort_len == 0 || condition.relation == KEY_EQ;
    if (!*found)
        return RESULT_OK;
    key->items = ARENA_ARRAY(call->arena, 2, struct dynamodb_AttributeMap_entry);
    key->len = 1;
    key->items[0] = (struct dynamodb_AttributeMap_entry){table->partition, *condition.partition[0]};
    if (schema.sort_len > 0)
        key->items[key->len++] = (struct dynamodb_AttributeMap_entry){table->sort, *condition.sort};
    return RESULT_OK;
}

/* --- reading one item
 * ---------------------------------------------------------------------------------------------------
 */

RESULT partiql_prepare_get(struct call *call, const struct partiql_statement *statement,
                           struct partiql_get *out, const char *unless_key)
{
    bool found = false;
    out->statement = statement;
    if (str_is_absent(statement->index))
        TRY(partiql_key(call, &out->table, statement->where, &out->key, &out->rest, &found));
    if (!found)
        return DYNAMODB_ERROR(call, "%s", unless_key);
    return place_check_key(call, &out->table, out->key);
}

RESULT partiql_get(struct call *call, const struct partiql_get *get,
                   struct dynamodb_AttributeMap *item, size_t *size)
{
    struct stored stored;
    TRY(store_get(call, &get->table, &get->key, false, &stored));
    *size = stored.size;
    *item = (struct dynamodb_AttributeMap){0};
    if (!stored.found ||
        (get->rest != NULL && !condition_holds(call->arena, get->rest, &stored.item)))
        return RESULT_OK;
    *item = get->statement->columns == NULL
                ? stored.item
                : partiql_columns(call->arena, get->statement, &stored.item);
    return RESULT_OK;
}

/* --- writing one item
 * ---------------------------------------------------------------------------------------------------
 */

RESULT partiql_prepare_write(struct call *call, const struct partiql_statement *statement,
                             struct item_write *write)
{
    struct value_failure failure;
    const struct dynamodb_table *table = &write->table;
    bool found;
    if (statement->kind == PARTIQL_INSERT) {
        write->kind = ITEM_PUT;
        write->key = statement->item;
        write->condition = partiql_exists(call->arena, table->partition, false, NULL);
        CHECK(call, failure, item_check(call->arena, write->key, &failure));
        return item_write_check(call, write);
    }
    TRY(partiql_key(call, table, statement->where, &write->key, &write->condition, &found));
    if (!found || !str_is_absent(statement->index))
        return DYNAMODB_ERROR(
            call, "Where clause does not contain a mandatory equality on all key attributes");
    switch (statement->kind) {
    case PARTIQL_UPDATE:
        write->kind = ITEM_UPDATE;
        write->update = statement->update;
        /* "UPDATE" changes what there is and makes nothing. */
        write->condition = partiql_exists(call->arena, table->partition, true, write->condition);
        break;
    case PARTIQL_DELETE:
        /* "If the DynamoDB table does not have any item with the same primary key ..., DELETE
         * returns SUCCESS with 0 items deleted." */
        write->kind = ITEM_DELETE;
        write->if_found = true;
        break;
    case PARTIQL_EXISTS:
        write->kind = ITEM_CHECK;
        write->condition = partiql_exists(call->arena, table->partition, true, write->condition);
        break;
    case PARTIQL_SELECT:
    case PARTIQL_INSERT:
        break;
    }
    return item_write_check(call, write);
}

RESULT partiql_write(struct call *call, const struct partiql_statement *statement,
                     struct str on_check_failure, struct str capacity, struct item_write *write)
{
    bool holds;
    TRY(partiql_open(call, statement, (struct str){0}, capacity, &write->table));
    TRY(partiql_prepare_write(call, statement, write));
    /* Before anything is written: a batch goes on without this statement. */
    TRY(meter_refuse(call, &write->table, false, &write->key));
    TRY(item_write_read(call, write, &holds));
    if (!holds && statement->kind == PARTIQL_INSERT)
        return call_fail(call, DYNAMODB_DUPLICATE_ITEM, "Duplicate primary key exists in table");
    if (!holds)
        return item_refused(call, write, on_check_failure);
    TRY(item_write_do(call, write));
    meter_spend(call, &write->capacity, NULL, &write->key);
    return RESULT_OK;
}

struct dynamodb_AttributeMap partiql_returned(struct arena *arena,
                                              const struct partiql_statement *statement,
                                              const struct item_write *write)
{
    const struct dynamodb_AttributeMap *old = write->old.found ? &write->old.item : NULL;
    const struct dynamodb_AttributeMap *of = NULL;
    bool modified = false;
    switch (statement->returning) {
    case PARTIQL_RETURN_NONE:
        break;
    case PARTIQL_RETURN_ALL_OLD:
    case PARTIQL_RETURN_MODIFIED_OLD:
        of = old;
        modified = statement->returning == PARTIQL_RETURN_MODIFIED_OLD;
        break;
    case PARTIQL_RETURN_ALL_NEW:
    case PARTIQL_RETURN_MODIFIED_NEW:
        of = write->after;
        modified = statement->returning == PARTIQL_RETURN_MODIFIED_NEW;
        break;
    }
    if (of == NULL)
        return (struct dynamodb_AttributeMap){0};
    return modified ? update_returned(arena, write->update, of) : *of;
}
