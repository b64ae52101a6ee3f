/* What is used of libxml2, loaded when it is wanted. */
#ifndef KUMONIWA_AUTH_SAML_XML_H
#define KUMONIWA_AUTH_SAML_XML_H

#include <libxml/c14n.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

#include "base/arena.h"
#include "base/str.h"

struct xml {
    xmlDocPtr (*read)(const char *bytes, int size, const char *url, const char *encoding,
                      int options);
    void (*free_doc)(xmlDocPtr doc);
    xmlNodePtr (*root)(const xmlDoc *doc);
    xmlChar *(*attribute)(const xmlNode *node, const xmlChar *name);
    xmlChar *(*content)(const xmlNode *node);
    int (*canonical)(xmlDocPtr doc, xmlC14NIsVisibleCallback visible, void *self, int mode,
                     xmlChar **inclusive, int comments, xmlOutputBufferPtr out);
    xmlBufferPtr (*buffer)(void);
    void (*buffer_free)(xmlBufferPtr buffer);
    xmlOutputBufferPtr (*output)(xmlBufferPtr buffer, xmlCharEncodingHandlerPtr encoder);
    int (*output_close)(xmlOutputBufferPtr out);
    const xmlChar *(*buffer_content)(const xmlBuffer *buffer);
    int (*buffer_length)(const xmlBuffer *buffer);
    void (*free)(void *memory);
};

/* False: the library is not there. The library itself is loaded once. */
bool xml_load(struct xml *xml);
/* NULL: not well-formed, too large, or with a DOCTYPE. Never reads another file. */
xmlDocPtr xml_parse(const struct xml *xml, struct str text);

/* Elements by local name and namespace; NULL: none. */
bool xml_is(const xmlNode *node, const char *space, const char *name);
xmlNodePtr xml_child(const xmlNode *node, const char *space, const char *name);
xmlNodePtr xml_next(const xmlNode *node, const char *space, const char *name);
/* Absent: there is none. In the arena. */
struct str xml_attribute(const struct xml *xml, struct arena *arena, const xmlNode *node,
                         const char *name);
struct str xml_text(const struct xml *xml, struct arena *arena, const xmlNode *node);

/* The exclusive canonical form of the element, without `left_out` (NULL: whole) and without
 * comments; `prefixes`: of InclusiveNamespaces, apart by blanks; may be absent. Absent: failed. */
struct str xml_canonical(const struct xml *xml, struct arena *arena, xmlNodePtr element,
                         const xmlNode *left_out, struct str prefixes);

#endif
