#include "support/record_shapes.h"

enum member_index {
    OF_INNER,
    OF_TEXTS = OF_INNER + 3,
    OF_NUMBERS,
    OF_CHILDREN,
    OF_NESTED,
    OF_PLAIN_NUMBERS,
    OF_TEXT_MAP,
    OF_NUMBER_MAP = OF_TEXT_MAP + 2,
    OF_INNER_MAP = OF_NUMBER_MAP + 2,
    OF_TEXTS_MAP = OF_INNER_MAP + 2,
    OF_RICH = OF_TEXTS_MAP + 2,
    OF_FIRST = OF_RICH + 26,
    OF_SECOND = OF_FIRST + 10,
    MEMBERS = OF_SECOND + 10,
};

#define MEMBER(type, field, number, kind)                                                          \
    {                                                                                              \
        .tag = (number), .offset = offsetof(struct type, field), .shape = (kind)                   \
    }
#define PLAIN(type, field, number, kind)                                                           \
    {                                                                                              \
        .tag = (number), .offset = offsetof(struct type, field), .shape = (kind),                  \
        .flags = WIRE_MEMBER_PLAIN                                                                 \
    }
#define ITEM(kind)                                                                                 \
    {                                                                                              \
        .shape = (kind)                                                                            \
    }
#define MAP_OF(entry, kind)                                                                        \
    {.shape = SHAPE_STRING},                                                                       \
    {                                                                                              \
        .offset = offsetof(struct entry, value), .shape = (kind)                                   \
    }

static const struct wire_member members[] = {
    MEMBER(inner, name, 1, SHAPE_STRING),
    MEMBER(inner, number, 2, SHAPE_LONG),
    MEMBER(inner, next, 3, SHAPE_INNER),
    ITEM(SHAPE_STRING),
    ITEM(SHAPE_INT),
    ITEM(SHAPE_INNER),
    ITEM(SHAPE_TEXTS),
    {.shape = SHAPE_LONG, .flags = WIRE_MEMBER_PLAIN},
    MAP_OF(text_entry, SHAPE_STRING),
    MAP_OF(number_entry, SHAPE_INT),
    MAP_OF(inner_entry, SHAPE_INNER),
    MAP_OF(texts_entry, SHAPE_TEXTS),
    /* SHAPE_RICH */
    MEMBER(rich, text, 1, SHAPE_STRING),
    MEMBER(rich, blob, 2, SHAPE_BLOB),
    MEMBER(rich, document, 3, SHAPE_DOCUMENT),
    MEMBER(rich, big_number, 4, SHAPE_BIG_NUMBER),
    MEMBER(rich, flag, 5, SHAPE_BOOL),
    MEMBER(rich, byte, 6, SHAPE_BYTE),
    MEMBER(rich, small, 7, SHAPE_SHORT),
    MEMBER(rich, number, 8, SHAPE_INT),
    MEMBER(rich, big, 9, SHAPE_LONG),
    MEMBER(rich, single, 10, SHAPE_FLOAT),
    MEMBER(rich, twice, 11, SHAPE_DOUBLE),
    MEMBER(rich, when, 12, SHAPE_TIME),
    MEMBER(rich, child, 13, SHAPE_INNER),
    MEMBER(rich, texts, 14, SHAPE_TEXTS),
    MEMBER(rich, numbers, 15, SHAPE_NUMBERS),
    MEMBER(rich, children, 16, SHAPE_CHILDREN),
    MEMBER(rich, nested, 0x0fffffff, SHAPE_NESTED), /* the largest tag of a model's shape */
    MEMBER(rich, plain_numbers, 18, SHAPE_PLAIN_NUMBERS),
    MEMBER(rich, text_map, 19, SHAPE_TEXT_MAP),
    MEMBER(rich, number_map, 20, SHAPE_NUMBER_MAP),
    MEMBER(rich, inner_map, 21, SHAPE_INNER_MAP),
    MEMBER(rich, texts_map, 22, SHAPE_TEXTS_MAP),
    PLAIN(rich, plain_number, 23, SHAPE_LONG),
    PLAIN(rich, plain_time, 24, SHAPE_TIME),
    PLAIN(rich, plain_double, 25, SHAPE_DOUBLE),
    PLAIN(rich, plain_flag, 26, SHAPE_BOOL),
    /* SHAPE_FIRST */
    MEMBER(first_form, name, 1, SHAPE_STRING),
    MEMBER(first_form, count, 2, SHAPE_INT),
    MEMBER(first_form, size, 3, SHAPE_LONG),
    MEMBER(first_form, digits, 4, SHAPE_STRING),
    MEMBER(first_form, words, 5, SHAPE_STRING),
    MEMBER(first_form, flag, 6, SHAPE_BOOL),
    MEMBER(first_form, ratio, 7, SHAPE_DOUBLE),
    MEMBER(first_form, child, 8, SHAPE_INNER),
    MEMBER(first_form, list, 9, SHAPE_NUMBERS),
    MEMBER(first_form, dropped, 10, SHAPE_STRING),
    /* SHAPE_SECOND */
    MEMBER(second_form, added, 11, SHAPE_TIME),
    MEMBER(second_form, count, 2, SHAPE_LONG),
    MEMBER(second_form, size, 3, SHAPE_INT),
    MEMBER(second_form, digits, 4, SHAPE_LONG),
    MEMBER(second_form, words, 5, SHAPE_LONG),
    MEMBER(second_form, flag, 6, SHAPE_INT),
    MEMBER(second_form, ratio, 7, SHAPE_INT),
    MEMBER(second_form, child, 8, SHAPE_STRING),
    MEMBER(second_form, list, 9, SHAPE_TEXTS),
    MEMBER(second_form, name, 1, SHAPE_STRING),
};
_Static_assert(sizeof(members) / sizeof(members[0]) == MEMBERS, "as many as member_index says");

