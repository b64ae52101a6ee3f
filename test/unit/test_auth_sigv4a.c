/* Signature Version 4A: keys, requests in both forms, bodies in chunks. Signatures differ each time
 * they are made: those here are made by OpenSSL with the derived private key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "auth/chunked.h"
#include "auth/sigv4_int.h"
#include "auth_support.h"
#include "base/encode.h"

#define KEY_ID STR("AKISORANDOMAASORANDOM")
#define MY_SECRET STR("q+jcrXGc+0zWN6uzclKVhvMmUsIfRPa4rlRandom")
#define SCOPE "AKISORANDOMAASORANDOM/20150830/s3/aws4_request"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct str hex_of(struct arena *arena, const uint8_t *bytes, size_t size)
{
    struct buf out;
    buf_init(&out, arena, 2 * size);
    hex_encode(&out, str_make((const char *)bytes, size));
    return buf_str(&out);
}

/* The pair that the vectors of AWS's own signers have for this access key. */
static void test_derive(void **state)
{
    struct auth_fixture *f = *state;
    struct sigv4a_key key, again;
    sigv4a_derive(KEY_ID, MY_SECRET, &key);
    assert_int_equal(key.point[0], 4);
    auth_assert_str(hex_of(f->arena, key.point + 1, 64),
                    STR("15d242ceebf8d8169fd6a8b5a746c41140414c3b07579038da06af89190fffcb"
                        "0515242cedd82e94799482e4c0514b505afccf2c0c98d6a553bf539f424c5ec0"));
    memcpy(again.scalar, key.scalar, sizeof key.scalar);
    sigv4a_complete(&again);
    assert_memory_equal(again.point, key.point, sizeof key.point);
}

/* In hexadecimal digits of DER. */
static struct str sign(struct arena *arena, struct str text)
{
    struct sigv4a_key key;
    uint8_t der[128];
    size_t size = sizeof der;
    sigv4a_derive(KEY_ID, MY_SECRET, &key);
    BIGNUM *scalar = BN_bin2bn(key.scalar, sizeof key.scalar, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
    OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, scalar);
    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, key.point, sizeof key.point);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pair = NULL;
    assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
    assert_int_equal(EVP_PKEY_fromdata(context, &pair, EVP_PKEY_KEYPAIR, params), 1);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, pair), 1);
    assert_int_equal(EVP_DigestSign(digest, der, &size, (const uint8_t *)text.ptr, text.len), 1);
    EVP_MD_CTX_free(digest);
    EVP_PKEY_free(pair);
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_free(scalar);
    return hex_of(arena, der, size);
}

static void test_verify(void **state)
{
    struct auth_fixture *f = *state;
    struct sigv4a_key key, other;
    sigv4a_derive(KEY_ID, MY_SECRET, &key);
    sigv4a_derive(STR("AKIDOTHER"), MY_SECRET, &other);
    struct str text = STR("what is signed"), signature = sign(f->arena, text);
    assert_true(sigv4a_verify(&key, text, signature));
    assert_false(sigv4a_verify(&other, text, signature));
    assert_false(sigv4a_verify(&key, STR("what is signee"), signature));
    assert_false(sigv4a_verify(&key, text, str_slice(signature, 0, signature.len - 2)));
    assert_false(sigv4a_verify(&key, text, str_slice(signature, 0, signature.len - 1)));
    assert_false(sigv4a_verify(&key, text, STR("")));
    assert_false(sigv4a_verify(&key, text, STR("zz")));
    assert_false(sigv4a_verify(&key, text, str_concat(f->arena, signature, signature)));
}

static enum result verify(struct auth_fixture *f, struct sigv4_keys *keys, uint8_t *signing_key)
{
    const struct sigv4_rules rules = {.s3 = true, .secret = MY_SECRET, .skip_time = true};
    return sigv4_verify(f->arena, keys, &f->signature, &f->request, &rules, NULL, signing_key,
                        &f->problem);
}

/* What has to be signed is what a mismatch tells. */
static struct str string_to_sign(struct auth_fixture *f)
{
    assert_int_equal(verify(f, NULL, NULL), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_MISMATCH);
    return f->problem.string_to_sign;
}

static void ask_by_header(struct auth_fixture *f, const char *signature)
{
    struct str authorization = str_format(
        f->arena,
        "AWS4-ECDSA-P256-SHA256 Credential=" SCOPE
        ", SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-region-set, Signature=%s",
        signature);
    f->request.method = STR("GET");
    f->request.path = STR("/key");
    f->request.header_count = 0;
    auth_add_header(f, STR("Host"), STR("example.mrap.accesspoint.s3-global.amazonaws.com"));
    auth_add_header(f, STR("X-Amz-Date"), STR("20150830T123600Z"));
    auth_add_header(f, STR("X-Amz-Region-Set"), STR("*"));
    auth_add_header(f, STR("X-Amz-Content-Sha256"), STR(NOTHING));
    auth_add_header(f, STR("Authorization"), authorization);
}

