/* Configurations of which a bucket may have many, each with an id: analytics, inventory, metrics,
 * Intelligent-Tiering. */
#ifndef KUMONIWA_SERVICES_S3_CONFIGS_H
#define KUMONIWA_SERVICES_S3_CONFIGS_H

#include "services/s3/settings.h"

/* Checks the id (as the request and as its body have it) and the limit of 1,000, then writes. */
RESULT configs_put(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                   struct str id, struct str body_id, const void *value);
/* Fails with NoSuchConfiguration. */
RESULT configs_get(struct call *call, const struct s3_bucket *bucket, enum s3_setting setting,
                   struct str id, void *value);
RESULT configs_delete(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                      struct str id);
/* A page of 100: `items` of the shape's structs. */
struct configs_page {
    void *items;
    size_t len;
    bool truncated;
    struct str next; /* absent: the last page */
};
RESULT configs_list(struct call *call, const struct s3_bucket *bucket, enum s3_setting setting,
                    uint16_t shape, struct str token, struct configs_page *page);

#endif
