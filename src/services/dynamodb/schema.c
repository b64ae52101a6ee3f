/* Keys, attribute definitions and indexes as CreateTable and UpdateTable take them ("CreateTable",
 * API reference; "Naming rules and data types", "Quotas", Developer Guide). */
#include "base/vec.h"
#include "services/dynamodb/dynamodb_int.h"

#define INVALID(call, ...)                                                                         \
    DYNAMODB_ERROR(call, "One or more parameter values were invalid: " __VA_ARGS__)

/* "[a, b]" */
static struct str shown_names(struct arena *arena, const struct str *names, size_t count)
{
    struct buf buf;
    buf_init(&buf, arena, 64 * 1024);
    buf_append_char(&buf, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append(&buf, STR(", "));
        buf_append(&buf, names[i]);
    }
    buf_append_char(&buf, ']');
    return buf_str(&buf);
}

static struct str shown_definitions(struct arena *arena, const struct dynamodb_table *table)
{
    struct str *names = ARENA_ARRAY(arena, table->attributes.len + 1, struct str);
    for (size_t i = 0; i < table->attributes.len; i++)
        names[i] = table->attributes.items[i].name;
    return shown_names(arena, names, table->attributes.len);
}

RESULT schema_read_attributes(struct call *call, struct dynamodb_AttributeDefinitions definitions,
                              struct dynamodb_table *table)
{
    struct dynamodb_list_attribute list = {
        .items = ARENA_ARRAY(call->arena, table->attributes.len + definitions.len + 1,
                             struct dynamodb_attribute)};
    for (size_t i = 0; i < table->attributes.len; i++)
        list.items[list.len++] = table->attributes.items[i];
    for (size_t i = 0; i < definitions.len; i++) {
        const struct dynamodb_AttributeDefinition *definition = &definitions.items[i];
        for (size_t j = 0; j < i; j++)
            if (str_eq(definitions.items[j].AttributeName, definition->AttributeName))
                return DYNAMODB_ERROR(call, "Cannot have two attributes with the same name");
        size_t at = 0;
        while (at < list.len && !str_eq(list.items[at].name, definition->AttributeName))
            at++;
        if (at < list.len && !str_eq(list.items[at].type, definition->AttributeType))
            return INVALID(call,
                           "Table already has an attribute definition for %.*s of another "
                           "type",
                           PRSTR(definition->AttributeName));
        list.items[at] = (struct dynamodb_attribute){.name = definition->AttributeName,
                                                     .type = definition->AttributeType};
        if (at == list.len)
            list.len++;
    }
    table->attributes = list;
    return RESULT_OK;
}

static RESULT schema_check_defined(struct call *call, struct dynamodb_KeySchema schema,
                                   const struct dynamodb_table *table)
{
    struct str *names = ARENA_ARRAY(call->arena, schema.len, struct str);
    bool defined = true;
    for (size_t i = 0; i < schema.len; i++) {
        names[i] = schema.items[i].AttributeName;
        defined = defined && table_type(table, names[i]) != VALUE_NONE;
    }
    if (defined)
        return RESULT_OK;
    return INVALID(call,
                   "Some index key attributes are not defined in AttributeDefinitions. Keys: "
                   "%.*s, AttributeDefinitions: %.*s",
                   PRSTR(shown_names(call->arena, names, schema.len)),
                   PRSTR(shown_definitions(call->arena, table)));
}

static RESULT schema_check_length(struct call *call, struct dynamodb_KeySchema schema,
                                  const char *path, size_t limit)
{
    struct buf shown;
    if (schema.len <= limit)
        return RESULT_OK;
    buf_init(&shown, call->arena, 64 * 1024);
    for (size_t i = 0; i < schema.len; i++)
        buf_append_format(&shown, "%sKeySchemaElement(attributeName=%.*s, keyType=%.*s)",
                          i > 0 ? ", " : "", PRSTR(schema.items[i].AttributeName),
                          PRSTR(schema.items[i].KeyType));
    return DYNAMODB_ERROR(call,
                          "1 validation error detected: Value '[%.*s]' at '%s' failed to satisfy "
                          "constraint: Member must have length less than or equal to %zu",
                          PRSTR(buf_str(&shown)), path, limit);
}