static void test_header(void **state)
{
    struct auth_fixture *f = *state;
    struct sigv4_keys *keys = sigv4_keys_new();
    uint8_t signing_key[SHA256_SIZE];
    struct sigv4a_key key;
    ask_by_header(f, "00");
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_HEADER);
    assert_true(f->signature.asymmetric);
    auth_assert_str(f->signature.region, STR("*"));
    auth_assert_str(f->signature.service, STR("s3"));
    struct str text = string_to_sign(f);
    assert_true(str_starts_with(
        text, STR("AWS4-ECDSA-P256-SHA256\n20150830T123600Z\n20150830/s3/aws4_request\n")));
    ask_by_header(f, str_to_c(f->arena, sign(f->arena, text)));
    assert_int_equal(auth_parse(f), RESULT_OK);
    for (int i = 0; i < 2; i++) /* the second time with the pair that was kept */
        assert_int_equal(verify(f, keys, signing_key), RESULT_OK);
    sigv4a_derive(KEY_ID, MY_SECRET, &key);
    assert_memory_equal(signing_key, key.scalar, sizeof signing_key);
    f->request.path = STR("/other");
    assert_int_equal(verify(f, keys, NULL), RESULT_ERROR);
    f->request.path = STR("/key");
    auth_add_header(f, STR("x-amz-more"), STR("unsigned"));
    assert_int_equal(verify(f, keys, NULL), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_UNSIGNED_HEADER);
    sigv4_keys_free(keys);
}

static void test_query(void **state)
{
    struct auth_fixture *f = *state;
    static const char head[] = "X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256&X-Amz-Credential="
                               "AKISORANDOMAASORANDOM%2F20150830%2Fs3%2Faws4_request&X-Amz-Date="
                               "20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=60";
    f->request.method = STR("GET");
    f->request.path = STR("/key");
    auth_add_header(f, STR("Host"), STR("example.com"));
    f->request.query = str_format(f->arena, "%s&X-Amz-Signature=00", head);
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_INCOMPLETE,
                        STR("AWS query-string parameters must include 'X-Amz-Region-Set'. "
                            "Re-examine the query-string parameters."));
    f->request.query = str_format(f->arena, "%s&X-Amz-Region-Set=us-%%2A&X-Amz-Signature=00", head);
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(f->signature.form, SIGV4_PRESIGNED);
    auth_assert_str(f->signature.region, STR("us-*"));
    struct str signature = sign(f->arena, string_to_sign(f));
    f->request.query = str_format(f->arena, "%s&X-Amz-Region-Set=us-%%2A&X-Amz-Signature=%.*s",
                                  head, PRSTR(signature));
    assert_int_equal(auth_parse(f), RESULT_OK);
    assert_int_equal(verify(f, NULL, NULL), RESULT_OK);
}

static void test_incomplete(void **state)
{
    struct auth_fixture *f = *state;
    f->request.header_count = 0;
    auth_add_header(f, STR("X-Amz-Date"), STR("20150830T123600Z"));
    auth_add_header(
        f, STR("Authorization"),
        STR("AWS4-ECDSA-P256-SHA256 Credential=" SCOPE ", SignedHeaders=host, Signature=00"));
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    assert_int_equal(f->problem.fault, SIGV4_INCOMPLETE);
    assert_true(
        str_starts_with(f->problem.message, STR("Authorization header requires existence of a "
                                                "'X-Amz-Region-Set' header. Authorization=")));
    f->request.header_count = 1;
    auth_add_header(f, STR("x-amz-region-set"), STR("*"));
    auth_add_header(f, STR("Authorization"),
                    STR("AWS4-ECDSA-P256-SHA256 Credential=AKID/20150830/us-east-1/s3/"
                        "aws4_request, SignedHeaders=host, Signature=00"));
    assert_int_equal(auth_parse(f), RESULT_ERROR);
    auth_assert_problem(f, SIGV4_MALFORMED,
                        STR("Credential must have exactly 4 slash-delimited elements, e.g. "
                            "keyid/date/service/term, got "
                            "'AKID/20150830/us-east-1/s3/aws4_request'"));
}

/* ---- chunks ---- */

struct writer {
    struct arena *arena;
    struct buf wire;
    struct str previous;
};

