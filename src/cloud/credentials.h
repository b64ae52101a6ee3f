/* Who an access key is. Keys that this cloud issued are records ("credentials", ACCESS-KEY); any
 * other key is, unless
 * --auth=strict, the root user of an account: twelve digits name it, everything else is
 * 000000000000. */
#ifndef KUMONIWA_CLOUD_CREDENTIALS_H
#define KUMONIWA_CLOUD_CREDENTIALS_H

#include "cloud/call.h"

struct credentials {
    struct principal principal;
    struct str secret;        /* absent: not issued here, nothing to verify with */
    struct str session_token; /* that must come along; absent: long-term */
    int64_t expires_ms;       /* 0: never */
    bool active;
};

/* *found false: unknown under --auth=strict. Strings in the arena. */
RESULT credentials_find(struct cloud *cloud, struct kv_txn *txn, struct arena *arena,
                        struct str access_key, struct credentials *out, bool *found);

/* Issues a long-term key for a principal (user name absent: the account's root). */
RESULT credentials_issue(struct cloud *cloud, struct kv_txn *txn, struct arena *arena,
                         struct str account, struct str user_name, struct credentials *out);
/* The same for a user that IAM keeps: its path and id come along. */
struct credentials_owner {
    struct str account, name, path, id;
};
RESULT credentials_issue_for(struct cloud *cloud, struct kv_txn *txn, struct arena *arena,
                             const struct credentials_owner *owner, struct credentials *out);
/* *found false: never issued. */
RESULT credentials_set_active(struct kv_txn *txn, struct arena *arena, struct str access_key,
                              bool active, bool *found);
/* The owner was renamed or moved: its name and path in the key's record. Not issued: nothing. */
RESULT credentials_set_owner(struct kv_txn *txn, struct arena *arena, struct str access_key,
                             const struct credentials_owner *owner);
RESULT credentials_revoke(struct cloud *cloud, struct kv_txn *txn, struct str access_key,
                          bool *existed);

#endif
