/* User-defined metadata: "Working with object metadata", Amazon S3 User Guide. Headers carry bytes:
 * what is not ASCII is read as ISO 8859-1, or as the encoded words of RFC 2047 that it is made of;
 * the fields of forms are UTF-8 ("Creating an HTML form (using AWS Signature Version 4)");
 * kept is Unicode; what is not ASCII goes out as encoded words again. */
#include "base/encode.h"
#include "base/vec.h"
#include "services/s3/s3_int.h"

/* --- reading --- */

/* ISO 8859-1 to UTF-8. */
static void add_latin(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c >= 0x80) {
            buf_append_char(out, (char)(0xc0 | c >> 6));
            c = (unsigned char)(0x80 | (c & 0x3f));
        }
        buf_append_char(out, (char)c);
    }
}

/* The Q encoding: '_' is a blank, "=XX" a byte. */
static bool decode_q(struct arena *arena, struct str text, struct str *bytes)
{
    struct buf out;
    buf_init(&out, arena, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        struct str byte;
        if (text.ptr[i] == '_') {
            buf_append_char(&out, ' ');
        } else if (text.ptr[i] != '=') {
            buf_append_char(&out, text.ptr[i]);
        } else {
            if (text.len - i < 3 || !hex_decode(arena, str_slice(text, i + 1, i + 3), &byte))
                return false;
            buf_append(&out, byte);
            i += 2;
        }
    }
    *bytes = buf_str(&out);
    return true;
}

/* "=?CHARSET?B?TEXT?=" at the beginning of *rest, which moves on behind it. */
static bool decode_word(struct arena *arena, struct str *rest, struct buf *out)
{
    struct str charset, encoding, text, bytes, after = *rest;
    if (!str_starts_with(after, STR("=?")))
        return false;
    after = str_slice(after, 2, after.len);
    if (!str_cut(after, '?', &charset, &after) || !str_cut(after, '?', &encoding, &after))
        return false;
    size_t end = str_find(after, STR("?="));
    if (end == SIZE_MAX)
        return false;
    text = str_slice(after, 0, end);
    bool good = str_eq_nocase(encoding, STR("B"))   ? base64_decode(arena, text, &bytes)
                : str_eq_nocase(encoding, STR("Q")) ? decode_q(arena, text, &bytes)
                                                    : false;
    if (!good)
        return false;
    if (str_eq_nocase(charset, STR("iso-8859-1")))
        add_latin(out, bytes);
    else if ((str_eq_nocase(charset, STR("utf-8")) || str_eq_nocase(charset, STR("us-ascii"))) &&
             str_is_utf8(bytes))
        buf_append(out, bytes);
    else
        return false;
    *rest = str_slice(after, end + 2, after.len);
    return true;
}

static size_t blanks(struct str s)
{
    size_t count = 0;
    while (count < s.len && (s.ptr[count] == ' ' || s.ptr[count] == '\t'))
        count++;
    return count;
}

/* Blanks between two encoded words do not count. */
static struct str read_value(struct arena *arena, struct str sent, bool unicode)
{
    struct buf out;
    struct str rest = sent;
    bool after_word = false;
    buf_init(&out, arena, 2 * sent.len + 1);
    while (rest.len > 0) {
        size_t skip = blanks(rest);
        struct str next = str_slice(rest, skip, rest.len);
        if ((skip == 0 || after_word) && decode_word(arena, &next, &out)) {
            after_word = true;
            rest = next;
            continue;
        }
        after_word = false;
        size_t taken = skip > 0 ? skip : 1;
        if (unicode)
            buf_append(&out, str_slice(rest, 0, taken));
        else
            add_latin(&out, str_slice(rest, 0, taken));
        rest = str_slice(rest, taken, rest.len);
    }
    return buf_str(&out);
}

/* A name that comes again: the values stand in one list, as in any header. */
static bool join(struct arena *arena, struct str_map *map, const struct str_map_entry *entry)
{
    for (size_t i = 0; i < map->len; i++) {
        struct str *value = &map->items[i].value;
        if (!str_eq(map->items[i].key, entry->key))
            continue;
        *value = str_format(arena, "%.*s,%.*s", PRSTR(*value), PRSTR(entry->value));
        return true;
    }
    return false;
}

