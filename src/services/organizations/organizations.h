/* AWS Organizations. */
#ifndef KUMONIWA_SERVICES_ORGANIZATIONS_ORGANIZATIONS_H
#define KUMONIWA_SERVICES_ORGANIZATIONS_ORGANIZATIONS_H

#include "cloud/cloud.h"

extern const struct service_hooks organizations_hooks;

#endif
