/* What requests say about encryption, and what becomes of it. "Specifying server-side encryption
 * with AWS KMS", "Using server-side encryption with customer-provided keys (SSE-C)", Amazon S3 User
 * Guide. AWS takes a customer's key over HTTPS alone; this endpoint is the machine's own, so plain
 * HTTP is taken too. */
#include "base/encode.h"
#include "base/rng.h"
#include "cloud/authorize.h"
#include "services/s3/crypt_int.h"
#include "services/s3/settings.h"
#include "wire/json_text.h"

#define FAIL_ARGUMENT(...) call_fail(call, WIRE_INVALID_PARAMETER_VALUE, __VA_ARGS__)

/* --- the bucket's default --- */

/* As of April 2026 a bucket takes no SSE-C until its owner says so ("Blocking or unblocking SSE-C
 * for a general purpose bucket"). */
bool crypt_blocks_customers(struct call *call, const struct s3_ServerSideEncryptionRule *rule)
{
    (void)call;
    if (rule == NULL || rule->BlockedEncryptionTypes == NULL)
        return true;
    const struct str_list *types = &rule->BlockedEncryptionTypes->EncryptionType;
    for (size_t i = 0; i < types->len; i++)
        if (str_eq(types->items[i], STR("SSE-C")))
            return true;
    return false;
}

RESULT crypt_rule(struct call *call, const struct s3_bucket *bucket,
                  const struct s3_ServerSideEncryptionRule **rule)
{
    struct s3_ServerSideEncryptionConfiguration *all =
        ARENA_NEW(call->arena, struct s3_ServerSideEncryptionConfiguration);
    bool found;
    *rule = NULL;
    TRY(setting_get(call, bucket, S3_SETTING_ENCRYPTION, (struct str){0}, all, &found));
    if (found && all->Rules.len > 0)
        *rule = &all->Rules.items[0];
    return RESULT_OK;
}

/* --- KMS keys --- */

/* The key aws/s3 serves whoever may use S3 in its account; others by IAM ("Permissions" of
 * "Using server-side encryption with AWS KMS keys"). Key policies come with KMS: until then a key
 * has the default one, which leaves it to the account's IAM policies. */
RESULT crypt_permit(struct call *call, const struct keys_key *key, const char *action)
{
    const struct authorize_ask ask = {
        .action = str_from_c(action),
        .resource = key->arn,
        .owner = key->account,
        .form = POLICY_FORM_RESOURCE,
    };
    if (call->cloud->iam == IAM_OFF || call->principal.kind == PRINCIPAL_SERVICE ||
        (key->of_service && str_eq(key->account, call->account)))
        return RESULT_OK;
    return authorize_ask(call, &ask);
}

/* By the name that a client gave it, or "alias/aws/s3"; may be used for that. */
static RESULT crypt_find_key(struct call *call, const struct s3_bucket *bucket, struct str name,
                             const char *action, struct keys_key *key)
{
    struct keys_problem problem = {0};
    struct str account = str_is_absent(call->account) ? bucket->account : call->account;
    if (call->principal.kind == PRINCIPAL_SERVICE)
        account = bucket->account;
    if (str_is_empty(name))
        name = STR("alias/aws/s3");
    enum result result = keys_find(call, account, bucket->region, name, key, &problem);
    if (result == RESULT_ERROR)
        return crypt_fail_key(call, &problem);
    TRY(result);
    return crypt_permit(call, key, action);
}

