/* The canonical request: "Create a canonical request" in "Create a signed AWS API request" (IAM
 * User Guide). One buffer takes it in order; what is already canonical is copied, not encoded. */
#include <stdlib.h>

#include "auth/sigv4_int.h"
#include "base/buf.h"

static const char upper_digits[] = "0123456789ABCDEF";

/* A-Z a-z 0-9 - . _ ~ */
static inline bool is_unreserved(uint8_t c)
{
    static const uint64_t words[4] = {0x03ff600000000000u, 0x47fffffe87fffffeu, 0, 0};
    return (words[c >> 6] >> (c & 63) & 1) != 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static void append_encoded(struct buf *out, uint8_t c)
{
    char escape[3] = {'%', upper_digits[c >> 4], upper_digits[c & 15]};
    buf_append(out, str_make(escape, sizeof(escape)));
}

/* What is percent-encoded in s is decoded and encoded as SigV4 wants it, so that every spelling of
 * a text has one form. A '%' that escapes nothing stands for itself. */
static void append_recoded(struct buf *out, struct str s, bool keep_slash, bool plus_is_space)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = (uint8_t)s.ptr[i];
        if (c == '/' && keep_slash) {
            buf_append_char(out, '/');
            continue;
        }
        if (c == '+' && plus_is_space)
            c = ' ';
        if (c == '%' && s.len - i > 2) {
            int high = hex_value(s.ptr[i + 1]), low = hex_value(s.ptr[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (uint8_t)(high << 4 | low);
                i += 2;
            }
        }
        if (is_unreserved(c))
            buf_append_char(out, (char)c);
        else
            append_encoded(out, c);
    }
}

/* ---- path ---- */

/* Copying is right when there is nothing to encode, no empty segment and no dot segment. */
static bool path_is_canonical(struct str path)
{
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];
        if (c == '/' && i + 1 < path.len && (path.ptr[i + 1] == '/' || path.ptr[i + 1] == '.'))
            return false;
        if (c != '/' && !is_unreserved((uint8_t)c))
            return false;
    }
    return true;
}

/* RFC 3986, 5.2.4, with empty segments taken out as well. Never longer than the path and a '/'. */
static struct str path_normalize(struct arena *arena, struct str path)
{
    char *out = arena_alloc_raw(arena, path.len + 1);
    size_t len = 0;
    bool is_folder = true;
    while (path.len > 0) {
        struct str segment, rest;
        bool cut = str_cut(path, '/', &segment, &rest);
        path = cut ? rest : str_make("", 0);
        is_folder = cut || str_eq(segment, STR(".")) || str_eq(segment, STR(".."));
        if (segment.len == 0 || str_eq(segment, STR(".")))
            continue;
        if (str_eq(segment, STR(".."))) {
            while (len > 0 && out[--len] != '/')
                ;
            continue;
        }
        out[len++] = '/';
        memcpy(out + len, segment.ptr, segment.len);
        len += segment.len;
    }
    if (is_folder || len == 0)
        out[len++] = '/';
    return str_make(out, len);
}

static void append_path(struct arena *arena, struct buf *out, struct str path, bool s3)
{
    if (path_is_canonical(path)) {
        buf_append(out, path);
    } else if (s3) {
        if (path.len == 0)
            buf_append_char(out, '/');
        append_recoded(out, path, true, false);
    } else {
        /* Encoded again as it came: '%' becomes %25. */
        path = path_normalize(arena, path);
        for (size_t i = 0; i < path.len; i++) {
            uint8_t c = (uint8_t)path.ptr[i];
            if (c == '/' || is_unreserved(c))
                buf_append_char(out, (char)c);
            else
                append_encoded(out, c);
        }
    }
}

/* ---- query ---- */

struct parameter {
    struct str name;
    struct str value;
};

static int parameter_compare(const void *a, const void *b)
{
    const struct parameter *left = a, *right = b;
    int order = str_cmp(left->name, right->name);
    return order != 0 ? order : str_cmp(left->value, right->value);
}

static struct str recode(struct arena *arena, struct str s, bool plus_is_space)
{
    size_t i = 0;
    while (i < s.len && is_unreserved((uint8_t)s.ptr[i]))
        i++;
    if (i == s.len)
        return s;
    struct buf buf;
    buf_init(&buf, arena, 3 * s.len);
    buf_reserve(&buf, s.len + 16 < 3 * s.len ? s.len + 16 : 3 * s.len);
    append_recoded(&buf, s, false, plus_is_space);
    return buf_str(&buf);
}

static void append_query(struct arena *arena, struct buf *out, struct sigv4_canonical *canonical)
{
    struct str query = canonical->request->query;
    if (query.len == 0)
        return;
    size_t most = 1, count = 0;
    for (size_t i = 0; i < query.len; i++)
        most += query.ptr[i] == '&';
    struct parameter *parameters = arena_alloc_raw(arena, most * sizeof(struct parameter));
    bool more = true;
    while (more) {
        struct str pair, name, value;
        more = str_cut(query, '&', &pair, &query);
        if (pair.len == 0)
            continue;
        str_cut(pair, '=', &name, &value);
        name = recode(arena, name, canonical->plus_is_space);
        if (canonical->presigned && str_eq(name, STR("X-Amz-Signature")))
            continue;
        parameters[count++] =
            (struct parameter){name, recode(arena, value, canonical->plus_is_space)};
    }
    if (count > 1)
        qsort(parameters, count, sizeof(parameters[0]), parameter_compare);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_char(out, '&');
        buf_append(out, parameters[i].name);
        buf_append_char(out, '=');
        buf_append(out, parameters[i].value);
    }
}