static struct str digest_of(struct arena *arena, struct str bytes)
{
    uint8_t digest[SHA256_SIZE];
    digest_sha256(bytes, digest);
    return hex_of(arena, digest, sizeof digest);
}

static struct str padded(struct arena *arena, struct str signature)
{
    struct buf out;
    buf_init(&out, arena, SIGV4A_SIGNATURE_MAX);
    buf_append(&out, signature);
    while (out.len < SIGV4A_SIGNATURE_MAX)
        buf_append_char(&out, '*');
    return buf_str(&out);
}

static void write_chunk(struct writer *w, struct str data)
{
    struct str text = str_format(w->arena,
                                 "AWS4-ECDSA-P256-SHA256-PAYLOAD\n20150830T123600Z\n"
                                 "20150830/s3/aws4_request\n%.*s\n" NOTHING "\n%.*s",
                                 PRSTR(w->previous), PRSTR(digest_of(w->arena, data)));
    w->previous = sign(w->arena, text);
    buf_append_format(&w->wire, "%zx;chunk-signature=%.*s\r\n", data.len,
                      PRSTR(padded(w->arena, w->previous)));
    buf_append(&w->wire, data);
    if (data.len > 0)
        buf_append_c(&w->wire, "\r\n");
}

static void write_trailer(struct writer *w)
{
    struct str text = str_format(
        w->arena,
        "AWS4-ECDSA-P256-SHA256-TRAILER\n20150830T123600Z\n20150830/s3/aws4_request\n"
        "%.*s\n%.*s",
        PRSTR(w->previous), PRSTR(digest_of(w->arena, STR("x-amz-checksum-crc32:AA==\n"))));
    buf_append_format(&w->wire, "x-amz-checksum-crc32:AA==\r\nx-amz-trailer-signature:%.*s\r\n\r\n",
                      PRSTR(padded(w->arena, sign(w->arena, text))));
}

static RESULT collect(void *context, struct str payload)
{
    buf_append(context, payload);
    return RESULT_OK;
}

static enum result decode(struct auth_fixture *f, const struct sigv4 *signature, struct str wire,
                          struct buf *payload)
{
    struct sigv4a_key key;
    const struct wire_header *trailers;
    size_t count;
    sigv4a_derive(KEY_ID, MY_SECRET, &key);
    struct chunked *chunked = chunked_new(f->arena, signature, key.scalar);
    buf_init(payload, f->arena, 1 << 20);
    enum result result = chunked_feed(chunked, wire, collect, payload, &f->problem);
    return result == RESULT_OK ? chunked_end(chunked, &trailers, &count, &f->problem) : result;
}

static void test_chunks(void **state)
{
    struct auth_fixture *f = *state;
    struct sigv4 signature = {
        .form = SIGV4_HEADER,
        .asymmetric = true,
        .date = STR("20150830"),
        .time = STR("20150830T123600Z"),
        .region = STR("*"),
        .service = STR("s3"),
        .payload_hash = STR("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"),
        .signature = sign(f->arena, STR("the request")),
    };
    struct writer w = {.arena = f->arena, .previous = signature.signature};
    struct buf payload;
    char *big = arena_alloc(f->arena, 9000);
    memset(big, 'x', 9000);
    assert_true(chunked_is(signature.payload_hash));
    assert_true(chunked_is(STR("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD")));
    buf_init(&w.wire, f->arena, 1 << 20);
    write_chunk(&w, str_make(big, 9000));
    write_chunk(&w, STR("the rest"));
    write_chunk(&w, STR(""));
    write_trailer(&w);
    assert_int_equal(decode(f, &signature, buf_str(&w.wire), &payload), RESULT_OK);
    assert_int_equal(payload.len, 9008);
    /* A byte of the data, of a signature, of the trailer. */
    const size_t broken[] = {2000, 40, w.wire.len - 200, 9300};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        w.wire.ptr[broken[i]] ^= 1;
        assert_int_equal(decode(f, &signature, buf_str(&w.wire), &payload), RESULT_ERROR);
        w.wire.ptr[broken[i]] ^= 1;
    }
    assert_int_equal(decode(f, &signature, buf_str(&w.wire), &payload), RESULT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_derive, auth_set_up, auth_tear_down),
        cmocka_unit_test_setup_teardown(test_verify, auth_set_up, auth_tear_down),
        cmocka_unit_test_setup_teardown(test_header, auth_set_up, auth_tear_down),
        cmocka_unit_test_setup_teardown(test_query, auth_set_up, auth_tear_down),
        cmocka_unit_test_setup_teardown(test_incomplete, auth_set_up, auth_tear_down),
        cmocka_unit_test_setup_teardown(test_chunks, auth_set_up, auth_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
