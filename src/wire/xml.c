/* Reading XML: expat makes a small tree in the arena, which the descriptors then turn into the
 * structure. A document type declaration is refused, so no entity but XML's own five can exist.
 * What is not in the model is refused too, as S3 does against its schema (S3 API reference, Error
 * responses: MalformedXML). */
#include <expat.h>
#include <limits.h>

#include "base/buf.h"
#include "wire/shape.h"
#include "wire/text.h"
#include "wire/wire_int.h"

struct attribute {
    struct str name, value;
};

struct node {
    struct str name; /* without namespace prefix */
    struct str text; /* of a node without children */
    struct attribute *attributes;
    size_t attribute_count;
    struct node *first, *last, *next;
};

struct reader {
    struct arena *arena;
    const struct wire_model *model;
    struct wire_failure *failure;
    XML_Parser parser;
    const char *refused; /* why the parser was stopped */
    size_t budget;       /* bytes that the tree and the structure may still take */
    size_t depth;
    struct node *open[WIRE_DEPTH_MAX];
    struct node *root;
    struct buf text;
};

static RESULT fail(struct reader *reader, const char *what, struct str name)
{
    if (str_eq(reader->model->signing_name, STR("s3")))
        return wire_fail(reader->arena, reader->failure, WIRE_SERIALIZATION,
                         "The XML you provided was not well-formed or did not validate against our "
                         "published schema");
    return wire_fail(reader->arena, reader->failure, WIRE_SERIALIZATION, "%s%s%.*s", what,
                     name.len > 0 ? ": " : "", PRSTR(str_slice(name, 0, 200)));
}

static void *take(struct reader *reader, size_t size)
{
    if (size > reader->budget)
        return NULL;
    reader->budget -= size;
    return arena_alloc(reader->arena, size > 0 ? size : 1);
}

/* ---- the tree */

static void refuse(struct reader *reader, const char *why)
{
    if (reader->refused == NULL)
        reader->refused = why;
    XML_StopParser(reader->parser, XML_FALSE);
}

static void XMLCALL on_doctype(void *context, const XML_Char *name, const XML_Char *system_id,
                               const XML_Char *public_id, int has_internal_subset)
{
    (void)name, (void)system_id, (void)public_id, (void)has_internal_subset;
    refuse(context, "A document type declaration is not allowed");
}

static struct str local_name(struct str name)
{
    size_t colon = str_find_char(name, ':');
    return colon == SIZE_MAX ? name : str_slice(name, colon + 1, name.len);
}

static bool text_is_blank(const struct reader *reader)
{
    return str_trim(buf_str(&reader->text)).len == 0;
}

static bool add_attributes(struct reader *reader, struct node *node, const XML_Char **attributes)
{
    size_t count = 0;
    while (attributes[count * 2] != NULL)
        count++;
    if (count == 0)
        return true;
    node->attributes = take(reader, count * sizeof(struct attribute));
    if (node->attributes == NULL)
        return false;
    node->attribute_count = count;
    for (size_t i = 0; i < count; i++) {
        node->attributes[i].name = str_copy(reader->arena, str_from_c(attributes[i * 2]));
        node->attributes[i].value = str_copy(reader->arena, str_from_c(attributes[i * 2 + 1]));
    }
    return true;
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = context;
    struct str full = str_from_c(name);

    if (reader->refused != NULL)
        return;
    if (reader->depth == WIRE_DEPTH_MAX) {
        refuse(reader, "The document is nested too deep");
        return;
    }
    if (!text_is_blank(reader)) {
        refuse(reader, "Text stands between elements");
        return;
    }
    buf_clear(&reader->text);
    struct node *node = take(reader, sizeof(*node) + full.len);
    if (node == NULL || !add_attributes(reader, node, attributes)) {
        refuse(reader, "The document is too large");
        return;
    }
    node->name = str_copy(reader->arena, local_name(full));
    if (reader->depth == 0) {
        reader->root = node;
    } else {
        struct node *parent = reader->open[reader->depth - 1];
        if (parent->last != NULL)
            parent->last->next = node;
        else
            parent->first = node;
        parent->last = node;
    }
    reader->open[reader->depth++] = node;
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    struct reader *reader = context;

    (void)name;
    if (reader->refused != NULL)
        return;
    struct node *node = reader->open[--reader->depth];
    if (node->first == NULL)
        node->text = str_copy(reader->arena, buf_str(&reader->text));
    else if (!text_is_blank(reader))
        refuse(reader, "Text stands between elements");
    buf_clear(&reader->text);
}

static void XMLCALL on_text(void *context, const XML_Char *text, int len)
{
    struct reader *reader = context;
    buf_append(&reader->text, str_make(text, (size_t)len));
}

