#include <expat.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/vec.h"
#include "wire/canonical.h"

enum { MAX_TEXT = 1 << 20, MAX_DEPTH = 64 };

struct child {
    struct str name, text;
    size_t order;
};

struct element {
    struct str name, attributes;
    struct buf text;
    struct child *items;
    size_t len, cap;
};

struct tree {
    struct arena *arena;
    struct element open[MAX_DEPTH];
    int depth;
    struct str root;
    bool bad;
};

static int child_compare(const void *a, const void *b)
{
    const struct child *left = a, *right = b;
    int order = str_cmp(left->name, right->name);
    if (order != 0)
        return order;
    return left->order < right->order ? -1 : left->order > right->order;
}

static void append_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '<' || c == '&' || c == '"')
            buf_append_format(out, "&#%d;", c);
        else
            buf_append_char(out, c);
    }
}

static void on_start(void *context, const char *name, const char **attributes)
{
    struct tree *tree = context;
    if (tree->depth == MAX_DEPTH) {
        tree->bad = true;
        return;
    }
    struct element *element = &tree->open[tree->depth++];
    *element = (struct element){.name = str_copy(tree->arena, str_from_c(name))};
    buf_init(&element->text, tree->arena, MAX_TEXT);
    struct child *list = NULL;
    size_t len = 0, cap = 0;
    for (size_t i = 0; attributes[i] != NULL; i += 2) {
        if (tree->depth == 1 && strcmp(attributes[i], "xmlns") == 0)
            continue;
        struct child attribute = {.name = str_from_c(attributes[i]),
                                  .text = str_from_c(attributes[i + 1])};
        VEC_PUSH(tree->arena, list, len, cap, attribute);
    }
    if (len > 1)
        qsort(list, len, sizeof(*list), child_compare);
    struct buf out;
    buf_init(&out, tree->arena, MAX_TEXT);
    for (size_t i = 0; i < len; i++) {
        buf_append_format(&out, " %.*s=\"", PRSTR(list[i].name));
        append_escaped(&out, list[i].text);
        buf_append_char(&out, '"');
    }
    element->attributes = buf_str(&out);
}

static void on_text(void *context, const char *text, int length)
{
    struct tree *tree = context;
    if (tree->depth > 0)
        buf_append(&tree->open[tree->depth - 1].text, str_make(text, (size_t)length));
}

static bool carries_request_id(struct str name, int depth)
{
    return depth <= 2 && (str_eq_nocase(name, STR("RequestId")) || str_eq(name, STR("HostId")) ||
                          str_eq(name, STR("ResponseMetadata")));
}

static void on_end(void *context, const char *name)
{
    (void)name;
    struct tree *tree = context;
    if (tree->depth == 0)
        return;
    struct element *element = &tree->open[--tree->depth];
    struct buf out;
    buf_init(&out, tree->arena, MAX_TEXT);
    buf_append_format(&out, "<%.*s%.*s>", PRSTR(element->name), PRSTR(element->attributes));
    if (element->len > 1)
        qsort(element->items, element->len, sizeof(*element->items), child_compare);
    for (size_t i = 0; i < element->len; i++)
        buf_append(&out, element->items[i].text);
    struct str text = buf_str(&element->text);
    bool layout = element->len > 0 || tree->depth == 0 || str_find_char(text, '\n') != SIZE_MAX;
    append_escaped(&out, layout ? str_trim(text) : text);
    buf_append_format(&out, "</%.*s>\n", PRSTR(element->name));
    if (tree->depth == 0) {
        tree->root = buf_str(&out);
        return;
    }
    if (carries_request_id(element->name, tree->depth))
        return;
    struct element *parent = &tree->open[tree->depth - 1];
    struct child child = {.name = element->name, .text = buf_str(&out), .order = parent->len};
    VEC_PUSH(tree->arena, parent->items, parent->len, parent->cap, child);
}

struct str canonical_xml(struct arena *arena, struct str text)
{
    struct tree *tree = ARENA_NEW(arena, struct tree);
    tree->arena = arena;
    text = str_trim(text);
    if (str_is_empty(text))
        return STR("");
    XML_Parser parser = XML_ParserCreate("UTF-8");
    XML_SetUserData(parser, tree);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    bool good = XML_Parse(parser, text.ptr, (int)text.len, 1) == XML_STATUS_OK;
    XML_ParserFree(parser);
    return good && !tree->bad ? tree->root : (struct str){0};
}