RESULT schema_read_key(struct call *call, struct dynamodb_KeySchema schema, const char *path,
                       const struct dynamodb_table *table, struct schema_key *out)
{
    bool single = !out->several;
    struct schema_key key = {.several = out->several};
    TRY(schema_check_length(call, schema, path, single ? 2 : 2 * KEY_ATTRIBUTES_MAX));
    if (schema.len == 0)
        return DYNAMODB_ERROR(call,
                              "Invalid KeySchema: Some index key attribute have no definition");
    if (!str_eq(schema.items[0].KeyType, DYNAMODB_KEY_TYPE_HASH))
        return DYNAMODB_ERROR(
            call, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type");
    for (size_t i = 0; i < schema.len; i++) {
        struct str name = schema.items[i].AttributeName;
        bool hash = str_eq(schema.items[i].KeyType, DYNAMODB_KEY_TYPE_HASH);
        if (hash && (key.sort_len > 0 || (single && i > 0)))
            return DYNAMODB_ERROR(
                call, "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type");
        for (size_t k = 0; k < i; k++)
            if (str_eq(schema.items[k].AttributeName, name))
                return DYNAMODB_ERROR(call, "Both the Hash Key and the Range Key element in the "
                                            "KeySchema have the same name");
        if ((hash ? key.partition_len : key.sort_len) == KEY_ATTRIBUTES_MAX)
            return DYNAMODB_ERROR(call,
                                  "Invalid KeySchema: At most %d KeySchemaElements may be of "
                                  "%s key type",
                                  KEY_ATTRIBUTES_MAX, hash ? "HASH" : "RANGE");
        if (hash)
            key.partition[key.partition_len++] = name;
        else
            key.sort[key.sort_len++] = name;
    }
    *out = key;
    return schema_check_defined(call, schema, table);
}

static struct str_list schema_more(struct arena *arena, const struct str *names, size_t len)
{
    struct str_list more = {0};
    if (len < 2)
        return more;
    more.items = ARENA_ARRAY(arena, len - 1, struct str);
    for (size_t i = 1; i < len; i++)
        more.items[more.len++] = names[i];
    return more;
}

static void schema_take_key(struct arena *arena, const struct schema_key *key,
                            struct dynamodb_index *index)
{
    index->partition = key->partition[0];
    index->sort = key->sort[0];
    index->more_partition = schema_more(arena, key->partition, key->partition_len);
    index->more_sort = schema_more(arena, key->sort, key->sort_len);
}

static RESULT schema_read_projection(struct call *call, const struct dynamodb_Projection *in,
                                     struct dynamodb_index *index)
{
    if (in == NULL || str_is_absent(in->ProjectionType))
        return INVALID(call, "Unknown ProjectionType: null");
    bool include = str_eq(in->ProjectionType, DYNAMODB_PROJECTION_TYPE_INCLUDE);
    bool given = in->NonKeyAttributes.items != NULL;
    if (!include && given)
        return INVALID(call, "ProjectionType is %.*s, but NonKeyAttributes is specified",
                       PRSTR(in->ProjectionType));
    if (include && !given)
        return INVALID(call, "ProjectionType is INCLUDE, but NonKeyAttributes is not specified");
    index->projection = in->ProjectionType;
    index->included = in->NonKeyAttributes;
    return RESULT_OK;
}

/* --- throughput
 * -------------------------------------------------------------------------------------------------------
 */

static RESULT check_provisioned(struct call *call, const struct dynamodb_ProvisionedThroughput *in)
{
    if (in->ReadCapacityUnits.value < 1 || in->WriteCapacityUnits.value < 1)
        return DYNAMODB_ERROR(
            call,
            "1 validation error detected: Value '%lld' at 'provisionedThroughput.%s' failed to "
            "satisfy constraint: Member must have value greater than or equal to 1",
            (long long)(in->ReadCapacityUnits.value < 1 ? in->ReadCapacityUnits.value
                                                        : in->WriteCapacityUnits.value),
            in->ReadCapacityUnits.value < 1 ? "readCapacityUnits" : "writeCapacityUnits");
    if (in->ReadCapacityUnits.value > INT64_C(1000000000000))
        return INVALID(call, "Given value %lld for ReadCapacityUnits is out of bounds",
                       (long long)in->ReadCapacityUnits.value);
    if (in->WriteCapacityUnits.value > INT64_C(1000000000000))
        return INVALID(call, "Given value %lld for WriteCapacityUnits is out of bounds",
                       (long long)in->WriteCapacityUnits.value);
    if (in->ReadCapacityUnits.value > DYNAMODB_UNITS_MAX ||
        in->WriteCapacityUnits.value > DYNAMODB_UNITS_MAX)
        return call_fail(call, DYNAMODB_LIMIT_EXCEEDED,
                         "The requested throughput exceeds the per-table limit of %d read or "
                         "write capacity units",
                         DYNAMODB_UNITS_MAX);
    return RESULT_OK;
}

RESULT schema_check_units(struct call *call, const struct dynamodb_ProvisionedThroughput *units,
                          const struct dynamodb_OnDemandThroughput *maximum, bool on_demand,
                          struct str index)
{
    if (maximum != NULL && !on_demand)
        return INVALID(call, "OnDemandThroughput can only be specified when BillingMode is "
                             "PAY_PER_REQUEST");
    if (str_is_absent(index)) {
        if (on_demand && units != NULL)
            return INVALID(call, "Neither ReadCapacityUnits nor WriteCapacityUnits can be "
                                 "specified when BillingMode is PAY_PER_REQUEST");
        if (!on_demand && units == NULL)
            return INVALID(call, "ReadCapacityUnits and WriteCapacityUnits must both be specified "
                                 "when BillingMode is PROVISIONED");
    } else {
        if (on_demand && units != NULL)
            return INVALID(call,
                           "ProvisionedThroughput should not be specified for index: %.*s when "
                           "BillingMode is PAY_PER_REQUEST",
                           PRSTR(index));
        if (!on_demand && units == NULL)
            return INVALID(call, "ProvisionedThroughput must be specified for index: %.*s",
                           PRSTR(index));
    }
    return units == NULL ? RESULT_OK : check_provisioned(call, units);
}

RESULT schema_check_index_units(struct call *call, const struct dynamodb_table *table)
{
    for (size_t i = 0; i < table->indexes.len; i++) {
        const struct dynamodb_index *index = &table->indexes.items[i];
        if (index->global && index->read_units == 0 && !table->on_demand &&
            !str_eq(index->status, DYNAMODB_INDEX_STATUS_DELETING))
            return INVALID(call, "ProvisionedThroughput must be specified for index: %.*s",
                           PRSTR(index->name));
    }
    return RESULT_OK;
}

/* --- indexes
 * ------------------------------------------------------------------------------------------------------------
 */

static RESULT schema_append(struct call *call, struct dynamodb_table *table,
                            struct dynamodb_index *index)
{
    if (table_index(table, index->name) != NULL)
        return INVALID(call, "Duplicate index name: %.*s", PRSTR(index->name));
    index->id = ++table->next_index;
    struct dynamodb_list_index list = {
        .items = ARENA_ARRAY(call->arena, table->indexes.len + 1, struct dynamodb_index)};
    for (size_t i = 0; i < table->indexes.len; i++)
        list.items[list.len++] = table->indexes.items[i];
    list.items[list.len++] = *index;
    table->indexes = list;
    size_t included = 0, global = 0;
    for (size_t i = 0; i < list.len; i++) {
        included += list.items[i].included.len;
        global += list.items[i].global;
    }
    if (included > DYNAMODB_INCLUDED_MAX)
        return INVALID(call,
                       "Number of projected attributes, summed across all secondary indexes, "
                       "exceeds the limit of %d",
                       DYNAMODB_INCLUDED_MAX);
    if (global > DYNAMODB_GLOBAL_INDEXES_MAX)
        return INVALID(call, "GlobalSecondaryIndex count exceeds the per-table limit of %d",
                       DYNAMODB_GLOBAL_INDEXES_MAX);
    return RESULT_OK;
}

RESULT schema_add_global(struct call *call, const struct dynamodb_GlobalSecondaryIndex *in,
                         struct dynamodb_table *table)
{
    struct dynamodb_index index = {
        .name = in->IndexName, .global = true, .status = DYNAMODB_INDEX_STATUS_CREATING};
    struct schema_key key = {.several = true};
    TRY(schema_read_key(call, in->KeySchema, "globalSecondaryIndexes.1.member.keySchema", table,
                        &key));
    schema_take_key(call->arena, &key, &index);
    TRY(schema_read_projection(call, in->Projection, &index));
    TRY(schema_check_units(call, in->ProvisionedThroughput, in->OnDemandThroughput,
                           table->on_demand, in->IndexName));
    if (in->ProvisionedThroughput != NULL) {
        index.read_units = in->ProvisionedThroughput->ReadCapacityUnits.value;
        index.write_units = in->ProvisionedThroughput->WriteCapacityUnits.value;
    }
    TRY(limit_read_maximum(call, in->OnDemandThroughput, &index.read_maximum,
                           &index.write_maximum));
    TRY(limit_read_warm(call, in->WarmThroughput, table->on_demand, index.read_units,
                        index.write_units, &index.warm_read, &index.warm_write));
    return schema_append(call, table, &index);
}

static RESULT schema_add_local(struct call *call, const struct dynamodb_LocalSecondaryIndex *in,
                               struct dynamodb_table *table)
{
    struct dynamodb_index index = {.name = in->IndexName};
    struct schema_key key = {0};
    if (str_is_absent(table->sort))
        return INVALID(call, "Table KeySchema does not have a range key, which is required when "
                             "specifying a LocalSecondaryIndex");
    TRY(schema_read_key(call, in->KeySchema, "localSecondaryIndexes.1.member.keySchema", table,
                        &key));
    schema_take_key(call->arena, &key, &index);
    if (str_is_absent(index.sort))
        return INVALID(call, "Index KeySchema does not have a range key for index: %.*s",
                       PRSTR(index.name));
    if (!str_eq(index.partition, table->partition))
        return INVALID(call,
                       "Index KeySchema does not have the same leading hash key as table "
                       "KeySchema for index: %.*s. index hash key: %.*s, table hash key: %.*s",
                       PRSTR(index.name), PRSTR(index.partition), PRSTR(table->partition));
    TRY(schema_read_projection(call, in->Projection, &index));
    return schema_append(call, table, &index);
}

/* --- all of a table
 * ------------------------------------------------------------------------------------------------
 */

static bool schema_uses(const struct dynamodb_table *table, struct str name)
{
    if (str_eq(name, table->partition) || str_eq(name, table->sort))
        return true;
    for (size_t i = 0; i < table->indexes.len; i++) {
        const struct key_schema has = table_schema(table, &table->indexes.items[i]);
        for (size_t k = 0; k < has.partition_len; k++)
            if (str_eq(name, has.partition[k].name))
                return true;
        for (size_t k = 0; k < has.sort_len; k++)
            if (str_eq(name, has.sort[k].name))
                return true;
    }
    return false;
}

/* The attribute definitions and the keys cover one another. */
static RESULT schema_check_cover(struct call *call, const struct dynamodb_table *table)
{
    struct str *used = ARENA_ARRAY(call->arena, table->attributes.len + 1, struct str);
    size_t count = 0;
    for (size_t i = 0; i < table->attributes.len; i++)
        if (schema_uses(table, table->attributes.items[i].name))
            used[count++] = table->attributes.items[i].name;
    if (count == table->attributes.len)
        return RESULT_OK;
    if (table->indexes.len == 0)
        return INVALID(call, "Number of attributes in KeySchema does not exactly match number of "
                             "attributes defined in AttributeDefinitions");
    return INVALID(call,
                   "Some AttributeDefinitions are not used. AttributeDefinitions: %.*s, keys "
                   "used: %.*s",
                   PRSTR(shown_definitions(call->arena, table)),
                   PRSTR(shown_names(call->arena, used, count)));
}

void schema_drop_unused(struct dynamodb_table *table)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->attributes.len; i++)
        if (schema_uses(table, table->attributes.items[i].name))
            table->attributes.items[kept++] = table->attributes.items[i];
    table->attributes.len = kept;
}

