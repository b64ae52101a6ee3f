#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/encode.h"
#include "base/rng.h"

enum { MAX = 1 << 20 };

static struct buf new_buf(struct arena *arena)
{
    struct buf buf;
    buf_init(&buf, arena, MAX);
    return buf;
}

static void assert_str(struct str s, struct str expected)
{
    if (!str_eq(s, expected))
        fail_msg("'%.*s' is not '%.*s'", PRSTR(s), PRSTR(expected));
}

/* RFC 4648, 10 */
static void test_base64_vectors(void **state)
{
    (void)state;
    static const char *const vectors[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
    };
    struct arena *arena = arena_new(0);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct str bytes = str_from_c(vectors[i][0]), back;
        struct buf buf = new_buf(arena);
        base64_encode(&buf, bytes);
        assert_str(buf_str(&buf), str_from_c(vectors[i][1]));
        assert_true(base64_decode(arena, buf_str(&buf), &back));
        assert_str(back, bytes);
        buf_clear(&buf);
        base64url_encode(&buf, bytes);
        assert_str(buf_str(&buf), str_from_c(vectors[i][2]));
        assert_true(base64url_decode(arena, buf_str(&buf), &back));
        assert_str(back, bytes);
    }
    arena_free(arena);
}

static void test_base64_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z",    "Zg",     "Zg=",       "Zg===", "Z===", "====", "=",     "==",       "Zm=v",
        "Z=g=", "Zm9v\n", "Zm9v Zm9v", "Zh==",  "Zm9=", "Zm-_", "Zm9vZ", "Zg==Zg==", "Zm8=Zm8="};
    static const char *const bad_url[] = {"Z", "Zg==", "Zm+/", "Zh", "Zm9", "Zm9v!", "Zm9vZ"};
    struct arena *arena = arena_new(0);
    struct str out = STR("untouched");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (base64_decode(arena, str_from_c(bad[i]), &out))
            fail_msg("%s is no base64", bad[i]);
    for (size_t i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++)
        if (base64url_decode(arena, str_from_c(bad_url[i]), &out))
            fail_msg("%s is no base64url", bad_url[i]);
    assert_str(out, STR("untouched"));
    arena_free(arena);
}

