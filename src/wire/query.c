/* The query and ec2 protocols: requests as flat parameters whose names are paths
 * ("Attribute.1.Name"), replies in XML.
 *
 * The parameters are sorted by name, which brings together all that share a prefix; one pass makes
 * a tree of them, whose nodes the descriptors turn into the structure. AWS's documentation of the
 * form: "Making Query requests" of the EC2 and SQS guides. */
#include "base/encode.h"
#include "wire/params.h"
#include "wire/shape.h"
#include "wire/text.h"
#include "wire/wire_int.h"

struct node {
    struct str name;  /* the segment */
    struct str path;  /* up to and with this segment, for messages */
    struct str value; /* absent: none stands at this path */
    struct node *first, *last, *next;
    uint64_t number; /* of an item */
};

struct reader {
    struct arena *arena;
    const struct wire_model *model;
    struct wire_failure *failure;
    bool ec2;
    size_t budget;
};

static RESULT fail_size(struct reader *reader)
{
    return wire_fail(reader->arena, reader->failure, WIRE_REQUEST_TOO_LARGE,
                     "The request has too many parameters");
}

static void *take(struct reader *reader, size_t size)
{
    if (size > reader->budget)
        return NULL;
    reader->budget -= size;
    return arena_alloc(reader->arena, size > 0 ? size : 1);
}

/* ---- sorting: stable, n log n whatever comes */

static void merge_sort(const void **items, const void **scratch, size_t len,
                       bool (*after)(const void *a, const void *b))
{
    for (size_t width = 1; width < len; width *= 2) {
        for (size_t start = 0; start < len; start += 2 * width) {
            size_t middle = start + width < len ? start + width : len;
            size_t end = middle + width < len ? middle + width : len;
            size_t a = start, b = middle;
            for (size_t to = start; to < end; to++) {
                bool second = a == middle || (b < end && after(items[a], items[b]));
                scratch[to] = second ? items[b++] : items[a++];
            }
        }
        memcpy(items, scratch, len * sizeof(*items));
    }
}

static bool param_after(const void *a, const void *b)
{
    const struct wire_param *left = a, *right = b;
    return str_cmp(left->key, right->key) > 0;
}

static bool number_after(const void *a, const void *b)
{
    const struct node *left = a, *right = b;
    return left->number > right->number;
}

/* ---- the tree */

static RESULT add_param(struct reader *reader, struct node *root, const struct wire_param *param)
{
    struct node *at = root;
    struct str head, rest = param->key;
    size_t depth = 0;

    while (!str_is_absent(rest)) {
        str_cut(rest, '.', &head, &rest);
        if (++depth > WIRE_DEPTH_MAX)
            return wire_fail(reader->arena, reader->failure, WIRE_MALFORMED_QUERY_STRING,
                             "The name of a parameter is nested too deep");
        if (at->last == NULL || !str_eq(at->last->name, head)) {
            struct node *node = take(reader, sizeof(*node));
            if (node == NULL)
                return fail_size(reader);
            node->name = head;
            node->path = str_slice(param->key, 0, (size_t)(head.ptr - param->key.ptr) + head.len);
            if (at->last != NULL)
                at->last->next = node;
            else
                at->first = node;
            at->last = node;
        }
        at = at->last;
    }
    struct str value = str_is_absent(param->value) ? STR("") : param->value;
    if (!str_is_absent(at->value) && !str_eq(at->value, value))
        return wire_fail(reader->arena, reader->failure, WIRE_MALFORMED_QUERY_STRING,
                         "The parameter %.*s stands twice", PRSTR(str_slice(at->path, 0, 200)));
    at->value = value;
    return RESULT_OK;
}

static RESULT read_tree(struct reader *reader, const struct wire_request *request,
                        struct node *root)
{
    struct wire_params params = {0};

    if (!wire_params_read(reader->arena, request->query, &params) ||
        !wire_params_read(reader->arena, request->body, &params))
        return wire_fail(reader->arena, reader->failure, WIRE_MALFORMED_QUERY_STRING,
                         "The query string is malformed");
    const void **sorted = take(reader, params.len * sizeof(*sorted));
    const void **scratch = take(reader, params.len * sizeof(*scratch));
    if (sorted == NULL || scratch == NULL)
        return fail_size(reader);
    for (size_t i = 0; i < params.len; i++)
        sorted[i] = &params.items[i];
    merge_sort(sorted, scratch, params.len, param_after);
    for (size_t i = 0; i < params.len; i++)
        TRY(add_param(reader, root, sorted[i]));
    return RESULT_OK;
}

