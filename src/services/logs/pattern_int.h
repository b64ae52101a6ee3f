/* Between the files of filter patterns. */
#ifndef KUMONIWA_SERVICES_LOGS_PATTERN_INT_H
#define KUMONIWA_SERVICES_LOGS_PATTERN_INT_H

#include "services/logs/pattern.h"
#include "services/logs/regex.h"

enum test_op {
    TEST_EQ,
    TEST_NE,
    TEST_LT,
    TEST_LE,
    TEST_GT,
    TEST_GE,
    TEST_NULL,
    TEST_TRUE,
    TEST_FALSE,
    TEST_EXISTS,
    TEST_NOT_EXISTS,
};

/* Of a path into JSON: a member, an item, or all of them. */
struct selector_step {
    enum { STEP_MEMBER, STEP_ITEM, STEP_ALL } kind;
    struct str name;
    size_t index;
};
struct selector {
    struct str text; /* "$.a.b" */
    struct selector_step *steps;
    size_t count;
};

struct test {
    enum test_op op;
    const struct selector *selector; /* JSON */
    size_t field;                    /* space-delimited */
    struct str value;
    bool wild; /* '*' in the value stands for anything */
    bool numeric;
    double number;
    struct regex *regex; /* in place of the value */
};

struct node {
    enum { NODE_TEST, NODE_AND, NODE_OR } kind;
    struct test test;
    struct node *left, *right;
};

struct term {
    enum { TERM_NEEDED, TERM_OPTIONAL, TERM_EXCLUDED } kind;
    struct str text;
    struct regex *regex; /* in place of the text */
};

struct field {
    struct str name; /* absent: none */
    bool rest;       /* "..." */
};

struct pattern {
    enum { PATTERN_ALL, PATTERN_TERMS, PATTERN_JSON, PATTERN_FIELDS } kind;
    struct term *terms;
    size_t term_count;
    bool optional_only; /* then one of them must be there */
    struct node *root;  /* NULL: no condition */
    struct selector **selectors;
    size_t selector_count;
    struct field *fields;
    size_t field_count;
    size_t rest; /* which field is "..."; SIZE_MAX: none */
    size_t regexes;
};

#endif
