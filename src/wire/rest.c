/* REST requests: members from labels, query string, headers and body, as the model binds them. */
#include "wire/rest_int.h"

#include "base/encode.h"
#include "base/vec.h"
#include "wire/params.h"
#include "wire/shape.h"
#include "wire/text.h"

/* No client has more; each costs a comparison with all others. */
enum { PARAMS_MAX = 1000 };

struct reader {
    struct arena *arena;
    const struct wire_model *model;
    const struct wire_request *request;
    struct wire_failure *failure;
    const struct wire_shape *shape; /* of the input */
    void *value;
    struct wire_params params;
    uint64_t header_lengths; /* bit n % 64: a header's name has n bytes. Most members have none */
    bool xml;
};

const struct wire_member *wire_rest_payload(const struct wire_model *model, uint16_t shape)
{
    const struct wire_shape *structure = shape_at(model, shape);
    if (structure->payload == 0)
        return NULL;
    return &shape_members(model, structure)[structure->payload - 1];
}

bool wire_rest_has_body(const struct wire_model *model, uint16_t shape)
{
    const struct wire_shape *structure = shape_at(model, shape);
    const struct wire_member *members = shape_members(model, structure);
    for (size_t i = 0; i < structure->member_count; i++)
        if (members[i].location == WIRE_IN_BODY)
            return true;
    return false;
}

/* S3 says InvalidArgument, the others SerializationException (S3 API reference, Error responses).
 */
static RESULT fail_value(struct reader *reader, const char *where, struct str name,
                         struct str value, const struct wire_shape *shape)
{
    struct str service = reader->model->signing_name;
    bool s3 = str_eq(service, STR("s3"));
    enum wire_common_error error = s3 ? WIRE_INVALID_PARAMETER_VALUE : WIRE_SERIALIZATION;

    bool number = shape->type >= WIRE_BYTE && shape->type <= WIRE_LONG;
    enum result result =
        s3 && number
            ? wire_fail(reader->arena, reader->failure, error,
                        "Provided %.*s not an integer or within integer range", PRSTR(name))
            : wire_fail(reader->arena, reader->failure, error,
                        "The value of the %s %.*s is no valid %s", where, PRSTR(name),
                        wire_text_type(shape));
    if (s3) {
        reader->failure->argument_name = name;
        reader->failure->argument_value = str_is_utf8(value) ? value : STR("");
    }
    return result;
}

/* ---- labels */

static const struct wire_member *find_member(const struct reader *reader,
                                             enum wire_location location, struct str name)
{
    const struct wire_member *members = shape_members(reader->model, reader->shape);
    for (size_t i = 0; i < reader->shape->member_count; i++)
        if (members[i].location == location &&
            str_eq(wire_string(reader->model, members[i].wire_name), name))
            return &members[i];
    return NULL;
}

static bool read_label(void *context, struct str name, struct str value)
{
    struct reader *reader = context;
    const struct wire_member *member = find_member(reader, WIRE_IN_URI, name);
    if (member == NULL)
        return true;
    return percent_decode(reader->arena, value, false, &value) &&
           wire_text_read(reader->arena, shape_at(reader->model, member->shape), member,
                          WIRE_TIME_ISO8601, value, member_place(member, reader->value));
}

static RESULT read_labels(struct reader *reader, const struct wire_operation *operation,
                          struct str path)
{
    struct str template = wire_string(reader->model, operation->uri);

    str_cut(template, '?', &template, &(struct str){0});
    if (wire_rest_walk(template, path, read_label, reader, NULL))
        return RESULT_OK;
    enum result result = wire_fail(reader->arena, reader->failure, WIRE_SERIALIZATION,
                                   "Couldn't parse the specified URI.");
    if (wire_is_s3(reader->model)) /* "Error responses", Amazon S3 API Reference */
        reader->failure->code = STR("InvalidURI");
    return result;
}

/* ---- query string */

static bool is_claimed(const struct reader *reader, struct str key)
{
    return find_member(reader, WIRE_IN_QUERY, key) != NULL;
}

