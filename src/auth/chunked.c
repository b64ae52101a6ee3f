/* The push decoder of aws-chunked bodies. "Signature Calculations for the Authorization Header:
 * Transferring Payload in Multiple Chunks (Chunked Upload)" and "... Including Trailing Headers"
 * (Amazon S3 API Reference):
 *
 *   chunk    = size-in-hex [";chunk-signature=" signature] CRLF data CRLF
 *   body     = *chunk last-chunk
 *   last     = "0" [";chunk-signature=" signature] CRLF *(name ":" value CRLF) CRLF
 *
 * A signature covers the one before it: a chain that begins with the request's own. */
#include "auth/chunked.h"

#include "auth/sigv4_int.h"
#include "base/buf.h"

enum { LINE_MAX = 16 * 1024, TRAILERS_MAX = 16 * 1024, CHUNK_MIN = 8192, TRAILER_COUNT_MAX = 32 };

enum chunked_state {
    CHUNKED_SIZE, /* in the line before a chunk */
    CHUNKED_DATA,
    CHUNKED_DATA_END, /* the line end after it */
    CHUNKED_TRAILERS, /* in the lines after the last chunk */
    CHUNKED_DONE,
    CHUNKED_BROKEN,
};

struct chunked {
    struct arena *arena;
    enum chunked_state state;
    bool is_signed;
    bool checks; /* the signatures, not only their presence */
    bool has_trailer;
    bool trailer_verified;
    bool small_seen; /* a chunk that only the last one may be as small as */
    struct sigv4 signature;
    struct sigv4_key key;
    char previous_text[SIGV4A_SIGNATURE_MAX]; /* the signature that the next one covers */
    char claimed_text[SIGV4A_SIGNATURE_MAX];  /* of this chunk */
    size_t previous_len, claimed_len;
    struct digest digest; /* of this chunk's data */
    uint64_t left;        /* of this chunk's data */
    uint64_t payload_size;
    struct buf line;
    size_t trailer_bytes;
    size_t trailer_count;
    struct wire_header trailers[TRAILER_COUNT_MAX];
};