/* ---- headers ---- */

static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* No byte below '!', eight at a time: most values have no white space at all. */
static bool has_no_space(struct str s)
{
    const uint64_t ones = UINT64_MAX / 255;
    size_t i = 0;
    uint64_t below = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t word;
        memcpy(&word, s.ptr + i, sizeof(word));
        below |= (word - ones * 0x21) & ~word & (ones * 0x80);
    }
    for (; i < s.len; i++)
        below |= (uint8_t)s.ptr[i] < 0x21;
    return below == 0;
}

/* Without white space at both ends, runs of it as one space. */
static void append_value(struct buf *out, struct str value)
{
    if (has_no_space(value)) {
        buf_append(out, value);
        return;
    }
    while (value.len > 0 && is_space(value.ptr[value.len - 1]))
        value.len--;
    bool was_space = true;
    for (size_t i = 0; i < value.len; i++) {
        bool space = is_space(value.ptr[i]);
        if (!space)
            buf_append_char(out, value.ptr[i]);
        else if (!was_space)
            buf_append_char(out, ' ');
        was_space = space;
    }
}

/* `name` is in lower case. */
static inline bool name_matches(struct str header, struct str name)
{
    if (header.len != name.len)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = header.ptr[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c != name.ptr[i])
            return false;
    }
    return true;
}

static void append_header(struct buf *out, struct sigv4_canonical *canonical, struct str name)
{
    const struct wire_request *request = canonical->request;
    bool found = false;
    buf_append(out, name);
    buf_append_char(out, ':');
    for (size_t i = 0; i < request->header_count; i++) {
        if (!name_matches(request->headers[i].name, name))
            continue;
        if (found)
            buf_append_char(out, ',');
        append_value(out, request->headers[i].value);
        canonical->is_signed[i] = true;
        found = true;
    }
    buf_append_char(out, '\n');
}

/* Ascending, different, in lower case: as AWS's signers write it. */
static bool names_are_sorted(struct str names)
{
    struct str last = {0}, name;
    for (size_t i = 0; i < names.len; i++) {
        if (names.ptr[i] >= 'A' && names.ptr[i] <= 'Z')
            return false;
    }
    bool more = true;
    while (more) {
        more = str_cut(names, ';', &name, &names);
        if (name.len == 0 || (!str_is_absent(last) && str_cmp(last, name) >= 0))
            return false;
        last = name;
    }
    return true;
}

static int name_compare(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* A name that stands twice is taken once: otherwise a short list could repeat a long header. */
static struct str names_sort(struct arena *arena, struct str names)
{
    struct str lower = str_lower(arena, names);
    size_t most = 1, count = 0;
    for (size_t i = 0; i < lower.len; i++)
        most += lower.ptr[i] == ';';
    struct str *list = ARENA_ARRAY(arena, most, struct str);
    struct str name;
    bool more = true;
    while (more) {
        more = str_cut(lower, ';', &name, &lower);
        name = str_trim(name);
        if (name.len > 0)
            list[count++] = name;
    }
    if (count > 1)
        qsort(list, count, sizeof(list[0]), name_compare);
    struct buf buf;
    buf_init(&buf, arena, names.len);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && str_eq(list[i], list[i - 1]))
            continue;
        if (buf.len > 0)
            buf_append_char(&buf, ';');
        buf_append(&buf, list[i]);
    }
    return buf_str(&buf);
}

/* ---- the whole ---- */

static size_t canonical_size(const struct sigv4_canonical *canonical)
{
    const struct wire_request *request = canonical->request;
    size_t size = request->method.len + 3 * request->path.len + 4 * request->query.len +
                  3 * canonical->signed_headers.len + canonical->payload_hash.len + 64;
    for (size_t i = 0; i < request->header_count; i++)
        size += request->headers[i].value.len + 3;
    return size;
}

void sigv4_canonicalize(struct arena *arena, struct sigv4_canonical *canonical)
{
    const struct wire_request *request = canonical->request;
    struct str names = canonical->signed_headers;
    if (!names_are_sorted(names))
        names = names_sort(arena, names);
    canonical->sorted_headers = names;
    canonical->is_signed = ARENA_ARRAY(arena, request->header_count + 1, bool);

    struct buf out;
    buf_init(&out, arena, SIZE_MAX / 4);
    buf_reserve(&out, canonical_size(canonical));
    buf_append(&out, request->method);
    buf_append_char(&out, '\n');
    append_path(arena, &out, request->path, canonical->s3);
    buf_append_char(&out, '\n');
    append_query(arena, &out, canonical);
    buf_append_char(&out, '\n');
    struct str rest = names, name;
    bool more = names.len > 0;
    while (more) {
        more = str_cut(rest, ';', &name, &rest);
        append_header(&out, canonical, name);
    }
    buf_append_char(&out, '\n');
    buf_append(&out, names);
    buf_append_char(&out, '\n');
    buf_append(&out, canonical->payload_hash);
    canonical->text = buf_str(&out);
}
