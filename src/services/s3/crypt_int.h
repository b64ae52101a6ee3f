/* Between crypt.c, crypt_headers.c and encryption.c. */
#ifndef KUMONIWA_SERVICES_S3_CRYPT_INT_H
#define KUMONIWA_SERVICES_S3_CRYPT_INT_H

#include "cloud/keys.h"
#include "services/s3/crypt.h"

/* --- crypt.c --- */

void crypt_own_key(struct call *call, const struct s3_bucket *bucket, uint8_t key[32]);
/* The object's key under a KMS key: crypt->sealing says how. */
RESULT crypt_make_kms(struct call *call, const struct s3_bucket *bucket, struct str key,
                      const struct keys_key *by, struct crypt *crypt);
RESULT crypt_open_kms(struct call *call, const struct s3_bucket *bucket, struct str key,
                      struct crypt *crypt);
void crypt_of_customer(struct call *call, struct str customers, struct str salt, const char *use,
                       uint8_t out[32]);
RESULT crypt_fail_key(struct call *call, const struct keys_problem *problem);

/* --- crypt_headers.c --- */

/* kms:GenerateDataKey, kms:Decrypt. */
RESULT crypt_permit(struct call *call, const struct keys_key *key, const char *action);
/* What a bucket that says nothing has. */
bool crypt_blocks_customers(struct call *call, const struct s3_ServerSideEncryptionRule *rule);
RESULT crypt_rule(struct call *call, const struct s3_bucket *bucket,
                  const struct s3_ServerSideEncryptionRule **rule);

#endif
