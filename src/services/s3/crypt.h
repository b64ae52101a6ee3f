/* Encryption at rest. "Protecting data with server-side encryption", Amazon S3 User Guide.
 *
 * Every object's bytes are sealed with a data key of their own, made as they arrive: a blob's by
 * chunks (store/blob.h), those that stand in a record as one message. The data key stands beside
 * them, in a box under the object's key, and what the object's key is tells the kinds apart:
 *
 *   SSE-S3     S3's own key for the bucket, from the cloud's root key: nothing is kept
 *   SSE-KMS    drawn at random, kept sealed by the KMS key with the encryption context, or by the
 *              bucket's key, which the KMS key seals
 *   DSSE-KMS   the same; the bytes have two layers, the data keys a box under S3's own key outside
 *   SSE-C      from the customer's key and a salt; kept is only what tells whether a key is it
 *
 * So a copy, or another kind of encryption, moves no bytes: the data keys go from one box into
 * another. Only a second layer must be written.
 *
 * In memory a piece is *open* (sealed_key is the data key itself, 32 or 64 bytes; bytes are plain,
 * without one) or *sealed*, as it is in records. */
#ifndef KUMONIWA_SERVICES_S3_CRYPT_H
#define KUMONIWA_SERVICES_S3_CRYPT_H

#include "services/s3/s3_int.h"

struct crypt_customer {
    struct str algorithm, key, md5; /* as the headers have them */
};
/* What the headers of a request that writes ask for. */
struct crypt_wish {
    struct str algorithm, kms_key, context;
    struct opt_bool bucket_key;
    struct crypt_customer customer;
};
#define CRYPT_CUSTOMER(in)                                                                         \
    ((struct crypt_customer){(in)->SSECustomerAlgorithm, (in)->SSECustomerKey,                     \
                             (in)->SSECustomerKeyMD5})
#define CRYPT_CUSTOMER_OF_SOURCE(in)                                                               \
    ((struct crypt_customer){(in)->CopySourceSSECustomerAlgorithm, (in)->CopySourceSSECustomerKey, \
                             (in)->CopySourceSSECustomerKeyMD5})
#define CRYPT_WISH(in)                                                                             \
    ((struct crypt_wish){(in)->ServerSideEncryption, (in)->SSEKMSKeyId,                            \
                         (in)->SSEKMSEncryptionContext, (in)->BucketKeyEnabled,                    \
                         CRYPT_CUSTOMER(in)})

/* An object's key, opened for one call. */
struct crypt {
    struct s3_sealing *sealing; /* NULL: SSE-S3 */
    uint8_t key[32];
    uint8_t own[32]; /* S3's for the bucket: the same, or the outer one of two layers */
    unsigned layers;
};

/* For what is written: the kind that the request asks for, or the bucket's default; its key. Fails
 * as S3 does: contradictions, keys that there are not, kinds that the bucket blocks. */
RESULT crypt_new(struct call *call, const struct s3_bucket *bucket, struct str key,
                 const struct crypt_wish *wish, struct crypt *out);
/* For what is read, and for the parts of an upload: the object's key. */
RESULT crypt_open(struct call *call, const struct s3_bucket *bucket, struct str key,
                  const struct s3_object *object, const struct crypt_customer *customer,
                  struct crypt *out);
/* The same for UploadPart, whose refusals differ; it has no customer's key to say twice. */
RESULT crypt_open_upload(struct call *call, const struct s3_bucket *bucket, struct str key,
                         const struct s3_object *object, const struct crypt_customer *customer,
                         struct crypt *out);
/* Only whether the headers fit the object: HEAD of what is not read. */
RESULT crypt_check(struct call *call, const struct s3_object *object,
                   const struct crypt_customer *customer);

/* Open pieces become sealed ones, and back; pieces from before S3 sealed stay what they are. */
RESULT crypt_seal(struct call *call, const struct crypt *crypt, struct s3_manifest *manifest);
RESULT crypt_unseal(struct call *call, const struct crypt *crypt, struct s3_manifest *manifest);
/* The data key of an open piece; without layers when it has none. */
struct blob_key crypt_blob_key(const struct s3_piece *piece);
/* Whether an open piece's blob lacks the second layer that this key wants. */
bool crypt_wants_layer(const struct crypt *crypt, const struct s3_manifest *manifest);
/* The object is sealed so. */
void crypt_note(const struct crypt *crypt, struct s3_object *object);
/* ETags of these are no MD5 ("Checking object integrity", ETag). */
bool crypt_hides_md5(const struct crypt *crypt);
struct str crypt_etag(struct call *call, const struct crypt *crypt, const uint8_t md5[MD5_SIZE]);

/* The bucket's keys go with it. */
RESULT crypt_drop_bucket(struct call *call, const struct s3_bucket *bucket);

/* --- replies --- */

struct str crypt_shown_context(struct call *call, const struct s3_object *object);
bool crypt_is_customers(const struct s3_object *object);
struct str crypt_shown_algorithm(const struct s3_object *object);
#define CRYPT_SHOW(out, o, customer)                                                               \
    do {                                                                                           \
        const struct s3_sealing *sealing_ = (o)->sealing;                                          \
        (out)->ServerSideEncryption = crypt_shown_algorithm(o);                                    \
        if (crypt_is_customers(o)) {                                                               \
            (out)->SSECustomerAlgorithm = (customer).algorithm;                                    \
            (out)->SSECustomerKeyMD5 = (customer).md5;                                             \
        } else if (sealing_ != NULL) {                                                             \
            (out)->SSEKMSKeyId = sealing_->key_arn;                                                \
            if (sealing_->bucket_key)                                                              \
                (out)->BucketKeyEnabled = opt_bool(true);                                          \
        }                                                                                          \
    } while (0)

#endif