static RESULT read_query_value(struct reader *reader, const struct wire_member *member,
                               const struct wire_param *param, void *place)
{
    const struct wire_shape *shape = shape_at(reader->model, member->shape);
    struct str value = str_is_absent(param->value) ? STR("") : param->value;
    if (!wire_text_read(reader->arena, shape, member, WIRE_TIME_ISO8601, value, place))
        return fail_value(reader, "query parameter", param->key, value, shape);
    return RESULT_OK;
}

static RESULT read_query_list(struct reader *reader, const struct wire_shape *shape, struct str key,
                              struct wire_list *list)
{
    const struct wire_member *item = shape_members(reader->model, shape);
    size_t size = shape_item_size(reader->model, shape), count = 0;

    for (size_t i = 0; i < reader->params.len; i++)
        count += str_eq(reader->params.items[i].key, key);
    if (count == 0)
        return RESULT_OK;
    list->items = arena_alloc_array(reader->arena, count, size);
    for (size_t i = 0; i < reader->params.len; i++) {
        if (!str_eq(reader->params.items[i].key, key))
            continue;
        TRY(read_query_value(reader, item, &reader->params.items[i],
                             (char *)list->items + list->len * size));
        list->len++;
    }
    return RESULT_OK;
}

static bool has_key(const void *items, size_t len, size_t size, struct str key)
{
    for (size_t i = 0; i < len; i++)
        if (str_eq(*(const struct str *)(const void *)((const char *)items + i * size), key))
            return true;
    return false;
}

/* All parameters that no other member takes, and none of the signature's. Absent when there is
 * none. */
static RESULT read_query_map(struct reader *reader, const struct wire_shape *shape,
                             struct wire_list *map)
{
    const struct wire_member *value = &shape_members(reader->model, shape)[1];
    const struct wire_shape *value_shape = shape_at(reader->model, value->shape);
    size_t size = shape_entry_size(reader->model, shape);

    void *items = arena_alloc_array(reader->arena, reader->params.len + 1, size);
    for (size_t i = 0; i < reader->params.len; i++) {
        const struct wire_param *param = &reader->params.items[i];
        if (is_claimed(reader, param->key) || str_starts_with(param->key, STR("X-Amz-")))
            continue;
        if (has_key(items, map->len, size, param->key))
            continue; /* a list took them all at the first; of strings the first counts */
        map->items = items;
        char *entry = (char *)items + map->len++ * size;
        *(struct str *)entry = param->key;
        if (value_shape->type == WIRE_LIST)
            TRY(read_query_list(reader, value_shape, param->key,
                                (struct wire_list *)(entry + value->offset)));
        else
            TRY(read_query_value(reader, value, param, entry + value->offset));
    }
    return RESULT_OK;
}

static RESULT read_query(struct reader *reader, const struct wire_member *member)
{
    const struct wire_shape *shape = shape_at(reader->model, member->shape);
    struct str name = wire_string(reader->model, member->wire_name);
    void *place = member_place(member, reader->value);

    if (shape->type == WIRE_MAP)
        return read_query_map(reader, shape, place);
    if (shape->type == WIRE_LIST)
        return read_query_list(reader, shape, name, place);
    const struct wire_param *param = wire_params_find(&reader->params, name);
    if (param == NULL)
        return RESULT_OK;
    return read_query_value(reader, member, param, place);
}

/* ---- headers */

/* All headers of the name as one, in their order (RFC 9110, 5.3). */
static struct str joined_header(const struct reader *reader, struct str name)
{
    struct str joined = {0};
    if ((reader->header_lengths >> name.len % 64 & 1) == 0)
        return joined;
    for (size_t i = 0; i < reader->request->header_count; i++) {
        const struct wire_header *header = &reader->request->headers[i];
        if (!str_eq_nocase(header->name, name))
            continue;
        if (str_is_absent(joined))
            joined = str_trim(header->value);
        else
            joined = str_concat(reader->arena, str_concat(reader->arena, joined, STR(", ")),
                                str_trim(header->value));
    }
    return joined;
}

/* A quoted item, quotes and backslashes undone; *rest begins after it. */
static struct str quoted_item(struct arena *arena, struct str text, struct str *rest)
{
    char *out = arena_alloc_raw(arena, text.len);
    size_t len = 0, i = 1;
    for (; i < text.len && text.ptr[i] != '"'; i++) {
        if (text.ptr[i] == '\\' && i + 1 < text.len)
            i++;
        out[len++] = text.ptr[i];
    }
    *rest = str_slice(text, i < text.len ? i + 1 : i, text.len);
    return str_make(out, len);
}

