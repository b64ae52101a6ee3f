#include "services/iam/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/result.h"
#include "base/rng.h"

enum { STEP_MS = 30000, DIGITS = 6, MODULUS = 1000000 };

struct str totp_new_seed(struct arena *arena, size_t size)
{
    char *seed = arena_alloc_raw(arena, size);
    rng_bytes(seed, size);
    return str_make(seed, size);
}

struct str totp_base32(struct arena *arena, struct str bytes)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    struct buf out;
    uint32_t bits = 0;
    unsigned count = 0;
    buf_init(&out, arena, bytes.len * 2 + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        bits = bits << 8 | (uint8_t)bytes.ptr[i];
        for (count += 8; count >= 5; count -= 5)
            buf_append_char(&out, letters[(bits >> (count - 5)) & 31]);
        bits &= (1U << count) - 1;
    }
    if (count > 0)
        buf_append_char(&out, letters[(bits << (5 - count)) & 31]);
    return buf_str(&out);
}

int64_t totp_step(int64_t now_ms)
{
    return now_ms / STEP_MS;
}

/* RFC 4226, 5.3 */
static uint32_t totp_number(struct str seed, int64_t step)
{
    uint8_t counter[8], mac[SHA1_SIZE];
    unsigned len = sizeof mac;
    for (size_t i = 0; i < sizeof counter; i++)
        counter[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    ASSERT(HMAC(EVP_sha1(), seed.ptr, (int)seed.len, counter, sizeof counter, mac, &len) != NULL);
    size_t at = mac[SHA1_SIZE - 1] & 15;
    uint32_t number = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
                      (uint32_t)mac[at + 2] << 8 | mac[at + 3];
    return number % MODULUS;
}

bool totp_matches(struct str seed, int64_t step, struct str code)
{
    char text[DIGITS];
    uint32_t number = totp_number(seed, step);
    for (size_t i = DIGITS; i > 0; i--, number /= 10)
        text[i - 1] = (char)('0' + number % 10);
    return code.len == DIGITS &&
           digest_equal((const uint8_t *)text, (const uint8_t *)code.ptr, DIGITS);
}