static const struct node *find_child(const struct node *node, struct str name)
{
    for (const struct node *child = node->first; child != NULL; child = child->next)
        if (str_eq(child->name, name))
            return child;
    return NULL;
}

/* ---- the structure */

static RESULT read_structure(struct reader *reader, const struct node *node, uint16_t shape,
                             bool top, void *place);
static RESULT read_value(struct reader *reader, const struct node *node,
                         const struct wire_member *member, bool by_value, void *place);

static RESULT fail_structure(struct reader *reader, const struct node *node)
{
    return wire_fail(reader->arena, reader->failure, WIRE_SERIALIZATION,
                     "Unexpected structure of the parameter %.*s",
                     PRSTR(str_slice(node->path, 0, 200)));
}

static RESULT read_simple(struct reader *reader, const struct node *node,
                          const struct wire_member *member, const struct wire_shape *shape,
                          void *place)
{
    if (node->first != NULL || str_is_absent(node->value))
        return fail_structure(reader, node->first != NULL ? node->first : node);
    if (wire_text_read(reader->arena, shape, member, WIRE_TIME_ISO8601, node->value, place))
        return RESULT_OK;
    struct str path = str_slice(node->path, 0, 200);
    if (reader->ec2)
        return wire_fail(reader->arena, reader->failure, WIRE_INVALID_PARAMETER_VALUE,
                         "Value (%.*s) for parameter %.*s is invalid. Expected a valid %s.",
                         PRSTR(str_slice(node->value, 0, 200)), PRSTR(path), wire_text_type(shape));
    return wire_fail(reader->arena, reader->failure, WIRE_SERIALIZATION,
                     "The value of the parameter %.*s is not a valid %s", PRSTR(path),
                     wire_text_type(shape));
}

/* The node whose children are "1", "2"...: the one below "member" or "entry", or the very node.
 * What is not flattened in the model is taken in the flattened form too, as AWS takes it. */
static const struct node *numbered(const struct node *node, struct str wrapper)
{
    const struct node *inner = str_is_absent(wrapper) ? NULL : find_child(node, wrapper);
    return inner != NULL && node->first == node->last ? inner : node;
}

/* The children of a list or map in the order of their numbers. */
static RESULT read_numbers(struct reader *reader, const struct node *node,
                           const struct node ***sorted, size_t *len)
{
    size_t count = 0;
    for (struct node *child = node->first; child != NULL; child = child->next) {
        if (!str_to_u64(child->name, &child->number))
            return wire_fail(reader->arena, reader->failure, WIRE_MALFORMED_QUERY_STRING,
                             "The parameter %.*s must be numbered",
                             PRSTR(str_slice(child->path, 0, 200)));
        count++;
    }
    const void **items = take(reader, count * sizeof(*items));
    const void **scratch = take(reader, count * sizeof(*scratch));
    if (items == NULL || scratch == NULL)
        return fail_size(reader);
    count = 0;
    for (const struct node *child = node->first; child != NULL; child = child->next)
        items[count++] = child;
    merge_sort(items, scratch, count, number_after);
    for (size_t i = 1; i < count; i++) {
        const struct node *a = items[i - 1], *b = items[i];
        if (a->number == b->number)
            return fail_structure(reader, b);
    }
    *sorted = (const struct node **)items;
    *len = count;
    return RESULT_OK;
}

/* A lone value is "" for an empty list, and else its only item ("AttributeName=All"), as SQS takes
 * it. */
static RESULT read_list(struct reader *reader, const struct node *node, bool flattened,
                        const struct wire_shape *shape, struct wire_list *list)
{
    const struct wire_member *item = shape_members(reader->model, shape);
    size_t size = shape_item_size(reader->model, shape), count;
    const struct node **sorted;

    if (!flattened && !reader->ec2)
        node = numbered(node, wire_string(reader->model, item->query_name));
    bool lone = node->first == NULL && node->value.len > 0;
    if (node->first != NULL && node->value.len > 0)
        return fail_structure(reader, node);
    TRY(read_numbers(reader, node, &sorted, &count));
    list->items = take(reader, (lone ? 1 : count) * size);
    if (list->items == NULL)
        return fail_size(reader);
    if (lone) {
        list->len = 1;
        return read_value(reader, node, item, true, list->items);
    }
    for (size_t i = 0; i < count; i++) {
        TRY(read_value(reader, sorted[i], item, true, (char *)list->items + list->len * size));
        list->len++;
    }
    return RESULT_OK;
}

