#include "wire/json_text.h"

#include "base/buf.h"

enum { DEPTH_MAX = 128 };

struct scan {
    const char *at, *end;
};

static void scan_space(struct scan *scan)
{
    while (scan->at < scan->end &&
           (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
        scan->at++;
}

static bool scan_char(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

static bool scan_word(struct scan *scan, struct str word)
{
    if ((size_t)(scan->end - scan->at) < word.len || memcmp(scan->at, word.ptr, word.len) != 0)
        return false;
    scan->at += word.len;
    return true;
}

static bool scan_digits(struct scan *scan)
{
    const char *from = scan->at;
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
        scan->at++;
    return scan->at > from;
}

static bool scan_number(struct scan *scan)
{
    scan_char(scan, '-');
    if (!scan_char(scan, '0') && !scan_digits(scan))
        return false;
    if (scan_char(scan, '.') && !scan_digits(scan))
        return false;
    if (scan_char(scan, 'e') || scan_char(scan, 'E')) {
        if (!scan_char(scan, '+'))
            scan_char(scan, '-');
        return scan_digits(scan);
    }
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool scan_string(struct scan *scan)
{
    if (!scan_char(scan, '"'))
        return false;
    while (scan->at < scan->end) {
        unsigned char c = (unsigned char)*scan->at++;
        if (c == '"')
            return true;
        if (c < 0x20)
            return false;
        if (c != '\\')
            continue;
        if (scan->at == scan->end)
            return false;
        char escape = *scan->at++;
        if (escape == 'u') {
            for (int i = 0; i < 4; i++)
                if (scan->at == scan->end || hex_digit(*scan->at++) < 0)
                    return false;
        } else if (memchr("\"\\/bfnrt", escape, 8) == NULL) {
            return false;
        }
    }
    return false;
}

static bool scan_value(struct scan *scan, int depth);

static bool scan_container(struct scan *scan, int depth, char close, bool named)
{
    scan->at++;
    scan_space(scan);
    if (scan_char(scan, close))
        return true;
    do {
        scan_space(scan);
        if (named) {
            if (!scan_string(scan))
                return false;
            scan_space(scan);
            if (!scan_char(scan, ':'))
                return false;
        }
        if (!scan_value(scan, depth + 1))
            return false;
        scan_space(scan);
    } while (scan_char(scan, ','));
    return scan_char(scan, close);
}

static bool scan_value(struct scan *scan, int depth)
{
    scan_space(scan);
    if (scan->at == scan->end || depth > DEPTH_MAX)
        return false;
    switch (*scan->at) {
    case '{':
        return scan_container(scan, depth, '}', true);
    case '[':
        return scan_container(scan, depth, ']', false);
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, STR("true"));
    case 'f':
        return scan_word(scan, STR("false"));
    case 'n':
        return scan_word(scan, STR("null"));
    default:
        return scan_number(scan);
    }
}

bool json_is_valid(struct str text)
{
    if (str_is_empty(text))
        return false;
    struct scan scan = {text.ptr, text.ptr + text.len};
    if (!str_is_utf8(text) || !scan_value(&scan, 0))
        return false;
    scan_space(&scan);
    return scan.at == scan.end;
}

enum json_kind json_kind_of(struct str raw)
{
    switch (raw.len == 0 ? 'n' : raw.ptr[0]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* Past the opening bracket or a comma to the next value's first byte; false at the end. */
static bool scan_next(struct scan *scan, char open, char close)
{
    scan_space(scan);
    if (!scan_char(scan, open) && !scan_char(scan, ','))
        return false;
    scan_space(scan);
    return scan->at < scan->end && *scan->at != close;
}

static bool scan_take(struct scan *scan, struct str *raw)
{
    const char *from = scan->at;
    if (!scan_value(scan, 0))
        return false;
    *raw = str_make(from, (size_t)(scan->at - from));
    return true;
}

bool json_next_member(struct arena *arena, struct str *rest, struct str *name, struct str *raw)
{
    struct scan scan = {rest->ptr, rest->ptr + rest->len};
    struct str quoted;
    if (!scan_next(&scan, '{', '}') || !scan_take(&scan, &quoted) ||
        !json_string(arena, quoted, name))
        return false;
    scan_space(&scan);
    if (!scan_char(&scan, ':'))
        return false;
    scan_space(&scan);
    if (!scan_take(&scan, raw))
        return false;
    *rest = str_make(scan.at, (size_t)(scan.end - scan.at));
    return true;
}

bool json_next_item(struct str *rest, struct str *raw)
{
    struct scan scan = {rest->ptr, rest->ptr + rest->len};
    if (!scan_next(&scan, '[', ']') || !scan_take(&scan, raw))
        return false;
    *rest = str_make(scan.at, (size_t)(scan.end - scan.at));
    return true;
}

bool json_member(struct arena *arena, struct str object, struct str name, struct str *raw)
{
    struct str rest = object, member, value;
    bool found = false;
    while (json_next_member(arena, &rest, &member, &value)) {
        if (str_eq(member, name)) {
            *raw = value;
            found = true;
        }
    }
    return found;
}

static void append_utf8(struct buf *out, uint32_t code)
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

static uint32_t read_hex4(const char *at)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++)
        code = code << 4 | (uint32_t)hex_digit(at[i]);
    return code;
}

/* The code point after "\u", and how many bytes it takes; a surrogate without its pair becomes
 * U+FFFD. */
static uint32_t read_escape(struct str s, size_t at, size_t *len)
{
    uint32_t code = read_hex4(s.ptr + at);
    *len = 4;
    if (code < 0xD800 || code > 0xDFFF)
        return code;
    if (code < 0xDC00 && at + 10 <= s.len && s.ptr[at + 4] == '\\' && s.ptr[at + 5] == 'u') {
        uint32_t low = read_hex4(s.ptr + at + 6);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *len = 10;
            return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    return 0xFFFD;
}

bool json_string(struct arena *arena, struct str raw, struct str *out)
{
    struct scan scan = {raw.ptr, raw.ptr + raw.len};
    if (raw.len < 2 || !scan_string(&scan) || scan.at != scan.end)
        return false;
    struct str inside = str_slice(raw, 1, raw.len - 1);
    if (str_find_char(inside, '\\') == SIZE_MAX) {
        *out = inside;
        return true;
    }
    struct buf text;
    buf_init(&text, arena, inside.len + 1);
    for (size_t i = 0; i < inside.len; i++) {
        char c = inside.ptr[i];
        if (c != '\\') {
            buf_append_char(&text, c);
            continue;
        }
        c = inside.ptr[++i];
        if (c == 'u') {
            size_t len;
            append_utf8(&text, read_escape(inside, i + 1, &len));
            i += len;
        } else {
            buf_append_char(&text, c == 'n'   ? '\n'
                                   : c == 't' ? '\t'
                                   : c == 'r' ? '\r'
                                   : c == 'b' ? '\b'
                                   : c == 'f' ? '\f'
                                              : c);
        }
    }
    *out = buf_str(&text);
    return true;
}

bool json_integer(struct str raw, int64_t *out)
{
    if (raw.len >= 2 && raw.ptr[0] == '"')
        raw = str_slice(raw, 1, raw.len - 1);
    return str_to_i64(raw, out);
}
