#include "store/record.h"

#include "base/arena.h"

/* Structures nested deeper than this are a fault, both ways: no model has them, and a broken disk
 * must not eat the stack. */
enum { DEPTH_MAX = 128, VERSION = 1 };

enum form { FORM_VARINT, FORM_DOUBLE, FORM_BYTES, FORM_STRUCT, FORM_LIST, FORM_MAP, FORMS };
enum { FORM_SPARSE = 0x08, TAG_SHIFT = 3 };

static enum form form_of(unsigned type)
{
    switch ((enum wire_type)type) {
    case WIRE_STRING:
    case WIRE_BLOB:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
        return FORM_BYTES;
    case WIRE_BOOL:
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
    case WIRE_TIMESTAMP:
        return FORM_VARINT;
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        return FORM_DOUBLE;
    case WIRE_LIST:
        return FORM_LIST;
    case WIRE_MAP:
        return FORM_MAP;
    case WIRE_STRUCT:
        return FORM_STRUCT;
    }
    return FORM_STRUCT;
}

/* Bytes of a value as it stands in a list or in a map's entry. */
static size_t value_size(const struct wire_model *model, const struct wire_member *member)
{
    const struct wire_shape *shape = &model->shapes[member->shape];
    if ((member->flags & WIRE_MEMBER_PLAIN) == 0)
        return shape->size;
    return shape->type == WIRE_BOOL ? sizeof(bool) : sizeof(int64_t);
}

static size_t entry_size(const struct wire_model *model, const struct wire_member *value)
{
    return (value->offset + value_size(model, value) + 7) & ~(size_t)7;
}

/* ---- encoding ---- */

struct encoder {
    struct buf *out;
    const struct wire_model *model;
    unsigned depth;
};

/* The caller has reserved 10 bytes. */
static void put_varint(struct buf *out, uint64_t n)
{
    char *p = out->ptr + out->len;
    while (n >= 0x80) {
        *p++ = (char)(n | 0x80);
        n >>= 7;
    }
    *p++ = (char)n;
    out->len = (size_t)(p - out->ptr);
}

static uint64_t zigzag(int64_t n)
{
    return ((uint64_t)n << 1) ^ (n < 0 ? UINT64_MAX : 0);
}

/* One byte kept for a length that is known later: most are short. */
static size_t open_length(struct buf *out)
{
    if (buf_reserve(out, 1))
        out->len++;
    return out->len;
}

static void close_length(struct buf *out, size_t begin)
{
    if (buf_is_full(out))
        return;
    size_t len = out->len - begin, more = 0;
    for (size_t n = len; n >= 0x80; n >>= 7)
        more++;
    if (more > 0) {
        if (!buf_reserve(out, more + 10))
            return;
        memmove(out->ptr + begin + more, out->ptr + begin, len);
    }
    size_t end = out->len + more;
    out->len = begin - 1;
    put_varint(out, len);
    out->len = end;
}

static bool is_present(const struct wire_shape *shape, const struct wire_member *member,
                       const void *value)
{
    if ((member->flags & WIRE_MEMBER_PLAIN) != 0) {
        int64_t bits;
        if (shape->type == WIRE_BOOL)
            return *(const bool *)value;
        memcpy(&bits, value, sizeof(bits));
        return bits != 0; /* -0.0 is kept */
    }
    switch (form_of(shape->type)) {
    case FORM_VARINT:
    case FORM_DOUBLE:
        return *(const bool *)value; /* every opt_ begins with `set` */
    case FORM_BYTES:
        return ((const struct str *)value)->ptr != NULL;
    case FORM_LIST:
    case FORM_MAP:
        return ((const struct wire_list *)value)->items != NULL;
    case FORM_STRUCT:
    case FORMS:
        break;
    }
    return true;
}