RESULT s3_read_metadata(struct call *call, const struct str_map *sent, struct str_map *metadata)
{
    size_t size = 0;
    bool form = call->operation == S3_OP_PostObject;
    *metadata =
        (struct str_map){.items = ARENA_ARRAY(call->arena, sent->len + 1, struct str_map_entry)};
    for (size_t i = 0; i < sent->len; i++)
        if (!join(call->arena, metadata, &sent->items[i]))
            metadata->items[metadata->len++] = sent->items[i];
    for (size_t i = 0; i < metadata->len; i++) {
        struct str *value = &metadata->items[i].value;
        bool plain = str_find(*value, STR("=?")) == SIZE_MAX;
        for (size_t j = 0; plain && j < value->len; j++)
            plain = (unsigned char)value->ptr[j] < 0x80;
        if (!plain)
            *value = read_value(call->arena, *value, form && str_is_utf8(*value));
        size += metadata->items[i].key.len + value->len;
    }
    if (size <= S3_METADATA_MAX)
        return RESULT_OK;
    struct s3_MetadataTooLarge *detail = ARENA_NEW(call->arena, struct s3_MetadataTooLarge);
    detail->Size = opt_long((int64_t)size);
    detail->MaxSizeAllowed = opt_long(S3_METADATA_MAX);
    return call_fail_with(call, S3_METADATA_TOO_LARGE, detail,
                          "Your metadata headers exceed the maximum allowed metadata size");
}

/* --- showing --- */

static bool needs_word(unsigned char c)
{
    return c >= 0x7f || (c < 0x20 && c != '\t');
}

static void add_q(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == ' ')
            buf_append_char(out, '_');
        else if (needs_word(c) || c == '=' || c == '?' || c == '_' || c == '\t')
            buf_append_format(out, "=%02X", c);
        else
            buf_append_char(out, (char)c);
    }
}

/* A word has at most 75 letters, twelve of which are its frame: longer texts become several (RFC
 * 2047, 2), cut between letters. */
static void add_words(struct buf *out, struct str text, bool q)
{
    enum { WORD_MAX = 75 - 12 };
    while (text.len > 0) {
        size_t taken = 0, room = WORD_MAX;
        while (taken < text.len) {
            size_t next = taken + 1;
            while (next < text.len && ((unsigned char)text.ptr[next] & 0xc0) == 0x80)
                next++;
            size_t cost = q ? 3 * next : (next + 2) / 3 * 4; /* at most */
            if (cost > room)
                break;
            taken = next;
        }
        buf_append_format(out, "=?UTF-8?%c?", q ? 'Q' : 'B');
        if (q)
            add_q(out, str_slice(text, 0, taken));
        else
            base64_encode(out, str_slice(text, 0, taken));
        buf_append(out, STR("?="));
        text = str_slice(text, taken, text.len);
        if (text.len > 0)
            buf_append_char(out, ' ');
    }
}

struct str_map s3_show_metadata(struct call *call, const struct str_map *metadata)
{
    struct str_map shown = *metadata;
    bool copied = false;
    for (size_t i = 0; i < metadata->len; i++) {
        struct str value = metadata->items[i].value;
        size_t strange = 0;
        for (size_t j = 0; j < value.len; j++)
            strange += needs_word((unsigned char)value.ptr[j]);
        if (strange == 0)
            continue;
        if (!copied) {
            shown.items = ARENA_ARRAY(call->arena, metadata->len, struct str_map_entry);
            memcpy(shown.items, metadata->items, metadata->len * sizeof shown.items[0]);
            copied = true;
        }
        struct buf out;
        buf_init(&out, call->arena, 4 * value.len + 64);
        /* Mostly ASCII stays legible. */
        add_words(&out, value, 2 * strange < value.len);
        shown.items[i].value = buf_str(&out);
    }
    return shown;
}