static RESULT read_entry(struct reader *reader, const struct node *node,
                         const struct wire_shape *shape, struct wire_list *map)
{
    const struct wire_member *members = shape_members(reader->model, shape);
    char *entry = (char *)map->items + map->len * shape_entry_size(reader->model, shape);

    for (size_t i = 0; i < 2; i++) {
        struct str name = wire_string(reader->model, members[i].query_name);
        const struct node *child = find_child(node, name);
        if (child == NULL)
            return wire_fail(reader->arena, reader->failure, WIRE_MISSING_PARAMETER,
                             "The request must contain the parameter %.*s.%.*s.",
                             PRSTR(str_slice(node->path, 0, 200)), PRSTR(name));
        TRY(read_value(reader, child, &members[i], true, entry + (i == 0 ? 0 : members[i].offset)));
    }
    map->len++;
    return RESULT_OK;
}

static RESULT read_map(struct reader *reader, const struct node *node, bool flattened,
                       const struct wire_shape *shape, struct wire_list *map)
{
    size_t size = shape_entry_size(reader->model, shape), count = 1;
    struct str key = wire_string(reader->model, shape_members(reader->model, shape)[0].query_name);
    const struct node **sorted = NULL;

    if (!flattened && !reader->ec2)
        node = numbered(node, STR("entry"));
    if (node->value.len > 0)
        return fail_structure(reader, node);
    bool lone =
        find_child(node, key) != NULL; /* "Attribute.Name=..&Attribute.Value=..": one entry */
    if (!lone)
        TRY(read_numbers(reader, node, &sorted, &count));
    map->items = take(reader, count * size);
    if (map->items == NULL)
        return fail_size(reader);
    for (size_t i = 0; i < count; i++)
        TRY(read_entry(reader, lone ? node : sorted[i], shape, map));
    return RESULT_OK;
}

/* by_value: place is the structure itself, as in lists and maps. */
static RESULT read_value(struct reader *reader, const struct node *node,
                         const struct wire_member *member, bool by_value, void *place)
{
    const struct wire_shape *shape = shape_at(reader->model, member->shape);
    bool flattened = member->flags & WIRE_MEMBER_FLATTENED;

    switch ((int)shape->type) {
    case WIRE_STRUCT:
        if (!by_value) {
            void *structure = take(reader, shape->size);
            if (structure == NULL)
                return fail_size(reader);
            *(void **)place = structure;
            place = structure;
        }
        if (node->value.len > 0)
            return fail_structure(reader, node);
        return read_structure(reader, node, member->shape, false, place);
    case WIRE_LIST:
        return read_list(reader, node, flattened, shape, place);
    case WIRE_MAP:
        return read_map(reader, node, flattened, shape, place);
    default:
        return read_simple(reader, node, member, shape, place);
    }
}

/* What belongs to the protocol, to signatures in the query string and to their predecessors
 * (version 2). */
