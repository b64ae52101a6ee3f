/* JSON (RFC 8259) straight into typed structs: one pass over the text, no tree. Strings without
 * escapes stay in the text. Messages are those of AWS's own front end where they are known
 * (SerializationException: "STRING_VALUE can not be converted to an Integer", "Start of structure
 * or map found where not expected.", ...). */
#include <math.h>

#include "base/encode.h"
#include "base/map.h"
#include "wire/json_int.h"
#include "wire/shape.h"
#include "wire/wire_int.h"

struct reader {
    const char *p;
    const char *end;
    const char *start;
    struct arena *arena;
    const struct wire_model *model;
    struct wire_failure *failure;
    size_t budget;
    int depth;
    bool all; /* members bound to headers and the like are read too */
};

static bool read_value(struct reader *r, const struct wire_member *member, void *place,
                       bool by_value);
static bool skip_value(struct reader *r);

#define FAIL(...) (wire_fail(r->arena, r->failure, WIRE_SERIALIZATION, __VA_ARGS__) == RESULT_OK)

static bool too_large(struct reader *r)
{
    return FAIL("The request's structure is too large for its size.");
}

static bool charge(struct reader *r, size_t bytes)
{
    if (bytes > r->budget)
        return too_large(r);
    r->budget -= bytes;
    return true;
}

static inline char peek(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
    return r->p < r->end ? *r->p : '\0';
}

static bool unexpected(struct reader *r)
{
    if (r->p >= r->end)
        return FAIL("Unexpected end-of-input");
    unsigned char c = (unsigned char)*r->p;
    int line = 1;
    int column = 1;
    for (const char *q = r->start; q < r->p; q++) {
        column = *q == '\n' ? 1 : column + 1;
        line += *q == '\n';
    }
    if (c < ' ' || c >= 0x7f)
        return FAIL("Unexpected character (code %d) at line: %d, column: %d", c, line, column);
    return FAIL("Unexpected character ('%c' (code %d)) at line: %d, column: %d", c, c, line,
                column);
}

static bool expect(struct reader *r, char c)
{
    if (peek(r) != c || r->p >= r->end)
        return unexpected(r);
    r->p++;
    return true;
}

/* true, false and null, at the first letter */
static bool read_word(struct reader *r, struct str word)
{
    if ((size_t)(r->end - r->p) < word.len || memcmp(r->p, word.ptr, word.len) != 0)
        return FAIL("Unrecognized token '%.*s': was expecting ('true', 'false' or 'null')",
                    (int)(r->end - r->p < 8 ? r->end - r->p : 8), r->p);
    r->p += word.len;
    return true;
}

static bool hex4(const char *p, const char *end, unsigned *out)
{
    if (end - p < 4)
        return false;
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)p[i];
        unsigned letter = c | 0x20;
        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if (letter >= 'a' && letter <= 'f')
            value = value << 4 | (letter - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

static char *put_utf8(char *out, unsigned c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 63));
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    }
    return out;
}

/* One escape from r->p, which is behind the backslash. */
static bool read_escape(struct reader *r, char **out)
{
    static const char plain[128] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};
    if (r->p >= r->end)
        return unexpected(r);
    unsigned char c = (unsigned char)*r->p;
    if (c < 128 && plain[c] != 0) {
        *(*out)++ = plain[c];
        r->p++;
        return true;
    }
    unsigned code;
    if (c != 'u' || !hex4(r->p + 1, r->end, &code))
        return FAIL("Unrecognized character escape in a string value");
    r->p += 5;
    if (code >= 0xd800 && code < 0xe000) {
        unsigned low;
        if (code >= 0xdc00 || r->end - r->p < 6 || r->p[0] != '\\' || r->p[1] != 'u' ||
            !hex4(r->p + 2, r->end, &low) || low < 0xdc00 || low > 0xdfff)
            return FAIL("Broken surrogate pair in a string value");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        r->p += 6;
    }
    *out = put_utf8(*out, code);
    return true;
}

/* The string whose first part, up to the backslash at r->p, begins at `begin`. It is never longer
 * than its text. */
