/* Items as bytes, compact and quick to read: attribute values are read in place.
 *
 *   item  := size (4 bytes, little-endian: AWS's arithmetic), map
 *   map   := varint count, (bytes name, value)*
 *   value := type byte (enum value_type), then S, N, B: bytes; BOOL: one byte; NULL: nothing;
 *            SS, NS, BS: varint count, bytes*; L: varint count, value*; M: map
 *   bytes := varint length, that many bytes */
#include "services/dynamodb/dynamodb_int.h"

enum { CODEC_HEAD = 4, CODEC_MAX = 64 * 1024 * 1024 };

/* --- writing
 * ---------------------------------------------------------------------------------------------------------
 */

static void put_varint(struct buf *out, size_t n)
{
    while (n >= 0x80) {
        buf_append_char(out, (char)(n | 0x80));
        n >>= 7;
    }
    buf_append_char(out, (char)n);
}

static void put_bytes(struct buf *out, struct str s)
{
    put_varint(out, s.len);
    buf_append(out, s);
}

static void put_list(struct buf *out, const struct str_list *list)
{
    put_varint(out, list->len);
    for (size_t i = 0; i < list->len; i++)
        put_bytes(out, list->items[i]);
}

static void put_map(struct buf *out, const struct dynamodb_AttributeMap *map);

static void put_value(struct buf *out, const struct dynamodb_AttributeValue *value)
{
    enum value_type type = value_type(value);
    buf_append_char(out, (char)type);
    switch (type) {
    case VALUE_NONE:
    case VALUE_NULL:
        break;
    case VALUE_S:
        put_bytes(out, value->S);
        break;
    case VALUE_N:
        put_bytes(out, value->N);
        break;
    case VALUE_B:
        put_bytes(out, value->B);
        break;
    case VALUE_SS:
        put_list(out, &value->SS);
        break;
    case VALUE_NS:
        put_list(out, &value->NS);
        break;
    case VALUE_BS:
        put_list(out, &value->BS);
        break;
    case VALUE_M: {
        struct dynamodb_AttributeMap map = ITEM_OF(value->M);
        put_map(out, &map);
        break;
    }
    case VALUE_L:
        put_varint(out, value->L.len);
        for (size_t i = 0; i < value->L.len; i++)
            put_value(out, &value->L.items[i]);
        break;
    case VALUE_BOOL:
        buf_append_char(out, value->BOOL.value);
        break;
    }
}

static void put_map(struct buf *out, const struct dynamodb_AttributeMap *map)
{
    put_varint(out, map->len);
    for (size_t i = 0; i < map->len; i++) {
        put_bytes(out, map->items[i].key);
        put_value(out, &map->items[i].value);
    }
}

RESULT codec_encode(struct arena *arena, const struct dynamodb_AttributeMap *item, size_t size,
                    struct str *out)
{
    struct buf buf;
    buf_init(&buf, arena, CODEC_MAX);
    buf_reserve(&buf, CODEC_HEAD + size + 4 * item->len + 16);
    uint32_t n = (uint32_t)size;
    const char head[CODEC_HEAD] = {(char)n, (char)(n >> 8), (char)(n >> 16), (char)(n >> 24)};
    buf_append(&buf, str_make(head, CODEC_HEAD));
    put_map(&buf, item);
    if (buf_is_full(&buf))
        return FAULT("an item takes more than %d bytes", CODEC_MAX);
    *out = buf_str(&buf);
    return RESULT_OK;
}

/* --- reading
 * ---------------------------------------------------------------------------------------------------------
 */

struct reader {
    struct arena *arena;
    const unsigned char *at, *end;
    bool broken;
};

static size_t get_varint(struct reader *in)
{
    size_t n = 0;
    for (unsigned shift = 0; shift < 35 && in->at < in->end; shift += 7) {
        unsigned char c = *in->at++;
        n |= (size_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return n;
    }
    in->broken = true;
    return 0;
}

/* How many things follow, each of at least one byte. */
static size_t get_count(struct reader *in)
{
    size_t n = get_varint(in);
    if (n > (size_t)(in->end - in->at)) {
        in->broken = true;
        return 0;
    }
    return n;
}

static struct str get_bytes(struct reader *in)
{
    size_t len = get_count(in);
    struct str s = str_make((const char *)in->at, len);
    in->at += len;
    return s;
}

static struct str_list get_list(struct reader *in)
{
    size_t count = get_count(in);
    struct str_list list = {.items = ARENA_ARRAY(in->arena, count + 1, struct str), .len = count};
    for (size_t i = 0; i < count; i++)
        list.items[i] = get_bytes(in);
    return list;
}

static struct dynamodb_AttributeMap get_map(struct reader *in);

static void get_value(struct reader *in, struct dynamodb_AttributeValue *out)
{
    if (in->broken || in->at == in->end) {
        in->broken = true;
        return;
    }
    switch ((enum value_type) * in->at++) {
    case VALUE_NONE:
        break;
    case VALUE_NULL:
        out->NULL_ = opt_bool(true);
        break;
    case VALUE_S:
        out->S = get_bytes(in);
        break;
    case VALUE_N:
        out->N = get_bytes(in);
        break;
    case VALUE_B:
        out->B = get_bytes(in);
        break;
    case VALUE_SS:
        out->SS = get_list(in);
        break;
    case VALUE_NS:
        out->NS = get_list(in);
        break;
    case VALUE_BS:
        out->BS = get_list(in);
        break;
    case VALUE_M: {
        struct dynamodb_AttributeMap map = get_map(in);
        out->M.items = (void *)map.items;
        out->M.len = map.len;
        break;
    }
    case VALUE_L: {
        size_t count = get_count(in);
        out->L.items = ARENA_ARRAY(in->arena, count + 1, struct dynamodb_AttributeValue);
        out->L.len = count;
        for (size_t i = 0; i < count && !in->broken; i++)
            get_value(in, &out->L.items[i]);
        break;
    }
    case VALUE_BOOL:
        out->BOOL = opt_bool(in->at < in->end && *in->at != 0);
        in->at++;
        break;
    default:
        in->broken = true;
    }
}

static struct dynamodb_AttributeMap get_map(struct reader *in)
{
    size_t count = get_count(in);
    struct dynamodb_AttributeMap map = {
        .items = ARENA_ARRAY(in->arena, count + 1, struct dynamodb_AttributeMap_entry),
        .len = count,
    };
    for (size_t i = 0; i < count && !in->broken; i++) {
        map.items[i].key = get_bytes(in);
        get_value(in, &map.items[i].value);
    }
    return map;
}

static RESULT codec_size(struct str bytes, size_t *size)
{
    if (bytes.len < CODEC_HEAD)
        return FAULT("an item of %zu bytes", bytes.len);
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    *size = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    return RESULT_OK;
}

RESULT codec_decode(struct arena *arena, struct str bytes, struct dynamodb_AttributeMap *item,
                    size_t *size)
{
    TRY(codec_size(bytes, size));
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    struct reader in = {.arena = arena, .at = p + CODEC_HEAD, .end = p + bytes.len};
    *item = get_map(&in);
    return in.broken || in.at != in.end ? FAULT("an item is broken") : RESULT_OK;
}
