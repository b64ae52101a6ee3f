/* Expressions: condition, filter, projection, key condition, update. Each is parsed once into the
 * arena and then applied to items. Everything that AWS says of an expression without looking at an
 * item is said by the parsers.
 *
 *     struct expression_scope scope;
 *     TRY(expression_scope_init(&scope, arena, in->ExpressionAttributeNames,
 * in->ExpressionAttributeValues, &failure)); TRY(condition_parse(&scope, EXPRESSION_CONDITION,
 * in->ConditionExpression, &condition)); TRY(expression_scope_finish(&scope));            (names
 * and values that no expression used) if (!condition_holds(arena, condition, &item)) ...
 *
 * ASTs borrow the texts, names and values of the request. A failure is always a
 * ValidationException. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_EXPRESSION_H
#define KUMONIWA_SERVICES_DYNAMODB_EXPRESSION_H

#include "services/dynamodb/value.h"

enum expression_kind {
    EXPRESSION_CONDITION,
    EXPRESSION_FILTER,
    EXPRESSION_PROJECTION,
    EXPRESSION_KEY_CONDITION,
    EXPRESSION_UPDATE,
};

/* The names and values that a request's expressions share. */
struct expression_scope {
    struct arena *arena;
    struct str_map names;
    struct dynamodb_AttributeMap values;
    struct value_failure *failure;
    bool *names_used;
    bool *values_used;
    struct map *names_by_key; /* NULL: few, searched one by one */
    struct map *values_by_key;
    bool scans; /* Scan's filter tells its size when it is too large, no other expression does */
};

/* Checks the placeholders' syntax and the values, whose numbers become canonical in place. Absent
 * maps are fine. */
RESULT expression_scope_init(struct expression_scope *scope, struct arena *arena,
                             struct str_map names,
                             struct dynamodb_ExpressionAttributeValueMap values,
                             struct value_failure *failure);
/* After the last parse: names and values that stood unused are an error. */
RESULT expression_scope_finish(struct expression_scope *scope);

/* What a request gave, to be judged before anything is parsed: expressions beside legacy
 * parameters, names or values without expressions. In the order in which AWS would list them. */
struct expression_parameter {
    const char *name; /* "UpdateExpression" */
    bool present;
    bool is_expression; /* else a legacy parameter */
    bool takes_values;  /* not ProjectionExpression */
};
RESULT expression_check_parameters(struct arena *arena,
                                   const struct expression_parameter *parameters, size_t count,
                                   struct str_map names,
                                   struct dynamodb_ExpressionAttributeValueMap values,
                                   struct value_failure *failure);

/* --- document paths --------------------------------------------------------------------------- */

struct path_element {
    struct str name; /* absent: an index into a list */
    size_t index;
};
struct path {
    const struct path_element *elements; /* the first is a name */
    size_t len;
};
/* What stands there, or NULL. */
const struct dynamodb_AttributeValue *path_find(const struct path *path,
                                                const struct dynamodb_AttributeMap *item);

/* --- conditions and filters ------------------------------------------------------------------- */

struct condition;
/* kind: EXPRESSION_CONDITION or EXPRESSION_FILTER. */
RESULT condition_parse(struct expression_scope *scope, enum expression_kind kind, struct str text,
                       const struct condition **out);
/* item NULL: there is none. */
bool condition_holds(struct arena *arena, const struct condition *condition,
                     const struct dynamodb_AttributeMap *item);
/* The top-level attributes it names, each once. */
struct str_list condition_attributes(struct arena *arena, const struct condition *condition);
/* A filter of a Query must not name key attributes (names: one or two). */
RESULT filter_check_keys(struct arena *arena, const struct condition *filter, const char *parameter,
                         struct str_list keys, struct value_failure *failure);

/* --- projections ------------------------------------------------------------------------------ */

struct projection;
RESULT projection_parse(struct expression_scope *scope, struct str text,
                        const struct projection **out);
/* Values are borrowed from the item. Nothing found: an empty, present map. */
struct dynamodb_AttributeMap projection_apply(struct arena *arena,
                                              const struct projection *projection,
                                              const struct dynamodb_AttributeMap *item);
struct str_list projection_attributes(struct arena *arena, const struct projection *projection);

/* --- updates ---------------------------------------------------------------------------------- */

struct update;
RESULT update_parse(struct expression_scope *scope, struct str text, const struct update **out);
/* Key attributes cannot be updated. Also for the keys of indexes' types: see legacy.h for
 * AttributeUpdates. */
RESULT update_check_keys(struct arena *arena, const struct update *update, struct str_list keys,
                         struct value_failure *failure);
/* The item as it will be. `old` is the item, or its key alone when there is none, and is left
 * untouched; unchanged values are borrowed from it. The result's size, and its keys' and index
 * keys' types, are the caller's to check. */
RESULT update_apply(struct arena *arena, const struct update *update,
                    const struct dynamodb_AttributeMap *old, struct dynamodb_AttributeMap *out,
                    struct value_failure *failure);
/* Nothing but REMOVE and DELETE, which make no item where there is none. */
bool update_only_removes(const struct update *update);
/* What UPDATED_OLD (of the old item) and UPDATED_NEW (of the new one) return: the updated paths'
 * values. */
struct dynamodb_AttributeMap update_returned(struct arena *arena, const struct update *update,
                                             const struct dynamodb_AttributeMap *item);
/* The top-level attributes it writes, and those it reads. */
struct str_list update_attributes(struct arena *arena, const struct update *update);

/* --- key conditions --------------------------------------------------------------------------- */

enum key_operator {
    KEY_ANY, /* no condition on the sort key */
    KEY_EQ,
    KEY_LT,
    KEY_LE,
    KEY_GT,
    KEY_GE,
    KEY_BETWEEN, /* both ends belong */
    KEY_BEGINS_WITH,
};
/* A global index's partition key, and its sort key, may have so many attributes ("Multi-attribute
 * keys pattern", Developer Guide); all other keys have one. */
enum { KEY_ATTRIBUTES_MAX = 4 };
struct key_attribute {
    struct str name;
    enum value_type type; /* VALUE_S, VALUE_N or VALUE_B */
};
/* Of the table or the index that is queried. */
struct key_schema {
    struct key_attribute partition[KEY_ATTRIBUTES_MAX];
    size_t partition_len;
    struct key_attribute sort[KEY_ATTRIBUTES_MAX];
    size_t sort_len; /* 0: none */
};
/* All of the partition key, the first attributes of the sort key by equality, and what holds of the
 * next one. */
struct key_condition {
    const struct dynamodb_AttributeValue *partition[KEY_ATTRIBUTES_MAX];
    size_t partition_len;
    const struct dynamodb_AttributeValue *equal[KEY_ATTRIBUTES_MAX];
    size_t equal_len;
    enum key_operator relation;
    const struct dynamodb_AttributeValue *sort;
    const struct dynamodb_AttributeValue *sort_high; /* of KEY_BETWEEN */
};
/* Before the table is looked up: syntax, names, values, and what no key condition may hold. */
RESULT key_condition_parse(struct expression_scope *scope, struct str text,
                           const struct condition **out);
/* What it says of a table's or an index's key. Also takes what legacy_key_conditions() gives. */
RESULT key_condition_resolve(struct arena *arena, const struct condition *condition,
                             const struct key_schema *schema, struct key_condition *out,
                             struct value_failure *failure);

#endif
