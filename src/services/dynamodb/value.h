/* Attribute values and items: what may be stored, how they compare, what they weigh. Pure functions
 * over the generated struct dynamodb_AttributeValue; nothing here touches the store or a call.
 *
 * Numbers are kept as AWS returns them: canonical text (number.h). value_check() rewrites them so,
 * in place; everything else here takes values that have passed it, or that come from the store. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_VALUE_H
#define KUMONIWA_SERVICES_DYNAMODB_VALUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"
#include "gen/dynamodb.h"

/* What is wrong, in AWS's words. With RESULT_ERROR, always a ValidationException. */
struct value_failure {
    struct str message;
};
/* Sets the message; yields RESULT_ERROR. */
RESULT value_fail(struct arena *arena, struct value_failure *failure, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

enum value_type {
    VALUE_NONE,
    VALUE_S,
    VALUE_N,
    VALUE_B,
    VALUE_SS,
    VALUE_NS,
    VALUE_BS,
    VALUE_M,
    VALUE_L,
    VALUE_NULL,
    VALUE_BOOL,
};

enum {
    VALUE_NESTING_MAX = 32, /* levels; an attribute's own value is the first */
    ITEM_SIZE_MAX = 400 * 1024,
    KEY_PARTITION_SIZE_MAX = 2048,
    KEY_SORT_SIZE_MAX = 1024,
    ATTRIBUTE_NAME_MAX = 65535,
};
#define VALUE_NESTING_TEXT                                                                         \
    "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels "    \
    "beyond supported limit"

/* The model has a map type for every place an item stands in (PutItemInput's Item, Key, M, ...);
 * all have one layout. */
#define ITEM_OF(map)                                                                               \
    ((struct dynamodb_AttributeMap){                                                               \
        .items = (struct dynamodb_AttributeMap_entry *)(void *)(map).items, .len = (map).len})

enum value_type value_type(const struct dynamodb_AttributeValue *value);
struct str value_type_name(enum value_type type); /* "S", "NULL", ... */

/* All that AWS asks of a value, and of an item's values, wherever they come in; numbers become
 * canonical in place. Not asked here: the item's size, and what keys must be. */
RESULT value_check(struct arena *arena, struct dynamodb_AttributeValue *value,
                   struct value_failure *failure);
RESULT item_check(struct arena *arena, struct dynamodb_AttributeMap item,
                  struct value_failure *failure);
/* An attribute's name, or a map's key. */
RESULT value_check_name(struct arena *arena, struct str name, struct value_failure *failure);
/* RESULT_ERROR when the item is larger than 400 KiB; `update` chooses AWS's wording. *size may be
 * NULL. */
RESULT item_check_size(struct arena *arena, const struct dynamodb_AttributeMap *item, bool update,
                       size_t *size, struct value_failure *failure);
/* A key attribute's value: not empty, not too large. Its type (S, N or B) has been checked against
 * the schema. */
RESULT value_check_key(struct arena *arena, struct str name,
                       const struct dynamodb_AttributeValue *value, bool is_sort,
                       struct value_failure *failure);

/* Sets are equal whatever their order, numbers by value, maps by their keys. */
bool value_equal(struct arena *arena, const struct dynamodb_AttributeValue *a,
                 const struct dynamodb_AttributeValue *b);
bool item_equal(struct arena *arena, const struct dynamodb_AttributeMap *a,
                const struct dynamodb_AttributeMap *b);
/* S and B by bytes, N by value: <0, 0, >0. Both have the same type, one of these. */
int value_compare(const struct dynamodb_AttributeValue *a, const struct dynamodb_AttributeValue *b);

/* "DynamoDB item sizes and formats". */
size_t value_size(const struct dynamodb_AttributeValue *value);
size_t item_size(const struct dynamodb_AttributeMap *item);

/* The value of an attribute, or NULL. */
struct dynamodb_AttributeValue *item_get(const struct dynamodb_AttributeMap *item, struct str name);

/* Bytes whose order is the value's order, for S, N and B: appended to `out`, without any end mark
 * (embed them in a key as a string element). value_key_decode is its inverse. */
void value_key_encode(struct buf *out, const struct dynamodb_AttributeValue *value);
bool value_key_decode(struct arena *arena, enum value_type type, struct str bytes,
                      struct dynamodb_AttributeValue *out);

/* A deep copy, strings included, in the arena. */
void item_copy(struct arena *arena, const struct dynamodb_AttributeMap *item,
               struct dynamodb_AttributeMap *out);

#endif