static int64_t integer_of(unsigned type, bool plain, const void *value)
{
    switch ((enum wire_type)type) {
    case WIRE_BOOL:
        return plain ? *(const bool *)value : ((const struct opt_bool *)value)->value;
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
        return plain ? *(const int64_t *)value : ((const struct opt_int *)value)->value;
    case WIRE_TIMESTAMP:
        return plain ? *(const int64_t *)value : ((const struct opt_time *)value)->ms;
    case WIRE_LONG:
    case WIRE_STRING:
    case WIRE_BLOB:
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
    case WIRE_DOCUMENT:
    case WIRE_BIG_NUMBER:
    case WIRE_LIST:
    case WIRE_MAP:
    case WIRE_STRUCT:
        break;
    }
    return plain ? *(const int64_t *)value : ((const struct opt_long *)value)->value;
}

static void put_bytes(struct buf *out, struct str s)
{
    if (!buf_reserve(out, s.len + 10))
        return;
    put_varint(out, s.len);
    if (s.len > 0)
        memcpy(out->ptr + out->len, s.ptr, s.len);
    out->len += s.len;
}

static void put_double(struct buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    for (int i = 0; i < 8; i++)
        out->ptr[out->len++] = (char)(bits >> (8 * i));
}

static RESULT encode_struct(struct encoder *encoder, const struct wire_shape *shape,
                            const char *record);
static RESULT encode_items(struct encoder *encoder, const struct wire_shape *shape,
                           const struct wire_list *list);

/* A present value, without its tag. */
static RESULT encode_value(struct encoder *encoder, const struct wire_member *member,
                           const void *value)
{
    const struct wire_shape *shape = &encoder->model->shapes[member->shape];
    bool plain = (member->flags & WIRE_MEMBER_PLAIN) != 0;
    struct buf *out = encoder->out;
    if (!buf_reserve(out, 10))
        return RESULT_FULL;
    enum form form = form_of(shape->type);
    if (form == FORM_VARINT) {
        put_varint(out, zigzag(integer_of(shape->type, plain, value)));
        return RESULT_OK;
    }
    if (form == FORM_DOUBLE) {
        put_double(out, plain ? *(const double *)value : ((const struct opt_double *)value)->value);
        return RESULT_OK;
    }
    if (form == FORM_BYTES) {
        put_bytes(out, *(const struct str *)value);
        return RESULT_OK;
    }
    if (encoder->depth >= DEPTH_MAX)
        return FAULT("a record nested deeper than %d", DEPTH_MAX);
    encoder->depth++;
    size_t begin = open_length(out);
    TRY(form == FORM_STRUCT ? encode_struct(encoder, shape, value)
                            : encode_items(encoder, shape, value));
    close_length(out, begin);
    encoder->depth--;
    return RESULT_OK;
}

/* The items of a list, or the entries of a map. */
static RESULT encode_items(struct encoder *encoder, const struct wire_shape *shape,
                           const struct wire_list *list)
{
    const struct wire_model *model = encoder->model;
    bool map = shape->type == WIRE_MAP;
    const struct wire_member *item = &model->members[shape->members + (map ? 1 : 0)];
    const struct wire_shape *item_shape = &model->shapes[item->shape];
    size_t size = map ? entry_size(model, item) : value_size(model, item);
    const char *items = list->items;
    struct buf *out = encoder->out;
    /* A plain item is never absent, nor is a structure, which stands there itself. */
    bool can_lack =
        (item->flags & WIRE_MEMBER_PLAIN) == 0 && form_of(item_shape->type) != FORM_STRUCT;
    bool sparse = false;
    for (size_t i = 0; can_lack && i < list->len && !sparse; i++)
        sparse = !is_present(item_shape, item, items + i * size + item->offset);
    if (!buf_reserve(out, 11))
        return RESULT_FULL;
    put_varint(out, list->len);
    out->ptr[out->len++] = (char)(form_of(item_shape->type) | (sparse ? FORM_SPARSE : 0));
    for (size_t i = 0; i < list->len; i++) {
        const char *entry = items + i * size;
        if (map) {
            struct str key;
            memcpy(&key, entry, sizeof(key));
            put_bytes(out, key);
        }
        bool present = !sparse || is_present(item_shape, item, entry + item->offset);
        if (sparse && buf_reserve(out, 1))
            out->ptr[out->len++] = (char)present;
        if (present)
            TRY(encode_value(encoder, item, entry + item->offset));
    }
    return RESULT_OK;
}

