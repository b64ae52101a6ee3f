#include "wire/sample_model.h"

#include "base/buf.h"

enum shape {
    EMPTY,
    SAMPLE = SAMPLE_SHAPE,
    TEXT,
    BLOB,
    FLAG,
    TINY,
    SMALL,
    WHOLE,
    LARGE,
    SINGLE,
    REAL,
    TIME,
    DOCUMENT,
    NUMBER,
    NAMES,
    SPARSE_NAMES,
    COUNTS,
    SPARSE_COUNTS,
    INNERS,
    CHOICE,
    SHAPES,
};

/* Where each shape's members stand; the sample's own come first. */
enum {
    SAMPLE_MEMBERS = 23,
    NAMES_MEMBER = SAMPLE_MEMBERS,
    COUNTS_MEMBERS = NAMES_MEMBER + 1,
    INNERS_MEMBER = COUNTS_MEMBERS + 2,
    CHOICE_MEMBERS = INNERS_MEMBER + 1,
    MEMBERS = CHOICE_MEMBERS + 2,
};

static uint32_t pool_add(struct buf *pool, const char *text)
{
    size_t len = strlen(text);
    buf_append_char(pool, (char)(len & 255));
    buf_append_char(pool, (char)(len >> 8));
    uint32_t index = (uint32_t)pool->len;
    buf_append(pool, str_make(text, len + 1));
    return index;
}

