#include "base/encode.h"

#include "base/arena.h"
#include "base/result.h"

/* ---- base64 ---- */

/* The decoding tables hold a digit's value + 1, so that what is not a digit is 0 and needs no line.
 */
struct alphabet {
    char digits[65];
    uint8_t values[256];
};

/* Value + 1 of what both alphabets share. */
#define ALPHANUMERIC_VALUES                                                                        \
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,        \
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, \
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23,            \
    ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,            \
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,            \
    ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,            \
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51,            \
    ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58,            \
    ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62

static const struct alphabet standard = {
    .digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    .values = {ALPHANUMERIC_VALUES, ['+'] = 63, ['/'] = 64},
};

static const struct alphabet url_safe = {
    .digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    .values = {ALPHANUMERIC_VALUES, ['-'] = 63, ['_'] = 64},
};

static void encode_base64(struct buf *out, struct str bytes, const struct alphabet *alphabet,
                          bool padded)
{
    ASSERT(bytes.len <= SIZE_MAX / 4);
    size_t whole = bytes.len / 3, rest = bytes.len % 3;
    size_t tail = rest == 0 ? 0 : padded ? 4 : rest + 1;
    if (!buf_reserve(out, whole * 4 + tail) || bytes.len == 0)
        return;
    const char *digits = alphabet->digits;
    const uint8_t *in = (const uint8_t *)bytes.ptr;
    char *p = out->ptr + out->len;
    for (size_t i = 0; i < whole; i++, in += 3, p += 4) {
        uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        p[0] = digits[group >> 18];
        p[1] = digits[group >> 12 & 63];
        p[2] = digits[group >> 6 & 63];
        p[3] = digits[group & 63];
    }
    if (rest > 0) {
        uint32_t group = (uint32_t)in[0] << 16 | (rest == 2 ? (uint32_t)in[1] << 8 : 0);
        char last[4] = {digits[group >> 18], digits[group >> 12 & 63],
                        rest == 2 ? digits[group >> 6 & 63] : '=', '='};
        memcpy(p, last, tail);
    }
    out->len += whole * 4 + tail;
}

/* One to three bytes from two or three last digits. The bits that no byte takes must be zero: one
 * text for one value (RFC 4648, 3.5). */
static bool decode_tail(const uint8_t *in, size_t digits, const uint8_t *values, uint8_t *out)
{
    int a = values[in[0]] - 1, b = values[in[1]] - 1, c = digits == 3 ? values[in[2]] - 1 : 0;
    if ((a | b | c) < 0)
        return false;
    out[0] = (uint8_t)(a << 2 | b >> 4);
    if (digits == 2)
        return (b & 15) == 0;
    out[1] = (uint8_t)(b << 4 | c >> 2);
    return (c & 3) == 0;
}

static bool decode_base64(struct arena *arena, struct str text, const struct alphabet *alphabet,
                          struct str *bytes)
{
    size_t whole = text.len / 4, rest = text.len % 4;
    if (rest == 1)
        return false;
    if (text.len == 0) {
        *bytes = STR("");
        return true;
    }
    const uint8_t *in = (const uint8_t *)text.ptr, *values = alphabet->values;
    size_t len = whole * 3 + (rest == 0 ? 0 : rest - 1);
    uint8_t *memory = arena_alloc_raw(arena, len), *out = memory;
    int bad = 0;
    for (size_t i = 0; i < whole; i++, in += 4, out += 3) {
        int a = values[in[0]] - 1, b = values[in[1]] - 1, c = values[in[2]] - 1,
            d = values[in[3]] - 1;
        bad |= a | b | c | d;
        uint32_t group = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        out[0] = (uint8_t)(group >> 16);
        out[1] = (uint8_t)(group >> 8);
        out[2] = (uint8_t)group;
    }
    if (bad < 0 || (rest > 0 && !decode_tail(in, rest, values, out)))
        return false;
    *bytes = str_make((const char *)memory, len);
    return true;
}

void base64_encode(struct buf *out, struct str bytes)
{
    encode_base64(out, bytes, &standard, true);
}

void base64url_encode(struct buf *out, struct str bytes)
{
    encode_base64(out, bytes, &url_safe, false);
}

bool base64_decode(struct arena *arena, struct str text, struct str *bytes)
{
    if (text.len % 4 != 0)
        return false;
    /* The padding goes; a third '=' is then found to be no digit. */
    for (int i = 0; i < 2 && text.len > 0 && text.ptr[text.len - 1] == '='; i++)
        text.len--;
    return decode_base64(arena, text, &standard, bytes);
}

bool base64url_decode(struct arena *arena, struct str text, struct str *bytes)
{
    return decode_base64(arena, text, &url_safe, bytes);
}

/* ---- hexadecimal ---- */

void hex_encode(struct buf *out, struct str bytes)
{
    static const char digits[] = "0123456789abcdef";
    ASSERT(bytes.len <= SIZE_MAX / 2);
    if (!buf_reserve(out, bytes.len * 2) || bytes.len == 0)
        return;
    char *p = out->ptr + out->len;
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.ptr[i];
        *p++ = digits[byte >> 4];
        *p++ = digits[byte & 15];
    }
    out->len += bytes.len * 2;
}

/* -1 when c is no digit. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool hex_decode(struct arena *arena, struct str text, struct str *bytes)
{
    if (text.len % 2 != 0)
        return false;
    size_t len = text.len / 2;
    char *out = arena_alloc_raw(arena, len);
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(text.ptr[i * 2]), low = hex_value(text.ptr[i * 2 + 1]);
        if ((high | low) < 0)
            return false;
        out[i] = (char)(high << 4 | low);
    }
    *bytes = str_make(out, len);
    return true;
}

/* ---- percent ---- */

/* RFC 3986, 2.3: a bit for each unreserved character of the ASCII table. */
static bool is_unreserved(char c)
{
    static const uint64_t low = UINT64_C(0x03ff600000000000);
    static const uint64_t high = UINT64_C(0x47fffffe87fffffe);
    unsigned char byte = (unsigned char)c;
    return byte < 128 && ((byte < 64 ? low : high) >> (byte & 63) & 1);
}

static bool stays(char c, bool keep_slash)
{
    return is_unreserved(c) || (c == '/' && keep_slash);
}

void percent_encode(struct buf *out, struct str s, bool keep_slash)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t escapes = 0;
    for (size_t i = 0; i < s.len; i++)
        escapes += !stays(s.ptr[i], keep_slash);
    if (escapes == 0) {
        buf_append(out, s);
        return;
    }
    ASSERT(s.len <= SIZE_MAX / 3);
    if (!buf_reserve(out, s.len + escapes * 2))
        return;
    char *p = out->ptr + out->len;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = (uint8_t)s.ptr[i];
        if (stays(s.ptr[i], keep_slash)) {
            *p++ = s.ptr[i];
        } else {
            *p++ = '%';
            *p++ = digits[byte >> 4];
            *p++ = digits[byte & 15];
        }
    }
    out->len += s.len + escapes * 2;
}

bool percent_decode(struct arena *arena, struct str s, bool plus_is_space, struct str *out)
{
    if (str_find_char(s, '%') == SIZE_MAX &&
        !(plus_is_space && str_find_char(s, '+') != SIZE_MAX)) {
        *out = s;
        return true;
    }
    char *decoded = arena_alloc_raw(arena, s.len);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '%') {
            if (s.len - i < 3)
                return false;
            int high = hex_value(s.ptr[i + 1]), low = hex_value(s.ptr[i + 2]);
            if ((high | low) < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        decoded[len++] = c;
    }
    *out = str_make(decoded, len);
    return true;
}