static const struct str signed_plain = STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
static const struct str signed_trailer = STR_INIT("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
static const struct str asymmetric_plain = STR_INIT("STREAMING-" SIGV4A_ALGORITHM "-PAYLOAD");
static const struct str asymmetric_trailer =
    STR_INIT("STREAMING-" SIGV4A_ALGORITHM "-PAYLOAD-TRAILER");
static const struct str unsigned_trailer = STR_INIT("STREAMING-UNSIGNED-PAYLOAD-TRAILER");

bool chunked_is(struct str payload_hash)
{
    return str_eq(payload_hash, signed_plain) || str_eq(payload_hash, signed_trailer) ||
           str_eq(payload_hash, asymmetric_plain) || str_eq(payload_hash, asymmetric_trailer) ||
           str_eq(payload_hash, unsigned_trailer);
}

/* Without what pads a signature of Signature Version 4A. */
static struct str unpadded(struct str signature)
{
    while (str_ends_with(signature, STR("*")))
        signature.len--;
    return signature;
}

static void chunked_follow(struct chunked *chunked, struct str signature)
{
    signature = unpadded(signature);
    ASSERT(signature.len <= sizeof chunked->previous_text);
    memcpy(chunked->previous_text, signature.ptr, signature.len);
    chunked->previous_len = signature.len;
}

struct chunked *chunked_new(struct arena *arena, const struct sigv4 *signature,
                            const uint8_t signing_key[SHA256_SIZE])
{
    struct chunked *chunked = ARENA_NEW(arena, struct chunked);
    chunked->arena = arena;
    chunked->signature = *signature;
    chunked->is_signed = !str_eq(signature->payload_hash, unsigned_trailer);
    chunked->has_trailer = str_ends_with(signature->payload_hash, STR("-TRAILER"));
    buf_init(&chunked->line, arena, LINE_MAX);
    chunked->checks = chunked->is_signed && signing_key != NULL;
    if (chunked->checks) {
        if (signature->signature.len <= sizeof chunked->previous_text)
            chunked_follow(chunked, signature->signature);
        if (signature->asymmetric) {
            memcpy(chunked->key.pair.scalar, signing_key, SIGV4A_SCALAR);
            sigv4a_complete(&chunked->key.pair);
        } else {
            sigv4_key_prepare(&chunked->key, signing_key);
        }
    }
    return chunked;
}

static RESULT chunked_refuse(struct chunked *chunked, struct sigv4_problem *problem,
                             enum sigv4_fault fault, struct str message)
{
    chunked->state = CHUNKED_BROKEN;
    return sigv4_refuse(problem, fault, message);
}

/* ---- signatures ---- */

static bool chunked_matches(const struct chunked *chunked, struct str text, struct str claimed)
{
    char hex[SIGV4_HEX_SIZE];
    if (chunked->signature.asymmetric)
        return sigv4a_verify(&chunked->key.pair, text, unpadded(claimed));
    sigv4_key_sign(&chunked->key, text, hex);
    return claimed.len == sizeof hex &&
           digest_equal((const uint8_t *)hex, (const uint8_t *)claimed.ptr, sizeof hex);
}

/* what: "PAYLOAD" or "TRAILER" */
static RESULT chunked_verify(struct chunked *chunked, struct str what, struct str extra,
                             struct str claimed, struct sigv4_problem *problem)
{
    if (!chunked->checks)
        return RESULT_OK;
    uint8_t digest[SHA256_SIZE];
    char hex[SIGV4_HEX_SIZE], text[1024];
    digest_end(&chunked->digest, digest);
    sigv4_hex(digest, hex);
    const struct sigv4 *signature = &chunked->signature;
    bool asymmetric = signature->asymmetric;
    const struct str parts[] = {
        asymmetric ? STR(SIGV4A_ALGORITHM) : STR("AWS4-HMAC-SHA256"),
        STR("-"),
        what,
        STR("\n"),
        signature->time,
        STR("\n"),
        signature->date,
        STR("/"),
        asymmetric ? STR("") : signature->region,
        asymmetric ? STR("") : STR("/"),
        signature->service,
        STR("/aws4_request\n"),
        str_make(chunked->previous_text, chunked->previous_len),
        STR("\n"),
        extra,
        str_make(hex, sizeof(hex)),
    };
    struct buf buf;
    buf_init_fixed(&buf, text, sizeof(text));
    if (signature->region.len + signature->service.len > sizeof(text) / 2)
        buf_init(&buf, chunked->arena, SIZE_MAX / 4);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        buf_append(&buf, parts[i]);
    if (chunked_matches(chunked, buf_str(&buf), claimed)) {
        chunked_follow(chunked, claimed);
        return RESULT_OK;
    }
    chunked->state = CHUNKED_BROKEN;
    *problem = (struct sigv4_problem){
        .fault = SIGV4_MISMATCH,
        .message = STR("The request signature we calculated does not match the signature you "
                       "provided. Check your key and signing method."),
        .string_to_sign = str_copy(chunked->arena, buf_str(&buf)),
    };
    return RESULT_ERROR;
}

static RESULT chunked_verify_data(struct chunked *chunked, struct sigv4_problem *problem)
{
    /* The digest between the two is that of nothing: chunks have no headers of their own. */
    return chunked_verify(chunked, STR("PAYLOAD"),
                          STR("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"),
                          str_make(chunked->claimed_text, chunked->claimed_len), problem);
}

/* ---- lines ---- */

static bool parse_size(struct str s, uint64_t *out)
{
    uint64_t size = 0;
    if (s.len == 0 || s.len > 15)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)((c | 0x20) - 'a' + 10);
        else
            return false;
        size = size << 4 | digit;
    }
    *out = size;
    return true;
}