/* x-amz-server-side-encryption-context: base64 of a JSON object of strings. */
static RESULT read_context(struct call *call, struct str text, struct str_map *context)
{
    struct str json, name, raw, rest, value;
    size_t cap = 0;
    *context = (struct str_map){0};
    if (str_is_absent(text))
        return RESULT_OK;
    bool good = base64_decode(call->arena, str_trim(text), &json) && json_is_valid(json) &&
                json_kind_of(json) == JSON_OBJECT;
    rest = json;
    while (good && json_next_member(call->arena, &rest, &name, &raw)) {
        good = json_string(call->arena, raw, &value);
        if (context->len == cap) {
            cap = cap == 0 ? 8 : cap * 2;
            struct str_map_entry *more = ARENA_ARRAY(call->arena, cap, struct str_map_entry);
            if (context->len > 0)
                memcpy(more, context->items, context->len * sizeof *more);
            context->items = more;
        }
        context->items[context->len++] = (struct str_map_entry){name, value};
    }
    if (good)
        return RESULT_OK;
    return FAIL_ARGUMENT("The header 'x-amz-server-side-encryption-context' shall be "
                         "Base64-encoded UTF-8 string holding JSON which represents a "
                         "string-string map");
}

struct str crypt_shown_context(struct call *call, const struct s3_object *object)
{
    if (object->sealing == NULL || object->sealing->context.len == 0)
        return (struct str){0};
    const struct str_map *context = &object->sealing->context;
    struct buf json;
    buf_init(&json, call->arena, SIZE_MAX);
    for (size_t i = 0; i < context->len; i++) {
        buf_append_c(&json, i == 0 ? "{" : ",");
        wire_json_write_string(&json, context->items[i].key);
        buf_append_c(&json, ":");
        wire_json_write_string(&json, context->items[i].value);
    }
    buf_append_c(&json, "}");
    return s3_base64(call->arena, (const uint8_t *)json.ptr, json.len);
}

/* --- customers' keys --- */

static bool customer_is_there(const struct crypt_customer *customer)
{
    return !str_is_absent(customer->algorithm) || !str_is_absent(customer->key) ||
           !str_is_absent(customer->md5);
}

static RESULT customer_read(struct call *call, const struct crypt_customer *customer,
                            struct str *key)
{
    uint8_t md5[MD5_SIZE];
    struct str given;
    if (!str_is_empty(customer->algorithm) && !str_eq(customer->algorithm, STR("AES256")))
        return call_fail(call, S3_INVALID_ENCRYPTION_ALGORITHM,
                         "The Encryption request you specified is not valid. Supported value: "
                         "AES256.");
    if (str_is_empty(customer->algorithm))
        return FAIL_ARGUMENT("Requests specifying Server Side Encryption with Customer provided "
                             "keys must provide a valid encryption algorithm.");
    if (str_is_empty(customer->key))
        return FAIL_ARGUMENT("Requests specifying Server Side Encryption with Customer provided "
                             "keys must provide an appropriate secret key.");
    if (str_is_empty(customer->md5))
        return FAIL_ARGUMENT("Requests specifying Server Side Encryption with Customer provided "
                             "keys must provide the client calculated MD5 of the secret key.");
    if (!base64_decode(call->arena, str_trim(customer->key), key) || key->len != 32)
        return FAIL_ARGUMENT("The secret key was invalid for the specified algorithm.");
    digest_md5(*key, md5);
    if (!base64_decode(call->arena, str_trim(customer->md5), &given) || given.len != MD5_SIZE ||
        memcmp(given.ptr, md5, MD5_SIZE) != 0)
        return FAIL_ARGUMENT("The calculated MD5 hash of the key did not match the hash that was "
                             "provided.");
    return RESULT_OK;
}

static RESULT new_of_customer(struct call *call, const struct s3_bucket *bucket,
                              const struct crypt_customer *customer, struct crypt *crypt)
{
    enum { SALT = 16 };
    struct str key;
    const struct s3_ServerSideEncryptionRule *rule;
    uint8_t check[32], *salt = arena_alloc_raw(call->arena, SALT);
    TRY(customer_read(call, customer, &key));
    TRY(crypt_rule(call, bucket, &rule));
    if (crypt_blocks_customers(call, rule))
        return call_fail(call, WIRE_ACCESS_DENIED,
                         "Access Denied: server-side encryption with customer-provided keys "
                         "(SSE-C) is blocked for this bucket by its BlockedEncryptionTypes.");
    rng_bytes(salt, SALT);
    crypt->sealing = ARENA_NEW(call->arena, struct s3_sealing);
    crypt->sealing->algorithm = STR("SSE-C");
    crypt->sealing->salt = str_make((const char *)salt, SALT);
    crypt_of_customer(call, key, crypt->sealing->salt, "check", check);
    crypt->sealing->check = str_copy(call->arena, str_make((const char *)check, sizeof check));
    crypt_of_customer(call, key, crypt->sealing->salt, "key", crypt->key);
    return RESULT_OK;
}

