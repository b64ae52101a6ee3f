/* Between blob_dir.c and blob_seal.c: a sealed blob is written chunk by chunk. */
#ifndef KUMONIWA_STORE_BLOB_SEAL_H
#define KUMONIWA_STORE_BLOB_SEAL_H

#include "store/blob.h"

struct blob_seal;
struct blob_seal *blob_seal_new(const struct blob_key *key);
void blob_seal_free(struct blob_seal *seal); /* NULL is fine */
RESULT blob_seal_append(struct blob_seal *seal, struct str bytes,
                        RESULT (*write)(void *context, struct str bytes), void *context);
/* The last chunk, which may be short. */
RESULT blob_seal_end(struct blob_seal *seal, RESULT (*write)(void *context, struct str bytes),
                     void *context);

#endif
