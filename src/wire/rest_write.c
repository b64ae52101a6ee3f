/* REST replies: status, headers and body, as the model binds the members. */
#include "base/encode.h"
#include "wire/rest_int.h"
#include "wire/shape.h"
#include "wire/text.h"

enum { HEADER_MAX = 1 << 20 };

struct writer {
    struct arena *arena;
    const struct wire_model *model;
    const struct wire_operation *operation;
    struct wire_response *response;
    const void *value;
    bool xml;
    bool has_content_type; /* a member says it */
};

/* ---- headers */

/* A line break in a value would begin another header. */
static struct str header_value(struct writer *writer, const struct buf *buf)
{
    for (size_t i = 0; i < buf->len; i++)
        if ((unsigned char)buf->ptr[i] < 0x20 && buf->ptr[i] != '\t')
            buf->ptr[i] = ' ';
    return str_copy(writer->arena, buf_str(buf));
}

static void add_header(struct writer *writer, struct str name, const struct buf *value)
{
    wire_add_header(writer->arena, writer->response, name, header_value(writer, value));
    if (str_eq_nocase(name, STR("content-type")))
        writer->has_content_type = true;
}

/* An item that a comma or quote would tear apart is quoted (Smithy, HTTP binding traits: header
 * lists). */
static void write_list_string(struct buf *out, struct str s)
{
    bool plain = str_find_char(s, ',') == SIZE_MAX && str_find_char(s, '"') == SIZE_MAX;
    if (plain) {
        buf_append(out, s);
        return;
    }
    buf_append_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, s.ptr[i]);
    }
    buf_append_char(out, '"');
}

static void write_list(struct writer *writer, const struct wire_shape *shape,
                       const struct wire_list *list, struct buf *out)
{
    const struct wire_member *item = shape_members(writer->model, shape);
    const struct wire_shape *item_shape = shape_at(writer->model, item->shape);
    size_t size = shape_item_size(writer->model, shape);
    bool first = true;

    for (size_t i = 0; i < list->len; i++) {
        const char *at = (const char *)list->items + i * size;
        if (!shape_is_present(item_shape, at, true))
            continue;
        if (!first)
            buf_append_c(out, ", ");
        first = false;
        if (item_shape->type == WIRE_STRING)
            write_list_string(out, *(const struct str *)(const void *)at);
        else
            wire_text_write(out, item_shape, item, WIRE_TIME_RFC822, at);
    }
}

static void write_header(struct writer *writer, const struct wire_member *member)
{
    const struct wire_shape *shape = shape_at(writer->model, member->shape);
    const void *place = member_value(member, writer->value);
    struct buf buf;

    buf_init(&buf, writer->arena, HEADER_MAX);
    if (shape->type == WIRE_LIST) {
        const struct wire_list *list = place;
        if (list->len == 0)
            return;
        write_list(writer, shape, list, &buf);
    } else if (member->flags & WIRE_MEMBER_JSON_VALUE) {
        base64_encode(&buf, *(const struct str *)place);
    } else {
        wire_text_write(&buf, shape, member, WIRE_TIME_RFC822, place);
    }
    add_header(writer, wire_string(writer->model, member->wire_name), &buf);
}

static void write_header_map(struct writer *writer, const struct wire_member *member)
{
    const struct str_map *map = member_value(member, writer->value);
    struct str prefix = wire_string(writer->model, member->wire_name);

    for (size_t i = 0; i < map->len; i++) {
        struct buf name, value;
        if (str_is_absent(map->items[i].value))
            continue;
        buf_init(&name, writer->arena, HEADER_MAX);
        buf_init(&value, writer->arena, HEADER_MAX);
        buf_append(&name, prefix);
        buf_append(&name, map->items[i].key);
        buf_append(&value, map->items[i].value);
        add_header(writer, header_value(writer, &name), &value);
    }
}

static void write_bound(struct writer *writer)
{
    const struct wire_shape *shape = shape_at(writer->model, writer->operation->output);
    const struct wire_member *members = shape_members(writer->model, shape);

    for (size_t i = 0; i < shape->member_count; i++) {
        if (!member_is_present(writer->model, &members[i], writer->value))
            continue;
        switch ((enum wire_location)members[i].location) {
        case WIRE_IN_HEADER:
            write_header(writer, &members[i]);
            break;
        case WIRE_IN_HEADERS:
            write_header_map(writer, &members[i]);
            break;
        case WIRE_IN_STATUS:
            writer->response->status = (uint16_t)member_integer(
                shape_at(writer->model, members[i].shape), members[i].flags,
                member_value(&members[i], writer->value));
            break;
        case WIRE_IN_BODY:
        case WIRE_IN_QUERY:
        case WIRE_IN_URI:
            break;
        }
    }
}

/* ---- body */

static void set_body(struct writer *writer, struct str body, struct str content_type)
{
    writer->response->body = body;
    if (!writer->has_content_type)
        wire_add_header(writer->arena, writer->response, STR("Content-Type"), content_type);
}

static struct str xml_type(void)
{
    return STR("application/xml");
}

