/* Between code.c and code_serve.c. */
#ifndef KUMONIWA_SERVICES_LAMBDA_CODE_INT_H
#define KUMONIWA_SERVICES_LAMBDA_CODE_INT_H

#include "cloud/call.h"

/* DATA/functions/KIND/ID */
struct str code_folder(struct arena *arena, const struct cloud *cloud, struct str kind,
                       struct str id);

#endif
