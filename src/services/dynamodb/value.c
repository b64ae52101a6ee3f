/* Attribute values: AWS's validations, equality and order, sizes, copies, key bytes. */
#include "services/dynamodb/value.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/encode.h"
#include "base/map.h"
#include "services/dynamodb/number.h"

enum { SMALL_SET = 16 }; /* up to here every pair is compared; beyond, a map */

#define INVALID "One or more parameter values were invalid: "

RESULT value_fail(struct arena *arena, struct value_failure *failure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    ASSERT(length >= 0);
    char *text = arena_alloc_raw(arena, (size_t)length + 1);
    (void)vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    failure->message = str_make(text, (size_t)length);
    return RESULT_ERROR;
}

enum value_type value_type(const struct dynamodb_AttributeValue *value)
{
    if (value->S.ptr != NULL)
        return VALUE_S;
    if (value->N.ptr != NULL)
        return VALUE_N;
    if (value->M.items != NULL)
        return VALUE_M;
    if (value->L.items != NULL)
        return VALUE_L;
    if (value->BOOL.set)
        return VALUE_BOOL;
    if (value->NULL_.set)
        return VALUE_NULL;
    if (value->B.ptr != NULL)
        return VALUE_B;
    if (value->SS.items != NULL)
        return VALUE_SS;
    if (value->NS.items != NULL)
        return VALUE_NS;
    if (value->BS.items != NULL)
        return VALUE_BS;
    return VALUE_NONE;
}

struct str value_type_name(enum value_type type)
{
    static const struct str names[] = {
        [VALUE_NONE] = STR_INIT(""),     [VALUE_S] = STR_INIT("S"),
        [VALUE_N] = STR_INIT("N"),       [VALUE_B] = STR_INIT("B"),
        [VALUE_SS] = STR_INIT("SS"),     [VALUE_NS] = STR_INIT("NS"),
        [VALUE_BS] = STR_INIT("BS"),     [VALUE_M] = STR_INIT("M"),
        [VALUE_L] = STR_INIT("L"),       [VALUE_NULL] = STR_INIT("NULL"),
        [VALUE_BOOL] = STR_INIT("BOOL"),
    };
    return names[type];
}

/* The strings of a set of any kind, or an absent list. */
static struct str_list set_members(const struct dynamodb_AttributeValue *value)
{
    if (value->SS.items != NULL)
        return value->SS;
    return value->NS.items != NULL ? value->NS : value->BS;
}

/* --- validation ------------------------------------------------------------------------------- */

static bool has_duplicates(struct arena *arena, struct str_list set)
{
    if (set.len <= SMALL_SET) {
        for (size_t i = 1; i < set.len; i++)
            for (size_t j = 0; j < i; j++)
                if (str_eq(set.items[i], set.items[j]))
                    return true;
        return false;
    }
    struct map seen;
    map_init(&seen, arena);
    for (size_t i = 0; i < set.len; i++)
        if (map_put(&seen, set.items[i], &set.items[i]) != NULL)
            return true;
    return false;
}

static RESULT fail_duplicates(struct arena *arena, enum value_type type, struct str_list set,
                              struct value_failure *failure)
{
    if (type == VALUE_NS)
        return value_fail(arena, failure, INVALID "Input collection contains duplicates");
    struct buf text;
    buf_init(&text, arena, SIZE_MAX / 2);
    for (size_t i = 0; i < set.len; i++) {
        if (i > 0)
            buf_append_c(&text, ", ");
        if (type == VALUE_BS)
            base64_encode(&text, set.items[i]);
        else
            buf_append(&text, set.items[i]);
    }
    return value_fail(arena, failure, INVALID "Input collection [%.*s]%s contains duplicates.",
                      PRSTR(buf_str(&text)), type == VALUE_BS ? "of type BS" : "");
}

static RESULT check_number(struct arena *arena, struct str *text, struct value_failure *failure)
{
    enum number_status status = number_normalize(arena, *text, text);
    if (status == NUMBER_OK)
        return RESULT_OK;
    failure->message = number_problem(arena, status, *text);
    return RESULT_ERROR;
}

