/* Writing XML, for rest-xml, query and ec2. Strings stand as <X></X> when empty, lists, maps and
 * structures as <X/>. */
#include "wire/shape.h"
#include "wire/text.h"
#include "wire/wire_int.h"

/* No stored structure is deeper than what the readers let in. */
enum { DEPTH_MAX = 2 * WIRE_DEPTH_MAX };

struct writer {
    struct buf *out;
    const struct wire_model *model;
    bool milliseconds; /* S3 and EC2 write ".000Z" even when they are zero */
    int depth;
};

/* Carriage returns would be lost by the reader's line end rules (XML 1.0, 2.11); other control
 * characters are written as references, as S3 does, though XML 1.0 has no place for them. */
void wire_xml_escape(struct buf *out, struct str s)
{
    size_t from = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        const char *escape = NULL;
        if (c == '<')
            escape = "&lt;";
        else if (c == '>')
            escape = "&gt;";
        else if (c == '&')
            escape = "&amp;";
        else if (c == '"')
            escape = "&quot;";
        else if (c >= 0x20 || c == '\n' || c == '\t')
            continue;
        buf_append(out, str_slice(s, from, i));
        if (escape != NULL)
            buf_append_c(out, escape);
        else
            buf_append_format(out, "&#x%X;", c);
        from = i + 1;
    }
    buf_append(out, str_slice(s, from, s.len));
}

/* Attribute values are normalised: white space other than blanks must be references. */
static void escape_attribute(struct buf *out, struct str s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '\n' && s.ptr[i] != '\t')
            continue;
        wire_xml_escape(out, str_slice(s, from, i));
        buf_append_c(out, s.ptr[i] == '\n' ? "&#xA;" : "&#x9;");
        from = i + 1;
    }
    wire_xml_escape(out, str_slice(s, from, s.len));
}

static void write_simple(struct writer *writer, const struct wire_shape *shape,
                         const struct wire_member *member, const void *place)
{
    struct buf *out = writer->out;

    if (shape->type == WIRE_STRING || shape->type == WIRE_DOCUMENT) {
        wire_xml_escape(out, *(const struct str *)place);
        return;
    }
    size_t start = out->len;
    wire_text_write(out, shape, member, WIRE_TIME_ISO8601, place);
    bool iso = shape->type == WIRE_TIMESTAMP && (member->time_format == WIRE_TIME_DEFAULT ||
                                                 member->time_format == WIRE_TIME_ISO8601);
    if (iso && writer->milliseconds && out->len > start &&
        str_find_char(str_make(out->ptr + start, out->len - start), '.') == SIZE_MAX) {
        out->len--;
        buf_append_c(out, ".000Z");
    }
}

static void write_namespace(struct writer *writer, uint32_t uri, uint32_t prefix)
{
    if (uri == 0)
        return;
    buf_append_c(writer->out, " xmlns");
    if (prefix != 0) {
        buf_append_char(writer->out, ':');
        buf_append(writer->out, wire_string(writer->model, prefix));
    }
    buf_append_c(writer->out, "=\"");
    escape_attribute(writer->out, wire_string(writer->model, uri));
    buf_append_char(writer->out, '"');
}

static void write_attributes(struct writer *writer, const struct wire_shape *shape,
                             const void *structure)
{
    const struct wire_member *members = shape_members(writer->model, shape);

    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &members[i];
        const struct wire_shape *simple = shape_at(writer->model, member->shape);
        if (!(member->flags & WIRE_MEMBER_XML_ATTRIBUTE) ||
            !member_is_present(writer->model, member, structure))
            continue;
        buf_append_char(writer->out, ' ');
        buf_append(writer->out, wire_string(writer->model, member->wire_name));
        buf_append_c(writer->out, "=\"");
        if (simple->type == WIRE_STRING)
            escape_attribute(writer->out, *(const struct str *)member_value(member, structure));
        else
            write_simple(writer, simple, member, member_value(member, structure));
        buf_append_char(writer->out, '"');
    }
}

static void write_end(struct writer *writer, struct str name)
{
    buf_append_c(writer->out, "</");
    buf_append(writer->out, name);
    buf_append_char(writer->out, '>');
}

static RESULT write_element(struct writer *writer, struct str name,
                            const struct wire_member *member, bool by_value, const void *place);
static RESULT write_members(struct writer *writer, const struct wire_shape *shape,
                            const void *structure);

static RESULT write_entry(struct writer *writer, struct str name, const struct wire_member *outer,
                          const struct wire_shape *shape, const char *entry)
{
    const struct wire_member *members = shape_members(writer->model, shape);

    buf_append_char(writer->out, '<');
    buf_append(writer->out, name);
    if (outer != NULL)
        write_namespace(writer, outer->namespace_uri, outer->namespace_prefix);
    buf_append_char(writer->out, '>');
    TRY(write_element(writer, wire_string(writer->model, members[0].wire_name), &members[0], true,
                      entry));
    if (shape_is_present(shape_at(writer->model, members[1].shape), entry + members[1].offset,
                         true))
        TRY(write_element(writer, wire_string(writer->model, members[1].wire_name), &members[1],
                          true, entry + members[1].offset));
    write_end(writer, name);
    return RESULT_OK;
}

