/* Between the files that list. */
#ifndef KUMONIWA_SERVICES_S3_LIST_INT_H
#define KUMONIWA_SERVICES_S3_LIST_INT_H

#include "services/s3/s3_int.h"

/* Keys (table, bucket, S, ...) where S begins with prefix. */
struct key list_prefix(struct call *call, const struct s3_bucket *bucket, struct str table,
                       struct str prefix);
/* What sorts behind all of those: no key has the byte 0xff, they are UTF-8. */
struct str list_behind(struct call *call, const struct s3_bucket *bucket, struct str table,
                       struct str prefix);
/* The common prefix that the key is rolled up into: up to the first delimiter behind prefix; absent
 * when there is none. */
struct str list_common(struct str key, struct str prefix, struct str delimiter);
/* The object's key out of such a key; *rest stands behind it. */
bool list_key(struct call *call, struct str bytes, struct str *key, struct key_reader *rest);
RESULT list_limit(struct call *call, struct opt_int given, const char *name, size_t *limit);

#endif