#define SCALAR(kind, form)                                                                         \
    {                                                                                              \
        .type = (kind), .size = sizeof(form)                                                       \
    }
#define HOLDING(kind, form, count, first)                                                          \
    {                                                                                              \
        .type = (kind), .size = sizeof(form), .member_count = (count), .members = (first)          \
    }

static const struct wire_shape shapes[SHAPES] = {
    [SHAPE_EMPTY] = {.type = WIRE_STRUCT},
    [SHAPE_STRING] = SCALAR(WIRE_STRING, struct str),
    [SHAPE_BLOB] = SCALAR(WIRE_BLOB, struct str),
    [SHAPE_DOCUMENT] = SCALAR(WIRE_DOCUMENT, struct str),
    [SHAPE_BIG_NUMBER] = SCALAR(WIRE_BIG_NUMBER, struct str),
    [SHAPE_BOOL] = SCALAR(WIRE_BOOL, struct opt_bool),
    [SHAPE_BYTE] = SCALAR(WIRE_BYTE, struct opt_int),
    [SHAPE_SHORT] = SCALAR(WIRE_SHORT, struct opt_int),
    [SHAPE_INT] = SCALAR(WIRE_INT, struct opt_int),
    [SHAPE_LONG] = SCALAR(WIRE_LONG, struct opt_long),
    [SHAPE_FLOAT] = SCALAR(WIRE_FLOAT, struct opt_double),
    [SHAPE_DOUBLE] = SCALAR(WIRE_DOUBLE, struct opt_double),
    [SHAPE_TIME] = SCALAR(WIRE_TIMESTAMP, struct opt_time),
    [SHAPE_INNER] = HOLDING(WIRE_STRUCT, struct inner, 3, OF_INNER),
    [SHAPE_TEXTS] = HOLDING(WIRE_LIST, struct wire_list, 1, OF_TEXTS),
    [SHAPE_NUMBERS] = HOLDING(WIRE_LIST, struct wire_list, 1, OF_NUMBERS),
    [SHAPE_CHILDREN] = HOLDING(WIRE_LIST, struct wire_list, 1, OF_CHILDREN),
    [SHAPE_NESTED] = HOLDING(WIRE_LIST, struct wire_list, 1, OF_NESTED),
    [SHAPE_PLAIN_NUMBERS] = HOLDING(WIRE_LIST, struct wire_list, 1, OF_PLAIN_NUMBERS),
    [SHAPE_TEXT_MAP] = HOLDING(WIRE_MAP, struct wire_list, 2, OF_TEXT_MAP),
    [SHAPE_NUMBER_MAP] = HOLDING(WIRE_MAP, struct wire_list, 2, OF_NUMBER_MAP),
    [SHAPE_INNER_MAP] = HOLDING(WIRE_MAP, struct wire_list, 2, OF_INNER_MAP),
    [SHAPE_TEXTS_MAP] = HOLDING(WIRE_MAP, struct wire_list, 2, OF_TEXTS_MAP),
    [SHAPE_RICH] = HOLDING(WIRE_STRUCT, struct rich, 26, OF_RICH),
    [SHAPE_FIRST] = HOLDING(WIRE_STRUCT, struct first_form, 10, OF_FIRST),
    [SHAPE_SECOND] = HOLDING(WIRE_STRUCT, struct second_form, 10, OF_SECOND),
};

const struct wire_model record_model = {
    .strings = "",
    .shapes = shapes,
    .members = members,
    .shape_count = SHAPES,
    .member_count = MEMBERS,
};
