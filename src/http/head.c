/* The head of a request, judged by RFC 9112 more strictly than libmicrohttpd does. The library
 * leaves the head where it was received, with a NUL over each line end, each colon, and the blanks
 * around the request target; the places of names and values in memory therefore show what it lets
 * through: NUL bytes, folded lines, surplus blanks. */
#include "http/http_int.h"

#include "base/arena.h"

enum { HEAD_METHOD_MAX = 32 };

struct head {
    struct http_connection *connection;
    const char *cursor; /* where the next name must begin */
    size_t room;
    struct http_refusal refusal;
    struct str host, transfer_encoding, length;
    bool has_host;
    bool whole_http_1_1;
};

/* RFC 9110, 5.6.2: the characters of a token. */
static bool is_token(struct str s)
{
    static const char also[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (letter || c == '-' || (c >= '0' && c <= '9'))
            continue;
        if (c == '\0' || memchr(also, c, sizeof(also) - 1) == NULL)
            return false;
    }
    return s.len > 0;
}

/* Whether any of the eight bytes is a control character, the tab included (the well-known test for
 * a byte less than 32, and for one that is 127). */
static bool has_control(uint64_t bytes)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    uint64_t deletes = bytes ^ ones * 0x7f;
    return (((bytes - ones * 0x20) & ~bytes) | ((deletes - ones) & ~deletes)) & high;
}

/* RFC 9110, 5.5: no control characters but the tab; bytes from 0x80 are let through. Eight at a
 * time: it is asked of every byte of every field, both ways. */
bool http_is_field_value(struct str s)
{
    size_t i = 0;
    for (uint64_t bytes; i + sizeof bytes <= s.len; i += sizeof bytes) {
        memcpy(&bytes, s.ptr + i, sizeof bytes);
        if (has_control(bytes))
            break;
    }
    for (; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool is_target(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= 0x20 || c == 0x7f || c == '#')
            return false;
    }
    return s.len > 0;
}

static void refuse(struct head *head, unsigned status, const char *reason)
{
    if (head->refusal.status == 0)
        head->refusal = (struct http_refusal){.status = status, .reason = reason};
}

/* A refusal of Content-Length's value that is the library's own it sends twice, so it must not find
 * fault with any: the linker gives it these two in the place of its own (--wrap in the Makefile),
 * and judge_framing() refuses what they let pass. Neither is asked for anything else that matters:
 * the second only for this field's value, the first for few names. */
bool http_name_is(const char *wanted, const char *name,
                  size_t size) __asm__("__wrap_MHD_str_equal_caseless_bin_n_");
size_t http_length_read(const char *text, size_t size,
                        uint64_t *out) __asm__("__wrap_MHD_str_to_uint64_n_");

/* Of an empty value the library never asks: such a field it must not see. */
bool http_name_is(const char *wanted, const char *name, size_t size)
{
    if (!str_eq_nocase(str_make(wanted, size), str_make(name, size)))
        return false;
    if (!str_eq(str_make(wanted, size), STR("Content-Length")))
        return true;
    const char *value = name + size + 1; /* in the head as it was received */
    while (*value == ' ' || *value == '\t')
        value++;
    return *value != '\0';
}

size_t http_length_read(const char *text, size_t size, uint64_t *out)
{
    if (!str_to_u64(str_trim(str_make(text, size)), out))
        *out = 0;
    return size;
}

void http_head_target(struct http_connection *connection, const char *target)
{
    struct http_exchange *exchange = &connection->exchange;
    struct str whole = str_copy(exchange->arena, str_from_c(target == NULL ? "" : target));
    exchange->path = whole;
    exchange->query = (struct str){0};
    (void)str_cut(whole, '?', &exchange->path, &exchange->query);
}

/* The absolute form (RFC 9112, 3.2.2) that clients send through proxies becomes the origin form;
 * the Host field stands for the authority then as well. */
static bool take_target(struct http_exchange *exchange)
{
    static const struct str schemes[] = {STR_INIT("http://"), STR_INIT("https://")};
    if (!is_target(exchange->path) || (exchange->query.len > 0 && !is_target(exchange->query)))
        return false;
    for (size_t i = 0; i < 2; i++) {
        struct str path = exchange->path;
        if (!str_starts_with(path, schemes[i]))
            continue;
        struct str rest = str_slice(path, schemes[i].len, path.len);
        size_t slash = str_find_char(rest, '/');
        if (slash == 0 || rest.len == 0)
            return false;
        exchange->path = slash == SIZE_MAX ? STR("/") : str_slice(rest, slash, rest.len);
        return true;
    }
    return exchange->path.ptr[0] == '/' || str_eq(exchange->path, STR("*"));
}

static void note_known(struct head *head, struct str name, struct str value)
{
    switch (name.len) {
    case 4:
        if (str_eq_nocase(name, STR("host"))) {
            if (head->has_host)
                refuse(head, 400, "more than one Host");
            head->has_host = true;
        }
        break;
    case 6:
        if (str_eq_nocase(name, STR("expect")) && str_eq_nocase(value, STR("100-continue")))
            head->connection->expects_continue = head->whole_http_1_1;
        break;
    case 14:
        if (str_eq_nocase(name, STR("content-length"))) {
            if (!str_is_absent(head->length))
                refuse(head, 400, "more than one Content-Length");
            head->length = value;
        }
        break;
    case 17:
        if (str_eq_nocase(name, STR("transfer-encoding"))) {
            if (!str_is_absent(head->transfer_encoding))
                refuse(head, 400, "more than one Transfer-Encoding");
            head->transfer_encoding = value;
        }
        break;
    default:
        break;
    }
}