/* The next of a header's items. HTTP dates have a comma of their own. */
static struct str next_item(struct reader *reader, bool dates, struct str *rest)
{
    struct str text = str_trim(*rest), item, more;

    if (text.len > 0 && text.ptr[0] == '"') {
        item = quoted_item(reader->arena, text, &more);
        struct str gap;
        str_cut(more, ',', &gap, rest);
        return item;
    }
    str_cut(text, ',', &item, rest);
    if (dates && !str_is_absent(*rest) && item.len > 0 &&
        (item.ptr[0] < '0' || item.ptr[0] > '9')) {
        struct str second;
        str_cut(*rest, ',', &second, rest);
        item = str_make(item.ptr, (size_t)(second.ptr + second.len - item.ptr));
    }
    return str_trim(item);
}

static RESULT read_header_list(struct reader *reader, const struct wire_shape *shape,
                               struct str name, struct str text, struct wire_list *list)
{
    const struct wire_member *item = shape_members(reader->model, shape);
    const struct wire_shape *item_shape = shape_at(reader->model, item->shape);
    size_t size = shape_item_size(reader->model, shape), cap = 1;
    bool dates = item_shape->type == WIRE_TIMESTAMP;
    struct str rest = text;

    for (size_t i = 0; i < text.len; i++)
        cap += text.ptr[i] == ',';
    list->items = arena_alloc_array(reader->arena, cap, size);
    if (text.len == 0)
        return RESULT_OK;
    while (!str_is_absent(rest)) {
        struct str one = next_item(reader, dates, &rest);
        if (!wire_text_read(reader->arena, item_shape, item, WIRE_TIME_RFC822, one,
                            (char *)list->items + list->len * size))
            return fail_value(reader, "header", name, one, item_shape);
        list->len++;
    }
    return RESULT_OK;
}

static RESULT read_header(struct reader *reader, const struct wire_member *member)
{
    const struct wire_shape *shape = shape_at(reader->model, member->shape);
    struct str name = wire_string(reader->model, member->wire_name);
    struct str text = joined_header(reader, name);
    void *place = member_place(member, reader->value);

    if (str_is_absent(text))
        return RESULT_OK;
    if (shape->type == WIRE_LIST)
        return read_header_list(reader, shape, name, text, place);
    if (member->flags & WIRE_MEMBER_JSON_VALUE) {
        struct str json;
        if (!base64_decode(reader->arena, text, &json) || !str_is_utf8(json))
            return fail_value(reader, "header", name, text, shape);
        *(struct str *)place = json;
        return RESULT_OK;
    }
    if (!wire_text_read(reader->arena, shape, member, WIRE_TIME_RFC822, text, place))
        return fail_value(reader, "header", name, text, shape);
    return RESULT_OK;
}

/* Headers of the prefix; their names go on in lower case, as S3 keeps those of metadata. */
static RESULT read_header_map(struct reader *reader, const struct wire_member *member)
{
    const struct wire_shape *shape = shape_at(reader->model, member->shape);
    struct str prefix = wire_string(reader->model, member->wire_name);
    struct str_map *map = member_place(member, reader->value);
    size_t cap = 0;

    for (size_t i = 0; i < reader->request->header_count; i++) {
        const struct wire_header *header = &reader->request->headers[i];
        if (header->name.len <= prefix.len ||
            !str_eq_nocase(str_slice(header->name, 0, prefix.len), prefix))
            continue;
        struct str key = str_slice(header->name, prefix.len, header->name.len);
        struct str value = str_trim(header->value);
        if (!str_is_utf8(value) && !wire_is_s3(reader->model)) /* S3 reads bytes as it likes */
            return fail_value(reader, "header", header->name, value, shape);
        struct str_map_entry entry = {.key = str_lower(reader->arena, key),
                                      .value = value.ptr == NULL ? STR("") : value};
        VEC_PUSH(reader->arena, map->items, map->len, cap, entry);
    }
    return RESULT_OK;
}

