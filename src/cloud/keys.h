/* The keys that data is sealed with, for all services: what AWS KMS keeps. A key has an account, a
 * region and 32 bytes that never leave this file; what is sealed names its key and opens only with
 * the encryption context that it was sealed with. ("AWS KMS concepts", AWS KMS Developer Guide.)
 *
 *   ("keys", account, region, "key", id)       cloud.records: master_key
 *   ("keys", account, region, "alias", name)   id
 *
 * The root key, under which their bytes stand, is ("cloud", "root-key"), in a box under the data
 * directory's secret. The operations of KMS will stand on this file. */
#ifndef KUMONIWA_CLOUD_KEYS_H
#define KUMONIWA_CLOUD_KEYS_H

#include "cloud/call.h"

enum { KEYS_DATA = 32 };

/* At the start of the cloud: reads the root key, or makes it; RESULT_RESTART in a transaction that
 * does not write. */
RESULT keys_open_root(struct cloud *cloud, struct kv_txn *txn, struct arena *arena);

struct keys_key {
    struct str id, arn, account, region;
    bool of_service; /* AWS's own: whoever may use the service may use it */
    uint8_t material[KEYS_DATA];
};

/* Why there is no such key; the names are KMS's exceptions. message is for the client. */
enum keys_fault { KEYS_FINE, KEYS_NOT_FOUND, KEYS_DISABLED, KEYS_INVALID_CIPHERTEXT };
struct keys_problem {
    enum keys_fault fault;
    struct str message;
};

/* By id, ARN, alias ("alias/NAME") or an alias's ARN. An id or alias is one of the account and
 * region given; an ARN may be of another account, but of this region. RESULT_ERROR: *problem says
 * why. "alias/aws/SERVICE" is made when it is first asked for, which writes. */
RESULT keys_find(struct call *call, struct str account, struct str region, struct str name,
                 struct keys_key *key, struct keys_problem *problem);
/* A new key of a customer. */
RESULT keys_create(struct call *call, struct str account, struct str region, struct keys_key *key);
/* RESULT_ERROR when there is none. */
RESULT keys_set_disabled(struct call *call, const struct keys_key *key, bool disabled);

/* In the arena. */
struct str keys_seal(struct call *call, const struct keys_key *key, const struct str_map *context,
                     struct str secret);
/* Opens what keys_seal() made; *key is the one that it names. RESULT_ERROR: *problem. */
RESULT keys_open(struct call *call, struct str sealed, const struct str_map *context,
                 struct str *secret, struct keys_key *key, struct keys_problem *problem);
/* A data key, drawn at random, and itself sealed. */
void keys_generate(struct call *call, const struct keys_key *key, const struct str_map *context,
                   uint8_t data_key[KEYS_DATA], struct str *sealed);

/* A secret of a service's own under the root key, for what it seals in its own name. */
void keys_derive(const struct cloud *cloud, struct str purpose, uint8_t out[KEYS_DATA]);

#endif
