/* Amazon Resource Names: arn:partition:service:region:account:resource. */
#ifndef KUMONIWA_CLOUD_ARN_H
#define KUMONIWA_CLOUD_ARN_H

#include "base/str.h"

struct arn {
    struct str partition, service, region, account,
        resource; /* borrowed; region, account may be empty */
};

bool arn_parse(struct str text, struct arn *out);
struct str arn_make(struct arena *arena, struct str service, struct str region, struct str account,
                    struct str resource);
/* The account's canonical user id: 64 hexadecimal digits, the same for ever. */
struct str account_canonical_id(struct arena *arena, struct str account);
bool arn_is_account(struct str account); /* twelve digits */
/* Of what names of users, roles and sessions are made ("IAM and AWS STS quotas, name requirements,
 * and character limits"): letters, digits and +=,.@_- */
bool arn_is_name(struct str name);
bool arn_is_region(struct str region); /* of the form of AWS's: aa-word(-word)-N */

#endif
