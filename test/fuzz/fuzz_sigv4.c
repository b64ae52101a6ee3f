/* Signatures and aws-chunked bodies. The first byte chooses: even, a request as text ("METHOD
 * PATH?QUERY", headers, an empty line, the body); odd, a body in aws-chunked framing. */
#include "auth/chunked.h"
#include "auth/sigv4.h"
#include "fuzz/fuzz.h"

enum { HEADERS_MAX = 64 };

/* 2013-05-24T00:00:00Z, the time of AWS's examples. */
static const int64_t now_ms = INT64_C(1369353600000);
static const struct str secret = STR_INIT("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");

static struct wire_request read_request(struct arena *arena, struct str text)
{
    struct str line, target, query;
    struct wire_header *headers = ARENA_ARRAY(arena, HEADERS_MAX, struct wire_header);
    struct wire_request request = {.headers = headers};
    bool more = str_cut(text, '\n', &line, &text);
    str_cut(line, ' ', &request.method, &target);
    str_cut(target, '?', &request.path, &query);
    request.query = query;
    while (more && request.header_count < HEADERS_MAX) {
        more = str_cut(text, '\n', &line, &text);
        struct str name, value;
        if (line.len == 0)
            break;
        if (str_cut(line, ':', &name, &value))
            headers[request.header_count++] = (struct wire_header){name, value};
    }
    request.body = text;
    return request;
}

static bool name_is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-'))
            return false;
    }
    return name.len > 0;
}

static bool name_is_ours(struct str name)
{
    static const struct str names[] = {STR_INIT("authorization"), STR_INIT("host"),
                                       STR_INIT("date"), STR_INIT("x-amz-date"),
                                       STR_INIT("x-amz-content-sha256")};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_eq_nocase(name, names[i]))
            return true;
    }
    return false;
}

/* Whatever the request, a signature over all of it is good. */
static void check_signed(struct arena *arena, struct wire_request request, bool s3)
{
    if (str_find(request.query, STR("X-Amz-")) != SIZE_MAX)
        return;
    struct wire_header *headers = ARENA_ARRAY(arena, HEADERS_MAX + 4, struct wire_header);
    struct buf names;
    size_t count = 0;
    buf_init(&names, arena, SIZE_MAX / 4);
    for (size_t i = 0; i < request.header_count; i++) {
        if (!name_is_plain(request.headers[i].name) || name_is_ours(request.headers[i].name))
            continue;
        headers[count++] = request.headers[i];
        buf_append(&names, request.headers[i].name);
        buf_append_char(&names, ';');
    }
    buf_append(&names, STR("host;x-amz-date;x-amz-content-sha256"));
    headers[count++] = (struct wire_header){STR("Host"), STR("localhost:4566")};
    headers[count++] = (struct wire_header){STR("X-Amz-Date"), STR("20130524T000000Z")};
    headers[count++] = (struct wire_header){STR("x-amz-content-sha256"), STR("UNSIGNED-PAYLOAD")};
    request.headers = headers;
    request.header_count = count;
    struct str value = sigv4_sign(arena, &request, STR("AKID"), secret, STR("us-east-1"),
                                  STR("any"), now_ms, buf_str(&names), STR("UNSIGNED-PAYLOAD"), s3);
    headers[request.header_count++] = (struct wire_header){STR("Authorization"), value};

    struct sigv4 signature;
    struct sigv4_problem problem;
    const struct sigv4_rules rules = {.now_ms = now_ms, .s3 = s3, .secret = secret};
    ASSERT(sigv4_parse(arena, &request, &signature, &problem) == RESULT_OK);
    ASSERT(sigv4_verify(arena, NULL, &signature, &request, &rules, NULL, NULL, &problem) ==
           RESULT_OK);
}

static void fuzz_request(struct arena *arena, bool s3, struct str text)
{
    struct wire_request request = read_request(arena, text);
    struct sigv4 signature;
    struct sigv4_problem problem = {0};
    uint8_t body_sha256[SHA256_SIZE];
    digest_sha256(request.body, body_sha256);
    enum result result = sigv4_parse(arena, &request, &signature, &problem);
    if (result == RESULT_OK &&
        (signature.form == SIGV4_HEADER || signature.form == SIGV4_PRESIGNED)) {
        const struct sigv4_rules rules = {.now_ms = now_ms, .s3 = s3, .secret = secret};
        result =
            sigv4_verify(arena, NULL, &signature, &request, &rules, body_sha256, NULL, &problem);
    }
    ASSERT(result == RESULT_OK || (problem.fault != SIGV4_OK && problem.message.len > 0));
    check_signed(arena, request, s3);
}

static RESULT collect(void *context, struct str payload)
{
    ASSERT(payload.len > 0);
    buf_append(context, payload);
    return RESULT_OK;
}

static enum result decode(struct arena *arena, const struct sigv4 *signature, const uint8_t *key,
                          struct str wire, size_t piece, struct buf *payload)
{
    struct chunked *chunked = chunked_new(arena, signature, key);
    struct sigv4_problem problem = {0};
    const struct wire_header *trailers;
    size_t count;
    enum result result = RESULT_OK;
    buf_init(payload, arena, wire.len + 1);
    while (wire.len > 0 && result == RESULT_OK) {
        result = chunked_feed(chunked, str_slice(wire, 0, piece), collect, payload, &problem);
        wire = str_slice(wire, piece, wire.len);
    }
    if (result == RESULT_OK)
        result = chunked_end(chunked, &trailers, &count, &problem);
    ASSERT(result == RESULT_OK || (problem.fault != SIGV4_OK && problem.message.len > 0));
    ASSERT(chunked_payload_size(chunked) == payload->len);
    return result;
}

/* However a body is cut, it says the same. */
static void fuzz_body(struct arena *arena, uint8_t choice, struct str wire)
{
    static const struct str hashes[] = {STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
                                        STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"),
                                        STR_INIT("STREAMING-UNSIGNED-PAYLOAD-TRAILER")};
    static const uint8_t key[SHA256_SIZE] = {1};
    const struct sigv4 signature = {
        .date = STR("20130524"),
        .region = STR("us-east-1"),
        .service = STR("s3"),
        .time = STR("20130524T000000Z"),
        .signature = STR("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"),
        .payload_hash = hashes[choice % 3],
    };
    struct buf whole, cut;
    const uint8_t *signing_key = choice & 4 ? key : NULL;
    enum result result = decode(arena, &signature, signing_key, wire, SIZE_MAX, &whole);
    ASSERT(decode(arena, &signature, signing_key, wire, 1 + choice / 8, &cut) == result);
    ASSERT(str_eq(buf_str(&whole), buf_str(&cut)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct arena *arena = arena_new(0);
    struct str rest = str_make((const char *)data + 1, size - 1);
    if (data[0] % 2 == 0)
        fuzz_request(arena, data[0] & 2, rest);
    else
        fuzz_body(arena, data[0] / 2, rest);
    arena_free(arena);
    return 0;
}