static RESULT check_set(struct arena *arena, enum value_type type, struct str_list set,
                        struct value_failure *failure)
{
    static const char *const empty[] = {
        [VALUE_SS] = INVALID "An string set  may not be empty",
        [VALUE_NS] = INVALID "An number set  may not be empty",
        [VALUE_BS] = INVALID "Binary sets should not be empty",
    };
    if (set.len == 0)
        return value_fail(arena, failure, "%s", empty[type]);
    for (size_t i = 0; i < set.len; i++) {
        if (set.items[i].ptr == NULL)
            return value_fail(arena, failure,
                              INVALID "An %s set may not have a null string as a member",
                              type == VALUE_SS   ? "string"
                              : type == VALUE_NS ? "number"
                                                 : "binary");
        if (type == VALUE_NS)
            TRY(check_number(arena, &set.items[i], failure));
    }
    if (has_duplicates(arena, set))
        return fail_duplicates(arena, type, set, failure);
    return RESULT_OK;
}

static int count_types(const struct dynamodb_AttributeValue *value)
{
    return (value->S.ptr != NULL) + (value->N.ptr != NULL) + (value->B.ptr != NULL) +
           (value->SS.items != NULL) + (value->NS.items != NULL) + (value->BS.items != NULL) +
           (value->M.items != NULL) + (value->L.items != NULL) + value->NULL_.set + value->BOOL.set;
}

/* "Naming rules", Supported data types and naming rules in Amazon DynamoDB. */
RESULT value_check_name(struct arena *arena, struct str name, struct value_failure *failure)
{
    if (name.len == 0)
        return value_fail(arena, failure, "Attribute names must be at least one character long");
    if (name.len <= ATTRIBUTE_NAME_MAX)
        return RESULT_OK;
    return value_fail(arena, failure, "Attribute name is too large, must be less than %d bytes",
                      ATTRIBUTE_NAME_MAX + 1);
}

/* depth: lists and maps around the value. */
static RESULT check(struct arena *arena, struct dynamodb_AttributeValue *value, int depth,
                    struct value_failure *failure)
{
    int types = count_types(value);
    if (depth == VALUE_NESTING_MAX)
        return value_fail(arena, failure, VALUE_NESTING_TEXT);
    if (types != 1)
        return value_fail(arena, failure,
                          types == 0 ? "Supplied AttributeValue is empty, must contain exactly one "
                                       "of the supported datatypes"
                                     : "Supplied AttributeValue has more than one datatypes set, "
                                       "must contain exactly one of the supported datatypes");
    enum value_type type = value_type(value);
    switch (type) {
    case VALUE_N:
        return check_number(arena, &value->N, failure);
    case VALUE_NULL:
        if (!value->NULL_.value)
            return value_fail(arena, failure,
                              INVALID "Null attribute value types must have the value of true");
        return RESULT_OK;
    case VALUE_SS:
    case VALUE_NS:
    case VALUE_BS:
        return check_set(arena, type, set_members(value), failure);
    case VALUE_L:
    case VALUE_M:
        for (size_t i = 0; i < value->L.len; i++)
            TRY(check(arena, &value->L.items[i], depth + 1, failure));
        for (size_t i = 0; i < value->M.len; i++) {
            TRY(value_check_name(arena, value->M.items[i].key, failure));
            TRY(check(arena, &value->M.items[i].value, depth + 1, failure));
        }
        return RESULT_OK;
    case VALUE_NONE:
    case VALUE_S:
    case VALUE_B:
    case VALUE_BOOL:
        break;
    }
    return RESULT_OK;
}

RESULT value_check(struct arena *arena, struct dynamodb_AttributeValue *value,
                   struct value_failure *failure)
{
    return check(arena, value, 0, failure);
}

RESULT item_check(struct arena *arena, struct dynamodb_AttributeMap item,
                  struct value_failure *failure)
{
    for (size_t i = 0; i < item.len; i++) {
        TRY(value_check_name(arena, item.items[i].key, failure));
        TRY(check(arena, &item.items[i].value, 0, failure));
    }
    return RESULT_OK;
}

RESULT item_check_size(struct arena *arena, const struct dynamodb_AttributeMap *item, bool update,
                       size_t *size, struct value_failure *failure)
{
    size_t bytes = item_size(item);
    if (size != NULL)
        *size = bytes;
    if (bytes > ITEM_SIZE_MAX)
        return value_fail(arena, failure,
                          update ? "Item size to update has exceeded the maximum allowed size"
                                 : "Item size has exceeded the maximum allowed size");
    return RESULT_OK;
}

