/* A model with one member of every kind, which no real service has. */
#ifndef KUMONIWA_TEST_SAMPLE_MODEL_H
#define KUMONIWA_TEST_SAMPLE_MODEL_H

#include "base/arena.h"
#include "wire/desc.h"

struct sample_count {
    struct str key;
    struct opt_int value;
};
struct sample_counts {
    struct sample_count *items;
    size_t len;
};
struct sample_list {
    struct sample *items;
    size_t len;
};
struct sample_choice {
    struct str left;
    struct opt_int right;
};
struct sample {
    struct str text;
    struct str blob;
    struct opt_bool flag;
    struct opt_int tiny, small, whole;
    struct opt_long large;
    struct opt_double single, real;
    struct opt_time at, at_iso, at_http;
    struct str document;
    struct str number;
    struct str_list names, sparse_names;
    struct sample_counts counts, sparse_counts;
    struct sample *inner;
    struct sample_list inners;
    struct sample_choice *choice;
    struct str header; /* bound to a header: not in bodies */
};

enum { SAMPLE_SHAPE = 1 };

const struct wire_model *sample_model(struct arena *arena);

#endif
