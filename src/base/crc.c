#include "base/crc_int.h"

#include <zlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* ---- tables ---- */

/* A table's entry is linear in its index: the xor of what stands for the index's bits. Eight values
 * a table are enough to write down; the compiler makes the rest. Table k holds what a byte does to
 * the remainder when k zero bytes follow it, so that eight bytes are looked up at once. */
#define CRC_ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                                               \
    (((i)&1 ? b0 : 0) ^ ((i)&2 ? b1 : 0) ^ ((i)&4 ? b2 : 0) ^ ((i)&8 ? b3 : 0) ^                   \
     ((i)&16 ? b4 : 0) ^ ((i)&32 ? b5 : 0) ^ ((i)&64 ? b6 : 0) ^ ((i)&128 ? b7 : 0))
#define CRC_4(i, ...)                                                                              \
    CRC_ENTRY((i), __VA_ARGS__), CRC_ENTRY((i) + 1, __VA_ARGS__), CRC_ENTRY((i) + 2, __VA_ARGS__), \
        CRC_ENTRY((i) + 3, __VA_ARGS__)
#define CRC_16(i, ...)                                                                             \
    CRC_4((i), __VA_ARGS__), CRC_4((i) + 4, __VA_ARGS__), CRC_4((i) + 8, __VA_ARGS__),             \
        CRC_4((i) + 12, __VA_ARGS__)
#define CRC_64(i, ...)                                                                             \
    CRC_16((i), __VA_ARGS__), CRC_16((i) + 16, __VA_ARGS__), CRC_16((i) + 32, __VA_ARGS__),        \
        CRC_16((i) + 48, __VA_ARGS__)
#define CRC_256(i, ...)                                                                            \
    CRC_64((i), __VA_ARGS__), CRC_64((i) + 64, __VA_ARGS__), CRC_64((i) + 128, __VA_ARGS__),       \
        CRC_64((i) + 192, __VA_ARGS__)

/* Castagnoli's polynomial 0x1edc6f41, reflected. */
static const uint32_t crc32c_tables[8][256] = {
    {CRC_256(0, UINT32_C(0xf26b8303), UINT32_C(0xe13b70f7), UINT32_C(0xc79a971f),
             UINT32_C(0x8ad958cf), UINT32_C(0x105ec76f), UINT32_C(0x20bd8ede), UINT32_C(0x417b1dbc),
             UINT32_C(0x82f63b78))},
    {CRC_256(0, UINT32_C(0x13a29877), UINT32_C(0x274530ee), UINT32_C(0x4e8a61dc),
             UINT32_C(0x9d14c3b8), UINT32_C(0x3fc5f181), UINT32_C(0x7f8be302), UINT32_C(0xff17c604),
             UINT32_C(0xfbc3faf9))},
    {CRC_256(0, UINT32_C(0xa541927e), UINT32_C(0x4f6f520d), UINT32_C(0x9edea41a),
             UINT32_C(0x38513ec5), UINT32_C(0x70a27d8a), UINT32_C(0xe144fb14), UINT32_C(0xc76580d9),
             UINT32_C(0x8b277743))},
    {CRC_256(0, UINT32_C(0xdd45aab8), UINT32_C(0xbf672381), UINT32_C(0x7b2231f3),
             UINT32_C(0xf64463e6), UINT32_C(0xe964b13d), UINT32_C(0xd725148b), UINT32_C(0xaba65fe7),
             UINT32_C(0x52a0c93f))},
    {CRC_256(0, UINT32_C(0x38116fac), UINT32_C(0x7022df58), UINT32_C(0xe045beb0),
             UINT32_C(0xc5670b91), UINT32_C(0x8f2261d3), UINT32_C(0x1ba8b557), UINT32_C(0x37516aae),
             UINT32_C(0x6ea2d55c))},
    {CRC_256(0, UINT32_C(0xef306b19), UINT32_C(0xdb8ca0c3), UINT32_C(0xb2f53777),
             UINT32_C(0x6006181f), UINT32_C(0xc00c303e), UINT32_C(0x85f4168d), UINT32_C(0x0e045beb),
             UINT32_C(0x1c08b7d6))},
    {CRC_256(0, UINT32_C(0x68032cc8), UINT32_C(0xd0065990), UINT32_C(0xa5e0c5d1),
             UINT32_C(0x4e2dfd53), UINT32_C(0x9c5bfaa6), UINT32_C(0x3d5b83bd), UINT32_C(0x7ab7077a),
             UINT32_C(0xf56e0ef4))},
    {CRC_256(0, UINT32_C(0x493c7d27), UINT32_C(0x9278fa4e), UINT32_C(0x211d826d),
             UINT32_C(0x423b04da), UINT32_C(0x847609b4), UINT32_C(0x0d006599), UINT32_C(0x1a00cb32),
             UINT32_C(0x34019664))},
};