static bool read_escaped(struct reader *r, const char *begin, uint64_t seen, struct str *out)
{
    const char *close = r->p;
    while (close < r->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= r->end) {
        r->p = r->end;
        return unexpected(r);
    }
    char *text = arena_alloc_raw(r->arena, (size_t)(close - begin));
    char *to = text;
    size_t run = (size_t)(r->p - begin);
    r->p = begin;
    for (;;) {
        memcpy(to, r->p, run);
        to += run;
        r->p += run;
        if (*r->p == '"')
            break;
        if (*r->p != '\\')
            return unexpected(r);
        r->p++;
        if (!read_escape(r, &to))
            return false;
        run = json_plain_run(r->p, (size_t)(close + 1 - r->p), &seen);
    }
    r->p++;
    *out = str_make(text, (size_t)(to - text));
    if ((seen & UINT64_C(0x8080808080808080)) != 0 && !str_is_utf8(*out))
        return FAIL("Invalid UTF-8 in a string value");
    return true;
}

/* At the opening quote. */
static inline bool read_string(struct reader *r, struct str *out)
{
    const char *begin = ++r->p;
    uint64_t seen = 0;
    r->p += json_plain_run(begin, (size_t)(r->end - begin), &seen);
    if (r->p < r->end && *r->p == '"') {
        *out = str_make(begin, (size_t)(r->p - begin));
        r->p++;
        if ((seen & UINT64_C(0x8080808080808080)) != 0 && !str_is_utf8(*out))
            return FAIL("Invalid UTF-8 in a string value");
        return true;
    }
    if (r->p < r->end && *r->p == '\\')
        return read_escaped(r, begin, seen, out);
    return unexpected(r);
}

static inline void skip_digits(struct reader *r)
{
    while (r->p < r->end && (unsigned char)(*r->p - '0') < 10)
        r->p++;
}

/* At '-' or a digit. *whole: no fraction and no exponent. */
static bool read_number(struct reader *r, struct str *text, bool *whole)
{
    const char *begin = r->p;
    r->p += *r->p == '-';
    const char *digits = r->p;
    skip_digits(r);
    if (r->p == digits || (*digits == '0' && r->p > digits + 1))
        return FAIL("Invalid numeric value: Leading zeroes not allowed, digits required");
    *whole = true;
    if (r->p < r->end && *r->p == '.') {
        *whole = false;
        digits = ++r->p;
        skip_digits(r);
        if (r->p == digits)
            return unexpected(r);
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        *whole = false;
        r->p++;
        r->p += r->p < r->end && (*r->p == '-' || *r->p == '+');
        digits = r->p;
        skip_digits(r);
        if (r->p == digits)
            return unexpected(r);
    }
    *text = str_make(begin, (size_t)(r->p - begin));
    return true;
}

static bool is_number_start(char c)
{
    return c == '-' || (unsigned char)(c - '0') < 10;
}

static const char *type_phrase(enum wire_type type)
{
    switch (type) {
    case WIRE_STRING:
        return "a String";
    case WIRE_BLOB:
        return "a Blob";
    case WIRE_BOOL:
        return "a Boolean";
    case WIRE_BYTE:
        return "a Byte";
    case WIRE_SHORT:
        return "a Short";
    case WIRE_INT:
        return "an Integer";
    case WIRE_LONG:
        return "a Long";
    case WIRE_FLOAT:
        return "a Float";
    case WIRE_DOUBLE:
        return "a Double";
    case WIRE_TIMESTAMP:
        return "milliseconds since epoch";
    case WIRE_BIG_NUMBER:
        return "a BigDecimal";
    case WIRE_DOCUMENT:
    case WIRE_LIST:
    case WIRE_MAP:
    case WIRE_STRUCT:
        break;
    }
    return "a structure";
}