RESULT schema_read(struct call *call, const struct dynamodb_CreateTableInput *in,
                   struct dynamodb_table *table)
{
    TRY(schema_read_attributes(call, in->AttributeDefinitions, table));
    struct schema_key key = {0};
    TRY(schema_read_key(call, in->KeySchema, "keySchema", table, &key));
    table->partition = key.partition[0];
    table->sort = key.sort[0];
    if (in->LocalSecondaryIndexes.items != NULL && in->LocalSecondaryIndexes.len == 0)
        return INVALID(call, "List of LocalSecondaryIndexes is empty");
    if (in->GlobalSecondaryIndexes.items != NULL && in->GlobalSecondaryIndexes.len == 0)
        return INVALID(call, "List of GlobalSecondaryIndexes is empty");
    if (in->LocalSecondaryIndexes.len > DYNAMODB_LOCAL_INDEXES_MAX)
        return INVALID(call, "Number of LocalSecondaryIndexes exceeds per-table limit of %d",
                       DYNAMODB_LOCAL_INDEXES_MAX);
    for (size_t i = 0; i < in->LocalSecondaryIndexes.len; i++)
        TRY(schema_add_local(call, &in->LocalSecondaryIndexes.items[i], table));
    for (size_t i = 0; i < in->GlobalSecondaryIndexes.len; i++)
        TRY(schema_add_global(call, &in->GlobalSecondaryIndexes.items[i], table));
    return schema_check_cover(call, table);
}