static RESULT read_tree(struct reader *reader, struct str text)
{
    static const XML_Memory_Handling_Suite memory = {heap_alloc, heap_grow, heap_free};

    if (text.len > INT_MAX)
        return fail(reader, "The document is too large", (struct str){0});
    reader->parser = XML_ParserCreate_MM(NULL, &memory, NULL);
    if (reader->parser == NULL)
        return FAULT("no XML parser");
    XML_SetUserData(reader->parser, reader);
    XML_SetElementHandler(reader->parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader->parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader->parser, on_doctype);
    enum XML_Status status = XML_Parse(reader->parser, text.ptr, (int)text.len, XML_TRUE);
    const char *why = reader->refused;
    if (why == NULL && status != XML_STATUS_OK)
        why = XML_ErrorString(XML_GetErrorCode(reader->parser));
    XML_ParserFree(reader->parser);
    reader->parser = NULL;
    if (why != NULL)
        return fail(reader, why, (struct str){0});
    return RESULT_OK;
}

/* ---- the structure */

static RESULT read_structure(struct reader *reader, const struct node *node, uint16_t shape,
                             void *place);

static RESULT read_list(struct reader *reader, const struct node *node,
                        const struct wire_shape *shape, struct wire_list *list);
static RESULT read_map(struct reader *reader, const struct node *node,
                       const struct wire_shape *shape, struct wire_list *map);

static RESULT read_simple(struct reader *reader, const struct node *node,
                          const struct wire_member *member, const struct wire_shape *shape,
                          void *place)
{
    if (node->first != NULL)
        return fail(reader, "An element holds elements where text is expected", node->name);
    struct str text = node->text.ptr == NULL ? STR("") : node->text;
    if (wire_text_read(reader->arena, shape, member, WIRE_TIME_ISO8601, text, place))
        return RESULT_OK;
    if (wire_is_s3(reader->model))
        return fail(reader, "", node->name);
    return wire_fail(reader->arena, reader->failure, WIRE_SERIALIZATION,
                     "The value of element %.*s is not a valid %s", PRSTR(node->name),
                     wire_text_type(shape));
}

/* by_value: place is the structure itself, as in lists and maps. */
static RESULT read_value(struct reader *reader, const struct node *node,
                         const struct wire_member *member, bool by_value, void *place)
{
    const struct wire_shape *shape = shape_at(reader->model, member->shape);

    switch ((int)shape->type) {
    case WIRE_STRUCT:
        if (!by_value) {
            void *structure = take(reader, shape->size);
            if (structure == NULL)
                return fail(reader, "The document is too large", (struct str){0});
            *(void **)place = structure;
            place = structure;
        }
        return read_structure(reader, node, member->shape, place);
    case WIRE_LIST:
        return read_list(reader, node, shape, place);
    case WIRE_MAP:
        return read_map(reader, node, shape, place);
    default:
        return read_simple(reader, node, member, shape, place);
    }
}

/* Makes room for the children of one list or map; `name` absent: all of them. */
static RESULT make_items(struct reader *reader, const struct node *first, struct str name,
                         size_t size, struct wire_list *list)
{
    size_t count = 0;
    for (const struct node *node = first; node != NULL; node = node->next)
        count += str_is_absent(name) || str_eq(node->name, name);
    list->items = take(reader, count * size);
    if (list->items == NULL)
        return fail(reader, "The document is too large", (struct str){0});
    return RESULT_OK;
}

static RESULT read_entry(struct reader *reader, const struct node *node,
                         const struct wire_shape *shape, struct wire_list *map)
{
    const struct wire_member *members = shape_members(reader->model, shape);
    char *entry = (char *)map->items + map->len * shape_entry_size(reader->model, shape);
    bool has_key = false, has_value = false;

    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (!has_key && str_eq(child->name, wire_string(reader->model, members[0].wire_name))) {
            TRY(read_value(reader, child, &members[0], true, entry));
            has_key = true;
        } else if (!has_value &&
                   str_eq(child->name, wire_string(reader->model, members[1].wire_name))) {
            TRY(read_value(reader, child, &members[1], true, entry + members[1].offset));
            has_value = true;
        } else {
            return fail(reader, "Unexpected element", child->name);
        }
    }
    if (!has_key || !has_value)
        return fail(reader, "A map's entry lacks its key or value", node->name);
    map->len++;
    return RESULT_OK;
}

static RESULT read_list(struct reader *reader, const struct node *node,
                        const struct wire_shape *shape, struct wire_list *list)
{
    const struct wire_member *item = shape_members(reader->model, shape);
    size_t size = shape_item_size(reader->model, shape);

    if (node->first == NULL && str_trim(node->text).len > 0)
        return fail(reader, "Text stands where a list is expected", node->name);
    TRY(make_items(reader, node->first, (struct str){0}, size, list));
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (!str_eq(child->name, wire_string(reader->model, item->wire_name)))
            return fail(reader, "Unexpected element", child->name);
        TRY(read_value(reader, child, item, true, (char *)list->items + list->len * size));
        list->len++;
    }
    return RESULT_OK;
}