static uint32_t root_namespace(const struct writer *writer, const struct wire_shape *shape)
{
    return shape->namespace_uri != 0 ? shape->namespace_uri : writer->model->namespace_uri;
}

static void begin_xml(struct buf *out)
{
    buf_append_c(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

static RESULT write_payload(struct writer *writer, const struct wire_member *member)
{
    const struct wire_shape *shape = shape_at(writer->model, member->shape);
    const void *place = member_value(member, writer->value);
    struct buf out;

    if (shape->flags & WIRE_SHAPE_EVENT_STREAM) {
        set_body(writer, (struct str){0}, STR("application/vnd.amazon.eventstream"));
        return RESULT_OK;
    }
    if (writer->operation->flags & WIRE_OP_STREAM_OUT) {
        set_body(writer, (struct str){0}, STR("application/octet-stream"));
        return RESULT_OK;
    }
    writer->response->body = STR("");
    if (!member_is_present(writer->model, member, writer->value))
        return RESULT_OK;
    if (shape->type == WIRE_BLOB || shape->type == WIRE_STRING) {
        bool json = member->flags & WIRE_MEMBER_JSON_VALUE;
        set_body(writer, *(const struct str *)place,
                 json                       ? STR("application/json")
                 : shape->type == WIRE_BLOB ? STR("application/octet-stream")
                                            : STR("text/plain"));
        return RESULT_OK;
    }
    buf_init(&out, writer->arena, WIRE_BODY_MAX);
    if (writer->xml) {
        begin_xml(&out);
        TRY(wire_xml_write_member(&out, writer->model, member, root_namespace(writer, shape),
                                  writer->value));
        set_body(writer, buf_str(&out), xml_type());
    } else {
        if (shape->type == WIRE_STRUCT)
            place = *(const void *const *)place;
        TRY(wire_json_write(&out, writer->model, member->shape, place));
        set_body(writer, buf_str(&out), STR("application/json"));
    }
    return RESULT_OK;
}

/* GetBucketLocation answers with its only member as the root (S3 API reference, GetBucketLocation;
 * Smithy's s3UnwrappedXmlOutput). */
static bool is_unwrapped(const struct writer *writer)
{
    const struct wire_model *model = writer->model;
    return str_eq(wire_string(model, writer->operation->name), STR("GetBucketLocation")) &&
           str_eq(model->signing_name, STR("s3"));
}

static void write_unwrapped(struct writer *writer, struct buf *out)
{
    const struct wire_member *member =
        shape_members(writer->model, shape_at(writer->model, writer->operation->output));
    const struct str *text = member_value(member, writer->value);

    buf_append_c(out, "<LocationConstraint xmlns=\"");
    wire_xml_escape(out, wire_string(writer->model, writer->model->namespace_uri));
    buf_append_c(out, "\"");
    if (text->len > 0) {
        buf_append_char(out, '>');
        wire_xml_escape(out, *text);
        buf_append_c(out, "</LocationConstraint>");
    } else {
        buf_append_c(out, "/>");
    }
}

static RESULT write_structure(struct writer *writer)
{
    uint16_t output = writer->operation->output;
    const struct wire_shape *shape = shape_at(writer->model, output);
    struct buf out;

    buf_init(&out, writer->arena, WIRE_BODY_MAX);
    if (!writer->xml) {
        TRY(wire_json_write(&out, writer->model, output, writer->value));
        set_body(writer, buf_str(&out), STR("application/json"));
        return RESULT_OK;
    }
    begin_xml(&out);
    if (is_unwrapped(writer)) {
        write_unwrapped(writer, &out);
    } else {
        uint32_t root = writer->operation->output_root;
        TRY(wire_xml_write(&out, writer->model, output, root != 0 ? root : shape->name,
                           root_namespace(writer, shape), writer->value));
    }
    set_body(writer, buf_str(&out), xml_type());
    return RESULT_OK;
}

/* Without a body in the model: nothing, or "{}" where there is no other member either, as rest-json
 * services answer. */
static RESULT write_body(struct writer *writer)
{
    uint16_t output = writer->operation->output, status = writer->response->status;
    const struct wire_member *payload = wire_rest_payload(writer->model, output);

    if (payload != NULL)
        return write_payload(writer, payload);
    writer->response->body = STR("");
    if (status == 204 || status == 304)
        return RESULT_OK;
    if (wire_rest_has_body(writer->model, output))
        return write_structure(writer);
    if (!writer->xml && shape_at(writer->model, output)->member_count == 0)
        set_body(writer, STR("{}"), STR("application/json"));
    return RESULT_OK;
}

RESULT wire_rest_write(struct arena *arena, const struct wire_route *route, const void *value,
                       struct wire_response *response)
{
    struct writer writer = {.arena = arena,
                            .model = route->model,
                            .operation = &route->model->operations[route->operation],
                            .response = response,
                            .value = value,
                            .xml = route->protocol == WIRE_PROTOCOL_REST_XML};

    response->status = writer.operation->status != 0 ? writer.operation->status : 200;
    write_bound(&writer);
    return write_body(&writer);
}
