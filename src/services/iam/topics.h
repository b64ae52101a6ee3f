/* What the files of IAM's further topics share: devices, providers, certificates and keys. */
#ifndef KUMONIWA_SERVICES_IAM_TOPICS_H
#define KUMONIWA_SERVICES_IAM_TOPICS_H

#include "cloud/identity.h"
#include "services/iam/iam_int.h"

/* The named user or the caller, as a copy in the arena: what hangs on a user is under its id. */
RESULT topic_user(struct call *call, struct str name, struct iam_user *user);
/* How many keys (KIND, NAME, ...) there are. */
RESULT topic_count(struct call *call, const char *kind, struct str name, size_t *count);
/* "Active", "Inactive" */
static inline struct str topic_status(bool inactive)
{
    return inactive ? STR("Inactive") : STR("Active");
}
/* For identity_table: see cloud/identity.h. */
RESULT iam_check_mfa(struct call *call, struct str account, struct str user, struct str serial,
                     struct str code, enum identity_mfa *out);
RESULT iam_find_oidc(struct call *call, struct str account, struct str url,
                     struct identity_oidc *out, bool *found);
RESULT iam_find_saml(struct call *call, struct str provider_arn, struct identity_saml *out,
                     bool *found);
/* The ARN of a server certificate; *found false: there is none of the name. */
RESULT iam_server_certificate_arn(struct call *call, struct str name, struct str *arn, bool *found);

#endif