static RESULT chunked_take_size(struct chunked *chunked, struct str line,
                                struct sigv4_problem *problem)
{
    struct str size, extensions, signature = {0};
    uint64_t bytes;
    bool more = str_cut(line, ';', &size, &extensions);
    if (!parse_size(str_trim(size), &bytes))
        return chunked_refuse(chunked, problem, SIGV4_BAD_CHUNK,
                              STR("The size of a chunk of the request body is not a hexadecimal "
                                  "number."));
    while (more) {
        struct str extension, name, value;
        more = str_cut(extensions, ';', &extension, &extensions);
        str_cut(str_trim(extension), '=', &name, &value);
        if (str_eq(name, STR("chunk-signature")))
            signature = value;
    }
    if (chunked->is_signed) {
        bool good = chunked->signature.asymmetric
                        ? signature.len > 0 && signature.len <= SIGV4A_SIGNATURE_MAX
                        : signature.len == SIGV4_HEX_SIZE;
        if (!good)
            return chunked_refuse(chunked, problem, SIGV4_BAD_CHUNK,
                                  STR("A chunk of the request body has no valid chunk-signature."));
        memcpy(chunked->claimed_text, signature.ptr, signature.len);
        chunked->claimed_len = signature.len;
        digest_begin(&chunked->digest, DIGEST_SHA256);
    }
    if (bytes != 0 && chunked->small_seen)
        return chunked_refuse(
            chunked, problem, SIGV4_SMALL_CHUNK,
            STR("Only the last chunk is allowed to have a size less than 8192 bytes"));
    chunked->small_seen = bytes < CHUNK_MIN;
    chunked->left = bytes;
    if (bytes != 0) {
        chunked->state = CHUNKED_DATA;
        return RESULT_OK;
    }
    chunked->state = CHUNKED_TRAILERS;
    TRY(chunked_verify_data(chunked, problem));
    if (chunked->is_signed)
        digest_begin(&chunked->digest, DIGEST_SHA256);
    return RESULT_OK;
}

static RESULT chunked_end_trailers(struct chunked *chunked, struct sigv4_problem *problem)
{
    if (chunked->is_signed && chunked->has_trailer && !chunked->trailer_verified) {
        /* AWS's page shows an empty line between the trailers and their signature. */
        if (chunked->trailer_count > 0)
            return RESULT_OK;
        return chunked_refuse(chunked, problem, SIGV4_BAD_TRAILER,
                              STR("The trailer of the request body has no "
                                  "x-amz-trailer-signature."));
    }
    chunked->state = CHUNKED_DONE;
    return RESULT_OK;
}

static RESULT chunked_take_trailer(struct chunked *chunked, struct str line,
                                   struct sigv4_problem *problem)
{
    if (line.len == 0)
        return chunked_end_trailers(chunked, problem);
    struct str name, value;
    chunked->trailer_bytes += line.len;
    if (!chunked->has_trailer || !str_cut(line, ':', &name, &value) || name.len == 0 ||
        chunked->trailer_verified || chunked->trailer_bytes > TRAILERS_MAX ||
        chunked->trailer_count == TRAILER_COUNT_MAX)
        return chunked_refuse(chunked, problem, SIGV4_BAD_TRAILER,
                              STR("The request contained trailing data that was not well-formed or "
                                  "did not conform to our published schema."));
    name = str_lower(chunked->arena, str_trim(name));
    value = str_copy(chunked->arena, str_trim(value));
    if (chunked->is_signed && str_eq(name, STR("x-amz-trailer-signature"))) {
        chunked->trailer_verified = true;
        return chunked_verify(chunked, STR("TRAILER"), STR(""), value, problem);
    }
    chunked->trailers[chunked->trailer_count++] = (struct wire_header){name, value};
    if (chunked->is_signed) {
        digest_update(&chunked->digest, name);
        digest_update(&chunked->digest, STR(":"));
        digest_update(&chunked->digest, value);
        digest_update(&chunked->digest, STR("\n"));
    }
    return RESULT_OK;
}