/* ---- body */

/* S3 wants a configuration's own root element; of CreateBucket's, which may be absent, older
 * clients have sent others. */
static RESULT read_payload(struct reader *reader, const struct wire_member *member)
{
    const struct wire_shape *shape = shape_at(reader->model, member->shape);
    void *place = member_place(member, reader->value);
    struct str body = reader->request->body;

    bool rooted = shape->type == WIRE_STRUCT && member->flags & WIRE_MEMBER_REQUIRED &&
                  wire_is_s3(reader->model);
    if (body.len == 0 && rooted) {
        enum result result =
            wire_fail(reader->arena, reader->failure, WIRE_SERIALIZATION, "Request Body is empty");
        reader->failure->code = STR("MissingRequestBodyError");
        return result;
    }
    if (body.len == 0 || shape->flags & (WIRE_SHAPE_EVENT_STREAM | WIRE_SHAPE_STREAMING) ||
        member->flags & WIRE_MEMBER_STREAMING)
        return RESULT_OK;
    if (shape->type == WIRE_BLOB) {
        *(struct str *)place = body;
        return RESULT_OK;
    }
    if (shape->type == WIRE_STRING) {
        if (!str_is_utf8(body))
            return wire_fail(reader->arena, reader->failure, WIRE_SERIALIZATION,
                             "The body is no valid UTF-8");
        *(struct str *)place = body;
        return RESULT_OK;
    }
    if (shape->type == WIRE_STRUCT) {
        void *structure = arena_alloc(reader->arena, shape->size);
        *(void **)place = structure;
        place = structure;
    }
    if (reader->xml)
        return wire_xml_read(reader->arena, reader->model, member->shape,
                             rooted ? wire_string(reader->model, member->wire_name)
                                    : (struct str){0},
                             body, place, reader->failure);
    return wire_json_read(reader->arena, reader->model, member->shape, body, place,
                          reader->failure);
}

static RESULT read_body(struct reader *reader, uint16_t input)
{
    const struct wire_member *payload = wire_rest_payload(reader->model, input);
    struct str body = reader->request->body;

    if (payload != NULL)
        return read_payload(reader, payload);
    if (body.len == 0 || !wire_rest_has_body(reader->model, input))
        return RESULT_OK;
    if (reader->xml)
        return wire_xml_read(reader->arena, reader->model, input, (struct str){0}, body,
                             reader->value, reader->failure);
    return wire_json_read(reader->arena, reader->model, input, body, reader->value,
                          reader->failure);
}

static RESULT read_member(struct reader *reader, const struct wire_member *member)
{
    switch ((enum wire_location)member->location) {
    case WIRE_IN_QUERY:
        return read_query(reader, member);
    case WIRE_IN_HEADER:
        return read_header(reader, member);
    case WIRE_IN_HEADERS:
        return read_header_map(reader, member);
    case WIRE_IN_BODY:
    case WIRE_IN_URI:
    case WIRE_IN_STATUS:
        break;
    }
    return RESULT_OK;
}

RESULT wire_rest_read(struct arena *arena, const struct wire_route *route,
                      const struct wire_request *request, void *value, struct wire_failure *failure)
{
    const struct wire_operation *operation = &route->model->operations[route->operation];
    struct reader reader = {.arena = arena,
                            .model = route->model,
                            .request = request,
                            .failure = failure,
                            .shape = shape_at(route->model, operation->input),
                            .value = value,
                            .xml = route->protocol == WIRE_PROTOCOL_REST_XML};
    const struct wire_member *members = shape_members(route->model, reader.shape);

    TRY(read_labels(&reader, operation, str_is_absent(route->path) ? request->path : route->path));
    if (!wire_params_read(arena, request->query, &reader.params) || reader.params.len > PARAMS_MAX)
        return wire_fail(arena, failure, WIRE_SERIALIZATION, "The query string is malformed");
    for (size_t i = 0; i < request->header_count; i++)
        reader.header_lengths |= UINT64_C(1) << request->headers[i].name.len % 64;
    for (size_t i = 0; i < reader.shape->member_count; i++)
        TRY(read_member(&reader, &members[i]));
    return read_body(&reader, operation->input);
}
