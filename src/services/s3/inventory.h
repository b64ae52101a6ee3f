/* Inventories: "Cataloging and analyzing your data with S3 Inventory", Amazon S3 User Guide. */
#ifndef KUMONIWA_SERVICES_S3_INVENTORY_H
#define KUMONIWA_SERVICES_S3_INVENTORY_H

#include "services/s3/s3_int.h"

/* --- inventory_row.c: what a report says --- */

/* "Bucket, Key, Size": the manifest's fileSchema. */
struct str inventory_schema(struct arena *arena, const struct s3_InventoryConfiguration *what);
struct inventory_version {
    struct str key;
    const struct s3_object *object;
    bool latest;
};
RESULT inventory_row(struct call *call, const struct s3_bucket *bucket,
                     const struct s3_InventoryConfiguration *what,
                     const struct inventory_version *version, struct buf *out);
bool inventory_wants_versions(const struct s3_InventoryConfiguration *what);

/* --- inventory_run.c --- */

/* The job of a configuration that has just been written. */
RESULT inventory_start(struct call *call, const struct s3_bucket *bucket,
                       const struct s3_InventoryConfiguration *what);
/* What its reports leave; id absent: of all of the bucket's configurations. */
RESULT inventory_drop(struct call *call, int64_t bucket_id, struct str id);
/* "s3.inventory" */
RESULT inventory_deliver(struct call *call, const struct outbox_item *item);

#endif
