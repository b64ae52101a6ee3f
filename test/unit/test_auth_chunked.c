#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "auth/chunked.h"
#include "auth/sigv4_int.h"
#include "base/rng.h"
#include "base/time.h"

#define SECRET STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
#define PLAIN STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
#define TRAILER STR("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
#define UNSIGNED STR("STREAMING-UNSIGNED-PAYLOAD-TRAILER")

struct fixture {
    struct arena *arena;
    struct sigv4 signature;
    uint8_t key[SHA256_SIZE];
    struct sigv4_key prepared;
    struct buf wire;
    struct buf payload;
    struct sigv4_problem problem;
    const struct wire_header *trailers;
    size_t trailer_count;
    char previous[SIGV4_HEX_SIZE]; /* of the writer */
    int emit_limit;                /* emit() fails after so many calls; 0: never */
};

static int set_up(void **state)
{
    struct arena *arena = arena_new(0);
    struct fixture *f = ARENA_NEW(arena, struct fixture);
    const struct sigv4_key_name name = {SECRET, STR("20130524"), STR("us-east-1"), STR("s3")};
    f->arena = arena;
    f->signature = (struct sigv4){
        .form = SIGV4_HEADER,
        .date = STR("20130524"),
        .region = STR("us-east-1"),
        .service = STR("s3"),
        .time = STR("20130524T000000Z"),
        .payload_hash = PLAIN,
    };
    sigv4_key_derive(&f->prepared, &name);
    memcpy(f->key, f->prepared.bytes, sizeof(f->key));
    buf_init(&f->wire, arena, 1 << 24);
    buf_init(&f->payload, arena, 1 << 24);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    return 0;
}

static void assert_str(struct str actual, struct str expected)
{
    if (!str_eq(actual, expected))
        fail_msg("[%.*s]\nis not\n[%.*s]", PRSTR(actual), PRSTR(expected));
}

static RESULT collect(void *context, struct str payload)
{
    struct fixture *f = context;
    assert_true(payload.len > 0);
    if (f->emit_limit > 0 && --f->emit_limit == 0)
        return RESULT_FULL;
    buf_append(&f->payload, payload);
    return RESULT_OK;
}

/* Feeds pieces of at most `most` bytes (0: all at once). */
static enum result decode(struct fixture *f, const uint8_t *key, uint64_t most)
{
    struct chunked *chunked = chunked_new(f->arena, &f->signature, key);
    struct str left = buf_str(&f->wire);
    f->problem = (struct sigv4_problem){0};
    buf_clear(&f->payload);
    while (left.len > 0) {
        size_t len = most == 0 ? left.len : (size_t)rng_below(most + 1);
        struct str piece = str_slice(left, 0, len);
        left = str_slice(left, piece.len, left.len);
        /* A copy of its own size, so that reading past it is seen. */
        struct arena *arena = arena_new(0);
        enum result result = chunked_feed(chunked, str_copy(arena, piece), collect, f, &f->problem);
        arena_free(arena);
        if (result != RESULT_OK)
            return result;
    }
    enum result result = chunked_end(chunked, &f->trailers, &f->trailer_count, &f->problem);
    if (result == RESULT_OK)
        assert_int_equal(chunked_payload_size(chunked), f->payload.len);
    return result;
}

/* ---- a writer, from the documentation ---- */

static void sign(struct fixture *f, struct str algorithm, struct str middle, struct str text,
                 char out[SIGV4_HEX_SIZE])
{
    uint8_t digest[SHA256_SIZE];
    char hex[SIGV4_HEX_SIZE];
    digest_sha256(text, digest);
    sigv4_hex(digest, hex);
    struct str to_sign =
        str_format(f->arena, "%.*s\n%.*s\n%.*s/%.*s/%.*s/aws4_request\n%.*s\n%.*s%.*s",
                   PRSTR(algorithm), PRSTR(f->signature.time), PRSTR(f->signature.date),
                   PRSTR(f->signature.region), PRSTR(f->signature.service),
                   (int)sizeof(f->previous), f->previous, PRSTR(middle), (int)sizeof(hex), hex);
    sigv4_key_sign(&f->prepared, to_sign, out);
    memcpy(f->previous, out, SIGV4_HEX_SIZE);
}