/* Takes wire up to the end of the line; the line is whole when *done. */
static RESULT chunked_read_line(struct chunked *chunked, struct str *wire, bool *done,
                                struct sigv4_problem *problem)
{
    size_t end = str_find_char(*wire, '\n');
    bool whole = end != SIZE_MAX;
    struct str piece = str_slice(*wire, 0, whole ? end : wire->len);
    buf_append(&chunked->line, piece);
    if (buf_is_full(&chunked->line))
        return chunked_refuse(chunked, problem, SIGV4_BAD_CHUNK,
                              STR("A chunk header of the request body is too long."));
    *wire = str_slice(*wire, piece.len + whole, wire->len);
    *done = whole;
    return RESULT_OK;
}

static RESULT chunked_take_line(struct chunked *chunked, struct sigv4_problem *problem)
{
    struct str line = buf_str(&chunked->line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    enum result result;
    if (chunked->state == CHUNKED_SIZE) {
        result = chunked_take_size(chunked, line, problem);
    } else if (chunked->state == CHUNKED_TRAILERS) {
        result = chunked_take_trailer(chunked, line, problem);
    } else if (line.len != 0) {
        result = chunked_refuse(chunked, problem, SIGV4_BAD_CHUNK,
                                STR("A chunk of the request body is longer than its size says."));
    } else {
        chunked->state = CHUNKED_SIZE;
        result = RESULT_OK;
    }
    buf_clear(&chunked->line);
    return result;
}

static RESULT chunked_take_data(struct chunked *chunked, struct str *wire,
                                RESULT (*emit)(void *context, struct str payload), void *context,
                                struct sigv4_problem *problem)
{
    struct str piece =
        str_slice(*wire, 0, wire->len < chunked->left ? wire->len : (size_t)chunked->left);
    *wire = str_slice(*wire, piece.len, wire->len);
    chunked->left -= piece.len;
    chunked->payload_size += piece.len;
    if (chunked->checks)
        digest_update(&chunked->digest, piece);
    TRY(emit(context, piece));
    if (chunked->left > 0)
        return RESULT_OK;
    chunked->state = CHUNKED_DATA_END;
    return chunked_verify_data(chunked, problem);
}

RESULT chunked_feed(struct chunked *chunked, struct str wire,
                    RESULT (*emit)(void *context, struct str payload), void *context,
                    struct sigv4_problem *problem)
{
    while (wire.len > 0) {
        bool done = false;
        switch (chunked->state) {
        case CHUNKED_DATA:
            TRY(chunked_take_data(chunked, &wire, emit, context, problem));
            break;
        case CHUNKED_SIZE:
        case CHUNKED_DATA_END:
        case CHUNKED_TRAILERS:
            TRY(chunked_read_line(chunked, &wire, &done, problem));
            if (done)
                TRY(chunked_take_line(chunked, problem));
            break;
        case CHUNKED_DONE:
        case CHUNKED_BROKEN:
            return chunked_refuse(chunked, problem, SIGV4_BAD_CHUNK,
                                  STR("The request body goes on after its last chunk."));
        }
    }
    return RESULT_OK;
}

RESULT chunked_end(struct chunked *chunked, const struct wire_header **trailers, size_t *count,
                   struct sigv4_problem *problem)
{
    if (chunked->state != CHUNKED_DONE)
        return chunked_refuse(chunked, problem, SIGV4_BAD_CHUNK,
                              STR("The request body terminated unexpectedly"));
    *trailers = chunked->trailers;
    *count = chunked->trailer_count;
    return RESULT_OK;
}

uint64_t chunked_payload_size(const struct chunked *chunked)
{
    return chunked->payload_size;
}
