/* Between the files of layers. */
#ifndef KUMONIWA_SERVICES_LAMBDA_LAYERS_H
#define KUMONIWA_SERVICES_LAMBDA_LAYERS_H

#include "services/lambda/lambda_int.h"

/* ("lambda", account, region, kind, NAME) */
struct key layer_key(struct call *call, const struct layer_name *name, struct str kind);
struct key layer_version_key(struct call *call, const struct layer_name *name);
RESULT layer_version_put(struct call *call, const struct layer_name *name,
                         const struct lambda_layer_version *version);
/* A name or ARN with a number, or the ARN of a version and 0. ResourceNotFoundException. */
RESULT layer_version_find(struct call *call, struct str text, int64_t number,
                          struct layer_name *name, struct lambda_layer_version *version);
RESULT layer_number_check(struct call *call, int64_t number);

#endif
