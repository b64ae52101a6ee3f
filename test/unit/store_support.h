/* For the tests of store/: directories that go with the test, keys to order. */
#ifndef KUMONIWA_TEST_STORE_SUPPORT_H
#define KUMONIWA_TEST_STORE_SUPPORT_H

#include "base/arena.h"
#include "store/kv.h"

/* A new empty directory; its path lives in the arena. */
struct str test_directory(struct arena *arena);
void test_directory_remove(struct str path);

/* Opens a store, or fails the test. */
struct kv *test_kv_open(struct str directory, enum kv_durability durability);
struct kv_txn *test_begin(struct kv *kv, bool writing);

/* A key of 1 to KV_KEY_MAX bytes, often sharing its beginning with others, often around the lengths
 * at which keys are cut. From rng's stream. */
struct str test_random_key(struct arena *arena);

#endif
