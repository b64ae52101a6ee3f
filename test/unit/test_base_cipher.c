/* AES-256-GCM and CTR: known answers, and what was altered does not open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/cipher_int.h"
#include "base/rng.h"

/* NIST GCM test case 14: key and nonce of zeros, a block of zeros. */
static void test_known_answer(void **state)
{
    (void)state;
    static const uint8_t key[CIPHER_KEY], nonce[CIPHER_NONCE];
    static const uint8_t wanted[] = {0xce, 0xa7, 0x40, 0x3d, 0x4d, 0x60, 0x6b, 0x6e,
                                     0x07, 0x4e, 0xc5, 0xd3, 0xba, 0xf3, 0x9d, 0x18};
    static const uint8_t wanted_tag[] = {0xd0, 0xd1, 0xc8, 0xa7, 0x99, 0x99, 0x6b, 0xf0,
                                         0x26, 0x5b, 0x98, 0xb5, 0xd4, 0x8a, 0xb9, 0x19};
    char text[16] = {0};
    uint8_t tag[CIPHER_TAG];
    cipher_seal(key, nonce, (struct str){0}, str_make(text, 16), text, tag);
    assert_memory_equal(text, wanted, 16);
    assert_memory_equal(tag, wanted_tag, 16);
    assert_true(cipher_open(key, nonce, (struct str){0}, str_make(text, 16), text, tag));
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(text[i], 0);
}

static void test_boxes(void **state)
{
    (void)state;
    struct arena *arena = arena_new(0);
    uint8_t key[CIPHER_KEY] = {1, 2, 3}, other[CIPHER_KEY] = {1, 2, 4};
    struct str aad = STR("what it is"), text = STR("the text"), out;
    for (size_t size = 0; size <= text.len; size++) {
        struct str part = str_slice(text, 0, size);
        struct str box = cipher_box(arena, key, aad, part);
        assert_int_equal(box.len, size + CIPHER_BOX);
        assert_true(cipher_unbox(arena, key, aad, box, &out));
        assert_true(str_eq(out, part));
        assert_false(cipher_unbox(arena, other, aad, box, &out));
        assert_false(cipher_unbox(arena, key, STR("another"), box, &out));
        assert_false(cipher_unbox(arena, key, aad, str_slice(box, 0, box.len - 1), &out));
        for (size_t i = 0; i < box.len; i++) {
            char *bad = arena_alloc(arena, box.len);
            memcpy(bad, box.ptr, box.len);
            bad[i] = (char)(bad[i] ^ 1);
            assert_false(cipher_unbox(arena, key, aad, str_make(bad, box.len), &out));
        }
    }
    arena_free(arena);
}

static void test_running(void **state)
{
    (void)state;
    uint8_t key[CIPHER_KEY] = {7}, nonce[CIPHER_NONCE] = {1}, tag[CIPHER_TAG], whole[CIPHER_TAG];
    char text[300], a[300], b[300];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    cipher_seal(key, nonce, (struct str){0}, str_make(text, sizeof text), a, whole);
    struct cipher *cipher = cipher_new(key);
    for (size_t turn = 0; turn < 3; turn++) {
        cipher_begin(cipher, true, nonce, (struct str){0});
        for (size_t at = 0; at < sizeof text; at += 50)
            cipher_update(cipher, str_make(text + at, 50), b + at);
        cipher_end_seal(cipher, tag);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_equal(tag, whole, sizeof tag);
        cipher_begin(cipher, false, nonce, (struct str){0});
        cipher_update(cipher, str_make(a, sizeof a), b);
        assert_true(cipher_end_open(cipher, tag));
        assert_memory_equal(text, b, sizeof b);
    }
    cipher_free(cipher);
    const uint8_t first[CIPHER_BLOCK] = {9};
    memcpy(a, text, sizeof a);
    cipher_ctr(key, first, a, sizeof a);
    assert_memory_not_equal(a, text, sizeof a);
    cipher_ctr(key, first, a, sizeof a);
    assert_memory_equal(a, text, sizeof a);
}

/* Sealed by one, in pieces of any length, and opened by the other. */
static void seal_by(const struct cipher_maker *maker, const uint8_t *key, struct str aad,
                    struct str text, size_t piece, char *out, uint8_t tag[CIPHER_TAG])
{
    static const uint8_t nonce[CIPHER_NONCE] = {3, 1, 4};
    struct cipher *cipher = maker->make(key);
    maker->begin(cipher, true, nonce, aad);
    for (size_t at = 0; at < text.len; at += piece)
        maker->update(cipher, str_slice(text, at, at + piece < text.len ? at + piece : text.len),
                      out + at);
    maker->end(cipher, tag);
    char *back = heap_alloc(text.len + 1);
    maker->begin(cipher, false, nonce, aad);
    maker->update(cipher, str_make(out, text.len), back);
    assert_true(maker->check(cipher, tag));
    assert_memory_equal(back, text.ptr, text.len);
    maker->begin(cipher, false, nonce, aad);
    maker->update(cipher, str_make(out, text.len), back);
    tag[15] ^= 1;
    assert_false(maker->check(cipher, tag));
    tag[15] ^= 1;
    heap_free(back);
    maker->drop(cipher);
}

static void test_makers_agree(void **state)
{
    (void)state;
    enum { MOST = 5000 };
    const struct cipher_maker *vector = cipher_vector();
    if (vector == NULL)
        skip();
    char *text = heap_alloc(MOST), *a = heap_alloc(MOST), *b = heap_alloc(MOST);
    uint8_t key[CIPHER_KEY], tag[CIPHER_TAG], other[CIPHER_TAG];
    for (size_t size = 0; size <= MOST; size += size < 300 ? 1 : 313) {
        rng_bytes(key, sizeof key);
        rng_bytes(text, MOST);
        struct str plain = str_make(text, size), aad = str_make(text, size % 40);
        seal_by(&cipher_openssl, key, aad, plain, MOST, a, tag);
        seal_by(vector, key, aad, plain, 1 + size % 77, b, other);
        assert_memory_equal(a, b, size);
        assert_memory_equal(tag, other, sizeof tag);
    }
    heap_free(text);
    heap_free(a);
    heap_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answer),
        cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_makers_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