/* DynamoDB's own front end words it "NUMBER_VALUE cannot be converted to String". */
static bool mismatch_token(struct reader *r, const char *token, enum wire_type type)
{
    const char *phrase = type_phrase(type);
    struct str target = r->model->target_prefix;
    if (!str_starts_with(target, STR("DynamoDB")))
        return FAIL("%s can not be converted to %s", token, phrase);
    if (phrase[0] == 'a')
        phrase = strchr(phrase, ' ') + 1;
    return FAIL("%s cannot be converted to %s", token, phrase);
}

/* The value at r->p is not what the shape wants. Broken text is told as such. */
static bool mismatch(struct reader *r, enum wire_type type)
{
    char c = peek(r);
    bool whole = true;
    struct str text;
    if (c == '{')
        return FAIL("Start of structure or map found where not expected.");
    if (c == '[')
        return FAIL("Start of list found where not expected");
    if (is_number_start(c) && !read_number(r, &text, &whole))
        return false;
    const char *token = is_number_start(c) ? (whole ? "NUMBER_VALUE" : "DECIMAL_VALUE")
                        : c == '"'         ? "STRING_VALUE"
                        : c == 't'         ? "TRUE_VALUE"
                        : c == 'f'         ? "FALSE_VALUE"
                                           : NULL;
    if (token == NULL)
        return unexpected(r);
    switch (type) {
    case WIRE_LIST:
        return FAIL("Expected list or null");
    case WIRE_MAP:
        return FAIL("Expected map or null");
    case WIRE_STRUCT:
        return FAIL("Expected structure or null");
    case WIRE_STRING:
    case WIRE_BLOB:
    case WIRE_BOOL:
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
    case WIRE_TIMESTAMP:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
        break;
    }
    return mismatch_token(r, token, type);
}

/* 1.0 and 1e3 are whole numbers too; what a double cannot hold exactly is not taken in that form.
 */
static bool read_integer(struct reader *r, const struct wire_shape *shape, uint16_t flags,
                         void *place)
{
    static const double exact = 9007199254740992.0;
    struct str text;
    bool whole;
    int64_t value;
    if (!is_number_start(peek(r)))
        return mismatch(r, (enum wire_type)shape->type);
    if (!read_number(r, &text, &whole))
        return false;
    bool fits = whole && str_to_i64(text, &value);
    double number;
    if (!whole && str_to_double(text, &number)) {
        if (number != trunc(number))
            return mismatch_token(r, "DECIMAL_VALUE", (enum wire_type)shape->type);
        fits = fabs(number) <= exact;
        value = fits ? (int64_t)number : 0;
    }
    if (!fits || !shape_integer_fits(shape, flags, value))
        return FAIL("Numeric value (%.*s) out of range of %s", PRSTR(text),
                    shape->type == WIRE_LONG  ? "long (-9223372036854775808 - 9223372036854775807)"
                    : shape->type == WIRE_INT ? "int (-2147483648 - 2147483647)"
                    : shape->type == WIRE_SHORT ? "Java short"
                                                : "Java byte");
    member_set_integer(shape, flags, place, value);
    return true;
}

static bool read_double(struct reader *r, const struct wire_shape *shape, uint16_t flags,
                        void *place)
{
    char c = peek(r);
    struct str text;
    bool whole;
    double value;
    if (c == '"') {
        const char *begin = r->p;
        if (!read_string(r, &text))
            return false;
        bool word = text.len > 0 && !is_number_start(text.ptr[text.len > 1 && text.ptr[0] == '-']);
        if (!word || !wire_read_double(text, &value)) {
            r->p = begin;
            return mismatch(r, (enum wire_type)shape->type);
        }
    } else {
        if (!is_number_start(c))
            return mismatch(r, (enum wire_type)shape->type);
        if (!read_number(r, &text, &whole))
            return false;
        if (!str_to_double(text, &value))
            return FAIL("Numeric value (%.*s) out of range of double", PRSTR(text));
        if (!wire_double_fits(shape, value))
            return FAIL("Numeric value (%.*s) out of range of float", PRSTR(text));
    }
    member_set_double(flags, place, value);
    return true;
}

