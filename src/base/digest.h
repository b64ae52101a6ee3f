/* Digests, over OpenSSL. All are pure and thread safe. */
#ifndef KUMONIWA_BASE_DIGEST_H
#define KUMONIWA_BASE_DIGEST_H

#include "base/str.h"

enum { MD5_SIZE = 16, SHA1_SIZE = 20, SHA256_SIZE = 32, SHA512_SIZE = 64 };

void digest_md5(struct str data, uint8_t out[MD5_SIZE]);
void digest_sha1(struct str data, uint8_t out[SHA1_SIZE]);
void digest_sha256(struct str data, uint8_t out[SHA256_SIZE]);
uint32_t digest_crc32(struct str data);
void digest_hmac_sha256(struct str key, struct str data, uint8_t out[SHA256_SIZE]);

/* Running digests. The state is plain memory: it may be copied and abandoned. */
enum digest_kind {
    DIGEST_MD5,
    DIGEST_SHA1,
    DIGEST_SHA256,
    DIGEST_CRC32,
    DIGEST_CRC32C,
    DIGEST_CRC64NVME
};
struct digest {
    enum digest_kind kind;
    _Alignas(16) uint8_t state[224];
};
void digest_begin(struct digest *digest, enum digest_kind kind);
void digest_update(struct digest *digest, struct str data);
/* Writes digest_size(kind) bytes, big-endian for the CRCs as S3 sends them. */
size_t digest_size(enum digest_kind kind);
void digest_end(struct digest *digest, uint8_t *out);

/* Compares in constant time. */
bool digest_equal(const uint8_t *a, const uint8_t *b, size_t len);

#endif
