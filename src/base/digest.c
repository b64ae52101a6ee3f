/* The low-level functions and not EVP: a request makes about five digests of a few hundred bytes,
 * and EVP's look-up and allocation of a context cost more than such a digest (figures in the
 * README). They are marked as deprecated since OpenSSL 3.0, not removed. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "base/crc_int.h"

enum { SHA256_BLOCK = 64 };

void digest_md5(struct str data, uint8_t out[MD5_SIZE])
{
    MD5_CTX context;
    MD5_Init(&context);
    MD5_Update(&context, data.ptr, data.len);
    MD5_Final(out, &context);
}

void digest_sha1(struct str data, uint8_t out[SHA1_SIZE])
{
    SHA_CTX context;
    SHA1_Init(&context);
    SHA1_Update(&context, data.ptr, data.len);
    SHA1_Final(out, &context);
}

void digest_sha256(struct str data, uint8_t out[SHA256_SIZE])
{
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, data.ptr, data.len);
    SHA256_Final(out, &context);
}

uint32_t digest_crc32(struct str data)
{
    return data.len == 0 ? 0 : ~crc32_update(UINT32_MAX, (const uint8_t *)data.ptr, data.len);
}

/* RFC 2104 */
void digest_hmac_sha256(struct str key, struct str data, uint8_t out[SHA256_SIZE])
{
    uint8_t padded[SHA256_BLOCK] = {0}, inner_pad[SHA256_BLOCK], outer_pad[SHA256_BLOCK];
    if (key.len > SHA256_BLOCK)
        digest_sha256(key, padded);
    else if (key.len > 0)
        memcpy(padded, key.ptr, key.len);
    for (size_t i = 0; i < SHA256_BLOCK; i++) {
        inner_pad[i] = padded[i] ^ 0x36;
        outer_pad[i] = padded[i] ^ 0x5c;
    }
    SHA256_CTX context;
    uint8_t inner[SHA256_SIZE];
    SHA256_Init(&context);
    SHA256_Update(&context, inner_pad, SHA256_BLOCK);
    SHA256_Update(&context, data.ptr, data.len);
    SHA256_Final(inner, &context);
    SHA256_Init(&context);
    SHA256_Update(&context, outer_pad, SHA256_BLOCK);
    SHA256_Update(&context, inner, sizeof(inner));
    SHA256_Final(out, &context);
}

/* ---- running digests ---- */

/* Laid over digest.state, which is declared as bytes. */
union __attribute__((may_alias)) state {
    MD5_CTX md5;
    SHA_CTX sha1;
    SHA256_CTX sha256;
    uint32_t crc32;
    uint64_t crc64;
};

_Static_assert(sizeof(union state) <= sizeof(((struct digest *)NULL)->state), "state fits");
_Static_assert(_Alignof(union state) <= 16, "state is aligned");

static union state *state_of(struct digest *digest)
{
    return (union state *)(void *)digest->state;
}

void digest_begin(struct digest *digest, enum digest_kind kind)
{
    digest->kind = kind;
    union state *state = state_of(digest);
    switch (kind) {
    case DIGEST_MD5:
        MD5_Init(&state->md5);
        break;
    case DIGEST_SHA1:
        SHA1_Init(&state->sha1);
        break;
    case DIGEST_SHA256:
        SHA256_Init(&state->sha256);
        break;
    case DIGEST_CRC32:
    case DIGEST_CRC32C:
        state->crc32 = UINT32_MAX;
        break;
    case DIGEST_CRC64NVME:
        state->crc64 = UINT64_MAX;
        break;
    }
}

void digest_update(struct digest *digest, struct str data)
{
    if (data.len == 0)
        return;
    union state *state = state_of(digest);
    const uint8_t *bytes = (const uint8_t *)data.ptr;
    switch (digest->kind) {
    case DIGEST_MD5:
        MD5_Update(&state->md5, bytes, data.len);
        break;
    case DIGEST_SHA1:
        SHA1_Update(&state->sha1, bytes, data.len);
        break;
    case DIGEST_SHA256:
        SHA256_Update(&state->sha256, bytes, data.len);
        break;
    case DIGEST_CRC32:
        state->crc32 = crc32_update(state->crc32, bytes, data.len);
        break;
    case DIGEST_CRC32C:
        state->crc32 = crc32c_update(state->crc32, bytes, data.len);
        break;
    case DIGEST_CRC64NVME:
        state->crc64 = crc64nvme_update(state->crc64, bytes, data.len);
        break;
    }
}

size_t digest_size(enum digest_kind kind)
{
    switch (kind) {
    case DIGEST_MD5:
        return MD5_SIZE;
    case DIGEST_SHA1:
        return SHA1_SIZE;
    case DIGEST_SHA256:
        return SHA256_SIZE;
    case DIGEST_CRC32:
    case DIGEST_CRC32C:
        return 4;
    case DIGEST_CRC64NVME:
        return 8;
    }
    return 0;
}

static void put_big_endian(uint8_t *out, uint64_t value, size_t size)
{
    for (size_t i = size; i > 0; i--) {
        out[i - 1] = (uint8_t)value;
        value >>= 8;
    }
}

void digest_end(struct digest *digest, uint8_t *out)
{
    union state *state = state_of(digest);
    switch (digest->kind) {
    case DIGEST_MD5:
        MD5_Final(out, &state->md5);
        break;
    case DIGEST_SHA1:
        SHA1_Final(out, &state->sha1);
        break;
    case DIGEST_SHA256:
        SHA256_Final(out, &state->sha256);
        break;
    case DIGEST_CRC32:
    case DIGEST_CRC32C:
        put_big_endian(out, ~state->crc32, 4);
        break;
    case DIGEST_CRC64NVME:
        put_big_endian(out, ~state->crc64, 8);
        break;
    }
}

bool digest_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
