/* Configurations of which a bucket may have many, each with an id: analytics, inventory, metrics,
 * Intelligent-Tiering. */
#ifndef KUMONIWA_SERVICES_S3_CONFIGS_H
#define KUMONIWA_SERVICES_S3_CONFIGS_H

#include "services/s3/settings.h"

/* Checks the id (as the request and as its body have it) and the limit of 1,000, then writes. */
RESULT configs_put(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                   struct str id, struct str body_id, const void *value);

#endif
