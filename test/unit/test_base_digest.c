#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/crc_int.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/rng.h"

static void assert_hex(const uint8_t *bytes, size_t len, const char *hex)
{
    char memory[2 * SHA512_SIZE + 1];
    struct buf buf;
    buf_init_fixed(&buf, memory, sizeof(memory) - 1);
    hex_encode(&buf, str_make((const char *)bytes, len));
    assert_false(buf_is_full(&buf));
    memory[buf.len] = '\0';
    assert_string_equal(memory, hex);
}

/* RFC 1321 A.5, FIPS 180-2 appendices A and B. */
static void test_one_shots(void **state)
{
    (void)state;
    uint8_t out[SHA512_SIZE];
    digest_md5(STR("abc"), out);
    assert_hex(out, MD5_SIZE, "900150983cd24fb0d6963f7d28e17f72");
    digest_md5((struct str){0}, out);
    assert_hex(out, MD5_SIZE, "d41d8cd98f00b204e9800998ecf8427e");
    digest_sha1(STR("abc"), out);
    assert_hex(out, SHA1_SIZE, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest_sha256(STR("abc"), out);
    assert_hex(out, SHA256_SIZE,
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256((struct str){0}, out);
    assert_hex(out, SHA256_SIZE,
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 4231, cases 1, 2, 3, 6 and 7. */
static void test_hmac(void **state)
{
    (void)state;
    uint8_t out[SHA256_SIZE];
    char key[131], data[50];
    memset(key, 0x0b, 20);
    digest_hmac_sha256(str_make(key, 20), STR("Hi There"), out);
    assert_hex(out, SHA256_SIZE,
               "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    digest_hmac_sha256(STR("Jefe"), STR("what do ya want for nothing?"), out);
    assert_hex(out, SHA256_SIZE,
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    memset(data, 0xdd, sizeof(data));
    digest_hmac_sha256(str_make(key, 20), str_make(data, 50), out);
    assert_hex(out, SHA256_SIZE,
               "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    digest_hmac_sha256(str_make(key, 131),
                       STR("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    assert_hex(out, SHA256_SIZE,
               "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    digest_hmac_sha256(
        str_make(key, 131),
        STR("This is a test using a larger than block-size key and a larger than block-size data. "
            "The key needs to be hashed before being used by the HMAC algorithm."),
        out);
    assert_hex(out, SHA256_SIZE,
               "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    digest_hmac_sha256((struct str){0}, (struct str){0}, out);
    assert_hex(out, SHA256_SIZE,
               "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static const struct {
    enum digest_kind kind;
    const char *of_digits; /* of "123456789" */
    const char *of_nothing;
} running[] = {
    {DIGEST_MD5, "25f9e794323b453885f5181f1b624d0b", "d41d8cd98f00b204e9800998ecf8427e"},
    {DIGEST_SHA1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
     "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {DIGEST_SHA256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {DIGEST_CRC32, "cbf43926", "00000000"},
    {DIGEST_CRC32C, "e3069283", "00000000"},
    {DIGEST_CRC64NVME, "ae8b14860a799888", "0000000000000000"},
};
enum { RUNNING_COUNT = sizeof(running) / sizeof(running[0]) };

static void test_running_check_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < RUNNING_COUNT; i++) {
        uint8_t out[SHA512_SIZE];
        size_t size = digest_size(running[i].kind);
        struct digest digest;
        digest_begin(&digest, running[i].kind);
        digest_end(&digest, out);
        assert_hex(out, size, running[i].of_nothing);

        digest_begin(&digest, running[i].kind);
        digest_update(&digest, STR("1234"));
        digest_update(&digest, (struct str){0});
        struct digest copy = digest; /* plain memory: both go on alone */
        digest_update(&copy, STR("other"));
        digest_update(&digest, STR("56789"));
        digest_end(&digest, out);
        assert_hex(out, size, running[i].of_digits);
    }
}

static uint64_t crc_by_bit(uint64_t polynomial, uint64_t crc, const uint8_t *p, size_t len)
{
    for (; len > 0; p++, len--) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
    }
    return crc;
}

/* Every length across the thresholds, at every alignment, against the definition. */
static void test_crc_against_definition(void **state)
{
    (void)state;
    enum { MOST = 700 };
    static uint8_t bytes[MOST + 16];
    rng_set_seed(20261121);
    rng_bytes(bytes, sizeof(bytes));
    for (size_t len = 0; len <= MOST; len++) {
        const uint8_t *p = bytes + len % 16;
        uint64_t start = rng_u64();
        uint32_t start32 = (uint32_t)start;
        uint64_t of_32 = crc_by_bit(0xedb88320, start32, p, len);
        uint64_t of_32c = crc_by_bit(0x82f63b78, start32, p, len);
        uint64_t of_64 = crc_by_bit(UINT64_C(0x9a6c9329ac4bc9b5), start, p, len);
        assert_int_equal(crc32_update(start32, p, len), of_32);
        assert_int_equal(crc32c_update(start32, p, len), of_32c);
        assert_int_equal(crc32c_by_table(start32, p, len), of_32c);
        assert_true(crc64nvme_update(start, p, len) == of_64);
        assert_true(crc64nvme_by_table(start, p, len) == of_64);
    }
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    static char bytes[5000];
    rng_set_seed(7);
    rng_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < RUNNING_COUNT; i++) {
        uint8_t whole[SHA512_SIZE], parts[SHA512_SIZE];
        struct digest digest;
        digest_begin(&digest, running[i].kind);
        digest_update(&digest, str_make(bytes, sizeof(bytes)));
        digest_end(&digest, whole);
        for (int round = 0; round < 50; round++) {
            digest_begin(&digest, running[i].kind);
            for (size_t at = 0; at < sizeof(bytes);) {
                size_t part = rng_below(600);
                part = part < sizeof(bytes) - at ? part : sizeof(bytes) - at;
                digest_update(&digest, str_make(bytes + at, part));
                at += part;
            }
            digest_end(&digest, parts);
            assert_memory_equal(whole, parts, digest_size(running[i].kind));
        }
    }
}

static void test_equal(void **state)
{
    (void)state;
    uint8_t a[4] = {1, 2, 3, 4}, b[4] = {1, 2, 3, 4};
    assert_true(digest_equal(a, b, 4));
    b[3] = 5;
    assert_false(digest_equal(a, b, 4));
    assert_true(digest_equal(a, b, 3));
    assert_true(digest_equal(a, b, 0));
}

int main(void)
{
    printf("seeds: 20261121, 7\n");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_shots),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_running_check_values),
        cmocka_unit_test(test_crc_against_definition),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
