/* What the tests of the formats share: operations of real services by name, inputs and outputs as
 * JSON. */
#ifndef KUMONIWA_TEST_WIRE_CASE_H
#define KUMONIWA_TEST_WIRE_CASE_H

#include "base/arena.h"
#include "wire/wire.h"

/* Fails the test when the service has no such operation. */
struct wire_route case_route(const struct wire_model *model, enum wire_protocol protocol,
                             const char *operation);

/* The decoded input as JSON under the model's own names; absent: it was refused, see *failure. */
struct str case_input(struct arena *arena, const struct wire_route *route,
                      const struct wire_request *request, struct wire_failure *failure);

/* A reply made of an output given as JSON. */
struct wire_response case_output(struct arena *arena, const struct wire_route *route,
                                 struct str json);

struct str case_header(const struct wire_response *response, const char *name);

void case_assert_str(struct arena *arena, struct str got, const char *expected);

#endif
