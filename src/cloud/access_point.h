/* What S3 Control keeps and S3 obeys: access points, and the block public access settings of whole
 * accounts. ("Managing access with access points", Amazon S3 User Guide.) */
#ifndef KUMONIWA_CLOUD_ACCESS_POINT_H
#define KUMONIWA_CLOUD_ACCESS_POINT_H

#include "cloud/call.h"
#include "gen/cloud.h"

struct access_point {
    struct str name, account;
    struct str region; /* empty: a multi-region one, whose name is its alias */
    struct str bucket, bucket_account;
    struct str alias; /* NAME-...-s3alias: stands for the bucket's name in requests */
    struct str vpc;   /* absent: from the Internet too */
    struct str policy;
    int64_t public_access; /* the bits of S3's enum public_access */
    int64_t created_ms;
    struct str_map tags;
};

/* Strings in the arena. */
RESULT access_point_find(struct call *call, struct str account, struct str region, struct str name,
                         struct access_point *out, bool *found);
RESULT access_point_find_alias(struct call *call, struct str alias, struct access_point *out,
                               bool *found);
RESULT access_point_put(struct call *call, const struct access_point *point);
RESULT access_point_delete(struct call *call, const struct access_point *point);
/* The prefix of the keys of an account's in a region; their last element is the name. */
struct key access_point_prefix(struct call *call, struct str account, struct str region);
struct str access_point_arn(struct call *call, const struct access_point *point);

/* --- multi-region access points, as S3 reaches buckets through them --- */

struct cloud_multi_region_point; /* gen/cloud.h */
RESULT multi_region_put(struct call *call, const struct cloud_multi_region_point *point);
RESULT multi_region_delete(struct call *call, struct str alias);
/* With the bucket that requests go to: the first of an active region, which is as near as any to
 * whoever asks this machine ("Multi-Region Access Point request routing"). */
RESULT multi_region_find(struct call *call, struct str alias, struct access_point *out,
                         bool *found);

/* --- accounts --- */

/* 0: there is no configuration. */
RESULT account_public_access(struct call *call, struct str account, int64_t *bits);
RESULT account_set_public_access(struct call *call, struct str account, int64_t bits);

#endif