static bool read_time(struct reader *r, uint16_t flags, void *place)
{
    char c = peek(r);
    struct str text;
    bool whole;
    int64_t ms;
    if (is_number_start(c)) {
        if (!read_number(r, &text, &whole))
            return false;
        if (!wire_time_read(text, WIRE_TIME_UNIX, &ms))
            return FAIL("Numeric value (%.*s) out of range of timestamp", PRSTR(text));
    } else if (c == '"') {
        if (!read_string(r, &text))
            return false;
        double number; /* a number in quotes is a string */
        if (str_to_double(text, &number) || !wire_time_read(text, WIRE_TIME_ISO8601, &ms))
            return mismatch_token(r, "STRING_VALUE", WIRE_TIMESTAMP);
    } else {
        return mismatch(r, WIRE_TIMESTAMP);
    }
    member_set_time(flags, place, ms);
    return true;
}

static bool read_blob(struct reader *r, struct str *out)
{
    struct str text;
    if (peek(r) != '"')
        return mismatch(r, WIRE_BLOB);
    if (!read_string(r, &text))
        return false;
    struct str bytes;
    if (text.len % 4 != 0)
        return FAIL("Base64 encoded length is expected a multiple of 4 bytes but found: %zu",
                    text.len);
    if (!base64_decode(r->arena, text, &bytes))
        return FAIL("Invalid Base64 encoded value");
    *out = str_is_absent(bytes) ? STR("") : bytes;
    return true;
}

static bool read_bool(struct reader *r, uint16_t flags, void *place)
{
    char c = peek(r);
    if (c != 't' && c != 'f')
        return mismatch(r, WIRE_BOOL);
    if (!read_word(r, c == 't' ? STR("true") : STR("false")))
        return false;
    member_set_bool(flags, place, c == 't');
    return true;
}

static bool enter(struct reader *r)
{
    if (r->depth >= WIRE_DEPTH_MAX)
        return FAIL("Nesting exceeds the maximum depth of %d", WIRE_DEPTH_MAX);
    r->depth++;
    r->p++;
    return true;
}

/* Behind a value inside an object or a list: true with *more, or at the closing bracket, which is
 * taken. */
static bool next_item(struct reader *r, char close, bool *more)
{
    char c = peek(r);
    *more = c == ',';
    if (c != ',' && c != close)
        return unexpected(r);
    r->p++;
    r->depth -= c == close;
    return true;
}

static bool is_empty_container(struct reader *r, char close)
{
    if (peek(r) != close)
        return false;
    r->p++;
    r->depth--;
    return true;
}

static bool read_key(struct reader *r, struct str *key)
{
    if (peek(r) != '"')
        return unexpected(r);
    return read_string(r, key) && expect(r, ':');
}

static bool skip_container(struct reader *r, char close)
{
    struct str key;
    if (!enter(r))
        return false;
    if (is_empty_container(r, close))
        return true;
    for (bool more = true; more;) {
        if (close == '}' && !read_key(r, &key))
            return false;
        if (!skip_value(r) || !next_item(r, close, &more))
            return false;
    }
    return true;
}

static bool skip_value(struct reader *r)
{
    struct str text;
    bool whole;
    char c = peek(r);
    switch (c) {
    case '{':
        return skip_container(r, '}');
    case '[':
        return skip_container(r, ']');
    case '"':
        return read_string(r, &text);
    case 't':
        return read_word(r, STR("true"));
    case 'f':
        return read_word(r, STR("false"));
    case 'n':
        return read_word(r, STR("null"));
    default:
        return is_number_start(c) ? read_number(r, &text, &whole) : unexpected(r);
    }
}

/* Room for one more item of a list or entry of a map, zeroed. */
static void *grow(struct reader *r, struct wire_list *list, size_t *cap, size_t size)
{
    void *place = wire_list_grow(r->arena, list, cap, size, &r->budget);
    if (place == NULL)
        (void)too_large(r);
    return place;
}

