#include "auth/saml_xml.h"

#include <dlfcn.h>
#include <limits.h>
#include <stddef.h>

#include "base/vec.h"

enum { DOCUMENT_MAX = 12 * 1024 * 1024 };

static bool symbol(void *library, const char *name, void *place)
{
    void *found = dlsym(library, name);
    memcpy(place, &found, sizeof found);
    return found != NULL;
}

bool xml_load(struct xml *xml)
{
    void *library = dlopen("libxml2.so.2", RTLD_NOW | RTLD_LOCAL); /* counted: loaded once */
    void (**release)(void *);
    if (library == NULL || !symbol(library, "xmlReadMemory", &xml->read) ||
        !symbol(library, "xmlFreeDoc", &xml->free_doc) ||
        !symbol(library, "xmlDocGetRootElement", &xml->root) ||
        !symbol(library, "xmlGetNoNsProp", &xml->attribute) ||
        !symbol(library, "xmlNodeGetContent", &xml->content) ||
        !symbol(library, "xmlC14NExecute", &xml->canonical) ||
        !symbol(library, "xmlBufferCreate", &xml->buffer) ||
        !symbol(library, "xmlBufferFree", &xml->buffer_free) ||
        !symbol(library, "xmlOutputBufferCreateBuffer", &xml->output) ||
        !symbol(library, "xmlOutputBufferClose", &xml->output_close) ||
        !symbol(library, "xmlBufferContent", &xml->buffer_content) ||
        !symbol(library, "xmlBufferLength", &xml->buffer_length) ||
        !symbol(library, "xmlFree", &release)) /* a variable that points to a function */
        return false;
    xml->free = *release;
    return true;
}

xmlDocPtr xml_parse(const struct xml *xml, struct str text)
{
    int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    if (text.len == 0 || text.len > DOCUMENT_MAX)
        return NULL;
    xmlDocPtr doc = xml->read(text.ptr, (int)text.len, NULL, NULL, options);
    if (doc != NULL && (doc->intSubset != NULL || doc->extSubset != NULL)) {
        xml->free_doc(doc);
        return NULL;
    }
    return doc;
}

/* --- elements --- */

static bool same(const xmlChar *text, const char *wanted)
{
    return text != NULL && strcmp((const char *)text, wanted) == 0;
}

bool xml_is(const xmlNode *node, const char *space, const char *name)
{
    return node != NULL && node->type == XML_ELEMENT_NODE && same(node->name, name) &&
           node->ns != NULL && same(node->ns->href, space);
}

static xmlNodePtr first_of(xmlNodePtr node, const char *space, const char *name)
{
    while (node != NULL && !xml_is(node, space, name))
        node = node->next;
    return node;
}

xmlNodePtr xml_child(const xmlNode *node, const char *space, const char *name)
{
    return node == NULL ? NULL : first_of(node->children, space, name);
}

xmlNodePtr xml_next(const xmlNode *node, const char *space, const char *name)
{
    return first_of(node->next, space, name);
}

static struct str taken(const struct xml *xml, struct arena *arena, xmlChar *text)
{
    if (text == NULL)
        return (struct str){0};
    struct str copy = str_copy(arena, str_from_c((const char *)text));
    xml->free(text);
    return copy;
}

struct str xml_attribute(const struct xml *xml, struct arena *arena, const xmlNode *node,
                         const char *name)
{
    return node == NULL ? (struct str){0}
                        : taken(xml, arena, xml->attribute(node, (const xmlChar *)name));
}

struct str xml_text(const struct xml *xml, struct arena *arena, const xmlNode *node)
{
    return node == NULL ? (struct str){0} : str_trim(taken(xml, arena, xml->content(node)));
}

/* --- canonical form --- */

struct subtree {
    const xmlNode *root, *left_out;
};

/* Attributes and namespaces come with their element as the parent. */
static int in_subtree(void *self, xmlNodePtr node, xmlNodePtr parent)
{
    const struct subtree *subtree = self;
    bool element =
        node != NULL && node->type != XML_NAMESPACE_DECL && node->type != XML_ATTRIBUTE_NODE;
    for (const xmlNode *at = element ? node : parent; at != NULL; at = at->parent) {
        if (at == subtree->left_out)
            return 0;
        if (at == subtree->root)
            return 1;
    }
    return 0;
}

/* NULL-ended; #default means the default namespace, as libxml2 has it, too. */
static xmlChar **prefix_list(struct arena *arena, struct str prefixes)
{
    xmlChar **list = NULL;
    size_t len = 0, cap = 0;
    struct str one, rest = prefixes;
    if (str_is_empty(prefixes))
        return NULL;
    while (!str_is_empty(rest)) {
        str_cut(str_trim(rest), ' ', &one, &rest);
        char *copy = arena_alloc(arena, one.len + 1);
        memcpy(copy, one.ptr, one.len);
        VEC_PUSH(arena, list, len, cap, (xmlChar *)copy);
    }
    VEC_PUSH(arena, list, len, cap, NULL);
    return list;
}

struct str xml_canonical(const struct xml *xml, struct arena *arena, xmlNodePtr element,
                         const xmlNode *left_out, struct str prefixes)
{
    struct subtree subtree = {element, left_out};
    struct str out = {0};
    xmlBufferPtr buffer = xml->buffer();
    xmlOutputBufferPtr output = buffer == NULL ? NULL : xml->output(buffer, NULL);
    if (output != NULL) {
        int done = xml->canonical(element->doc, in_subtree, &subtree, XML_C14N_EXCLUSIVE_1_0,
                                  prefix_list(arena, prefixes), 0, output);
        int closed = xml->output_close(output);
        if (done >= 0 && closed >= 0)
            out = str_copy(arena, str_make((const char *)xml->buffer_content(buffer),
                                           (size_t)xml->buffer_length(buffer)));
    }
    if (buffer != NULL)
        xml->buffer_free(buffer);
    return out;
}
