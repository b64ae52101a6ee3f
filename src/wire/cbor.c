/* CBOR (RFC 8949) straight into typed structs, as "Smithy RPC v2 CBOR protocol" uses it: maps keyed
 * by member names, timestamps under tag 1, definite and indefinite lengths, floats of any width. */
#include <math.h>

#include "wire/cbor_int.h"
#include "wire/shape.h"
#include "wire/wire_int.h"

struct reader {
    const unsigned char *p;
    const unsigned char *end;
    struct arena *arena;
    const struct wire_model *model;
    struct wire_failure *failure;
    size_t budget;
    int depth;
};

struct head {
    enum cbor_major major;
    unsigned info;  /* the low five bits */
    uint64_t value; /* the argument */
};

static bool read_value(struct reader *r, const struct wire_member *member, void *place,
                       bool by_value);
static bool skip_value(struct reader *r);

#define FAIL(...) (wire_fail(r->arena, r->failure, WIRE_SERIALIZATION, __VA_ARGS__) == RESULT_OK)

static bool truncated(struct reader *r)
{
    return FAIL("Unexpected end of CBOR data");
}

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

static bool read_head(struct reader *r, struct head *head)
{
    if (r->p >= r->end)
        return truncated(r);
    unsigned first = *r->p++;
    head->major = (enum cbor_major)(first >> 5);
    head->info = first & 31;
    head->value = head->info;
    if (head->info < 24 || head->info == CBOR_INDEFINITE)
        return true;
    if (head->info > 27)
        return FAIL("Malformed CBOR: reserved additional information %u", head->info);
    size_t width = (size_t)1 << (head->info - 24);
    if ((size_t)(r->end - r->p) < width)
        return truncated(r);
    head->value = 0;
    for (size_t i = 0; i < width; i++)
        head->value = head->value << 8 | *r->p++;
    return true;
}

/* The items of a list, a map or an indefinite string: counted, or up to a break. */
struct items {
    bool indefinite;
    uint64_t left;
};

static bool begin_items(struct reader *r, const struct head *head, struct items *items)
{
    if (r->depth >= WIRE_DEPTH_MAX)
        return FAIL("Nesting exceeds the maximum depth of %d", WIRE_DEPTH_MAX);
    r->depth++;
    items->indefinite = head->info == CBOR_INDEFINITE;
    items->left = head->value;
    if (!items->indefinite && items->left > (uint64_t)(r->end - r->p))
        return truncated(r);
    return true;
}

/* False at the end, which is taken. */
static bool next_item(struct reader *r, struct items *items)
{
    bool more = items->indefinite ? r->p >= r->end || *r->p != CBOR_BREAK : items->left > 0;
    if (!more) {
        r->p += items->indefinite;
        r->depth--;
    }
    items->left -= !items->indefinite && more;
    return more;
}

static bool read_definite(struct reader *r, uint64_t len, struct str *out)
{
    if (len > (uint64_t)(r->end - r->p))
        return truncated(r);
    *out = str_make((const char *)r->p, (size_t)len);
    r->p += len;
    return true;
}

/* Text or bytes behind their head; borrowed unless they come in pieces. */
static bool read_string(struct reader *r, const struct head *head, struct str *out)
{
    struct items pieces;
    struct buf joined;
    if (head->info != CBOR_INDEFINITE) {
        if (!read_definite(r, head->value, out))
            return false;
    } else {
        if (!begin_items(r, head, &pieces))
            return false;
        buf_init(&joined, r->arena, (size_t)(r->end - r->p));
        while (next_item(r, &pieces)) {
            struct head piece;
            struct str text = {0};
            if (!read_head(r, &piece))
                return false;
            if (piece.major != head->major || piece.info == CBOR_INDEFINITE)
                return FAIL("Malformed CBOR: a string's piece is of another type");
            if (!read_definite(r, piece.value, &text))
                return false;
            buf_append(&joined, text);
        }
        *out = buf_str(&joined);
    }
    if (head->major == CBOR_TEXT && !str_is_utf8(*out))
        return FAIL("Invalid UTF-8 in a text string");
    return true;
}