static RESULT encode_struct(struct encoder *encoder, const struct wire_shape *shape,
                            const char *record)
{
    const struct wire_model *model = encoder->model;
    const struct wire_member *members = &model->members[shape->members];
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &members[i];
        const struct wire_shape *member_shape = &model->shapes[member->shape];
        const void *value = record + member->offset;
        if (member_shape->type == WIRE_STRUCT) {
            value = *(void *const *)value;
            if (value == NULL)
                continue;
        } else if (!is_present(member_shape, member, value)) {
            continue;
        }
        if (!buf_reserve(encoder->out, 10))
            return RESULT_FULL;
        put_varint(encoder->out, (uint64_t)member->tag << TAG_SHIFT | form_of(member_shape->type));
        TRY(encode_value(encoder, member, value));
    }
    return RESULT_OK;
}

RESULT record_encode(struct buf *out, const struct wire_model *model, uint16_t shape,
                     const void *record)
{
    struct encoder encoder = {.out = out, .model = model};
    buf_append_char(out, VERSION);
    TRY(encode_struct(&encoder, &model->shapes[shape], record));
    return buf_is_full(out) ? RESULT_FULL : RESULT_OK;
}

/* ---- decoding ---- */

struct decoder {
    struct arena *arena;
    const struct wire_model *model;
    bool copy; /* strings into the arena */
    unsigned depth;
};

struct reader {
    const unsigned char *p, *end;
};

/* A value as it was stored, whatever its member is now. */
struct stored {
    enum form form;
    int64_t integer;
    double number;
    struct reader bytes;
};

/* All of these answer false when the bytes are broken. A value that cannot be what its member is
 * now is no such case: it stays absent. */