/* NVMe's polynomial 0xad93d23594c93659, reflected. */
static const uint64_t crc64nvme_tables[8][256] = {
    {CRC_256(0, UINT64_C(0x7f6ef0c830358979), UINT64_C(0xfedde190606b12f2),
             UINT64_C(0xc962e5739841b68f), UINT64_C(0xa61cecb46814fe75),
             UINT64_C(0x78e0ff3b88be6f81), UINT64_C(0xf1c1fe77117cdf02),
             UINT64_C(0xd75adabd7a6e2d6f), UINT64_C(0x9a6c9329ac4bc9b5))},
    {CRC_256(0, UINT64_C(0x8776a97d73bddf69), UINT64_C(0x3a3474a9bfec2db9),
             UINT64_C(0x7468e9537fd85b72), UINT64_C(0xe8d1d2a6ffb0b6e4),
             UINT64_C(0xe57a831ea7f6fea3), UINT64_C(0xfe2c206e177a6e2d),
             UINT64_C(0xc881668f76634f31), UINT64_C(0xa5dbeb4db4510d09))},
    {CRC_256(0, UINT64_C(0xff6e4e1f4e4038be), UINT64_C(0xca05ba6dc417e217),
             UINT64_C(0xa0d25288d0b85745), UINT64_C(0x757d8342f9e73de1),
             UINT64_C(0xeafb0685f3ce7bc2), UINT64_C(0xe12f2b58bf0b64ef),
             UINT64_C(0xf68770e226815ab5), UINT64_C(0xd9d7c79715952601))},
    {CRC_256(0, UINT64_C(0x8211147cbaf96306), UINT64_C(0x30fb0eaa2d655567),
             UINT64_C(0x61f61d545acaaace), UINT64_C(0xc3ec3aa8b595559c),
             UINT64_C(0xb301530233bd3853), UINT64_C(0x52db80573fede3cd),
             UINT64_C(0xa5b700ae7fdbc79a), UINT64_C(0x7fb7270fa7201c5f))},
    {CRC_256(0, UINT64_C(0x373d15f784905d1e), UINT64_C(0x6e7a2bef0920ba3c),
             UINT64_C(0xdcf457de12417478), UINT64_C(0x8d3189ef7c157b9b),
             UINT64_C(0x2eba358da0bd645d), UINT64_C(0x5d746b1b417ac8ba),
             UINT64_C(0xbae8d63682f59174), UINT64_C(0x41088a3e5d7cb183))},
    {CRC_256(0, UINT64_C(0xe9742a79ef04a5d4), UINT64_C(0xe63172a0869ed8c3),
             UINT64_C(0xf8bbc31255aa22ed), UINT64_C(0xc5aea077f3c3d6b1),
             UINT64_C(0xbf8466bcbf103e09), UINT64_C(0x4bd1eb2a26b7ef79),
             UINT64_C(0x97a3d6544d6fdef2), UINT64_C(0x1b9e8afbc2482e8f))},
    {CRC_256(0, UINT64_C(0xfc5d27f6bf353971), UINT64_C(0xcc6369be26fde189),
             UINT64_C(0xac1ff52f156c5079), UINT64_C(0x6ce6cc0d724f3399),
             UINT64_C(0xd9cd981ae49e6732), UINT64_C(0x8742166691ab5d0f),
             UINT64_C(0x3a5d0a9e7bc12975), UINT64_C(0x74ba153cf78252ea))},
    {CRC_256(0, UINT64_C(0x21e9761e252621ac), UINT64_C(0x43d2ec3c4a4c4358),
             UINT64_C(0x87a5d878949886b0), UINT64_C(0x3b9296a271a69e0b),
             UINT64_C(0x77252d44e34d3c16), UINT64_C(0xee4a5a89c69a782c),
             UINT64_C(0xe84d9340d5a36333), UINT64_C(0xe44200d2f3d1550d))},
};

static uint64_t load64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* The functions below work on the running remainder: neither inverted before nor after. */

uint32_t crc32c_by_table(uint32_t crc, const uint8_t *p, size_t len)
{
    const uint32_t(*t)[256] = crc32c_tables;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t x = load64(p) ^ crc;
        crc = t[7][x & 255] ^ t[6][x >> 8 & 255] ^ t[5][x >> 16 & 255] ^ t[4][x >> 24 & 255] ^
              t[3][x >> 32 & 255] ^ t[2][x >> 40 & 255] ^ t[1][x >> 48 & 255] ^ t[0][x >> 56];
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ t[0][(crc ^ *p) & 255];
    return crc;
}

uint64_t crc64nvme_by_table(uint64_t crc, const uint8_t *p, size_t len)
{
    const uint64_t(*t)[256] = crc64nvme_tables;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t x = load64(p) ^ crc;
        crc = t[7][x & 255] ^ t[6][x >> 8 & 255] ^ t[5][x >> 16 & 255] ^ t[4][x >> 24 & 255] ^
              t[3][x >> 32 & 255] ^ t[2][x >> 40 & 255] ^ t[1][x >> 48 & 255] ^ t[0][x >> 56];
    }
    for (; len > 0; p++, len--)
        crc = crc >> 8 ^ t[0][(crc ^ *p) & 255];
    return crc;
}