static RESULT open_of_customer(struct call *call, const struct crypt_customer *customer,
                               struct crypt *crypt, bool *same)
{
    struct str key;
    uint8_t check[32];
    TRY(customer_read(call, customer, &key));
    crypt_of_customer(call, key, crypt->sealing->salt, "check", check);
    *same = crypt->sealing->check.len == sizeof check &&
            digest_equal((const uint8_t *)crypt->sealing->check.ptr, check, sizeof check);
    crypt_of_customer(call, key, crypt->sealing->salt, "key", crypt->key);
    return RESULT_OK;
}

/* --- what is written --- */

static RESULT wish_check(struct call *call, const struct crypt_wish *wish)
{
    bool kms = str_starts_with(wish->algorithm, STR("aws:kms"));
    if (customer_is_there(&wish->customer) && !str_is_absent(wish->algorithm))
        return FAIL_ARGUMENT("Server Side Encryption with Customer provided key is incompatible "
                             "with the encryption method specified");
    if (!str_is_absent(wish->algorithm) && !str_eq(wish->algorithm, STR("AES256")) &&
        !str_eq(wish->algorithm, STR("aws:kms")) && !str_eq(wish->algorithm, STR("aws:kms:dsse")))
        return s3_invalid_argument(call, "x-amz-server-side-encryption", wish->algorithm,
                                   "The encryption method specified is not supported");
    if (!str_is_absent(wish->kms_key) && !kms)
        return FAIL_ARGUMENT("Server Side Encryption with AWS KMS managed key requires HTTP header "
                             "x-amz-server-side-encryption : aws:kms");
    if (!str_is_absent(wish->context) && !kms)
        return FAIL_ARGUMENT("The header x-amz-server-side-encryption-context is only allowed with "
                             "x-amz-server-side-encryption : aws:kms");
    return RESULT_OK;
}

static RESULT new_of_kms(struct call *call, const struct s3_bucket *bucket, struct str key,
                         const struct crypt_wish *wish,
                         const struct s3_ServerSideEncryptionRule *rule, struct crypt *crypt)
{
    const struct s3_ServerSideEncryptionByDefault *by_default =
        rule == NULL ? NULL : rule->ApplyServerSideEncryptionByDefault;
    bool defaulted = by_default != NULL && str_is_absent(wish->algorithm);
    struct str algorithm = defaulted ? by_default->SSEAlgorithm : wish->algorithm;
    struct str name = defaulted ? by_default->KMSMasterKeyID : wish->kms_key;
    struct keys_key by;
    struct s3_sealing *sealing = ARENA_NEW(call->arena, struct s3_sealing);
    /* The key that is not named is the default's, if that is one of KMS. */
    if (str_is_absent(name) && by_default != NULL && str_eq(by_default->SSEAlgorithm, algorithm))
        name = by_default->KMSMasterKeyID;
    TRY(crypt_find_key(call, bucket, name, "kms:GenerateDataKey", &by));
    crypt->layers = str_eq(algorithm, STR("aws:kms:dsse")) ? 2 : 1;
    sealing->algorithm = algorithm;
    sealing->key_arn = by.arn;
    sealing->bucket_key = wish->bucket_key.set ? wish->bucket_key.value
                                               : rule != NULL && rule->BucketKeyEnabled.value;
    sealing->bucket_key = sealing->bucket_key && crypt->layers == 1; /* DSSE-KMS knows none */
    TRY(read_context(call, wish->context, &sealing->context));
    crypt->sealing = sealing;
    return crypt_make_kms(call, bucket, key, &by, crypt);
}

