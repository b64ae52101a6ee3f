/* A model made by hand, with every form that a record can have; and older and newer versions of one
 * record. */
#ifndef KUMONIWA_TEST_RECORD_SHAPES_H
#define KUMONIWA_TEST_RECORD_SHAPES_H

#include "wire/desc.h"

struct inner {
    struct str name;
    struct opt_long number;
    struct inner *next;
};

struct text_entry {
    struct str key, value;
};
struct number_entry {
    struct str key;
    struct opt_int value;
};
struct inner_entry {
    struct str key;
    struct inner value;
};
struct texts_entry {
    struct str key;
    struct str_list value;
};

struct rich {
    struct str text, blob, document, big_number;
    struct opt_bool flag;
    struct opt_int byte, small, number;
    struct opt_long big;
    struct opt_double single, twice;
    struct opt_time when;
    struct inner *child;
    struct str_list texts;
    struct {
        struct opt_int *items;
        size_t len;
    } numbers;
    struct {
        struct inner *items;
        size_t len;
    } children;
    struct {
        struct str_list *items;
        size_t len;
    } nested;
    struct {
        int64_t *items;
        size_t len;
    } plain_numbers;
    struct {
        struct text_entry *items;
        size_t len;
    } text_map;
    struct {
        struct number_entry *items;
        size_t len;
    } number_map;
    struct {
        struct inner_entry *items;
        size_t len;
    } inner_map;
    struct {
        struct texts_entry *items;
        size_t len;
    } texts_map;
    int64_t plain_number, plain_time;
    double plain_double;
    bool plain_flag;
};

/* One record through the years. */
struct first_form {
    struct str name;
    struct opt_int count;
    struct opt_long size;
    struct str digits, words;
    struct opt_bool flag;
    struct opt_double ratio;
    struct inner *child;
    struct {
        struct opt_int *items;
        size_t len;
    } list;
    struct str dropped;
};
struct second_form {
    struct opt_time added;
    struct opt_long count;
    struct opt_int size;
    struct opt_long digits, words;
    struct opt_int flag;
    struct opt_int ratio;
    struct str child;
    struct str_list list;
    struct str name;
};

enum record_shape {
    SHAPE_EMPTY,
    SHAPE_STRING,
    SHAPE_BLOB,
    SHAPE_DOCUMENT,
    SHAPE_BIG_NUMBER,
    SHAPE_BOOL,
    SHAPE_BYTE,
    SHAPE_SHORT,
    SHAPE_INT,
    SHAPE_LONG,
    SHAPE_FLOAT,
    SHAPE_DOUBLE,
    SHAPE_TIME,
    SHAPE_INNER,
    SHAPE_TEXTS,
    SHAPE_NUMBERS,
    SHAPE_CHILDREN,
    SHAPE_NESTED,
    SHAPE_PLAIN_NUMBERS,
    SHAPE_TEXT_MAP,
    SHAPE_NUMBER_MAP,
    SHAPE_INNER_MAP,
    SHAPE_TEXTS_MAP,
    SHAPE_RICH,
    SHAPE_FIRST,
    SHAPE_SECOND,
    SHAPES,
};

extern const struct wire_model record_model;

#endif
