/* ExpressionAttributeNames and ExpressionAttributeValues, and what a request's parameters must not
 * be together. */
#include "base/map.h"
#include "services/dynamodb/expression_int.h"

enum {
    FEW = 16, /* names or values that are searched one by one */
    PLACEHOLDER_MAX = 255,
};

/* "Expression attribute names (aliases) in DynamoDB": letters, digits and underscores behind the
 * mark. */
static bool is_placeholder(struct str key, char mark)
{
    if (key.len < 2 || key.ptr[0] != mark)
        return false;
    for (size_t i = 1; i < key.len; i++) {
        char c = key.ptr[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_')
            return false;
    }
    return true;
}

/* "The maximum length of any single expression attribute name or expression attribute value, such
 * as #name or :val, is 255 bytes" (Constraints in Amazon DynamoDB); looked at before its letters.
 */
static RESULT check_placeholder(struct expression_scope *scope, const char *parameter,
                                struct str key, char mark)
{
    if (key.len > PLACEHOLDER_MAX)
        return value_fail(scope->arena, scope->failure,
                          "%s contains invalid key: The key is too long, must be at most %d bytes; "
                          "key: \"%.*s\"",
                          parameter, PLACEHOLDER_MAX, PRSTR(key));
    if (is_placeholder(key, mark))
        return RESULT_OK;
    return value_fail(scope->arena, scope->failure,
                      "%s contains invalid key: Syntax error; key: \"%.*s\"", parameter,
                      PRSTR(key));
}

static RESULT take_names(struct expression_scope *scope)
{
    if (scope->names.items == NULL)
        return RESULT_OK;
    if (scope->names.len == 0)
        return value_fail(scope->arena, scope->failure,
                          "ExpressionAttributeNames must not be empty");
    for (size_t i = 0; i < scope->names.len; i++) {
        const struct str_map_entry *entry = &scope->names.items[i];
        TRY(check_placeholder(scope, "ExpressionAttributeNames", entry->key, '#'));
        if (entry->value.len == 0)
            return value_fail(scope->arena, scope->failure,
                              "ExpressionAttributeNames contains invalid value: Attribute name "
                              "must not be empty for key %.*s",
                              PRSTR(entry->key));
        TRY(value_check_name(scope->arena, entry->value, scope->failure));
    }
    scope->names_used = ARENA_ARRAY(scope->arena, scope->names.len, bool);
    if (scope->names.len <= FEW)
        return RESULT_OK;
    scope->names_by_key = ARENA_NEW(scope->arena, struct map);
    map_init(scope->names_by_key, scope->arena);
    for (size_t i = 0; i < scope->names.len; i++)
        (void)map_put(scope->names_by_key, scope->names.items[i].key, &scope->names.items[i]);
    return RESULT_OK;
}

static RESULT take_values(struct expression_scope *scope)
{
    if (scope->values.items == NULL)
        return RESULT_OK;
    if (scope->values.len == 0)
        return value_fail(scope->arena, scope->failure,
                          "ExpressionAttributeValues must not be empty");
    for (size_t i = 0; i < scope->values.len; i++) {
        struct dynamodb_AttributeMap_entry *entry = &scope->values.items[i];
        TRY(check_placeholder(scope, "ExpressionAttributeValues", entry->key, ':'));
        struct value_failure why;
        if (value_check(scope->arena, &entry->value, &why) != RESULT_OK)
            return value_fail(scope->arena, scope->failure,
                              "ExpressionAttributeValues contains invalid value: %.*s for key %.*s",
                              PRSTR(why.message), PRSTR(entry->key));
    }
    scope->values_used = ARENA_ARRAY(scope->arena, scope->values.len, bool);
    if (scope->values.len <= FEW)
        return RESULT_OK;
    scope->values_by_key = ARENA_NEW(scope->arena, struct map);
    map_init(scope->values_by_key, scope->arena);
    for (size_t i = 0; i < scope->values.len; i++)
        (void)map_put(scope->values_by_key, scope->values.items[i].key, &scope->values.items[i]);
    return RESULT_OK;
}

RESULT expression_scope_init(struct expression_scope *scope, struct arena *arena,
                             struct str_map names,
                             struct dynamodb_ExpressionAttributeValueMap values,
                             struct value_failure *failure)
{
    *scope = (struct expression_scope){
        .arena = arena, .names = names, .values = ITEM_OF(values), .failure = failure};
    TRY(take_names(scope));
    return take_values(scope);
}

RESULT expression_scope_finish(struct expression_scope *scope)
{
    struct buf keys;
    buf_init(&keys, scope->arena, SIZE_MAX / 2);
    for (size_t i = 0; i < scope->names.len; i++)
        if (!scope->names_used[i])
            buf_append_format(&keys, "%s%.*s", keys.len > 0 ? ", " : "",
                              PRSTR(scope->names.items[i].key));
    if (keys.len > 0)
        return value_fail(scope->arena, scope->failure,
                          "Value provided in ExpressionAttributeNames unused in expressions: "
                          "keys: {%.*s}",
                          PRSTR(buf_str(&keys)));
    for (size_t i = 0; i < scope->values.len; i++)
        if (!scope->values_used[i])
            buf_append_format(&keys, "%s%.*s", keys.len > 0 ? ", " : "",
                              PRSTR(scope->values.items[i].key));
    if (keys.len > 0)
        return value_fail(scope->arena, scope->failure,
                          "Value provided in ExpressionAttributeValues unused in expressions: "
                          "keys: {%.*s}",
                          PRSTR(buf_str(&keys)));
    return RESULT_OK;
}

/* --- parameters ------------------------------------------------------------------------------- */

static struct str present_names(struct arena *arena, const struct expression_parameter *parameters,
                                size_t count, bool expressions)
{
    struct buf text;
    buf_init(&text, arena, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++)
        if (parameters[i].present && parameters[i].is_expression == expressions)
            buf_append_format(&text, "%s%s", text.len > 0 ? ", " : "", parameters[i].name);
    return buf_str(&text);
}

static RESULT fail_values_alone(struct arena *arena, const struct expression_parameter *parameters,
                                size_t count, struct value_failure *failure)
{
    struct buf text;
    buf_init(&text, arena, SIZE_MAX / 2);
    unsigned named = 0;
    for (size_t i = 0; i < count; i++)
        if (parameters[i].is_expression && parameters[i].takes_values)
            buf_append_format(&text, "%s%s", named++ > 0 ? " and " : "", parameters[i].name);
    return value_fail(arena, failure,
                      "ExpressionAttributeValues can only be specified when using expressions: "
                      "%.*s %s null",
                      PRSTR(buf_str(&text)), named > 1 ? "are" : "is");
}

RESULT expression_check_parameters(struct arena *arena,
                                   const struct expression_parameter *parameters, size_t count,
                                   struct str_map names,
                                   struct dynamodb_ExpressionAttributeValueMap values,
                                   struct value_failure *failure)
{
    bool expressions = false;
    bool legacy = false;
    bool with_values = false;
    for (size_t i = 0; i < count; i++) {
        if (!parameters[i].present)
            continue;
        expressions |= parameters[i].is_expression;
        legacy |= !parameters[i].is_expression;
        with_values |= parameters[i].is_expression && parameters[i].takes_values;
    }
    if (expressions && legacy)
        return value_fail(
            arena, failure,
            "Can not use both expression and non-expression parameters in the same request: "
            "Non-expression parameters: {%.*s} Expression parameters: {%.*s}",
            PRSTR(present_names(arena, parameters, count, false)),
            PRSTR(present_names(arena, parameters, count, true)));
    if (names.items != NULL && !expressions)
        return value_fail(arena, failure,
                          "ExpressionAttributeNames can only be specified when using expressions");
    if (values.items != NULL && !with_values)
        return fail_values_alone(arena, parameters, count, failure);
    return RESULT_OK;
}