/* Every byte in each of the four places: digits are taken, anything else is refused. */
static void test_base64_every_byte(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct arena *arena = arena_new(0);
    for (int c = 1; c < 256; c++) {
        bool common = strchr(digits, c) != NULL;
        for (size_t place = 0; place < 4; place++) {
            char text[9] = "AAAAAAAA";
            text[place] = (char)c;
            struct str out;
            assert_int_equal(base64_decode(arena, str_make(text, 8), &out),
                             common || c == '+' || c == '/');
            assert_int_equal(base64url_decode(arena, str_make(text, 8), &out),
                             common || c == '-' || c == '_');
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

static void test_round_trips(void **state)
{
    (void)state;
    rng_set_seed(17);
    struct arena *arena = arena_new(0);
    for (size_t len = 0; len < 300; len++) {
        char bytes[300];
        rng_bytes(bytes, len);
        struct str in = str_make(bytes, len), out;
        struct buf buf = new_buf(arena);
        base64_encode(&buf, in);
        assert_true(base64_decode(arena, buf_str(&buf), &out) && str_eq(in, out));
        buf_clear(&buf);
        base64url_encode(&buf, in);
        assert_true(base64url_decode(arena, buf_str(&buf), &out) && str_eq(in, out));
        buf_clear(&buf);
        hex_encode(&buf, in);
        assert_true(hex_decode(arena, buf_str(&buf), &out) && str_eq(in, out));
        buf_clear(&buf);
        percent_encode(&buf, in, len % 2);
        assert_true(percent_decode(arena, buf_str(&buf), len % 3 == 0, &out) && str_eq(in, out));
        arena_reset(arena);
    }
    arena_free(arena);
}

static void test_hex(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct buf buf = new_buf(arena);
    struct str out = STR("untouched");
    hex_encode(&buf, STR("\x00\x7f\x80\xff"));
    assert_str(buf_str(&buf), STR("007f80ff"));
    assert_false(hex_decode(arena, STR("0"), &out));
    assert_false(hex_decode(arena, STR("0g"), &out));
    assert_false(hex_decode(arena, STR("@0"), &out));
    assert_false(hex_decode(arena,
                            STR("\x11"
                                "0"),
                            &out));
    assert_str(out, STR("untouched"));
    assert_true(hex_decode(arena, STR("aAbBfF09"), &out));
    assert_str(out, STR("\xaa\xbb\xff\x09"));
    assert_true(hex_decode(arena, STR(""), &out));
    assert_false(str_is_absent(out));
    arena_free(arena);
}

static void test_percent_encode(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    for (int c = 0; c < 256; c++) {
        char byte = (char)c, expected[4];
        bool stays = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        snprintf(expected, sizeof(expected), stays ? "%c" : "%%%02X", c);
        struct buf buf = new_buf(arena);
        percent_encode(&buf, str_make(&byte, 1), false);
        assert_str(buf_str(&buf), stays ? str_make(&byte, 1) : str_from_c(expected));
    }
    struct buf buf = new_buf(arena);
    percent_encode(&buf, STR("/a b/ü"), true);
    assert_str(buf_str(&buf), STR("/a%20b/%C3%BC"));
    /* The maximum counts what is written, not the worst case. */
    char memory[6];
    buf_init_fixed(&buf, memory, sizeof(memory));
    percent_encode(&buf, STR("a bc"), false);
    assert_str(buf_str(&buf), STR("a%20bc"));
    assert_false(buf_is_full(&buf));
    percent_encode(&buf, STR(" "), false);
    assert_true(buf_is_full(&buf));
    arena_free(arena);
}

static void test_percent_decode(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    struct str plain = STR("plain+text"), out;
    assert_true(percent_decode(arena, plain, false, &out));
    assert_ptr_equal(out.ptr, plain.ptr); /* itself */
    assert_true(percent_decode(arena, plain, true, &out));
    assert_str(out, STR("plain text"));
    assert_true(percent_decode(arena, STR("%41%2b+%2F%c3%BC"), true, &out));
    assert_str(out, STR("A+ /ü"));
    assert_true(percent_decode(arena, STR("%00"), false, &out));
    assert_int_equal(out.len, 1);
    assert_true(percent_decode(arena, (struct str){0}, true, &out));
    assert_int_equal(out.len, 0);
    static const char *const bad[] = {"%", "a%", "%4", "%4g", "%g4", "%%41", "% 1", "%-1"};
    out = plain;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (percent_decode(arena, str_from_c(bad[i]), false, &out))
            fail_msg("%s is a broken escape", bad[i]);
    assert_ptr_equal(out.ptr, plain.ptr);
    arena_free(arena);
}

static void test_full_buffer(void **state)
{
    (void)state;
    char memory[7];
    struct buf buf;
    buf_init_fixed(&buf, memory, sizeof(memory));
    base64_encode(&buf, STR("foob"));
    assert_true(buf_is_full(&buf) && buf.len == 0);
    buf_clear(&buf);
    hex_encode(&buf, STR("foob"));
    assert_true(buf_is_full(&buf) && buf.len == 0);
    buf_clear(&buf);
    base64_encode(&buf, (struct str){0});
    hex_encode(&buf, (struct str){0});
    assert_false(buf_is_full(&buf));
}

int main(void)
{
    printf("seed: 17\n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_vectors),
        cmocka_unit_test(test_base64_refuses),
        cmocka_unit_test(test_base64_every_byte),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_percent_encode),
        cmocka_unit_test(test_percent_decode),
        cmocka_unit_test(test_full_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