static bool take_varint(struct reader *reader, uint64_t *out)
{
    uint64_t n = 0;
    for (unsigned shift = 0; shift < 70 && reader->p < reader->end; shift += 7) {
        unsigned char byte = *reader->p++;
        if (shift == 63 && byte > 1)
            return false;
        n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = n;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct reader *reader, struct reader *out)
{
    uint64_t len;
    if (!take_varint(reader, &len) || len > (uint64_t)(reader->end - reader->p))
        return false;
    *out = (struct reader){reader->p, reader->p + len};
    reader->p += len;
    return true;
}

static bool take_stored(struct reader *reader, unsigned form, struct stored *out)
{
    out->form = (enum form)form;
    if (form == FORM_VARINT) {
        uint64_t n;
        if (!take_varint(reader, &n))
            return false;
        out->integer = (int64_t)((n >> 1) ^ (0 - (n & 1)));
        return true;
    }
    if (form == FORM_DOUBLE) {
        if (reader->end - reader->p < 8)
            return false;
        uint64_t bits = 0;
        for (int i = 0; i < 8; i++)
            bits |= (uint64_t)*reader->p++ << (8 * i);
        memcpy(&out->number, &bits, sizeof(bits));
        return true;
    }
    return form < FORMS && take_bytes(reader, &out->bytes);
}

static struct str text_of(const struct stored *stored)
{
    return str_make((const char *)stored->bytes.p, (size_t)(stored->bytes.end - stored->bytes.p));
}

static bool to_integer(const struct stored *stored, int64_t *out)
{
    switch (stored->form) {
    case FORM_VARINT:
        *out = stored->integer;
        return true;
    case FORM_DOUBLE:
        if (!(stored->number >= -9007199254740992.0 && stored->number <= 9007199254740992.0))
            return false;
        *out = (int64_t)stored->number;
        return (double)*out >= stored->number && (double)*out <= stored->number;
    case FORM_BYTES:
        return str_to_i64(text_of(stored), out);
    case FORM_STRUCT:
    case FORM_LIST:
    case FORM_MAP:
    case FORMS:
        break;
    }
    return false;
}

static bool to_double(const struct stored *stored, double *out)
{
    if (stored->form == FORM_DOUBLE)
        *out = stored->number;
    else if (stored->form == FORM_VARINT)
        *out = (double)stored->integer;
    else
        return stored->form == FORM_BYTES && str_to_double(text_of(stored), out);
    return true;
}

static void set_integer(unsigned type, bool plain, const struct stored *stored, void *value)
{
    int64_t n;
    if (!to_integer(stored, &n))
        return;
    if (type == WIRE_BOOL) {
        if (n != 0 && n != 1)
            return;
        if (plain)
            *(bool *)value = n == 1;
        else
            *(struct opt_bool *)value = opt_bool(n == 1);
    } else if (plain) {
        *(int64_t *)value = n;
    } else if (type == WIRE_LONG) {
        *(struct opt_long *)value = opt_long(n);
    } else if (type == WIRE_TIMESTAMP) {
        *(struct opt_time *)value = opt_time(n);
    } else {
        int64_t top = type == WIRE_BYTE ? INT8_MAX : type == WIRE_SHORT ? INT16_MAX : INT32_MAX;
        if (n >= -top - 1 && n <= top)
            *(struct opt_int *)value = opt_int((int32_t)n);
    }
}

static void set_bytes(const struct decoder *decoder, unsigned type, const struct stored *stored,
                      struct str *value)
{
    if (stored->form == FORM_BYTES)
        *value = decoder->copy ? str_copy(decoder->arena, text_of(stored)) : text_of(stored);
    else if (stored->form == FORM_VARINT && (type == WIRE_STRING || type == WIRE_BIG_NUMBER))
        *value = str_format(decoder->arena, "%lld", (long long)stored->integer);
}

static bool decode_struct(struct decoder *decoder, const struct wire_shape *shape,
                          struct reader reader, char *record);
static bool decode_items(struct decoder *decoder, const struct wire_shape *shape,
                         struct reader reader, struct wire_list *list);

/* Into zeroed memory. A structure: value is the structure itself. */
static bool decode_value(struct decoder *decoder, const struct wire_member *member,
                         const struct stored *stored, void *value)
{
    const struct wire_shape *shape = &decoder->model->shapes[member->shape];
    bool plain = (member->flags & WIRE_MEMBER_PLAIN) != 0;
    enum form form = form_of(shape->type);
    double number;
    if (form == FORM_VARINT) {
        set_integer(shape->type, plain, stored, value);
    } else if (form == FORM_BYTES) {
        set_bytes(decoder, shape->type, stored, value);
    } else if (form == FORM_DOUBLE) {
        if (!to_double(stored, &number))
            return true;
        if (plain)
            *(double *)value = number;
        else
            *(struct opt_double *)value = opt_double(number);
    } else if (stored->form == form) {
        if (decoder->depth >= DEPTH_MAX)
            return false;
        decoder->depth++;
        bool good = form == FORM_STRUCT ? decode_struct(decoder, shape, stored->bytes, value)
                                        : decode_items(decoder, shape, stored->bytes, value);
        decoder->depth--;
        return good;
    }
    return true;
}

static bool decode_items(struct decoder *decoder, const struct wire_shape *shape,
                         struct reader reader, struct wire_list *list)
{
    const struct wire_model *model = decoder->model;
    bool map = shape->type == WIRE_MAP;
    const struct wire_member *item = &model->members[shape->members + (map ? 1 : 0)];
    uint64_t count;
    /* Every item takes a byte at least, which bounds what a broken count can ask for. */
    if (!take_varint(&reader, &count) || reader.p == reader.end ||
        count >= (uint64_t)(reader.end - reader.p))
        return false;
    unsigned form = *reader.p++;
    bool sparse = (form & FORM_SPARSE) != 0;
    form &= ~(unsigned)FORM_SPARSE;
    enum form own = form_of(model->shapes[item->shape].type);
    if (own >= FORM_STRUCT && own != form)
        return true; /* nothing of it can be an item of ours */
    size_t size = map ? entry_size(model, item) : value_size(model, item);
    char *entry = arena_alloc_array(decoder->arena, count == 0 ? 1 : count, size == 0 ? 1 : size);
    *list = (struct wire_list){.items = entry, .len = count};
    for (uint64_t i = 0; i < count; i++, entry += size) {
        if (map) {
            struct stored key = {.form = FORM_BYTES};
            if (!take_bytes(&reader, &key.bytes))
                return false;
            set_bytes(decoder, WIRE_STRING, &key, (void *)entry);
        }
        if (sparse) {
            if (reader.p == reader.end || *reader.p > 1)
                return false;
            if (*reader.p++ == 0)
                continue;
        }
        struct stored stored;
        if (!take_stored(&reader, form, &stored) ||
            !decode_value(decoder, item, &stored, entry + item->offset))
            return false;
    }
    return reader.p == reader.end;
}

static bool decode_struct(struct decoder *decoder, const struct wire_shape *shape,
                          struct reader reader, char *record)
{
    const struct wire_model *model = decoder->model;
    const struct wire_member *members = &model->members[shape->members];
    size_t count = shape->member_count, next = 0;
    while (reader.p < reader.end) {
        uint64_t head;
        struct stored stored;
        if (!take_varint(&reader, &head) || !take_stored(&reader, head & 7, &stored))
            return false;
        /* Members mostly come in the shape's order: the next one is tried first. */
        const struct wire_member *member = NULL;
        for (size_t tried = 0; tried < count && member == NULL; tried++) {
            if (members[next].tag == head >> TAG_SHIFT)
                member = &members[next];
            next = next + 1 == count ? 0 : next + 1;
        }
        if (member == NULL)
            continue;
        void *value = record + member->offset;
        const struct wire_shape *member_shape = &model->shapes[member->shape];
        if (member_shape->type == WIRE_STRUCT) {
            if (stored.form != FORM_STRUCT)
                continue;
            char *inner =
                arena_alloc(decoder->arena, member_shape->size == 0 ? 1 : member_shape->size);
            memcpy(value, &inner, sizeof(inner));
            value = inner;
        }
        if (!decode_value(decoder, member, &stored, value))
            return false;
    }
    return true;
}

static RESULT decode(struct decoder *decoder, uint16_t shape_index, struct str bytes, void *record)
{
    const struct wire_shape *shape = &decoder->model->shapes[shape_index];
    struct str name = wire_string(decoder->model, shape->name);
    memset(record, 0, shape->size);
    if (bytes.len == 0)
        return FAULT("an empty record of %.*s", PRSTR(name));
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    if (p[0] != VERSION)
        return FAULT("a record of %.*s of version %u", PRSTR(name), p[0]);
    struct reader reader = {.p = p + 1, .end = p + bytes.len};
    if (!decode_struct(decoder, shape, reader, record))
        return FAULT("a broken record of %.*s, %zu bytes", PRSTR(name), bytes.len);
    return RESULT_OK;
}

RESULT record_decode(struct arena *arena, const struct wire_model *model, uint16_t shape,
                     struct str bytes, void *record)
{
    struct decoder decoder = {.arena = arena, .model = model};
    return decode(&decoder, shape, bytes, record);
}

RESULT record_decode_copy(struct arena *arena, const struct wire_model *model, uint16_t shape,
                          struct str bytes, void *record)
{
    struct decoder decoder = {.arena = arena, .model = model, .copy = true};
    return decode(&decoder, shape, bytes, record);
}
