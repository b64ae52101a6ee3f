/* What is configured at a bucket beyond its own record: one record for each kind of setting, in the
 * shape that its operation has in S3's model. Which kinds a bucket has stands as bits in its
 * record, so that a request asks for nothing that is not there. */
#ifndef KUMONIWA_SERVICES_S3_SETTINGS_H
#define KUMONIWA_SERVICES_S3_SETTINGS_H

#include "services/s3/s3_int.h"

/* The numbers are bits in stored records: they stay. */
enum s3_setting {
    S3_SETTING_POLICY = 0,
    S3_SETTING_ACL = 1,
    S3_SETTING_OWNERSHIP = 2,
    S3_SETTING_PUBLIC_ACCESS = 3,
    S3_SETTING_CORS = 4,
    S3_SETTING_WEBSITE = 5,
    S3_SETTING_REQUEST_PAYMENT = 6,
    S3_SETTING_ACCELERATE = 7,
    S3_SETTING_ENCRYPTION = 8,
    S3_SETTING_OBJECT_LOCK = 9,
    S3_SETTING_LIFECYCLE = 10,
    S3_SETTING_REPLICATION = 11,
    S3_SETTING_NOTIFICATION = 12,
    S3_SETTING_LOGGING = 13,
    /* Several of a kind, each with an id. */
    S3_SETTING_ANALYTICS = 14,
    S3_SETTING_INVENTORY = 15,
    S3_SETTING_METRICS = 16,
    S3_SETTING_TIERING = 17,
};
enum { S3_SETTINGS = 18 };

bool setting_is_there(const struct s3_bucket *bucket, enum s3_setting setting);
/* Writes the bucket's record too, when the kind is new to it. id: absent where there is one only.
 */
RESULT setting_put(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                   struct str id, const void *value);
/* Into the setting's struct; strings in the arena. */
RESULT setting_get(struct call *call, const struct s3_bucket *bucket, enum s3_setting setting,
                   struct str id, void *value, bool *found);
RESULT setting_delete(struct call *call, struct s3_bucket *bucket, enum s3_setting setting,
                      struct str id, bool *existed);
/* The prefix of all of a kind; the last element of their keys is the id. */
struct key setting_prefix(struct call *call, const struct s3_bucket *bucket,
                          enum s3_setting setting);
/* With the bucket. */
RESULT settings_drop(struct call *call, const struct s3_bucket *bucket);

#endif