RESULT value_check_key(struct arena *arena, struct str name,
                       const struct dynamodb_AttributeValue *value, bool is_sort,
                       struct value_failure *failure)
{
    if (value->N.ptr != NULL)
        return RESULT_OK;
    struct str bytes = value->S.ptr != NULL ? value->S : value->B;
    if (bytes.len == 0)
        return value_fail(arena, failure,
                          "One or more parameter values are not valid. The AttributeValue for a "
                          "key attribute cannot contain an empty %s value. Key: %.*s",
                          value->S.ptr != NULL ? "string" : "binary", PRSTR(name));
    if (!is_sort && bytes.len > KEY_PARTITION_SIZE_MAX)
        return value_fail(arena, failure,
                          INVALID "Size of hashkey has exceeded the maximum size limit of%d bytes",
                          KEY_PARTITION_SIZE_MAX);
    if (is_sort && bytes.len > KEY_SORT_SIZE_MAX)
        return value_fail(arena, failure,
                          INVALID "Aggregated size of all range keys has exceeded the size limit "
                                  "of %d bytes",
                          KEY_SORT_SIZE_MAX);
    return RESULT_OK;
}

/* --- equality and order ----------------------------------------------------------------------- */

static bool set_equal(struct arena *arena, struct str_list a, struct str_list b)
{
    if (a.len != b.len)
        return false;
    if (a.len <= SMALL_SET) {
        for (size_t i = 0; i < a.len; i++) {
            size_t j = 0;
            while (j < b.len && !str_eq(a.items[i], b.items[j]))
                j++;
            if (j == b.len)
                return false;
        }
        return true;
    }
    struct map members;
    map_init(&members, arena);
    for (size_t i = 0; i < a.len; i++)
        (void)map_put(&members, a.items[i], &a.items[i]);
    for (size_t i = 0; i < b.len; i++)
        if (map_get(&members, b.items[i]) == NULL)
            return false;
    return true;
}

bool item_equal(struct arena *arena, const struct dynamodb_AttributeMap *a,
                const struct dynamodb_AttributeMap *b)
{
    if (a->len != b->len)
        return false;
    struct map members;
    bool large = a->len > SMALL_SET;
    if (large) {
        map_init(&members, arena);
        for (size_t i = 0; i < b->len; i++)
            (void)map_put(&members, b->items[i].key, &b->items[i].value);
    }
    for (size_t i = 0; i < a->len; i++) {
        const struct dynamodb_AttributeValue *other =
            large ? map_get(&members, a->items[i].key) : item_get(b, a->items[i].key);
        if (other == NULL || !value_equal(arena, &a->items[i].value, other))
            return false;
    }
    return true;
}

bool value_equal(struct arena *arena, const struct dynamodb_AttributeValue *a,
                 const struct dynamodb_AttributeValue *b)
{
    enum value_type type = value_type(a);
    if (type != value_type(b))
        return false;
    switch (type) {
    case VALUE_NONE:
        return true;
    case VALUE_S:
        return str_eq(a->S, b->S);
    case VALUE_N:
        return str_eq(a->N, b->N); /* canonical */
    case VALUE_B:
        return str_eq(a->B, b->B);
    case VALUE_SS:
    case VALUE_NS:
    case VALUE_BS:
        return set_equal(arena, set_members(a), set_members(b));
    case VALUE_M: {
        struct dynamodb_AttributeMap x = ITEM_OF(a->M);
        struct dynamodb_AttributeMap y = ITEM_OF(b->M);
        return item_equal(arena, &x, &y);
    }
    case VALUE_L:
        if (a->L.len != b->L.len)
            return false;
        for (size_t i = 0; i < a->L.len; i++)
            if (!value_equal(arena, &a->L.items[i], &b->L.items[i]))
                return false;
        return true;
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
        return a->BOOL.value == b->BOOL.value;
    }
    return false;
}

int value_compare(const struct dynamodb_AttributeValue *a, const struct dynamodb_AttributeValue *b)
{
    if (a->N.ptr != NULL)
        return number_compare_text(a->N, b->N);
    return a->S.ptr != NULL ? str_cmp(a->S, b->S) : str_cmp(a->B, b->B);
}

/* --- sizes ------------------------------------------------------------------------------------ */

size_t value_size(const struct dynamodb_AttributeValue *value)
{
    enum { CONTAINER = 3, ELEMENT = 1 };
    size_t size = 0;
    switch (value_type(value)) {
    case VALUE_NONE:
        return 0;
    case VALUE_S:
        return value->S.len;
    case VALUE_N:
        return number_size(value->N);
    case VALUE_B:
        return value->B.len;
    case VALUE_SS:
    case VALUE_BS: {
        struct str_list set = set_members(value);
        for (size_t i = 0; i < set.len; i++)
            size += set.items[i].len;
        return size;
    }
    case VALUE_NS:
        for (size_t i = 0; i < value->NS.len; i++)
            size += number_size(value->NS.items[i]);
        return size;
    case VALUE_M: {
        struct dynamodb_AttributeMap map = ITEM_OF(value->M);
        return CONTAINER + item_size(&map) + map.len * ELEMENT;
    }
    case VALUE_L:
        for (size_t i = 0; i < value->L.len; i++)
            size += value_size(&value->L.items[i]) + ELEMENT;
        return CONTAINER + size;
    case VALUE_NULL:
    case VALUE_BOOL:
        return 1;
    }
    return 0;
}