static bool read_list(struct reader *r, const struct wire_shape *shape, struct wire_list *out)
{
    const struct wire_member *item = shape_members(r->model, shape);
    size_t size = shape_item_size(r->model, shape);
    struct wire_list list = {0};
    size_t cap = 0;
    if (peek(r) != '[')
        return mismatch(r, WIRE_LIST);
    if (!enter(r) || grow(r, &list, &cap, size) == NULL)
        return false;
    bool more = !is_empty_container(r, ']');
    while (more) {
        void *place = grow(r, &list, &cap, size);
        if (place == NULL)
            return false;
        if (peek(r) == 'n') {
            if (!read_word(r, STR("null")))
                return false;
            list.len += (shape->flags & WIRE_SHAPE_SPARSE) != 0;
        } else {
            if (!read_value(r, item, place, true))
                return false;
            list.len++;
        }
        if (!next_item(r, ']', &more))
            return false;
    }
    *out = list;
    return true;
}

/* Keys seen so far, for maps too large to look through: position + 1 by key. */
struct seen_keys {
    struct map map;
    bool used;
};

/* The entry that has the key already (the last of equal keys wins), or NULL. */
static void *find_entry(struct reader *r, struct seen_keys *seen, const struct wire_list *list,
                        size_t size, struct str key)
{
    enum { LOOK_THROUGH = 16 };
    char *entries = list->items;
    if (list->len <= LOOK_THROUGH) {
        for (size_t i = 0; i < list->len; i++)
            if (str_eq(*(struct str *)(void *)(entries + i * size), key))
                return entries + i * size;
        return NULL;
    }
    if (!seen->used) {
        map_init(&seen->map, r->arena);
        seen->used = true;
        for (size_t i = 0; i < list->len; i++)
            (void)map_put(&seen->map, *(struct str *)(void *)(entries + i * size),
                          (void *)(uintptr_t)(i + 1));
    }
    uintptr_t position = (uintptr_t)map_get(&seen->map, key);
    if (position != 0)
        return entries + (position - 1) * size;
    (void)map_put(&seen->map, key, (void *)(uintptr_t)(list->len + 1));
    return NULL;
}

static bool read_map(struct reader *r, const struct wire_shape *shape, struct wire_list *out)
{
    const struct wire_member *value = &shape_members(r->model, shape)[1];
    size_t size = shape_entry_size(r->model, shape);
    struct wire_list list = {0};
    struct seen_keys seen = {0};
    size_t cap = 0;
    if (peek(r) != '{')
        return mismatch(r, WIRE_MAP);
    if (!enter(r) || grow(r, &list, &cap, size) == NULL)
        return false;
    bool more = !is_empty_container(r, '}');
    while (more) {
        struct str key;
        if (!read_key(r, &key))
            return false;
        bool null = peek(r) == 'n';
        if (null && !read_word(r, STR("null")))
            return false;
        if (!null || (shape->flags & WIRE_SHAPE_SPARSE)) {
            char *entry = find_entry(r, &seen, &list, size, key);
            bool added = entry == NULL;
            if (added)
                entry = grow(r, &list, &cap, size);
            if (entry == NULL)
                return false;
            memset(entry, 0, size);
            *(struct str *)(void *)entry = key;
            if (!null && !read_value(r, value, member_place(value, entry), true))
                return false;
            list.len += added;
        }
        if (!next_item(r, '}', &more))
            return false;
    }
    *out = list;
    return true;
}

/* Clients write members mostly in the model's order: the search begins behind the member found
 * last. */
static const struct wire_member *find_member(struct reader *r, const struct wire_shape *shape,
                                             struct str key, size_t *hint)
{
    const struct wire_member *members = shape_members(r->model, shape);
    size_t count = shape->member_count;
    for (size_t n = 0, i = *hint; n < count; n++, i++) {
        if (i >= count)
            i = 0;
        if (str_eq(wire_string(r->model, members[i].name), key)) {
            *hint = i + 1;
            return &members[i];
        }
    }
    return NULL;
}