RESULT crypt_new(struct call *call, const struct s3_bucket *bucket, struct str key,
                 const struct crypt_wish *wish, struct crypt *out)
{
    const struct s3_ServerSideEncryptionRule *rule;
    *out = (struct crypt){.layers = 1};
    TRY(wish_check(call, wish));
    crypt_own_key(call, bucket, out->own);
    if (customer_is_there(&wish->customer))
        return new_of_customer(call, bucket, &wish->customer, out);
    TRY(crypt_rule(call, bucket, &rule));
    struct str algorithm = wish->algorithm;
    if (str_is_absent(algorithm) && rule != NULL &&
        rule->ApplyServerSideEncryptionByDefault != NULL)
        algorithm = rule->ApplyServerSideEncryptionByDefault->SSEAlgorithm;
    if (str_starts_with(algorithm, STR("aws:kms")))
        return new_of_kms(call, bucket, key, wish, rule, out);
    memcpy(out->key, out->own, sizeof out->key);
    return RESULT_OK;
}

/* --- what is read --- */

RESULT crypt_check(struct call *call, const struct s3_object *object,
                   const struct crypt_customer *customer)
{
    if (call->request != NULL &&
        !str_is_absent(wire_request_header(call->request, STR("x-amz-server-side-encryption"))) &&
        (str_eq(call->request->method, STR("GET")) || str_eq(call->request->method, STR("HEAD"))))
        return FAIL_ARGUMENT("x-amz-server-side-encryption header is not supported for this "
                             "operation.");
    bool given = customer_is_there(customer);
    if (given && !crypt_is_customers(object))
        return call_fail(call, WIRE_VALIDATION,
                         "The encryption parameters are not applicable to this object.");
    if (!given && crypt_is_customers(object))
        return call_fail(call, WIRE_VALIDATION,
                         "The object was stored using a form of Server Side Encryption. The "
                         "correct parameters must be provided to retrieve the object.");
    return RESULT_OK;
}

static RESULT open_own(struct call *call, const struct s3_bucket *bucket,
                       const struct s3_object *object, struct crypt *out)
{
    *out = (struct crypt){.layers = 1, .sealing = object->sealing};
    crypt_own_key(call, bucket, out->own);
    memcpy(out->key, out->own, sizeof out->key);
    if (object->sealing != NULL && str_eq(object->sealing->algorithm, STR("aws:kms:dsse")))
        out->layers = 2;
    return RESULT_OK;
}

RESULT crypt_open(struct call *call, const struct s3_bucket *bucket, struct str key,
                  const struct s3_object *object, const struct crypt_customer *customer,
                  struct crypt *out)
{
    bool same = true;
    TRY(crypt_check(call, object, customer));
    TRY(open_own(call, bucket, object, out));
    if (object->sealing == NULL)
        return RESULT_OK;
    if (!crypt_is_customers(object))
        return crypt_open_kms(call, bucket, key, out);
    TRY(open_of_customer(call, customer, out, &same));
    return same ? RESULT_OK : call_fail(call, WIRE_ACCESS_DENIED, "Access Denied");
}

RESULT crypt_open_upload(struct call *call, const struct s3_bucket *bucket, struct str key,
                         const struct s3_object *object, const struct crypt_customer *customer,
                         struct crypt *out)
{
    bool given = customer_is_there(customer), same = true;
    if (given && !crypt_is_customers(object))
        return call_fail(call, WIRE_VALIDATION,
                         "The multipart upload initiate did not request encryption. Please resend "
                         "the request without sending encryption parameters.");
    if (!given && crypt_is_customers(object))
        return call_fail(call, WIRE_VALIDATION,
                         "The multipart upload initiate requested encryption. Subsequent part "
                         "requests must include the appropriate encryption parameters.");
    TRY(open_own(call, bucket, object, out));
    if (object->sealing == NULL)
        return RESULT_OK;
    if (!given)
        return crypt_open_kms(call, bucket, key, out);
    TRY(open_of_customer(call, customer, out, &same));
    return same ? RESULT_OK
                : FAIL_ARGUMENT("The provided encryption parameters did not match the ones used "
                                "originally.");
}
