#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/gzip.h"
#include "base/rng.h"

enum { SEED = 1952, SIZE = 3 * 1024 * 1024 };

static RESULT read_from(void *context, uint64_t offset, char *room, size_t size, size_t *got)
{
    const struct str *packed = context;
    struct str piece = str_slice(*packed, (size_t)offset, (size_t)offset + size);
    *got = offset >= packed->len ? 0 : piece.len;
    memcpy(room, piece.ptr, *got);
    return RESULT_OK;
}

/* Lines of words, which pack as texts do. */
static struct str text(struct arena *arena, size_t size)
{
    char *bytes = arena_alloc(arena, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = "etaoin shrdlu{}:,\"\n0123456789"[rng_below(29)];
    return str_make(bytes, size);
}

static struct str pack(struct arena *arena, struct str in)
{
    struct buf out;
    buf_init(&out, arena, 2 * in.len + 1024);
    assert_int_equal(gzip_pack(in, &out), RESULT_OK);
    return buf_str(&out);
}

/* Everything from a point on; *last the last point not beyond `until`. */
static struct str unpack(struct arena *arena, struct str packed, const struct gunzip_point *from,
                         uint64_t until, struct gunzip_point *last, enum result *result)
{
    struct gunzip *gunzip;
    struct buf out;
    char room[5000];
    size_t got;
    const struct gunzip_source source = {read_from, &packed};
    buf_init(&out, arena, 4 * SIZE);
    assert_int_equal(gunzip_open(arena, &source, from, &gunzip), RESULT_OK);
    do {
        *result = gunzip_read(gunzip, room, sizeof room, &got);
        buf_append(&out, str_make(room, got));
    } while (*result == RESULT_OK && got > 0);
    if (last != NULL)
        assert_true(gunzip_point_before(gunzip, until, last));
    return buf_str(&out);
}

static void test_back_and_forth(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, SIZE};
    rng_set_seed(SEED);
    print_message("seed %d\n", SEED);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct arena *arena = arena_new(0);
        struct str in = text(arena, sizes[i]);
        enum result result;
        const struct gunzip_point start = {0};
        struct str out = unpack(arena, pack(arena, in), &start, 0, NULL, &result);
        assert_int_equal(result, RESULT_OK);
        assert_true(str_eq(in, out));
        arena_free(arena);
    }
}

static void test_taken_up_again(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct str one = text(arena, SIZE), two = text(arena, 1000);
    /* Two members, one after the other. */
    struct str packed = str_concat(arena, pack(arena, one), pack(arena, two));
    struct str whole = str_concat(arena, one, two);
    for (uint64_t until = 300000; until < SIZE; until += 311111) {
        struct gunzip_point start = {0}, point;
        enum result result;
        struct str out = unpack(arena, packed, &start, until, &point, &result);
        assert_true(str_eq(whole, out));
        assert_true(point.out_at <= until && point.out_at + 300000 > until);
        out = unpack(arena, packed, &point, 0, NULL, &result);
        assert_int_equal(result, RESULT_OK);
        assert_true(str_eq(str_slice(whole, (size_t)point.out_at, whole.len), out));
    }
    arena_free(arena);
}

static void test_broken(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct str packed = pack(arena, text(arena, 20000));
    const struct gunzip_point start = {0};
    enum result result;
    unpack(arena, str_slice(packed, 0, packed.len / 2), &start, 0, NULL, &result);
    assert_int_equal(result, RESULT_ERROR);
    unpack(arena, STR("this is no gzip at all"), &start, 0, NULL, &result);
    assert_int_equal(result, RESULT_ERROR);
    unpack(arena, STR(""), &start, 0, NULL, &result);
    assert_int_equal(result, RESULT_ERROR);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_and_forth),
        cmocka_unit_test(test_taken_up_again),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