/* Items or entries, one element each. outer: the namespace of a flattened one's elements. */
static RESULT write_items(struct writer *writer, struct str name, const struct wire_member *outer,
                          const struct wire_shape *shape, const struct wire_list *list)
{
    bool is_map = shape->type == WIRE_MAP;
    size_t size =
        is_map ? shape_entry_size(writer->model, shape) : shape_item_size(writer->model, shape);
    const struct wire_member *item = shape_members(writer->model, shape);

    for (size_t i = 0; i < list->len; i++) {
        const char *at = (const char *)list->items + i * size;
        if (is_map)
            TRY(write_entry(writer, name, outer, shape, at));
        else if (shape_is_present(shape_at(writer->model, item->shape), at, true))
            TRY(write_element(writer, name, item, true, at));
    }
    return RESULT_OK;
}

/* What stands between the tags. */
static RESULT write_content(struct writer *writer, const struct wire_shape *shape,
                            const struct wire_member *member, const void *place)
{
    switch ((int)shape->type) {
    case WIRE_STRUCT:
        return write_members(writer, shape, place);
    case WIRE_LIST: {
        const struct wire_member *item = shape_members(writer->model, shape);
        return write_items(writer, wire_string(writer->model, item->wire_name), NULL, shape, place);
    }
    case WIRE_MAP:
        return write_items(writer, STR("entry"), NULL, shape, place);
    default:
        write_simple(writer, shape, member, place);
        return RESULT_OK;
    }
}

static RESULT write_element(struct writer *writer, struct str name,
                            const struct wire_member *member, bool by_value, const void *place)
{
    const struct wire_shape *shape = shape_at(writer->model, member->shape);
    struct buf *out = writer->out;

    if (shape->type == WIRE_STRUCT && !by_value)
        place = *(const void *const *)place;
    if (++writer->depth > DEPTH_MAX)
        return FAULT("a structure is nested too deep to be written");
    buf_append_char(out, '<');
    buf_append(out, name);
    write_namespace(writer, member->namespace_uri, member->namespace_prefix);
    if (shape->type == WIRE_STRUCT)
        write_attributes(writer, shape, place);
    buf_append_char(out, '>');
    size_t start = out->len;
    TRY(write_content(writer, shape, member, place));
    if (out->len == start && !wire_is_simple(shape) && !buf_is_full(out)) {
        out->ptr[out->len - 1] = '/';
        buf_append_char(out, '>');
    } else {
        write_end(writer, name);
    }
    writer->depth--;
    return RESULT_OK;
}

static RESULT write_members(struct writer *writer, const struct wire_shape *shape,
                            const void *structure)
{
    const struct wire_member *members = shape_members(writer->model, shape);

    for (size_t i = 0; i < shape->member_count; i++) {
        const struct wire_member *member = &members[i];
        const struct wire_shape *inner = shape_at(writer->model, member->shape);
        if (member->location != WIRE_IN_BODY || member->flags & WIRE_MEMBER_XML_ATTRIBUTE ||
            inner->flags & WIRE_SHAPE_EVENT_STREAM ||
            !member_is_present(writer->model, member, structure))
            continue;
        struct str name = wire_string(writer->model, member->wire_name);
        const void *place = member_value(member, structure);
        if (member->flags & WIRE_MEMBER_FLATTENED && !wire_is_simple(inner) &&
            inner->type != WIRE_STRUCT)
            TRY(write_items(writer, name, member, inner, place));
        else
            TRY(write_element(writer, name, member, false, place));
    }
    return RESULT_OK;
}

static struct writer writer_make(struct buf *out, const struct wire_model *model)
{
    struct str service = model->signing_name;
    return (struct writer){.out = out,
                           .model = model,
                           .milliseconds =
                               str_eq(service, STR("s3")) || str_eq(service, STR("ec2"))};
}

static RESULT finish(const struct buf *out)
{
    if (buf_is_full(out))
        return FAULT("an XML document is larger than %zu bytes", out->max);
    return RESULT_OK;
}

RESULT wire_xml_write(struct buf *out, const struct wire_model *model, uint16_t shape,
                      uint32_t root, uint32_t namespace_uri, const void *value)
{
    struct writer writer = writer_make(out, model);
    const struct wire_member element = {.shape = shape, .namespace_uri = namespace_uri};

    if (root == 0)
        TRY(write_members(&writer, shape_at(model, shape), value));
    else
        TRY(write_element(&writer, wire_string(model, root), &element, true, value));
    return finish(out);
}

RESULT wire_xml_write_member(struct buf *out, const struct wire_model *model,
                             const struct wire_member *member, uint32_t namespace_uri,
                             const void *structure)
{
    struct writer writer = writer_make(out, model);
    struct wire_member element = *member;

    if (element.namespace_uri == 0)
        element.namespace_uri = namespace_uri;
    TRY(write_element(&writer, wire_string(model, member->wire_name), &element, false,
                      member_value(member, structure)));
    return finish(out);
}
