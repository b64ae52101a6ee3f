#include "wire/canonical.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"

enum { MAX_TEXT = 1 << 20, MAX_DEPTH = 64 };

/* What is left to read, and where the canonical text goes. */
struct reader {
    struct arena *arena;
    const char *at, *end;
    const char *const *drop; /* at the top level */
    const char *wanted;      /* at the top level: only this key, its value alone */
    struct str found;
    int depth;
    bool bad;
};

struct pair {
    struct str key, value;
};

struct pairs {
    struct pair *items;
    size_t len, cap;
};

static int pair_compare(const void *a, const void *b)
{
    return str_cmp(((const struct pair *)a)->key, ((const struct pair *)b)->key);
}

static void number_write(struct buf *out, double number)
{
    buf_append_format(out, "%.15g", number);
}

/* Keys are already quoted. */
static void pairs_add(struct reader *reader, struct pairs *pairs, struct str key, struct str value)
{
    if (reader->depth == 1) {
        struct str bare = str_slice(key, 1, key.len - 1);
        for (const char *const *drop = reader->drop; drop != NULL && *drop != NULL; drop++)
            if (str_eq_nocase(bare, str_from_c(*drop)))
                return;
        if (reader->wanted != NULL && str_eq(bare, str_from_c(reader->wanted)))
            reader->found = value;
    }
    struct pair pair = {.key = key, .value = value};
    VEC_PUSH(reader->arena, pairs->items, pairs->len, pairs->cap, pair);
}

static void pairs_write(struct buf *out, struct pairs *pairs)
{
    if (pairs->len > 1)
        qsort(pairs->items, pairs->len, sizeof(*pairs->items), pair_compare);
    buf_append_char(out, '{');
    for (size_t i = 0; i < pairs->len; i++) {
        buf_append_c(out, i == 0 ? "" : ",");
        buf_append(out, pairs->items[i].key);
        buf_append_char(out, ':');
        buf_append(out, pairs->items[i].value);
    }
    buf_append_char(out, '}');
}

static void string_write(struct buf *out, struct str s)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\')
            buf_append_format(out, "\\u%04x", c);
        else
            buf_append_char(out, (char)c);
    }
    buf_append_char(out, '"');
}

/* ---- JSON ---- */

static void json_skip_space(struct reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) != NULL)
        reader->at++;
}

static bool json_take(struct reader *reader, char c)
{
    json_skip_space(reader);
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static void utf8_write(struct buf *out, uint32_t code)
{
    if (code < 0x80) {
        buf_append_char(out, (char)code);
    } else if (code < 0x800) {
        buf_append_char(out, (char)(0xC0 | code >> 6));
        buf_append_char(out, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        buf_append_char(out, (char)(0xE0 | code >> 12));
        buf_append_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
        buf_append_char(out, (char)(0x80 | (code & 0x3F)));
    } else {
        buf_append_char(out, (char)(0xF0 | code >> 18));
        buf_append_char(out, (char)(0x80 | (code >> 12 & 0x3F)));
        buf_append_char(out, (char)(0x80 | (code >> 6 & 0x3F)));
        buf_append_char(out, (char)(0x80 | (code & 0x3F)));
    }
}

static uint32_t json_hex4(struct reader *reader)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit = reader->at < reader->end ? strchr(digits, *reader->at) : NULL;
        if (digit == NULL || *digit == '\0') {
            reader->bad = true;
            return 0;
        }
        code = code << 4 | (uint32_t)((digit - digits) & 15);
        reader->at++;
    }
    return code;
}

static void json_escape(struct reader *reader, struct buf *raw)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (reader->at == reader->end) {
        reader->bad = true;
        return;
    }
    char c = *reader->at++;
    const char *name = strchr(names, c);
    if (c == 'u') {
        uint32_t code = json_hex4(reader);
        if (code >= 0xD800 && code < 0xDC00 && reader->end - reader->at >= 6) {
            reader->at += 2;
            code = 0x10000 + ((code - 0xD800) << 10) + (json_hex4(reader) - 0xDC00);
        }
        utf8_write(raw, code);
    } else if (name != NULL && *name != '\0') {
        buf_append_char(raw, values[name - names]);
    } else {
        reader->bad = true;
    }
}

/* After the opening quote. */
static void json_string(struct reader *reader, struct buf *out)
{
    struct buf raw;
    buf_init(&raw, reader->arena, MAX_TEXT);
    while (!reader->bad && reader->at < reader->end && *reader->at != '"') {
        char c = *reader->at++;
        if (c == '\\')
            json_escape(reader, &raw);
        else
            buf_append_char(&raw, c);
    }
    reader->bad = reader->bad || reader->at == reader->end;
    reader->at++;
    string_write(out, buf_str(&raw));
}