#define MEMBER(member_name, member_shape, ...)                                                     \
    {                                                                                              \
        .name = pool_add(pool, #member_name), .shape = (member_shape),                             \
        .offset = offsetof(struct sample, member_name), __VA_ARGS__                                \
    }

static void fill_members(struct buf *pool, struct wire_member *out)
{
    const struct wire_member members[] = {
        MEMBER(text, TEXT, .flags = 0),
        MEMBER(blob, BLOB, .flags = 0),
        MEMBER(flag, FLAG, .flags = 0),
        MEMBER(tiny, TINY, .flags = 0),
        MEMBER(small, SMALL, .flags = 0),
        MEMBER(whole, WHOLE, .flags = 0),
        MEMBER(large, LARGE, .flags = 0),
        MEMBER(single, SINGLE, .flags = 0),
        MEMBER(real, REAL, .flags = 0),
        MEMBER(at, TIME, .flags = 0),
        MEMBER(at_iso, TIME, .time_format = WIRE_TIME_ISO8601),
        MEMBER(at_http, TIME, .time_format = WIRE_TIME_RFC822),
        MEMBER(document, DOCUMENT, .flags = 0),
        MEMBER(number, NUMBER, .flags = 0),
        MEMBER(names, NAMES, .flags = 0),
        MEMBER(sparse_names, SPARSE_NAMES, .flags = 0),
        MEMBER(counts, COUNTS, .flags = 0),
        MEMBER(sparse_counts, SPARSE_COUNTS, .flags = 0),
        MEMBER(inner, SAMPLE, .flags = 0),
        MEMBER(inners, INNERS, .flags = 0),
        MEMBER(choice, CHOICE, .flags = 0),
        MEMBER(header, TEXT, .location = WIRE_IN_HEADER),
    };
    memcpy(out, members, sizeof(members));
    out[NAMES_MEMBER] = (struct wire_member){.name = pool_add(pool, "member"), .shape = TEXT};
    out[COUNTS_MEMBERS] = (struct wire_member){.name = pool_add(pool, "key"), .shape = TEXT};
    out[COUNTS_MEMBERS + 1] = (struct wire_member){.name = pool_add(pool, "value"),
                                                   .shape = WHOLE,
                                                   .offset = offsetof(struct sample_count, value)};
    out[INNERS_MEMBER] = (struct wire_member){.name = pool_add(pool, "member"), .shape = SAMPLE};
    out[CHOICE_MEMBERS] = (struct wire_member){.name = pool_add(pool, "left"),
                                               .shape = TEXT,
                                               .offset = offsetof(struct sample_choice, left)};
    out[CHOICE_MEMBERS + 1] = (struct wire_member){.name = pool_add(pool, "right"),
                                                   .shape = WHOLE,
                                                   .offset = offsetof(struct sample_choice, right)};
    for (size_t i = 0; i < MEMBERS; i++)
        out[i].wire_name = out[i].name;
}

#define SIMPLE(kind, c_type)                                                                       \
    {                                                                                              \
        .type = (kind), .size = sizeof(c_type)                                                     \
    }

static void fill_shapes(struct buf *pool, struct wire_shape *out)
{
    const uint32_t list_size = sizeof(struct wire_list);
    const struct wire_shape shapes[SHAPES] = {
        [EMPTY] = {.type = WIRE_STRUCT},
        [SAMPLE] = {.type = WIRE_STRUCT, .member_count = 22, .size = sizeof(struct sample)},
        [TEXT] = SIMPLE(WIRE_STRING, struct str),
        [BLOB] = SIMPLE(WIRE_BLOB, struct str),
        [FLAG] = SIMPLE(WIRE_BOOL, struct opt_bool),
        [TINY] = SIMPLE(WIRE_BYTE, struct opt_int),
        [SMALL] = SIMPLE(WIRE_SHORT, struct opt_int),
        [WHOLE] = SIMPLE(WIRE_INT, struct opt_int),
        [LARGE] = SIMPLE(WIRE_LONG, struct opt_long),
        [SINGLE] = SIMPLE(WIRE_FLOAT, struct opt_double),
        [REAL] = SIMPLE(WIRE_DOUBLE, struct opt_double),
        [TIME] = SIMPLE(WIRE_TIMESTAMP, struct opt_time),
        [DOCUMENT] = SIMPLE(WIRE_DOCUMENT, struct str),
        [NUMBER] = SIMPLE(WIRE_BIG_NUMBER, struct str),
        [NAMES] = {.type = WIRE_LIST, .member_count = 1, .members = NAMES_MEMBER},
        [SPARSE_NAMES] = {.type = WIRE_LIST,
                          .member_count = 1,
                          .members = NAMES_MEMBER,
                          .flags = WIRE_SHAPE_SPARSE},
        [COUNTS] = {.type = WIRE_MAP, .member_count = 2, .members = COUNTS_MEMBERS},
        [SPARSE_COUNTS] = {.type = WIRE_MAP,
                           .member_count = 2,
                           .members = COUNTS_MEMBERS,
                           .flags = WIRE_SHAPE_SPARSE},
        [INNERS] = {.type = WIRE_LIST, .member_count = 1, .members = INNERS_MEMBER},
        [CHOICE] = {.type = WIRE_STRUCT,
                    .member_count = 2,
                    .members = CHOICE_MEMBERS,
                    .size = sizeof(struct sample_choice),
                    .flags = WIRE_SHAPE_UNION},
    };
    memcpy(out, shapes, sizeof(shapes));
    for (size_t i = NAMES; i <= INNERS; i++)
        out[i].size = list_size;
    out[SAMPLE].name = pool_add(pool, "Sample");
    out[CHOICE].name = pool_add(pool, "Choice");
}

const struct wire_model *sample_model(struct arena *arena)
{
    struct buf pool;
    buf_init(&pool, arena, 1 << 16);
    buf_append_char(&pool, '\0');
    struct wire_member *members = ARENA_ARRAY(arena, MEMBERS, struct wire_member);
    struct wire_shape *shapes = ARENA_ARRAY(arena, SHAPES, struct wire_shape);
    struct wire_model *model = ARENA_NEW(arena, struct wire_model);
    fill_members(&pool, members);
    fill_shapes(&pool, shapes);
    model->name = STR("sample");
    model->target_prefix = STR("Sample");
    model->strings = buf_str(&pool).ptr;
    model->members = members;
    model->member_count = MEMBERS;
    model->shapes = shapes;
    model->shape_count = SHAPES;
    return model;
}