static RESULT read_map(struct reader *reader, const struct node *node,
                       const struct wire_shape *shape, struct wire_list *map)
{
    size_t size = shape_entry_size(reader->model, shape);

    if (node->first == NULL && str_trim(node->text).len > 0)
        return fail(reader, "Text stands where a map is expected", node->name);
    TRY(make_items(reader, node->first, (struct str){0}, size, map));
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (!str_eq(child->name, STR("entry")))
            return fail(reader, "Unexpected element", child->name);
        TRY(read_entry(reader, child, shape, map));
    }
    return RESULT_OK;
}

/* All siblings from this one on that bear the name. The first of them takes them all. */
static RESULT read_flattened(struct reader *reader, const struct node *node,
                             const struct wire_member *member, struct wire_list *list)
{
    const struct wire_shape *shape = shape_at(reader->model, member->shape);
    const struct wire_member *item = shape_members(reader->model, shape);
    bool is_map = shape->type == WIRE_MAP;
    size_t size =
        is_map ? shape_entry_size(reader->model, shape) : shape_item_size(reader->model, shape);
    struct str name = node->name;

    if (list->items != NULL)
        return RESULT_OK;
    TRY(make_items(reader, node, name, size, list));
    for (; node != NULL; node = node->next) {
        if (!str_eq(node->name, name))
            continue;
        if (is_map) {
            TRY(read_entry(reader, node, shape, list));
        } else {
            TRY(read_value(reader, node, item, true, (char *)list->items + list->len * size));
            list->len++;
        }
    }
    return RESULT_OK;
}

/* Documents mostly keep the order of the model: *hint is where the last one was found. */
static const struct wire_member *find_member(const struct reader *reader,
                                             const struct wire_shape *shape, struct str name,
                                             size_t *hint)
{
    const struct wire_member *members = shape_members(reader->model, shape);

    for (size_t i = 0; i < shape->member_count; i++) {
        size_t at = *hint + i;
        if (at >= shape->member_count)
            at -= shape->member_count;
        const struct wire_member *member = &members[at];
        if (member->location == WIRE_IN_BODY && !(member->flags & WIRE_MEMBER_XML_ATTRIBUTE) &&
            str_eq(name, wire_string(reader->model, member->wire_name))) {
            *hint = at;
            return member;
        }
    }
    return NULL;
}

/* Any prefix will do: clients may bind their own to the namespace. */
static RESULT read_attributes(struct reader *reader, const struct node *node,
                              const struct wire_shape *shape, void *place)
{
    const struct wire_member *members = shape_members(reader->model, shape);

    for (size_t i = 0; node->attribute_count > 0 && i < shape->member_count; i++) {
        if (!(members[i].flags & WIRE_MEMBER_XML_ATTRIBUTE))
            continue;
        struct str name = local_name(wire_string(reader->model, members[i].wire_name));
        for (size_t j = 0; j < node->attribute_count; j++) {
            const struct attribute *attribute = &node->attributes[j];
            if (!str_eq(local_name(attribute->name), name) ||
                str_starts_with(attribute->name, STR("xmlns")))
                continue;
            if (!wire_text_read(reader->arena, shape_at(reader->model, members[i].shape),
                                &members[i], WIRE_TIME_ISO8601, attribute->value,
                                member_place(&members[i], place)))
                return fail(reader, "An attribute is not valid", attribute->name);
        }
    }
    return RESULT_OK;
}

static RESULT read_structure(struct reader *reader, const struct node *node, uint16_t shape_index,
                             void *place)
{
    const struct wire_shape *shape = shape_at(reader->model, shape_index);
    size_t hint = 0;

    if (node->first == NULL && str_trim(node->text).len > 0)
        return fail(reader, "Text stands where elements are expected", node->name);
    TRY(read_attributes(reader, node, shape, place));
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        const struct wire_member *member = find_member(reader, shape, child->name, &hint);
        if (member == NULL)
            return fail(reader, "Unexpected element", child->name);
        uint8_t type = shape_at(reader->model, member->shape)->type;
        if (member->flags & WIRE_MEMBER_FLATTENED && (type == WIRE_LIST || type == WIRE_MAP)) {
            TRY(read_flattened(reader, child, member, member_place(member, place)));
        } else if (member_is_present(reader->model, member, place)) {
            return fail(reader, "An element stands twice", child->name);
        } else {
            TRY(read_value(reader, child, member, false, member_place(member, place)));
        }
    }
    return RESULT_OK;
}

RESULT wire_xml_read(struct arena *arena, const struct wire_model *model, uint16_t shape,
                     struct str root, struct str text, void *value, struct wire_failure *failure)
{
    struct reader reader = {
        .arena = arena, .model = model, .failure = failure, .budget = wire_decode_budget(text.len)};

    if (text.len == 0)
        return RESULT_OK;
    buf_init(&reader.text, arena,
             text.len * 4); /* UTF-16 and Latin-1 grow when they become UTF-8 */
    TRY(read_tree(&reader, text));
    if (!str_is_absent(root) && !str_eq(reader.root->name, root))
        return fail(&reader, "Unexpected root element", reader.root->name);
    return read_structure(&reader, reader.root, shape, value);
}