static struct str json_value(struct reader *reader);

static void json_object(struct reader *reader, struct buf *out)
{
    struct pairs pairs = {0};
    bool first = true;
    while (!reader->bad && !json_take(reader, '}')) {
        struct buf key;
        buf_init(&key, reader->arena, MAX_TEXT);
        if ((!first && !json_take(reader, ',')) || !json_take(reader, '"')) {
            reader->bad = true;
            return;
        }
        first = false;
        json_string(reader, &key);
        if (!json_take(reader, ':')) {
            reader->bad = true;
            return;
        }
        struct str value = json_value(reader);
        pairs_add(reader, &pairs, buf_str(&key), value);
    }
    pairs_write(out, &pairs);
}

static void json_array(struct reader *reader, struct buf *out)
{
    bool first = true;
    buf_append_char(out, '[');
    while (!reader->bad && !json_take(reader, ']')) {
        if (!first && !json_take(reader, ',')) {
            reader->bad = true;
            return;
        }
        buf_append_c(out, first ? "" : ",");
        first = false;
        buf_append(out, json_value(reader));
    }
    buf_append_char(out, ']');
}

static void json_word(struct reader *reader, struct buf *out)
{
    const char *from = reader->at;
    while (reader->at < reader->end && strchr(",]} \t\r\n", *reader->at) == NULL)
        reader->at++;
    struct str word = str_make(from, (size_t)(reader->at - from));
    double number;
    if (str_eq(word, STR("true")) || str_eq(word, STR("false")) || str_eq(word, STR("null")))
        buf_append(out, word);
    else if (str_to_double(word, &number))
        number_write(out, number);
    else
        reader->bad = true;
}

static struct str json_value(struct reader *reader)
{
    struct buf out;
    buf_init(&out, reader->arena, MAX_TEXT);
    json_skip_space(reader);
    if (++reader->depth > MAX_DEPTH)
        reader->bad = true;
    if (reader->bad)
        return STR("");
    if (json_take(reader, '"'))
        json_string(reader, &out);
    else if (json_take(reader, '{'))
        json_object(reader, &out);
    else if (json_take(reader, '['))
        json_array(reader, &out);
    else
        json_word(reader, &out);
    reader->depth--;
    return buf_str(&out);
}

static struct str json_run(struct reader *reader, struct str text)
{
    struct str empty = STR("{}");
    text = str_is_empty(str_trim(text)) ? empty : text;
    reader->at = text.ptr;
    reader->end = text.ptr + text.len;
    struct str value = json_value(reader);
    json_skip_space(reader);
    return reader->bad || reader->at != reader->end ? (struct str){0} : value;
}

struct str canonical_json(struct arena *arena, struct str text, const char *const *drop)
{
    struct reader reader = {.arena = arena, .drop = drop};
    return json_run(&reader, text);
}

struct str canonical_json_member(struct arena *arena, struct str text, const char *key)
{
    struct reader reader = {.arena = arena, .wanted = key};
    struct str value = json_run(&reader, text);
    return str_is_absent(value) ? value : reader.found;
}

/* ---- CBOR (RFC 8949) ---- */

static uint64_t cbor_number(struct reader *reader, size_t size)
{
    uint64_t number = 0;
    if ((size_t)(reader->end - reader->at) < size) {
        reader->bad = true;
        return 0;
    }
    for (size_t i = 0; i < size; i++)
        number = number << 8 | (unsigned char)*reader->at++;
    return number;
}

static bool cbor_take_break(struct reader *reader)
{
    if (reader->at == reader->end || (unsigned char)*reader->at != 0xFF)
        return false;
    reader->at++;
    return true;
}

static double cbor_half(uint16_t bits)
{
    int exponent = bits >> 10 & 31;
    double mantissa = bits & 1023;
    double value = exponent == 0 ? mantissa / 1024 / 16384 : 1 + mantissa / 1024;
    if (exponent == 31)
        value = bits & 1023 ? __builtin_nan("") : __builtin_inf();
    for (int i = 15; exponent != 0 && exponent != 31 && i < exponent; i++)
        value *= 2;
    for (int i = exponent; exponent != 0 && i < 15; i++)
        value /= 2;
    return bits & 0x8000 ? -value : value;
}