static uint32_t crc32_by_zlib(uint32_t crc, const uint8_t *p, size_t len)
{
    return ~(uint32_t)crc32_z(~crc, p, len); /* zlib inverts before and after */
}

/* ---- instructions ---- */

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_by_instruction(uint32_t crc, const uint8_t *p, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; p += 8, len -= 8)
        wide = _mm_crc32_u64(wide, load64(p));
    crc = (uint32_t)wide;
    for (; len > 0; p++, len--)
        crc = _mm_crc32_u8(crc, *p);
    return crc;
}

/* Folding (Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ"): sixteen
 * bytes that stand D bits before others may be replaced by their product with x^D, added to those
 * others. A block's first eight bytes are its higher half, hence x^(D+64) for them; one power less
 * in each constant, because the product of two reflected words comes out one bit low. The constants
 * are remainders by the polynomial, reflected in 64 bits. */
struct folding {
    uint64_t by_512[2]; /* x^575, x^511 */
    uint64_t by_128[2]; /* x^191, x^127 */
};

static const struct folding crc32_folding = {
    .by_512 = {UINT64_C(0x653d982200000000), UINT64_C(0xcad38e8f00000000)},
    .by_128 = {UINT64_C(0x65673b4600000000), UINT64_C(0x9ba54c6f00000000)},
};
static const struct folding crc64nvme_folding = {
    .by_512 = {UINT64_C(0x0c32cdb31e18a84a), UINT64_C(0x62242240ace5045a)},
    .by_128 = {UINT64_C(0xeadc41fd2ba3d420), UINT64_C(0x21e9761e252621ac)},
};

enum { FOLD_MIN = 128 };

#define FOLD_TARGET __attribute__((target("pclmul,sse4.1")))

FOLD_TARGET static inline __m128i load128(const void *p)
{
    return _mm_loadu_si128(p);
}

FOLD_TARGET static inline __m128i fold(__m128i block, __m128i by, __m128i onto)
{
    __m128i first = _mm_clmulepi64_si128(block, by, 0x00);
    __m128i second = _mm_clmulepi64_si128(block, by, 0x11);
    return _mm_xor_si128(_mm_xor_si128(first, second), onto);
}

/* Replaces `len` bytes (a multiple of 16, at least 64) after the remainder `crc` by 16 bytes that
 * leave the same remainder after 0. */
FOLD_TARGET static void fold_blocks(const struct folding *folding, uint64_t crc, const uint8_t *p,
                                    size_t len, uint8_t out[16])
{
    __m128i by_512 = load128(folding->by_512), by_128 = load128(folding->by_128);
    __m128i a = load128(p), b = load128(p + 16), c = load128(p + 32), d = load128(p + 48);
    a = _mm_xor_si128(a, _mm_cvtsi64_si128((long long)crc));
    for (p += 64, len -= 64; len >= 64; p += 64, len -= 64) {
        a = fold(a, by_512, load128(p));
        b = fold(b, by_512, load128(p + 16));
        c = fold(c, by_512, load128(p + 32));
        d = fold(d, by_512, load128(p + 48));
    }
    d = fold(fold(fold(a, by_128, b), by_128, c), by_128, d);
    for (; len >= 16; p += 16, len -= 16)
        d = fold(d, by_128, load128(p));
    memcpy(out, &d, 16);
}

static bool can_fold(size_t len)
{
    return len >= FOLD_MIN && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}
#endif

uint32_t crc32_update(uint32_t crc, const uint8_t *p, size_t len)
{
#if defined(__x86_64__)
    if (can_fold(len)) {
        uint8_t folded[16];
        fold_blocks(&crc32_folding, crc, p, len & ~(size_t)15, folded);
        crc = crc32_by_zlib(0, folded, sizeof(folded));
        p += len & ~(size_t)15;
        len &= 15;
    }
#endif
    return crc32_by_zlib(crc, p, len);
}

uint32_t crc32c_update(uint32_t crc, const uint8_t *p, size_t len)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return crc32c_by_instruction(crc, p, len);
#endif
    return crc32c_by_table(crc, p, len);
}

uint64_t crc64nvme_update(uint64_t crc, const uint8_t *p, size_t len)
{
#if defined(__x86_64__)
    if (can_fold(len)) {
        uint8_t folded[16];
        fold_blocks(&crc64nvme_folding, crc, p, len & ~(size_t)15, folded);
        crc = crc64nvme_by_table(0, folded, sizeof(folded));
        p += len & ~(size_t)15;
        len &= 15;
    }
#endif
    return crc64nvme_by_table(crc, p, len);
}
