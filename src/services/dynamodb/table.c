/* Tables: their records, and finding them. */
#include "cloud/arn.h"
#include "services/dynamodb/dynamodb_int.h"
#include "store/record.h"

enum { TABLE_NAME_MIN = 3, TABLE_NAME_MAX = 255 };

RESULT dynamodb_refuse(struct call *call, const struct value_failure *failure)
{
    call->message = failure->message;
    call->error = DYNAMODB_VALIDATION;
    call->detail = NULL;
    return RESULT_ERROR;
}

static struct key table_prefix_of(struct call *call, struct str account, struct str region)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("dynamodb"));
    key_str(&key, account);
    key_str(&key, region);
    key_str(&key, STR("table"));
    return key;
}

struct key table_prefix(struct call *call)
{
    return table_prefix_of(call, call->account, call->region);
}

static struct key table_name_key(struct call *call, struct str account, struct str region,
                                 struct str name)
{
    struct key key = table_prefix_of(call, account, region);
    key_str(&key, name);
    return key;
}

struct key table_key(struct call *call, const char *kind, const struct dynamodb_table *table)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, str_from_c(kind));
    key_u64(&key, (uint64_t)table->id);
    return key;
}

/* "Naming rules", Developer Guide. */
static bool table_name_legible(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return true;
}

static bool table_name_allowed(struct str name)
{
    return name.len >= TABLE_NAME_MIN && name.len <= TABLE_NAME_MAX && table_name_legible(name);
}

/* The model lets ARNs pass; names are told of as if it did not. */
static RESULT table_refuse_name(struct call *call, struct str name)
{
    bool bad = !table_name_legible(name), length = true;
    struct buf text;
    buf_init(&text, call->arena, 16 * 1024);
    const char *than = "";
    int limit = TABLE_NAME_MIN;
    if (name.len < TABLE_NAME_MIN)
        than = "greater";
    else if (name.len > TABLE_NAME_MAX)
        than = "less", limit = TABLE_NAME_MAX;
    else
        length = false;
    if (length)
        buf_append_format(&text,
                          "Value '%.*s' at 'tableName' failed to satisfy constraint: Member must "
                          "have length %s than or equal to %d",
                          PRSTR(name), than, limit);
    if (bad)
        buf_append_format(&text,
                          "%sValue '%.*s' at 'tableName' failed to satisfy constraint: Member must "
                          "satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
                          length ? "; " : "", PRSTR(name));
    return DYNAMODB_ERROR(call, "%d validation error%s detected: %.*s", length + bad,
                          length && bad ? "s" : "", PRSTR(buf_str(&text)));
}

/* TableName may be a name or an ARN. */
bool table_parse_name(const struct call *call, struct str text, struct arn *out)
{
    struct arn arn = {.account = call->account, .region = call->region, .resource = text};
    if (str_starts_with(text, STR("arn:"))) {
        if (!arn_parse(text, &arn) || !str_eq(arn.service, STR("dynamodb")) ||
            !str_starts_with(arn.resource, STR("table/")) || !arn_is_account(arn.account))
            return false;
        arn.resource = str_slice(arn.resource, 6, arn.resource.len);
    }
    *out = arn;
    return table_name_allowed(arn.resource);
}

RESULT table_read_name(struct call *call, struct str text, struct arn *out)
{
    struct arn arn;
    if (!table_parse_name(call, text, &arn))
        return str_starts_with(text, STR("arn:"))
                   ? DYNAMODB_ERROR(call, "Invalid ARN: %.*s", PRSTR(text))
                   : table_refuse_name(call, text);
    if (!str_eq(arn.region, call->region))
        return DYNAMODB_ERROR(call, "Invalid ARN: Region does not match the endpoint's: %.*s",
                              PRSTR(text));
    *out = arn;
    return RESULT_OK;
}