static bool read_struct(struct reader *r, const struct wire_shape *shape, void *structure)
{
    if (peek(r) != '{')
        return mismatch(r, WIRE_STRUCT);
    if (!enter(r))
        return false;
    bool top = r->depth == 1 && !r->all;
    size_t hint = 0;
    size_t present = 0;
    bool more = !is_empty_container(r, '}');
    while (more) {
        struct str key;
        if (!read_key(r, &key))
            return false;
        const struct wire_member *member = find_member(r, shape, key, &hint);
        bool read = true;
        if (peek(r) == 'n') {
            read = read_word(r, STR("null"));
        } else if (member == NULL || (top && member->location != WIRE_IN_BODY)) {
            read = skip_value(r);
        } else {
            read = read_value(r, member, member_place(member, structure), false);
            present++;
        }
        if (!read || !next_item(r, '}', &more))
            return false;
    }
    if ((shape->flags & WIRE_SHAPE_UNION) && present != 1)
        return FAIL("Union %.*s must have exactly one member set, but %zu were",
                    PRSTR(wire_string(r->model, shape->name)), present);
    return true;
}

static bool read_struct_member(struct reader *r, const struct wire_shape *shape, void *place,
                               bool by_value)
{
    if (by_value)
        return read_struct(r, shape, place);
    if (peek(r) != '{')
        return mismatch(r, WIRE_STRUCT);
    if (!charge(r, shape->size))
        return false;
    void *structure = arena_alloc(r->arena, shape->size);
    *(void **)place = structure;
    return read_struct(r, shape, structure);
}

static bool read_text(struct reader *r, const struct wire_shape *shape, struct str *out)
{
    char c = peek(r);
    const char *begin = r->p;
    bool whole;
    switch (shape->type) {
    case WIRE_STRING:
        return c == '"' ? read_string(r, out) : mismatch(r, WIRE_STRING);
    case WIRE_BIG_NUMBER:
        return is_number_start(c) ? read_number(r, out, &whole) : mismatch(r, WIRE_BIG_NUMBER);
    default:
        if (!skip_value(r))
            return false;
        *out = str_make(begin, (size_t)(r->p - begin));
        return true;
    }
}

static bool read_value(struct reader *r, const struct wire_member *member, void *place,
                       bool by_value)
{
    const struct wire_shape *shape = &r->model->shapes[member->shape];
    uint16_t flags = by_value ? 0 : member->flags;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRING:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
        return read_text(r, shape, place);
    case WIRE_BLOB:
        return read_blob(r, place);
    case WIRE_BOOL:
        return read_bool(r, flags, place);
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
        return read_integer(r, shape, flags, place);
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        return read_double(r, shape, flags, place);
    case WIRE_TIMESTAMP:
        return read_time(r, flags, place);
    case WIRE_LIST:
        return read_list(r, shape, place);
    case WIRE_MAP:
        return read_map(r, shape, place);
    case WIRE_STRUCT:
        return read_struct_member(r, shape, place, by_value);
    }
    return false;
}

static RESULT read_whole(struct arena *arena, const struct wire_model *model, uint16_t shape,
                         struct str text, void *value, struct wire_failure *failure, bool all)
{
    struct reader reader = {
        .p = text.ptr,
        .end = text.ptr + text.len,
        .start = text.ptr,
        .arena = arena,
        .model = model,
        .failure = failure,
        .budget = wire_decode_budget(text.len),
        .all = all,
    };
    struct wire_member self = {.shape = shape};
    if (str_is_empty(text) && model->shapes[shape].type == WIRE_STRUCT)
        return RESULT_OK;
    if (!read_value(&reader, &self, value, true))
        return RESULT_ERROR;
    (void)peek(&reader);
    if (reader.p != reader.end && !unexpected(&reader))
        return RESULT_ERROR;
    return RESULT_OK;
}

RESULT wire_json_read(struct arena *arena, const struct wire_model *model, uint16_t shape,
                      struct str text, void *value, struct wire_failure *failure)
{
    return read_whole(arena, model, shape, text, value, failure, false);
}

RESULT wire_json_decode(struct arena *arena, const struct wire_model *model, uint16_t shape,
                        struct str text, void *value, struct wire_failure *failure)
{
    return read_whole(arena, model, shape, text, value, failure, true);
}
