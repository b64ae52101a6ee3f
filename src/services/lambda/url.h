/* Function URLs: what the server asks. */
#ifndef KUMONIWA_SERVICES_LAMBDA_URL_H
#define KUMONIWA_SERVICES_LAMBDA_URL_H

#include "base/str.h"

/* struct service_hooks */
struct str lambda_place_of_host(struct arena *arena, struct str host);

#endif
