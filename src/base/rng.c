#include "base/rng.h"

#include <errno.h>
#include <pthread.h>
#include <sys/random.h>

#include "base/arena.h"
#include "base/result.h"

__extension__ typedef unsigned __int128 u128;

enum { KERNEL_BYTES = 1024 };

/* One per thread: a system call for every id would cost more than the id's request does elsewhere,
 * and a shared buffer would need a lock. */
static _Thread_local struct {
    size_t left; /* bytes not yet given out, at the end of kernel[] */
    bool seeded;
    uint64_t stream[4];
    uint8_t kernel[KERNEL_BYTES];
} rng;

/* Runs in the child, in the one thread that it has: parent and child must not give out the same
 * ids. */
static void forget_after_fork(void)
{
    rng.left = 0;
}

__attribute__((constructor)) static void watch_forks(void)
{
    ASSERT(pthread_atfork(NULL, NULL, forget_after_fork) == 0);
}

static void from_kernel(uint8_t *out, size_t len)
{
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        ASSERT(got > 0);
        out += got;
        len -= (size_t)got;
    }
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

/* xoshiro256++ by Blackman and Vigna. */
static uint64_t seeded_u64(void)
{
    uint64_t *s = rng.stream;
    uint64_t result = rotate(s[0] + s[3], 23) + s[0];
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

static void seeded_bytes(uint8_t *out, size_t len)
{
    while (len > 0) {
        uint64_t word = seeded_u64();
        size_t part = len < sizeof(word) ? len : sizeof(word);
        memcpy(out, &word, part);
        out += part;
        len -= part;
    }
}

void rng_bytes(void *out, size_t len)
{
    if (len == 0)
        return;
    if (rng.seeded) {
        seeded_bytes(out, len);
        return;
    }
    if (len > KERNEL_BYTES) {
        from_kernel(out, len);
        return;
    }
    if (rng.left < len) {
        from_kernel(rng.kernel, KERNEL_BYTES);
        rng.left = KERNEL_BYTES;
    }
    uint8_t *next = rng.kernel + KERNEL_BYTES - rng.left;
    memcpy(out, next, len);
    /* What was given out may be a secret by now: no copy stays behind. */
    memset(next, 0, len);
    rng.left -= len;
}

uint64_t rng_u64(void)
{
    uint64_t word;
    rng_bytes(&word, sizeof(word));
    return word;
}

/* Lemire's multiplication: the high half of word * bound is uniform once the low halves that would
 * favour some results are drawn again. */
uint64_t rng_below(uint64_t bound)
{
    ASSERT(bound > 0);
    uint64_t unfair = (0 - bound) % bound;
    u128 product;
    do {
        product = (u128)rng_u64() * bound;
    } while ((uint64_t)product < unfair);
    return (uint64_t)(product >> 64);
}

void rng_uuid(char out[36])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    rng_bytes(bytes, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
}

struct str rng_text(struct arena *arena, struct str alphabet, size_t len)
{
    ASSERT(alphabet.len > 0 && alphabet.len <= 256);
    if (len == 0)
        return STR("");
    char *text = arena_alloc_raw(arena, len);
    /* A byte a character; bytes above the last whole multiple of the alphabet are drawn again. */
    size_t fair = 256 - 256 % alphabet.len;
    size_t done = 0;
    while (done < len) {
        uint8_t bytes[32];
        size_t drawn = len - done < sizeof(bytes) ? len - done : sizeof(bytes);
        rng_bytes(bytes, drawn);
        for (size_t i = 0; i < drawn; i++)
            if (bytes[i] < fair)
                text[done++] = alphabet.ptr[bytes[i] % alphabet.len];
    }
    return str_make(text, len);
}

void rng_set_seed(uint64_t seed)
{
    rng.seeded = seed != 0;
    for (size_t i = 0; i < 4; i++)
        rng.stream[i] = splitmix(&seed);
}
