#include "store_support.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "base/rng.h"

struct str test_directory(struct arena *arena)
{
    const char *base = getenv("TMPDIR");
    const char *path =
        str_to_c(arena, str_format(arena, "%s/kumoniwa-test-XXXXXX", base == NULL ? "/tmp" : base));
    char *bytes = arena_alloc(arena, strlen(path) + 1);
    memcpy(bytes, path, strlen(path));
    assert_non_null(mkdtemp(bytes));
    return str_from_c(bytes);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *walk)
{
    (void)stat;
    (void)type;
    (void)walk;
    return remove(path);
}

void test_directory_remove(struct str path)
{
    struct arena *scratch = arena_new(0);
    assert_int_equal(nftw(str_to_c(scratch, path), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
    arena_free(scratch);
}

struct kv *test_kv_open(struct str directory, enum kv_durability durability)
{
    struct kv *kv = NULL;
    struct kv_config config = {.directory = directory, .durability = durability};
    assert_int_equal(kv_open(&config, &kv), RESULT_OK);
    return kv;
}

struct kv_txn *test_begin(struct kv *kv, bool writing)
{
    struct kv_txn *txn = NULL;
    assert_int_equal(kv_begin(kv, writing, &txn), RESULT_OK);
    return txn;
}

struct str test_random_key(struct arena *arena)
{
    static const size_t lengths[] = {1,   2,   479, 480,  481,  487,  488,
                                     959, 960, 961, 1440, 3840, 4095, 4096};
    size_t len = rng_below(3) == 0   ? lengths[rng_below(sizeof(lengths) / sizeof(lengths[0]))]
                 : rng_below(2) == 0 ? 1 + (size_t)rng_below(30)
                                     : 1 + (size_t)rng_below(1500);
    char *bytes = arena_alloc_raw(arena, len);
    /* Few letters, in long runs: many keys begin alike. */
    char letter = (char)('a' + (char)rng_below(2));
    memset(bytes, letter, len);
    size_t changes = (size_t)rng_below(4);
    for (size_t i = 0; i < changes; i++) {
        static const char letters[] = {'a', 'b', 'c', 0, (char)0xff, (char)0xfe};
        size_t at = rng_below(2) == 0 ? len - 1 - (size_t)rng_below(len < 3 ? len : 3)
                                      : (size_t)rng_below(len);
        bytes[at] = letters[rng_below(sizeof(letters))];
    }
    return str_make(bytes, len);
}
