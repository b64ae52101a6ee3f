/* Between the files of the REST bindings. */
#ifndef KUMONIWA_WIRE_REST_INT_H
#define KUMONIWA_WIRE_REST_INT_H

#include "wire/wire_int.h"

/* Walks a path along an operation's template (without query string) and calls label, unless it is
 * NULL, with the name and the still encoded value of each label; label may refuse. *literals (or
 * NULL): the more, the more literal the template. False: the path is another one. */
bool wire_rest_walk(struct str template, struct str path,
                    bool (*label)(void *context, struct str name, struct str value), void *context,
                    unsigned *literals);

/* Whether any member is bound to the body. */
bool wire_rest_has_body(const struct wire_model *model, uint16_t shape);

/* The member that is the payload, or NULL. */
const struct wire_member *wire_rest_payload(const struct wire_model *model, uint16_t shape);

#endif