size_t item_size(const struct dynamodb_AttributeMap *item)
{
    size_t size = 0;
    for (size_t i = 0; i < item->len; i++)
        size += item->items[i].key.len + value_size(&item->items[i].value);
    return size;
}

struct dynamodb_AttributeValue *item_get(const struct dynamodb_AttributeMap *item, struct str name)
{
    for (size_t i = 0; i < item->len; i++)
        if (str_eq(item->items[i].key, name))
            return &item->items[i].value;
    return NULL;
}

/* --- keys ------------------------------------------------------------------------------------- */

void value_key_encode(struct buf *out, const struct dynamodb_AttributeValue *value)
{
    if (value->N.ptr == NULL) {
        buf_append(out, value->S.ptr != NULL ? value->S : value->B);
        return;
    }
    struct number number;
    enum number_status status = number_parse(value->N, &number);
    ASSERT(status == NUMBER_OK);
    number_key_encode(out, &number);
}

bool value_key_decode(struct arena *arena, enum value_type type, struct str bytes,
                      struct dynamodb_AttributeValue *out)
{
    *out = (struct dynamodb_AttributeValue){0};
    if (type == VALUE_S) {
        out->S = bytes.ptr == NULL ? STR("") : bytes;
        return true;
    }
    if (type == VALUE_B) {
        out->B = bytes.ptr == NULL ? STR("") : bytes;
        return true;
    }
    struct number number;
    if (type != VALUE_N || !number_key_decode(bytes, &number))
        return false;
    char text[NUMBER_TEXT_MAX];
    out->N = str_copy(arena, str_make(text, number_format(&number, text)));
    return true;
}

/* --- copies ----------------------------------------------------------------------------------- */

static struct str_list copy_strings(struct arena *arena, struct str_list list)
{
    if (list.items == NULL)
        return list;
    struct str_list copy = {.items = ARENA_ARRAY(arena, list.len, struct str), .len = list.len};
    for (size_t i = 0; i < list.len; i++)
        copy.items[i] = str_copy(arena, list.items[i]);
    return copy;
}

static struct str copy_string(struct arena *arena, struct str s)
{
    return s.ptr == NULL ? s : str_copy(arena, s);
}

static void copy_value(struct arena *arena, const struct dynamodb_AttributeValue *value,
                       struct dynamodb_AttributeValue *out);

void item_copy(struct arena *arena, const struct dynamodb_AttributeMap *item,
               struct dynamodb_AttributeMap *out)
{
    struct dynamodb_AttributeMap copy = {.len = item->len};
    if (item->items != NULL)
        copy.items = ARENA_ARRAY(arena, item->len, struct dynamodb_AttributeMap_entry);
    for (size_t i = 0; i < item->len; i++) {
        copy.items[i].key = str_copy(arena, item->items[i].key);
        copy_value(arena, &item->items[i].value, &copy.items[i].value);
    }
    *out = copy;
}

static void copy_value(struct arena *arena, const struct dynamodb_AttributeValue *value,
                       struct dynamodb_AttributeValue *out)
{
    struct dynamodb_AttributeValue copy = {
        .S = copy_string(arena, value->S),
        .N = copy_string(arena, value->N),
        .B = copy_string(arena, value->B),
        .SS = copy_strings(arena, value->SS),
        .NS = copy_strings(arena, value->NS),
        .BS = copy_strings(arena, value->BS),
        .NULL_ = value->NULL_,
        .BOOL = value->BOOL,
    };
    if (value->M.items != NULL) {
        struct dynamodb_AttributeMap map = ITEM_OF(value->M);
        item_copy(arena, &map, &map);
        copy.M.items = (struct dynamodb_MapAttributeValue_entry *)(void *)map.items;
        copy.M.len = map.len;
    }
    if (value->L.items != NULL) {
        copy.L.items = ARENA_ARRAY(arena, value->L.len, struct dynamodb_AttributeValue);
        copy.L.len = value->L.len;
        for (size_t i = 0; i < value->L.len; i++)
            copy_value(arena, &value->L.items[i], &copy.L.items[i]);
    }
    *out = copy;
}