static void write_chunk(struct fixture *f, struct str data, bool is_signed)
{
    buf_append_format(&f->wire, "%zx", data.len);
    if (is_signed) {
        char hex[SIGV4_HEX_SIZE];
        sign(f, STR("AWS4-HMAC-SHA256-PAYLOAD"),
             STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"), data, hex);
        buf_append(&f->wire, STR(";chunk-signature="));
        buf_append(&f->wire, str_make(hex, sizeof(hex)));
    }
    buf_append(&f->wire, STR("\r\n"));
    buf_append(&f->wire, data);
    if (data.len > 0)
        buf_append(&f->wire, STR("\r\n"));
}

static void write_trailer(struct fixture *f, struct str name, struct str value, bool is_signed)
{
    buf_append_format(&f->wire, "%.*s:%.*s\r\n", PRSTR(name), PRSTR(value));
    if (is_signed) {
        char hex[SIGV4_HEX_SIZE];
        sign(f, STR("AWS4-HMAC-SHA256-TRAILER"), STR(""),
             str_format(f->arena, "%.*s:%.*s\n", PRSTR(name), PRSTR(value)), hex);
        buf_append_format(&f->wire, "x-amz-trailer-signature:%.*s\r\n", (int)sizeof(hex), hex);
    }
}

static void begin(struct fixture *f, struct str payload_hash, const char *seed)
{
    f->signature.payload_hash = payload_hash;
    f->signature.signature = str_from_c(seed);
    assert_int_equal(f->signature.signature.len, SIGV4_HEX_SIZE);
    memcpy(f->previous, seed, SIGV4_HEX_SIZE);
    buf_clear(&f->wire);
}

#define PLAIN_SEED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
#define TRAILER_SEED "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"

static struct str letters(struct fixture *f, size_t count)
{
    char *text = arena_alloc_raw(f->arena, count);
    memset(text, 'a', count);
    return str_make(text, count);
}

/* ---- AWS's examples ---- */

static struct str seed_of(struct fixture *f, const struct wire_header *headers, size_t count,
                          struct str names, struct str payload_hash)
{
    const struct wire_request request = {
        .method = STR("PUT"),
        .path = STR("/examplebucket/chunkObject.txt"),
        .headers = headers,
        .header_count = count,
    };
    int64_t now_ms;
    assert_true(time_parse_basic(STR("20130524T000000Z"), &now_ms));
    struct str value = sigv4_sign(f->arena, &request, STR("AKIAIOSFODNN7EXAMPLE"), SECRET,
                                  STR("us-east-1"), STR("s3"), now_ms, names, payload_hash, true);
    return str_slice(value, value.len - SIGV4_HEX_SIZE, value.len);
}

/* The examples of "Transferring Payload in Multiple Chunks" and "Including Trailing Headers". */
static void test_seeds(void **state)
{
    struct fixture *f = *state;
    const struct wire_header plain[] = {
        {STR("Host"), STR("s3.amazonaws.com")},
        {STR("x-amz-date"), STR("20130524T000000Z")},
        {STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY")},
        {STR("x-amz-content-sha256"), PLAIN},
        {STR("Content-Encoding"), STR("aws-chunked")},
        {STR("x-amz-decoded-content-length"), STR("66560")},
        {STR("Content-Length"), STR("66824")},
    };
    assert_str(seed_of(f, plain, sizeof(plain) / sizeof(plain[0]),
                       STR("content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                           "x-amz-decoded-content-length;x-amz-storage-class"),
                       PLAIN),
               STR(PLAIN_SEED));
    const struct wire_header trailer[] = {
        {STR("Host"), STR("s3.amazonaws.com")},
        {STR("x-amz-date"), STR("20130524T000000Z")},
        {STR("x-amz-storage-class"), STR("REDUCED_REDUNDANCY")},
        {STR("x-amz-content-sha256"), TRAILER},
        {STR("Content-Encoding"), STR("aws-chunked")},
        {STR("x-amz-decoded-content-length"), STR("66560")},
        {STR("x-amz-trailer"), STR("x-amz-checksum-crc32c")},
    };
    assert_str(seed_of(f, trailer, sizeof(trailer) / sizeof(trailer[0]),
                       STR("content-encoding;host;x-amz-content-sha256;x-amz-date;"
                           "x-amz-decoded-content-length;x-amz-storage-class;x-amz-trailer"),
                       TRAILER),
               STR(TRAILER_SEED));
}

static void append_example(struct fixture *f, const char *size, const char *signature, size_t count)
{
    buf_append_format(&f->wire, "%s;chunk-signature=%s\r\n", size, signature);
    buf_append(&f->wire, letters(f, count));
    if (count > 0)
        buf_append(&f->wire, STR("\r\n"));
}

static void test_example(void **state)
{
    struct fixture *f = *state;
    begin(f, PLAIN, PLAIN_SEED);
    append_example(f, "10000", "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                   65536);
    append_example(f, "400", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                   1024);
    append_example(f, "0", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", 0);
    buf_append(&f->wire, STR("\r\n"));
    assert_int_equal(f->wire.len, 66824);
    assert_int_equal(decode(f, f->key, 0), RESULT_OK);
    assert_str(buf_str(&f->payload), letters(f, 66560));
    assert_int_equal(f->trailer_count, 0);
}

static void append_trailer_example(struct fixture *f)
{
    append_example(f, "10000", "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                   65536);
    append_example(f, "400", "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                   1024);
    append_example(f, "0", "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992", 0);
}

static void test_trailer_example(void **state)
{
    struct fixture *f = *state;
    static const char *const ends[] = {
        "x-amz-checksum-crc32c:sOO8/Q==\r\n"
        "x-amz-trailer-signature:"
        "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
        /* As the page itself prints it. */
        "x-amz-checksum-crc32c:sOO8/Q==\n\r\n"
        "x-amz-trailer-signature:"
        "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    };
    for (size_t i = 0; i < 2; i++) {
        begin(f, TRAILER, TRAILER_SEED);
        append_trailer_example(f);
        buf_append_c(&f->wire, ends[i]);
        assert_int_equal(decode(f, f->key, 0), RESULT_OK);
        assert_str(buf_str(&f->payload), letters(f, 66560));
        assert_int_equal(f->trailer_count, 1);
        assert_str(f->trailers[0].name, STR("x-amz-checksum-crc32c"));
        assert_str(f->trailers[0].value, STR("sOO8/Q=="));
    }
}

/* ---- everything that can be written is read, however it is cut ---- */

static struct str write_random(struct fixture *f, struct str payload_hash)
{
    bool is_signed = !str_eq(payload_hash, UNSIGNED);
    struct buf payload;
    buf_init(&payload, f->arena, 1 << 24);
    begin(f, payload_hash, PLAIN_SEED);
    for (uint64_t chunks = rng_below(4); chunks > 0; chunks--) {
        size_t len = (size_t)rng_below(20000) + (chunks > 1 ? 8192 : 1);
        char *data = arena_alloc_raw(f->arena, len);
        rng_bytes(data, len);
        write_chunk(f, str_make(data, len), is_signed);
        buf_append(&payload, str_make(data, len));
    }
    write_chunk(f, STR(""), is_signed);
    if (!str_eq(payload_hash, PLAIN))
        write_trailer(f, STR("x-amz-checksum-crc32"), STR("AAAAAA=="), is_signed);
    buf_append(&f->wire, STR("\r\n"));
    return buf_str(&payload);
}

static void test_split_anywhere(void **state)
{
    struct fixture *f = *state;
    const struct str hashes[] = {PLAIN, TRAILER, UNSIGNED};
    static const uint64_t most[] = {0, 3, 70, 9000};
    rng_set_seed(43);
    for (int round = 0; round < 40; round++) {
        for (size_t i = 0; i < 3; i++) {
            struct str payload = write_random(f, hashes[i]);
            for (size_t j = 0; j < 4; j++) {
                if (decode(f, i == 2 ? NULL : f->key, most[j]) != RESULT_OK)
                    fail_msg("%.*s", PRSTR(f->problem.message));
                assert_str(buf_str(&f->payload), payload);
                assert_int_equal(f->trailer_count, i == 0 ? 0 : 1);
            }
        }
    }
    rng_set_seed(0);
}

/* Any byte of a signed body that is another makes it void. */
static void test_tampering(void **state)
{
    struct fixture *f = *state;
    rng_set_seed(44);
    for (int round = 0; round < 400; round++) {
        struct str payload = write_random(f, round % 2 == 0 ? PLAIN : TRAILER);
        struct arena *copy = arena_new(0);
        struct str before = str_copy(copy, payload);
        size_t at = (size_t)rng_below(f->wire.len);
        char old = f->wire.ptr[at], new = (char)rng_below(256);
        f->wire.ptr[at] = new;
        enum result result = decode(f, f->key, 0);
        /* What remains the same: the case of digits and names, CR as white space, LF for CR. */
        if (result == RESULT_OK)
            assert_str(buf_str(&f->payload), before);
        else
            assert_true(result == RESULT_ERROR && old != new);
        arena_free(copy);
    }
    rng_set_seed(0);
}

static void test_truncation(void **state)
{
    struct fixture *f = *state;
    begin(f, TRAILER, TRAILER_SEED);
    write_chunk(f, STR("hello"), true);
    write_chunk(f, STR(""), true);
    write_trailer(f, STR("x-amz-checksum-crc32"), STR("NhCmhg=="), true);
    buf_append(&f->wire, STR("\r\n"));
    size_t whole = f->wire.len;
    assert_int_equal(decode(f, f->key, 0), RESULT_OK);
    for (size_t len = 0; len < whole; len++) {
        f->wire.len = len;
        assert_int_equal(decode(f, f->key, 0), RESULT_ERROR);
        assert_str(f->problem.message, STR("The request body terminated unexpectedly"));
        assert_int_equal(f->problem.fault, SIGV4_BAD_CHUNK);
    }
    f->wire.len = whole;
    buf_append(&f->wire, STR("x"));
    assert_int_equal(decode(f, f->key, 0), RESULT_ERROR);
    assert_str(f->problem.message, STR("The request body goes on after its last chunk."));
}

static void check_refusal(struct fixture *f, struct str payload_hash, struct str wire,
                          enum sigv4_fault fault)
{
    begin(f, payload_hash, PLAIN_SEED);
    buf_append(&f->wire, wire);
    assert_int_equal(decode(f, f->key, 5), RESULT_ERROR);
    assert_int_equal(f->problem.fault, fault);
    assert_true(f->problem.message.len > 0);
}

#define NO_SIGNATURE "0000000000000000000000000000000000000000000000000000000000000000"

static void test_refusals(void **state)
{
    struct fixture *f = *state;
    check_refusal(f, UNSIGNED, STR("\r\n"), SIGV4_BAD_CHUNK);
    check_refusal(f, UNSIGNED, STR("g\r\n"), SIGV4_BAD_CHUNK);
    check_refusal(f, UNSIGNED, STR("-1\r\n"), SIGV4_BAD_CHUNK);
    check_refusal(f, UNSIGNED, STR("0x5\r\nhello\r\n"), SIGV4_BAD_CHUNK);
    check_refusal(f, UNSIGNED, STR("fffffffffffffffff\r\n"), SIGV4_BAD_CHUNK);
    check_refusal(f, UNSIGNED, STR("5\r\nhello!\r\n0\r\n\r\n"), SIGV4_BAD_CHUNK);
    check_refusal(f, UNSIGNED, STR("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n"), SIGV4_SMALL_CHUNK);
    check_refusal(f, UNSIGNED, STR("0\r\nno colon\r\n\r\n"), SIGV4_BAD_TRAILER);
    check_refusal(f, UNSIGNED, STR("0\r\n: x\r\n\r\n"), SIGV4_BAD_TRAILER);
    check_refusal(f, PLAIN, STR("5\r\nhello\r\n"), SIGV4_BAD_CHUNK);
    check_refusal(f, PLAIN, STR("5;chunk-signature=abc\r\nhello\r\n"), SIGV4_BAD_CHUNK);
    check_refusal(f, PLAIN, STR("5;chunk-signature=" NO_SIGNATURE "\r\nhello\r\n"), SIGV4_MISMATCH);
    check_refusal(f, PLAIN, STR("0;chunk-signature=" NO_SIGNATURE "\r\n\r\n"), SIGV4_MISMATCH);

    /* Trailers where none belong; a signed trailer without its signature. */
    begin(f, PLAIN, PLAIN_SEED);
    write_chunk(f, STR(""), true);
    buf_append(&f->wire, STR("x-amz-checksum-crc32:AAAAAA==\r\n\r\n"));
    assert_int_equal(decode(f, f->key, 0), RESULT_ERROR);
    begin(f, TRAILER, PLAIN_SEED);
    write_chunk(f, STR(""), true);
    buf_append(&f->wire, STR("\r\n"));
    assert_int_equal(decode(f, f->key, 0), RESULT_ERROR);
    assert_str(f->problem.message,
               STR("The trailer of the request body has no x-amz-trailer-signature."));
}

static void test_small_chunks(void **state)
{
    struct fixture *f = *state;
    begin(f, UNSIGNED, PLAIN_SEED);
    write_chunk(f, letters(f, 8192), false);
    write_chunk(f, letters(f, 8191), false);
    size_t good = f->wire.len;
    write_chunk(f, STR(""), false);
    buf_append(&f->wire, STR("\r\n"));
    assert_int_equal(decode(f, NULL, 0), RESULT_OK);
    f->wire.len = good;
    write_chunk(f, letters(f, 8192), false);
    assert_int_equal(decode(f, NULL, 0), RESULT_ERROR);
    assert_str(f->problem.message,
               STR("Only the last chunk is allowed to have a size less than 8192 bytes"));
}

/* One header is all that is kept, and it is not long. */
static void test_limits(void **state)
{
    struct fixture *f = *state;
    begin(f, UNSIGNED, PLAIN_SEED);
    buf_append(&f->wire, STR("5;"));
    buf_append(&f->wire, letters(f, 20000));
    assert_int_equal(decode(f, NULL, 0), RESULT_ERROR);
    assert_str(f->problem.message, STR("A chunk header of the request body is too long."));
    assert_int_equal(decode(f, NULL, 100), RESULT_ERROR);

    begin(f, UNSIGNED, PLAIN_SEED);
    buf_append(&f->wire, STR("0\r\n"));
    for (int i = 0; i < 33; i++)
        buf_append(&f->wire, STR("a:b\r\n"));
    assert_int_equal(decode(f, NULL, 0), RESULT_ERROR);

    begin(f, UNSIGNED, PLAIN_SEED);
    buf_append(&f->wire, STR("0\r\n"));
    for (int i = 0; i < 2; i++) {
        buf_append(&f->wire, STR("a:"));
        buf_append(&f->wire, letters(f, 10000));
        buf_append(&f->wire, STR("\r\n"));
    }
    assert_int_equal(decode(f, NULL, 0), RESULT_ERROR);
}

static void test_trailers(void **state)
{
    struct fixture *f = *state;
    begin(f, UNSIGNED, PLAIN_SEED);
    buf_append(&f->wire, STR("5\r\nhello\r\n0\r\nX-Amz-Checksum-CRC32: NhCmhg== \r\n"
                             "x-amz-meta-b:\r\n\r\n"));
    assert_int_equal(decode(f, NULL, 0), RESULT_OK);
    assert_str(buf_str(&f->payload), STR("hello"));
    assert_int_equal(f->trailer_count, 2);
    assert_str(f->trailers[0].name, STR("x-amz-checksum-crc32"));
    assert_str(f->trailers[0].value, STR("NhCmhg=="));
    assert_str(f->trailers[1].name, STR("x-amz-meta-b"));
    assert_str(f->trailers[1].value, STR(""));
}

/* Nothing to verify against: the form is still required. */
static void test_without_a_key(void **state)
{
    struct fixture *f = *state;
    begin(f, TRAILER, PLAIN_SEED);
    buf_append(&f->wire, STR("5;chunk-signature=" NO_SIGNATURE "\r\nhello\r\n"
                             "0;chunk-signature=" NO_SIGNATURE "\r\n"
                             "a:b\r\nx-amz-trailer-signature:" NO_SIGNATURE "\r\n\r\n"));
    assert_int_equal(decode(f, f->key, 0), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
    assert_int_equal(decode(f, NULL, 0), RESULT_OK);
    assert_str(buf_str(&f->payload), STR("hello"));
}

static void test_emit_fails(void **state)
{
    struct fixture *f = *state;
    begin(f, PLAIN, PLAIN_SEED);
    write_chunk(f, letters(f, 9000), true);
    write_chunk(f, letters(f, 100), true);
    f->emit_limit = 2;
    assert_int_equal(decode(f, f->key, 0), RESULT_FULL);
    assert_int_equal(f->problem.fault, SIGV4_OK);
}

static void test_which(void **state)
{
    (void)state;
    assert_true(chunked_is(PLAIN) && chunked_is(TRAILER) && chunked_is(UNSIGNED));
    assert_false(chunked_is(STR("UNSIGNED-PAYLOAD")));
    assert_false(chunked_is((struct str){0}));
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    printf("seeds: 43, 44\n");
    const struct CMUnitTest tests[] = {
        CASE(test_which),           CASE(test_seeds),          CASE(test_example),
        CASE(test_trailer_example), CASE(test_split_anywhere), CASE(test_tampering),
        CASE(test_truncation),      CASE(test_refusals),       CASE(test_small_chunks),
        CASE(test_limits),          CASE(test_trailers),       CASE(test_without_a_key),
        CASE(test_emit_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