static bool is_protocol_parameter(struct str name)
{
    static const struct str names[] = {
        STR_INIT("Action"),    STR_INIT("Version"),          STR_INIT("AWSAccessKeyId"),
        STR_INIT("Signature"), STR_INIT("SignatureVersion"), STR_INIT("SignatureMethod"),
        STR_INIT("Timestamp"), STR_INIT("Expires"),          STR_INIT("SecurityToken"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (str_eq(name, names[i]))
            return true;
    return str_starts_with(name, STR("X-Amz-"));
}

static const struct wire_member *find_member(const struct reader *reader,
                                             const struct wire_shape *shape, struct str name)
{
    const struct wire_member *members = shape_members(reader->model, shape);
    for (size_t i = 0; i < shape->member_count; i++)
        if (str_eq(name, wire_string(reader->model, members[i].query_name)))
            return &members[i];
    return NULL;
}

/* Query services pass over what they do not know; EC2 refuses it (Error codes for the Amazon EC2
 * API: UnknownParameter). */
static RESULT read_structure(struct reader *reader, const struct node *node, uint16_t shape_index,
                             bool top, void *place)
{
    const struct wire_shape *shape = shape_at(reader->model, shape_index);

    for (const struct node *child = node->first; child != NULL; child = child->next) {
        const struct wire_member *member = find_member(reader, shape, child->name);
        if (member != NULL) {
            if (member_is_present(reader->model, member, place))
                return fail_structure(reader, child);
            TRY(read_value(reader, child, member, false, member_place(member, place)));
        } else if (reader->ec2 && !(top && is_protocol_parameter(child->name))) {
            enum result result = wire_fail(
                reader->arena, reader->failure, WIRE_INVALID_PARAMETER_VALUE,
                "The parameter %.*s is not recognized", PRSTR(str_slice(child->path, 0, 200)));
            reader->failure->code = STR("UnknownParameter");
            return result;
        }
    }
    return RESULT_OK;
}

/* SQS: the queue's URL is what the request was sent to where no parameter names it (SQS developer
 * guide, "Making Query API requests"). */
static void read_queue_url(struct reader *reader, const struct wire_request *request,
                           uint16_t shape_index, void *place)
{
    const struct wire_shape *shape = shape_at(reader->model, shape_index);
    const struct wire_member *member = find_member(reader, shape, STR("QueueUrl"));
    struct str service = reader->model->signing_name;

    if (member == NULL || request->path.len < 2 || !str_eq(service, STR("sqs")))
        return;
    struct str *url = member_place(member, place);
    if (!str_is_absent(*url))
        return;
    struct str path = request->path;
    if (path.ptr[path.len - 1] == '/')
        path.len--;
    *url = str_format(reader->arena, "http://%.*s%.*s", PRSTR(request->host), PRSTR(path));
}

RESULT wire_query_read(struct arena *arena, const struct wire_route *route,
                       const struct wire_request *request, void *value,
                       struct wire_failure *failure)
{
    struct reader reader = {.arena = arena,
                            .model = route->model,
                            .failure = failure,
                            .ec2 = route->protocol == WIRE_PROTOCOL_EC2,
                            .budget = wire_decode_budget(request->body.len + request->query.len)};
    struct node root = {0};
    uint16_t input = route->model->operations[route->operation].input;

    TRY(read_tree(&reader, request, &root));
    TRY(read_structure(&reader, &root, input, true, value));
    read_queue_url(&reader, request, input, value);
    return RESULT_OK;
}

/* ---- replies */

static void open_response(struct buf *out, const struct wire_model *model, struct str operation)
{
    buf_append_char(out, '<');
    buf_append(out, operation);
    buf_append_c(out, "Response");
    if (model->namespace_uri != 0) {
        buf_append_c(out, " xmlns=\"");
        wire_xml_escape(out, wire_string(model, model->namespace_uri));
        buf_append_char(out, '"');
    }
    buf_append_char(out, '>');
}

static void write_request_id(struct buf *out, const char *before, struct str request_id,
                             const char *after)
{
    buf_append_c(out, before);
    wire_xml_escape(out, request_id);
    buf_append_c(out, after);
}

RESULT wire_query_write(struct arena *arena, const struct wire_route *route, const void *value,
                        struct str request_id, struct wire_response *response)
{
    const struct wire_model *model = route->model;
    const struct wire_operation *operation = &model->operations[route->operation];
    struct str name = wire_string(model, operation->name);
    bool ec2 = route->protocol == WIRE_PROTOCOL_EC2;
    struct buf out;

    buf_init(&out, arena, WIRE_BODY_MAX);
    if (ec2)
        buf_append_c(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    else if (str_eq(model->signing_name, STR("sqs")))
        buf_append_c(&out, "<?xml version=\"1.0\"?>");
    open_response(&out, model, name);
    if (ec2) {
        write_request_id(&out, "<requestId>", request_id, "</requestId>");
        TRY(wire_xml_write(&out, model, operation->output, 0, 0, value));
    } else {
        if (operation->output_root != 0)
            TRY(wire_xml_write(&out, model, operation->output, operation->output_root, 0, value));
        else
            TRY(wire_xml_write(&out, model, operation->output, 0, 0, value));
        write_request_id(&out, "<ResponseMetadata><RequestId>", request_id,
                         "</RequestId></ResponseMetadata>");
    }
    buf_append_c(&out, "</");
    buf_append(&out, name);
    buf_append_c(&out, "Response>");
    if (buf_is_full(&out))
        return FAULT("a reply of %.*s is larger than %zu bytes", PRSTR(name), out.max);
    response->body = buf_str(&out);
    wire_add_header(arena, response, STR("Content-Type"),
                    ec2 ? STR("text/xml;charset=UTF-8") : STR("text/xml"));
    return RESULT_OK;
}