static double half_to_double(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023);
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent != 31 ? ldexp(fraction + 1024, exponent - 25)
                   : fraction == 0  ? (double)INFINITY
                                    : (double)NAN;
    return bits & 0x8000 ? -value : value;
}

static double simple_to_double(const struct head *head)
{
    if (head->info == CBOR_HALF)
        return half_to_double(head->value);
    if (head->info == CBOR_SINGLE) {
        uint32_t bits = (uint32_t)head->value;
        float single;
        memcpy(&single, &bits, sizeof(single));
        return (double)single;
    }
    double value;
    memcpy(&value, &head->value, sizeof(value));
    return value;
}

static bool is_float(const struct head *head)
{
    return head->major == CBOR_SIMPLE && head->info >= CBOR_HALF && head->info <= CBOR_DOUBLE;
}

static bool mismatch(struct reader *r, const struct head *head, const char *wanted)
{
    static const char *const names[] = {"a positive integer",
                                        "a negative integer",
                                        "a byte string",
                                        "a text string",
                                        "a list",
                                        "a map",
                                        "a tagged value",
                                        "a simple value"};
    return FAIL("Expected %s but found %s", wanted,
                is_float(head) ? "a floating point number" : names[head->major]);
}

/* null and undefined are absent; taken when there. */
static bool take_null(struct reader *r)
{
    bool null = r->p < r->end && (*r->p == CBOR_NULL || *r->p == CBOR_UNDEFINED);
    r->p += null;
    return null;
}

static bool skip_items(struct reader *r, const struct head *head)
{
    struct items items;
    if (!begin_items(r, head, &items))
        return false;
    while (next_item(r, &items)) {
        if (!skip_value(r) || (head->major == CBOR_MAP && !skip_value(r)))
            return false;
    }
    return true;
}

static bool skip_value(struct reader *r)
{
    struct head head;
    struct str text;
    if (!read_head(r, &head))
        return false;
    if (head.info == CBOR_INDEFINITE &&
        (head.major < CBOR_BYTES || head.major == CBOR_TAG || head.major == CBOR_SIMPLE))
        return FAIL("Malformed CBOR: unexpected break or indefinite length");
    switch (head.major) {
    case CBOR_UNSIGNED:
    case CBOR_NEGATIVE:
    case CBOR_SIMPLE:
        return true;
    case CBOR_BYTES:
    case CBOR_TEXT:
        return read_string(r, &head, &text);
    case CBOR_LIST:
    case CBOR_MAP:
        return skip_items(r, &head);
    case CBOR_TAG:
        if (r->depth >= WIRE_DEPTH_MAX)
            return FAIL("Nesting exceeds the maximum depth of %d", WIRE_DEPTH_MAX);
        r->depth++;
        if (!skip_value(r))
            return false;
        r->depth--;
        return true;
    }
    return false;
}

static bool head_to_i64(const struct head *head, int64_t *out)
{
    if (head->info == CBOR_INDEFINITE || head->value > (uint64_t)INT64_MAX)
        return false;
    *out = head->major == CBOR_UNSIGNED ? (int64_t)head->value : -1 - (int64_t)head->value;
    return true;
}

static bool read_integer(struct reader *r, const struct wire_shape *shape, uint16_t flags,
                         void *place)
{
    struct head head;
    int64_t value;
    if (!read_head(r, &head))
        return false;
    if (head.major > CBOR_NEGATIVE)
        return mismatch(r, &head, "an integer");
    if (!head_to_i64(&head, &value) || !shape_integer_fits(shape, flags, value))
        return FAIL("Numeric value out of range");
    member_set_integer(shape, flags, place, value);
    return true;
}

static bool head_to_double(struct reader *r, const struct head *head, double *out)
{
    if (is_float(head))
        *out = simple_to_double(head);
    else if (head->major == CBOR_UNSIGNED && head->info != CBOR_INDEFINITE)
        *out = (double)head->value;
    else if (head->major == CBOR_NEGATIVE && head->info != CBOR_INDEFINITE)
        *out = -1.0 - (double)head->value;
    else
        return mismatch(r, head, "a number");
    return true;
}