static void cbor_simple(struct reader *reader, struct buf *out, unsigned info)
{
    if (info == 20 || info == 21) {
        buf_append_c(out, info == 20 ? "false" : "true");
    } else if (info == 22 || info == 23) {
        buf_append_c(out, "null");
    } else if (info == 25) {
        number_write(out, cbor_half((uint16_t)cbor_number(reader, 2)));
    } else if (info == 26) {
        uint32_t bits = (uint32_t)cbor_number(reader, 4);
        float single;
        memcpy(&single, &bits, sizeof(single));
        number_write(out, (double)single);
    } else if (info == 27) {
        uint64_t bits = cbor_number(reader, 8);
        double number;
        memcpy(&number, &bits, sizeof(number));
        number_write(out, number);
    } else {
        reader->bad = true;
    }
}

static struct str cbor_value(struct reader *reader);

static void cbor_bytes(struct reader *reader, struct buf *raw, unsigned major, uint64_t length,
                       bool open)
{
    if (!open) {
        if (length > (uint64_t)(reader->end - reader->at)) {
            reader->bad = true;
            return;
        }
        buf_append(raw, str_make(reader->at, (size_t)length));
        reader->at += length;
        return;
    }
    while (!reader->bad && !cbor_take_break(reader)) {
        unsigned head = (unsigned)cbor_number(reader, 1), info = head & 31;
        if (head >> 5 != major || info > 27) {
            reader->bad = true;
            return;
        }
        uint64_t part = info < 24 ? info : cbor_number(reader, (size_t)1 << (info - 24));
        cbor_bytes(reader, raw, major, part, false);
    }
}

static void cbor_text(struct reader *reader, struct buf *out, unsigned major, uint64_t length,
                      bool open)
{
    struct buf raw;
    buf_init(&raw, reader->arena, MAX_TEXT);
    cbor_bytes(reader, &raw, major, length, open);
    if (major == 3) {
        string_write(out, buf_str(&raw));
        return;
    }
    buf_append_c(out, "h'");
    for (size_t i = 0; i < raw.len; i++)
        buf_append_format(out, "%02x", (unsigned char)raw.ptr[i]);
    buf_append_c(out, "'");
}

static void cbor_container(struct reader *reader, struct buf *out, unsigned major, uint64_t length,
                           bool open)
{
    struct pairs pairs = {0};
    buf_append_c(out, major == 4 ? "[" : "");
    for (uint64_t i = 0; !reader->bad && (open ? !cbor_take_break(reader) : i < length); i++) {
        struct str value = cbor_value(reader);
        if (major == 5) {
            pairs_add(reader, &pairs, value, cbor_value(reader));
            continue;
        }
        buf_append_c(out, i == 0 ? "" : ",");
        buf_append(out, value);
    }
    if (major == 4)
        buf_append_char(out, ']');
    else
        pairs_write(out, &pairs);
}

static void cbor_tag(struct reader *reader, struct buf *out, uint64_t tag)
{
    struct str value = cbor_value(reader);
    buf_append_format(out, "%llu(%.*s)", (unsigned long long)tag, PRSTR(value));
}

static struct str cbor_value(struct reader *reader)
{
    struct buf out;
    buf_init(&out, reader->arena, MAX_TEXT);
    if (++reader->depth > MAX_DEPTH)
        reader->bad = true;
    if (reader->bad)
        return STR("");
    unsigned head = (unsigned)cbor_number(reader, 1), major = head >> 5, info = head & 31;
    bool open = info == 31;
    if ((info > 27 && !open) || (open && (major < 2 || major > 5)))
        reader->bad = true;
    uint64_t number = info;
    if (major != 7 && info >= 24 && info <= 27)
        number = cbor_number(reader, (size_t)1 << (info - 24));
    if (reader->bad)
        return STR("");
    if (major == 7)
        cbor_simple(reader, &out, info);
    else if (major == 6)
        cbor_tag(reader, &out, number);
    else if (major >= 4)
        cbor_container(reader, &out, major, number, open);
    else if (major >= 2)
        cbor_text(reader, &out, major, number, open);
    else
        number_write(&out, major == 0 ? (double)number : -1 - (double)number);
    reader->depth--;
    return buf_str(&out);
}

static struct str cbor_run(struct reader *reader, struct str bytes)
{
    if (str_is_empty(bytes))
        return STR("{}");
    reader->at = bytes.ptr;
    reader->end = bytes.ptr + bytes.len;
    struct str value = cbor_value(reader);
    return reader->bad || reader->at != reader->end ? (struct str){0} : value;
}

struct str canonical_cbor(struct arena *arena, struct str bytes, const char *const *drop)
{
    struct reader reader = {.arena = arena, .drop = drop};
    return cbor_run(&reader, bytes);
}

struct str canonical_cbor_member(struct arena *arena, struct str bytes, const char *key)
{
    struct reader reader = {.arena = arena, .wanted = key};
    struct str value = cbor_run(&reader, bytes);
    return str_is_absent(value) ? value : reader.found;
}