/* Lines end in CR LF or LF, that is in two NULs or one: more of them, or fewer, is a NUL byte of
 * the client's. */
static bool is_next(const char *cursor, const char *name)
{
    return name == cursor + 1 || (name == cursor + 2 && cursor[1] == '\0');
}

static enum MHD_Result take_field(void *context, enum MHD_ValueKind kind, const char *key,
                                  size_t key_size, const char *value, size_t value_size)
{
    (void)kind;
    struct head *head = context;
    struct http_exchange *exchange = &head->connection->exchange;
    struct str name = str_make(key, key_size);
    struct str text = value == NULL ? STR("") : str_make(value, value_size);
    ASSERT(exchange->field_count < head->room);
    if (!is_next(head->cursor, key) || !is_token(name)) {
        refuse(head, 400, "malformed header field name");
        return MHD_NO;
    }
    const char *from = key + key_size + 1;
    if (value < from || !http_is_field_value(text)) {
        refuse(head, 400, "malformed header field value");
        return MHD_NO;
    }
    for (; from < value; from++) {
        if (*from != ' ' && *from != '\t') {
            refuse(head, 400, "malformed header field value");
            return MHD_NO;
        }
    }
    head->cursor = value + value_size;
    text = str_trim(text);
    exchange->fields[exchange->field_count++] = (struct http_field){.name = name, .value = text};
    note_known(head, name, text);
    return head->refusal.status == 0 ? MHD_YES : MHD_NO;
}

static void judge_framing(struct head *head, const char *version)
{
    struct http_connection *connection = head->connection;
    struct http_exchange *exchange = &connection->exchange;
    if (head->whole_http_1_1 && !head->has_host)
        refuse(head, 400, "no Host");
    if (!str_is_absent(head->transfer_encoding)) {
        if (!str_is_absent(head->length))
            refuse(head, 400, "both Content-Length and Transfer-Encoding");
        if (version[7] == '0')
            refuse(head, 400, "Transfer-Encoding in HTTP/1.0");
        if (!str_eq_nocase(head->transfer_encoding, STR("chunked")))
            refuse(head, 501, "unknown Transfer-Encoding");
        connection->body_coming = true;
    }
    if (!str_is_absent(head->length)) {
        if (!str_is_digits(head->length))
            refuse(head, 400, "malformed Content-Length");
        if (!str_to_u64(head->length, &exchange->content_length) ||
            exchange->content_length >= (uint64_t)INT64_MAX)
            refuse(head, 413, "too large a Content-Length");
        exchange->has_length = true;
        connection->body_coming = exchange->content_length > 0;
    }
}

/* The head's first and last byte must be where the fields leave off. */
static bool judge_bounds(const struct head *head, const char *method)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(head->connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    const char *end = method + info->header_size;
    for (const char *p = head->cursor; p < end; p++) {
        if (*p != '\0')
            return false;
    }
    return end > head->cursor && end - head->cursor <= 4;
}

struct http_refusal http_head_take(struct http_connection *connection, const char *method,
                                   const char *version)
{
    struct http_exchange *exchange = &connection->exchange;
    const struct http_config *config = &connection->server->config;
    struct head head = {.connection = connection};
    exchange->method = str_from_c(method);
    head.whole_http_1_1 = version[7] != '0';
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info->header_size > config->header_limit)
        return (struct http_refusal){431, "header fields too large"};
    int count = MHD_get_connection_values_n(connection->mhd, MHD_HEADER_KIND, NULL, NULL);
    if (count < 0 || (unsigned)count > config->header_count)
        return (struct http_refusal){431, "too many header fields"};
    if (!is_token(exchange->method) || exchange->method.len > HEAD_METHOD_MAX)
        return (struct http_refusal){400, "malformed method"};
    /* "METHOD target VERSION", one blank between: a NUL byte in any of them makes the sum too
     * small. */
    size_t target =
        exchange->path.len + (str_is_absent(exchange->query) ? 0 : exchange->query.len + 1);
    if (version != method + exchange->method.len + 1 + target + 1 || !take_target(exchange))
        return (struct http_refusal){400, "malformed request target"};
    head.room = (size_t)count;
    head.cursor = version + 8;
    exchange->fields = ARENA_ARRAY(exchange->arena, head.room, struct http_field);
    (void)MHD_get_connection_values_n(connection->mhd, MHD_HEADER_KIND, take_field, &head);
    if (head.refusal.status == 0 && !judge_bounds(&head, method))
        refuse(&head, 400, "malformed head");
    judge_framing(&head, version);
    return head.refusal;
}

struct str http_trailer_get(const struct http_exchange *exchange, const char *name)
{
    return str_from_c(
        MHD_lookup_connection_value(exchange->connection->mhd, MHD_FOOTER_KIND, name));
}

struct str http_field_get(const struct http_exchange *exchange, struct str name)
{
    for (size_t i = 0; i < exchange->field_count; i++) {
        const struct http_field *field = &exchange->fields[i];
        if (field->name.len == name.len && str_eq_nocase(field->name, name))
            return field->value;
    }
    return (struct str){0};
}