static bool read_double(struct reader *r, const struct wire_shape *shape, uint16_t flags,
                        void *place)
{
    struct head head;
    double value;
    if (!read_head(r, &head) || !head_to_double(r, &head, &value))
        return false;
    if (!wire_double_fits(shape, value))
        return FAIL("Numeric value out of range");
    member_set_double(flags, place, value);
    return true;
}

static bool read_time(struct reader *r, uint16_t flags, void *place)
{
    static const double last_second = 253402300799.999;
    static const double first_second = -62135596800.0;
    struct head head;
    double seconds;
    if (!read_head(r, &head))
        return false;
    if (head.major != CBOR_TAG || head.value != CBOR_TAG_EPOCH || head.info == CBOR_INDEFINITE)
        return mismatch(r, &head, "a timestamp (tag 1)");
    if (!read_head(r, &head) || !head_to_double(r, &head, &seconds))
        return false;
    if (!(seconds >= first_second && seconds <= last_second))
        return FAIL("Timestamp out of range");
    member_set_time(flags, place, llround(seconds * 1000));
    return true;
}

static bool read_bool(struct reader *r, uint16_t flags, void *place)
{
    struct head head;
    if (!read_head(r, &head))
        return false;
    if (head.major != CBOR_SIMPLE || (head.info != CBOR_FALSE && head.info != CBOR_TRUE))
        return mismatch(r, &head, "a boolean");
    member_set_bool(flags, place, head.info == CBOR_TRUE);
    return true;
}

static bool read_text(struct reader *r, enum cbor_major major, struct str *out)
{
    struct head head;
    if (!read_head(r, &head))
        return false;
    if (head.major != major)
        return mismatch(r, &head, major == CBOR_TEXT ? "a text string" : "a byte string");
    return read_string(r, &head, out);
}

/* Numbers as their text; bignums (tags 2 and 3) and decimals (4) occur in no AWS model. */
static bool read_big_number(struct reader *r, struct str *out)
{
    struct head head;
    int64_t value;
    double number;
    struct buf text;
    if (!read_head(r, &head) || !head_to_double(r, &head, &number))
        return false;
    if (!isfinite(number))
        return FAIL("Numeric value out of range");
    buf_init(&text, r->arena, 64);
    if (head.major == CBOR_UNSIGNED)
        buf_append_u64(&text, head.value);
    else if (head.major == CBOR_NEGATIVE && head_to_i64(&head, &value))
        buf_append_i64(&text, value);
    else
        wire_write_double(&text, number, false);
    *out = buf_str(&text);
    return true;
}

static void *grow(struct reader *r, struct wire_list *list, size_t *cap, size_t size)
{
    void *place = wire_list_grow(r->arena, list, cap, size, &r->budget);
    if (place == NULL)
        (void)too_large(r);
    return place;
}

static bool begin_container(struct reader *r, enum cbor_major major, const char *wanted,
                            struct items *items)
{
    struct head head;
    if (!read_head(r, &head))
        return false;
    if (head.major != major)
        return mismatch(r, &head, wanted);
    return begin_items(r, &head, items);
}

static bool read_list(struct reader *r, const struct wire_shape *shape, struct wire_list *out)
{
    const struct wire_member *item = shape_members(r->model, shape);
    size_t size = shape_item_size(r->model, shape);
    struct wire_list list = {0};
    struct items items;
    size_t cap = 0;
    if (!begin_container(r, CBOR_LIST, "a list", &items) || grow(r, &list, &cap, size) == NULL)
        return false;
    while (next_item(r, &items)) {
        void *place = grow(r, &list, &cap, size);
        if (place == NULL)
            return false;
        if (take_null(r)) {
            list.len += (shape->flags & WIRE_SHAPE_SPARSE) != 0;
            continue;
        }
        if (!read_value(r, item, place, true))
            return false;
        list.len++;
    }
    *out = list;
    return true;
}

/* RFC 8949 (5.6): a map with equal keys is invalid, so no search for them: all stay, in the order
 * of the wire. */
