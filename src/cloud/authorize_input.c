/* What a request says, read by the model: tags, and the names of what it is about. */
#include "base/vec.h"
#include "cloud/authorize_int.h"
#include "wire/shape.h"

/* --- the request's tags: whatever the model calls them --- */

static const struct wire_member *input_member(const struct call *call, struct str name)
{
    const struct wire_model *model = call->model;
    const struct wire_shape *shape = &model->shapes[model->operations[call->operation].input];
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &model->members[shape->members + i];
        if (str_eq_nocase(wire_string(model, member->name), name))
            return member;
    }
    return NULL;
}

static const void *member_at(const void *in, const struct wire_member *member)
{
    return (const char *)in + member->offset;
}

static const struct wire_member *input_tags(const struct call *call)
{
    static const struct str names[] = {STR_INIT("Tags"), STR_INIT("TagList"), STR_INIT("TagSet")};
    const struct wire_member *member = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && member == NULL; i++)
        member = input_member(call, names[i]);
    return member;
}

/* Where the key (value: false) or the value stands in an item of a list of tags; NULL: the list is
 * of something else. */
static const struct wire_member *tag_part(const struct wire_model *model,
                                          const struct wire_shape *item, bool value)
{
    for (size_t i = 0; i < item->member_count; i++) {
        const struct wire_member *part = &model->members[item->members + i];
        struct str name = wire_string(model, part->name);
        bool right = value
                         ? str_eq_nocase(name, STR("Value")) || str_eq_nocase(name, STR("TagValue"))
                         : str_eq_nocase(name, STR("Key")) || str_eq_nocase(name, STR("TagKey"));
        if (right && model->shapes[part->shape].type == WIRE_STRING)
            return part;
    }
    return NULL;
}

static struct str text_at(const void *base, const struct wire_member *part)
{
    return part == NULL ? STR("")
                        : *(const struct str *)(const void *)((const char *)base + part->offset);
}

/* The i-th tag of the request; false behind the last. */
static bool request_tag(const struct authorize_request *request, size_t i, struct str *key,
                        struct str *value)
{
    const struct wire_model *model = request->call->model;
    const struct wire_member *member = input_tags(request->call);
    if (member == NULL)
        return false;
    const struct wire_shape *shape = &model->shapes[member->shape];
    const struct wire_list *list = member_at(request->in, member);
    const struct wire_member *items = &model->members[shape->members];
    if (shape->type == WIRE_MAP && model->shapes[items[1].shape].type == WIRE_STRING) {
        const struct str_map *map = member_at(request->in, member);
        if (i >= map->len)
            return false;
        *key = map->items[i].key;
        *value = map->items[i].value;
        return true;
    }
    if (shape->type != WIRE_LIST || i >= list->len)
        return false;
    const struct wire_shape *item = &model->shapes[items->shape];
    const struct wire_member *part =
        item->type == WIRE_STRUCT ? tag_part(model, item, false) : NULL;
    if (part == NULL)
        return false;
    const char *base = (const char *)list->items + i * item->size;
    *key = text_at(base, part);
    *value = text_at(base, tag_part(model, item, true));
    return true;
}

bool authorize_request_tag(struct authorize_request *request, struct str name,
                           struct policy_values *out)
{
    struct str key, value;
    for (size_t i = 0; request->in != NULL && request_tag(request, i, &key, &value); i++)
        if (str_eq_nocase(key, name))
            return authorize_set(request, str_is_absent(value) ? STR("") : value, out);
    return false;
}

bool authorize_tag_keys(struct authorize_request *request, struct policy_values *out)
{
    struct call *call = request->call;
    struct str *keys = NULL, key, value;
    size_t len = 0, cap = 0;
    for (size_t i = 0; request->in != NULL && request_tag(request, i, &key, &value); i++)
        VEC_PUSH(call->arena, keys, len, cap, key);
    const struct wire_member *names = input_member(call, STR("TagKeys"));
    if (request->in != NULL && names != NULL &&
        call->model->shapes[names->shape].type == WIRE_LIST) {
        const struct str_list *list = member_at(request->in, names);
        for (size_t i = 0; i < list->len; i++)
            VEC_PUSH(call->arena, keys, len, cap, list->items[i]);
    }
    *out = (struct policy_values){keys, len};
    return len > 0;
}

struct str authorize_member(const struct call *call, const void *in, struct str name)
{
    static const struct str endings[] = {STR_INIT(""), STR_INIT("Name"), STR_INIT("Id")};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        char whole[128];
        struct buf buf;
        buf_init_fixed(&buf, whole, sizeof whole);
        buf_append(&buf, name);
        buf_append(&buf, endings[i]);
        const struct wire_member *member = input_member(call, buf_str(&buf));
        if (member != NULL && call->model->shapes[member->shape].type == WIRE_STRING)
            return *(const struct str *)member_at(in, member);
    }
    return (struct str){0};
}

/* --- paths through lists --- */

struct path_walk {
    const struct call *call;
    struct str_list out;
    size_t cap;
};

static void path_from(struct path_walk *walk, const struct wire_shape *shape, const void *at,
                      struct str path);

/* What stands at `at` is of the member's shape; the rest of the path goes on from it. */
static void path_value(struct path_walk *walk, uint16_t shape_index, const void *at, bool direct,
                       struct str path)
{
    const struct wire_shape *shape = &walk->call->model->shapes[shape_index];
    if (shape->type == WIRE_STRING && str_is_empty(path)) {
        struct str text = *(const struct str *)at;
        if (!str_is_absent(text))
            VEC_PUSH(walk->call->arena, walk->out.items, walk->out.len, walk->cap, text);
    } else if (shape->type == WIRE_STRUCT && direct) {
        path_from(walk, shape, at, path); /* by value, in a list or a map */
    } else if (shape->type == WIRE_STRUCT && *(const void *const *)at != NULL) {
        path_from(walk, shape, *(const void *const *)at, path);
    }
}

static void path_items(struct path_walk *walk, const struct wire_shape *shape, const void *at,
                       struct str path)
{
    const struct wire_model *model = walk->call->model;
    const struct wire_list *list = at;
    const struct wire_member *items = &model->members[shape->members];
    if (shape->type == WIRE_MAP && str_is_empty(path)) {
        size_t size = shape_entry_size(model, shape);
        for (size_t i = 0; i < list->len; i++)
            path_value(walk, items[0].shape, (const char *)list->items + i * size, true, path);
    } else if (shape->type == WIRE_LIST) {
        size_t size = shape_item_size(model, shape);
        for (size_t i = 0; i < list->len; i++)
            path_value(walk, items->shape, (const char *)list->items + i * size, true, path);
    }
}

static void path_from(struct path_walk *walk, const struct wire_shape *shape, const void *at,
                      struct str path)
{
    const struct wire_model *model = walk->call->model;
    struct str step, rest;
    str_cut(path, '.', &step, &rest);
    bool many = str_ends_with(step, STR("[]"));
    struct str name = many ? str_slice(step, 0, step.len - 2) : step;
    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &model->members[shape->members + i];
        if (!str_eq(wire_string(model, member->name), name))
            continue;
        if (many)
            path_items(walk, &model->shapes[member->shape], member_at(at, member), rest);
        else
            path_value(walk, member->shape, member_at(at, member), false, rest);
    }
}

struct str_list authorize_members(const struct call *call, const void *in, struct str path)
{
    struct path_walk walk = {.call = call};
    path_from(&walk, &call->model->shapes[call->model->operations[call->operation].input], in,
              path);
    return walk.out;
}
