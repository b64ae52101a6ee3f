/* The keys that are used most, minute by minute, in bounded memory: the space-saving sketch
 * (Metwally, Agrawal, El Abbadi: "Efficient Computation of Frequent and Top-k Elements in Data
 * Streams", 2005). A key that has more than total / HOT_KEYS of a minute's weight is always there;
 * what a row says is at most `error` too much. Pure; one thread at a time. */
#ifndef KUMONIWA_SERVICES_DYNAMODB_HOT_KEYS_H
#define KUMONIWA_SERVICES_DYNAMODB_HOT_KEYS_H

#include "base/str.h"

enum { HOT_KEYS = 64, HOT_MINUTES = 15 };

struct hot_key {
    char *ptr; /* heap; reused when another key takes the row */
    size_t len, cap;
    uint64_t hash;
    double weight, error;
};
struct hot_minute {
    int64_t minute; /* since 1970 */
    struct hot_key keys[HOT_KEYS];
    size_t len;
    double total;
};
struct hot_keys {
    struct hot_minute minutes[HOT_MINUTES]; /* a ring */
};

struct hot_keys *hot_keys_new(void);
void hot_keys_free(struct hot_keys *hot); /* NULL is fine */
void hot_keys_add(struct hot_keys *hot, int64_t now_ms, struct str key, double weight);
/* The minute's rows, heaviest first; NULL: nothing was used in it, or it is too long ago. */
const struct hot_minute *hot_keys_minute(struct hot_keys *hot, int64_t minute);

#endif