static bool read_map(struct reader *r, const struct wire_shape *shape, struct wire_list *out)
{
    const struct wire_member *value = &shape_members(r->model, shape)[1];
    size_t size = shape_entry_size(r->model, shape);
    struct wire_list list = {0};
    struct items items;
    size_t cap = 0;
    if (!begin_container(r, CBOR_MAP, "a map", &items) || grow(r, &list, &cap, size) == NULL)
        return false;
    while (next_item(r, &items)) {
        char *entry = grow(r, &list, &cap, size);
        if (entry == NULL || !read_text(r, CBOR_TEXT, (struct str *)(void *)entry))
            return false;
        if (take_null(r)) {
            list.len += (shape->flags & WIRE_SHAPE_SPARSE) != 0;
            continue;
        }
        if (!read_value(r, value, member_place(value, entry), true))
            return false;
        list.len++;
    }
    *out = list;
    return true;
}

static const struct wire_member *find_member(struct reader *r, const struct wire_shape *shape,
                                             struct str key, size_t *hint)
{
    const struct wire_member *members = shape_members(r->model, shape);
    size_t count = shape->member_count;
    for (size_t n = 0, i = *hint; n < count; n++, i++) {
        if (i >= count)
            i = 0;
        if (str_eq(member_name(r->model, &members[i]), key)) {
            *hint = i + 1;
            return &members[i];
        }
    }
    return NULL;
}

static bool read_struct(struct reader *r, const struct wire_shape *shape, void *structure)
{
    struct items items;
    size_t hint = 0;
    size_t present = 0;
    if (!begin_container(r, CBOR_MAP, "a structure", &items))
        return false;
    while (next_item(r, &items)) {
        struct str key;
        if (!read_text(r, CBOR_TEXT, &key))
            return false;
        const struct wire_member *member = find_member(r, shape, key, &hint);
        if (take_null(r))
            continue;
        if (member == NULL) {
            if (!skip_value(r))
                return false;
            continue;
        }
        if (!read_value(r, member, member_place(member, structure), false))
            return false;
        present++;
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
    if (!charge(r, shape->size))
        return false;
    void *structure = arena_alloc(r->arena, shape->size);
    *(void **)place = structure;
    return read_struct(r, shape, structure);
}

static bool read_value(struct reader *r, const struct wire_member *member, void *place,
                       bool by_value)
{
    const struct wire_shape *shape = &r->model->shapes[member->shape];
    uint16_t flags = by_value ? 0 : member->flags;
    switch ((enum wire_type)shape->type) {
    case WIRE_STRUCT:
        return read_struct_member(r, shape, place, by_value);
    case WIRE_LIST:
        return read_list(r, shape, place);
    case WIRE_MAP:
        return read_map(r, shape, place);
    case WIRE_STRING:
        return read_text(r, CBOR_TEXT, place);
    case WIRE_BLOB:
        return read_text(r, CBOR_BYTES, place);
    case WIRE_BIG_NUMBER:
        return read_big_number(r, place);
    case WIRE_DOCUMENT:
        return FAIL("Documents cannot be sent as CBOR");
    case WIRE_FLOAT:
    case WIRE_DOUBLE:
        return read_double(r, shape, flags, place);
    case WIRE_TIMESTAMP:
        return read_time(r, flags, place);
    case WIRE_BOOL:
        return read_bool(r, flags, place);
    case WIRE_BYTE:
    case WIRE_SHORT:
    case WIRE_INT:
    case WIRE_LONG:
        return read_integer(r, shape, flags, place);
    }
    return false;
}

RESULT wire_cbor_read(struct arena *arena, const struct wire_model *model, uint16_t shape,
                      struct str bytes, void *value, struct wire_failure *failure)
{
    struct reader reader = {
        .p = (const unsigned char *)bytes.ptr,
        .end = (const unsigned char *)bytes.ptr + bytes.len,
        .arena = arena,
        .model = model,
        .failure = failure,
        .budget = wire_decode_budget(bytes.len),
    };
    if (str_is_empty(bytes))
        return RESULT_OK;
    if (!read_struct(&reader, &model->shapes[shape], value))
        return RESULT_ERROR;
    if (reader.p != reader.end)
        return wire_fail(arena, failure, WIRE_SERIALIZATION, "CBOR data goes on behind its end");
    return RESULT_OK;
}