RESULT table_find(struct call *call, struct str name, struct dynamodb_table *table, bool *found)
{
    struct arn arn;
    struct str bytes;
    TRY(table_read_name(call, name, &arn));
    struct key key = table_name_key(call, arn.account, arn.region, arn.resource);
    TRY(kv_get(call->txn, key_bytes(&key), &bytes));
    *found = !str_is_absent(bytes);
    if (!*found)
        return RESULT_OK;
    /* One copy, then strings borrowed from it: they outlive the writes to come. */
    return record_decode(call->arena, &dynamodb_model, DYNAMODB_SHAPE_table,
                         str_copy(call->arena, bytes), table);
}

RESULT table_get(struct call *call, struct str name, struct dynamodb_table *table)
{
    bool found;
    TRY(table_find(call, name, table, &found));
    if (!found)
        return call_fail(call, DYNAMODB_RESOURCE_NOT_FOUND,
                         "Requested resource not found: Table: %.*s not found", PRSTR(name));
    call->account = table->account; /* whose jobs will find it */
    return RESULT_OK;
}

bool table_is_being_made(const struct dynamodb_table *table)
{
    return table->importing || (table->restored != NULL && table->restored->in_progress);
}

bool table_is_usable(const struct dynamodb_table *table)
{
    return !str_eq(table->status, DYNAMODB_TABLE_STATUS_DELETING) && !table_is_being_made(table);
}

RESULT table_open(struct call *call, struct str name, struct dynamodb_table *table)
{
    bool found;
    TRY(table_find(call, name, table, &found));
    if (!found || !table_is_usable(table))
        return call_fail(call, DYNAMODB_RESOURCE_NOT_FOUND, "Requested resource not found");
    call->account = table->account;
    return RESULT_OK;
}

RESULT table_put(struct call *call, const struct dynamodb_table *table)
{
    struct key key = table_name_key(call, table->account, table->region, table->name);
    return call_put_record(call, &key, &dynamodb_model, DYNAMODB_SHAPE_table, table);
}

RESULT table_forget(struct call *call, const struct dynamodb_table *table)
{
    struct key key = table_name_key(call, table->account, table->region, table->name);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

struct str table_arn(struct arena *arena, const struct dynamodb_table *table)
{
    struct str resource = str_concat(arena, STR("table/"), table->name);
    return arn_make(arena, STR("dynamodb"), table->region, table->account, resource);
}

enum value_type table_type(const struct dynamodb_table *table, struct str attribute)
{
    for (size_t i = 0; i < table->attributes.len; i++) {
        const struct dynamodb_attribute *definition = &table->attributes.items[i];
        if (str_eq(definition->name, attribute))
            return definition->type.ptr[0] == 'S'   ? VALUE_S
                   : definition->type.ptr[0] == 'N' ? VALUE_N
                                                    : VALUE_B;
    }
    return VALUE_NONE;
}

struct dynamodb_index *table_index(const struct dynamodb_table *table, struct str name)
{
    for (size_t i = 0; i < table->indexes.len; i++)
        if (str_eq(table->indexes.items[i].name, name))
            return &table->indexes.items[i];
    return NULL;
}

static size_t schema_fill(const struct dynamodb_table *table, struct str first,
                          struct str_list more, struct key_attribute *out)
{
    size_t len = 0;
    if (str_is_absent(first))
        return 0;
    out[len++] = (struct key_attribute){first, table_type(table, first)};
    for (size_t i = 0; i < more.len && len < KEY_ATTRIBUTES_MAX; i++)
        out[len++] = (struct key_attribute){more.items[i], table_type(table, more.items[i])};
    return len;
}

struct key_schema table_schema(const struct dynamodb_table *table,
                               const struct dynamodb_index *index)
{
    const struct str_list none = {0};
    struct key_schema schema = {0};
    schema.partition_len =
        schema_fill(table, index == NULL ? table->partition : index->partition,
                    index == NULL ? none : index->more_partition, schema.partition);
    schema.sort_len = schema_fill(table, index == NULL ? table->sort : index->sort,
                                  index == NULL ? none : index->more_sort, schema.sort);
    return schema;
}
