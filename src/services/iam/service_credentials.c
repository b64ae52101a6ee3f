/* Service-specific credentials ("Service-specific credentials for IAM users", IAM User Guide): user
 * name and password for CodeCommit and Keyspaces, a long-term API key for Bedrock. */
#include "base/encode.h"
#include "base/rng.h"
#include "base/vec.h"
#include "services/iam/topics.h"
#include "store/record.h"

enum { PER_SERVICE = 2, PASSWORD_LEN = 44, DAY_MS = 86400000 };

struct service {
    struct str name;
    bool api_key; /* an alias and a secret in place of user name and password; it may expire */
};
static const struct service services[] = {
    {STR_INIT("codecommit.amazonaws.com"), false},
    {STR_INIT("cassandra.amazonaws.com"), false},
    {STR_INIT("bedrock.amazonaws.com"), true},
};

static const struct service *service_of(struct str name)
{
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
        if (str_eq(services[i].name, name))
            return &services[i];
    return NULL;
}

static RESULT service_must(struct call *call, struct str name, const struct service **out)
{
    *out = service_of(name);
    if (*out == NULL)
        return call_fail(call, IAM_SERVICE_NOT_SUPPORTED, "No such service %.*s is supported.",
                         PRSTR(name));
    return RESULT_OK;
}

static struct key credential_key(struct call *call, struct str user_id, struct str id)
{
    struct key key = iam_key(call, "service-cred", user_id);
    if (!str_is_absent(id))
        key_str(&key, id);
    return key;
}

static RESULT credential_must(struct call *call, struct str user_name, struct str id,
                              struct iam_user *user, struct iam_service_credential *credential)
{
    bool found;
    TRY(topic_user(call, user_name, user));
    struct key key = credential_key(call, user->id, id);
    TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_service_credential, credential,
                             &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "The service specific credential with id %.*s cannot be found.",
                         PRSTR(id));
    return RESULT_OK;
}

static RESULT credential_put(struct call *call, const struct iam_user *user,
                             const struct iam_service_credential *credential)
{
    struct key key = credential_key(call, user->id, credential->id);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_service_credential, credential);
}

static struct str credential_status(const struct call *call,
                                    const struct iam_service_credential *credential)
{
    if (credential->expires_ms != 0 && credential->expires_ms <= call->now_ms)
        return STR("Expired");
    return topic_status(credential->inactive);
}

/* The secret is shown when it is made, and never again: nothing here asks for it, so that it is not
 * kept. */
static struct iam_ServiceSpecificCredential *
credential_shown(struct call *call, const struct iam_user *user,
                 const struct iam_service_credential *credential, struct str secret)
{
    const struct service *service = service_of(credential->service);
    bool api_key = service != NULL && service->api_key;
    struct iam_ServiceSpecificCredential *shown =
        ARENA_NEW(call->arena, struct iam_ServiceSpecificCredential);
    *shown = (struct iam_ServiceSpecificCredential){
        .CreateDate = opt_time(credential->created_ms),
        .ExpirationDate = iam_time(credential->expires_ms),
        .ServiceName = credential->service,
        .ServiceSpecificCredentialId = credential->id,
        .UserName = user->name,
        .Status = credential_status(call, credential),
    };
    if (api_key) {
        shown->ServiceCredentialAlias = credential->login;
        shown->ServiceCredentialSecret = secret;
    } else {
        shown->ServiceUserName = credential->login;
        shown->ServicePassword = secret;
    }
    return shown;
}

static struct str new_secret(struct call *call)
{
    return rng_text(call->arena,
                    STR("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
                    PASSWORD_LEN);
}

/* How many there are for the service; whether the login name is taken. */
static RESULT credential_count(struct call *call, const struct iam_user *user, struct str service,
                               struct str login, size_t *count, bool *taken)
{
    struct key prefix = credential_key(call, user->id, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    *count = 0;
    *taken = false;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (;;) {
        struct iam_service_credential credential;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_service_credential, value,
                          &credential));
        if (!str_eq(credential.service, service))
            continue;
        *count += 1;
        *taken = *taken || str_eq(credential.login, login);
    }
}

/* "alice-at-111122223333", the second "alice+1-at-111122223333". */
static struct str credential_login(struct call *call, const struct iam_user *user, bool second)
{
    return str_format(call->arena, "%.*s%s-at-%.*s", PRSTR(user->name), second ? "+1" : "",
                      PRSTR(call->account));
}

RESULT
iam_CreateServiceSpecificCredential(struct call *call,
                                    const struct iam_CreateServiceSpecificCredentialRequest *in,
                                    struct iam_CreateServiceSpecificCredentialResponse *out)
{
    struct iam_user user;
    const struct service *service;
    size_t count;
    bool taken;
    TRY(topic_user(call, in->UserName, &user));
    TRY(service_must(call, in->ServiceName, &service));
    if (in->CredentialAgeDays.set && !service->api_key)
        return call_fail(call, IAM_VALIDATION,
                         "CredentialAgeDays is not supported for the service %.*s.",
                         PRSTR(in->ServiceName));
    TRY(credential_count(call, &user, in->ServiceName, credential_login(call, &user, false), &count,
                         &taken));
    if (count >= PER_SERVICE)
        return iam_quota(call, "ServiceSpecificCredentialsPerUser", PER_SERVICE);
    struct iam_service_credential credential = {
        .id = iam_new_id(call, STR("ACCA")),
        .service = in->ServiceName,
        .login = credential_login(call, &user, taken),
        .created_ms = call->now_ms,
    };
    if (in->CredentialAgeDays.set)
        credential.expires_ms = call->now_ms + (int64_t)in->CredentialAgeDays.value * DAY_MS;
    out->ServiceSpecificCredential = credential_shown(call, &user, &credential, new_secret(call));
    return credential_put(call, &user, &credential);
}

RESULT
iam_ResetServiceSpecificCredential(struct call *call,
                                   const struct iam_ResetServiceSpecificCredentialRequest *in,
                                   struct iam_ResetServiceSpecificCredentialResponse *out)
{
    struct iam_user user;
    struct iam_service_credential credential;
    TRY(credential_must(call, in->UserName, in->ServiceSpecificCredentialId, &user, &credential));
    out->ServiceSpecificCredential = credential_shown(call, &user, &credential, new_secret(call));
    return credential_put(call, &user, &credential);
}

RESULT
iam_UpdateServiceSpecificCredential(struct call *call,
                                    const struct iam_UpdateServiceSpecificCredentialRequest *in,
                                    struct iam_UpdateServiceSpecificCredentialResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_service_credential credential;
    TRY(credential_must(call, in->UserName, in->ServiceSpecificCredentialId, &user, &credential));
    credential.inactive = !str_eq(in->Status, STR("Active"));
    return credential_put(call, &user, &credential);
}

RESULT
iam_DeleteServiceSpecificCredential(struct call *call,
                                    const struct iam_DeleteServiceSpecificCredentialRequest *in,
                                    struct iam_DeleteServiceSpecificCredentialResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_service_credential credential;
    TRY(credential_must(call, in->UserName, in->ServiceSpecificCredentialId, &user, &credential));
    struct key key = credential_key(call, user.id, credential.id);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* --- lists --- */

/* Whose a credential is, by its key: (..., "service-cred", USER-ID in lower case, ID). */
static RESULT credential_owner(struct call *call, struct str key, struct iam_user *user,
                               bool *found)
{
    struct key_reader reader = key_read(call->arena, key);
    struct str part = {0}, id = {0};
    for (size_t i = 0; i < 4 && key_next_str(&reader, &part); i++)
        id = part;
    struct buf upper;
    buf_init(&upper, call->arena, 256);
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        buf_append_char(&upper, c >= 'a' && c <= 'z' ? (char)(c - 32) : c);
    }
    return iam_user_by_id(call, buf_str(&upper), user, found);
}

RESULT
iam_ListServiceSpecificCredentials(struct call *call,
                                   const struct iam_ListServiceSpecificCredentialsRequest *in,
                                   struct iam_ListServiceSpecificCredentialsResponse *out)
{
    struct iam_user user;
    const struct service *service;
    struct iam_pages pages;
    struct str key, value;
    bool all = in->AllUsers.set && in->AllUsers.value, found = true;
    if (!str_is_absent(in->ServiceName))
        TRY(service_must(call, in->ServiceName, &service));
    if (!all)
        TRY(topic_user(call, in->UserName, &user));
    struct key prefix = all ? iam_key(call, "service-cred", (struct str){0})
                            : credential_key(call, user.id, (struct str){0});
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->ServiceSpecificCredentials.items =
        ARENA_NEW(call->arena, struct iam_ServiceSpecificCredentialMetadata);
    for (size_t cap = 1;;) {
        struct iam_service_credential credential;
        TRY(iam_pages_next_key(&pages, out->ServiceSpecificCredentials.len, &key, &value));
        if (str_is_absent(key))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_service_credential, value,
                          &credential));
        if (all)
            TRY(credential_owner(call, key, &user, &found));
        if (!found ||
            (!str_is_absent(in->ServiceName) && !str_eq(in->ServiceName, credential.service)))
            continue;
        const struct iam_ServiceSpecificCredential *whole =
            credential_shown(call, &user, &credential, (struct str){0});
        struct iam_ServiceSpecificCredentialMetadata shown = {
            .UserName = whole->UserName,
            .Status = whole->Status,
            .ServiceUserName = whole->ServiceUserName,
            .ServiceCredentialAlias = whole->ServiceCredentialAlias,
            .CreateDate = whole->CreateDate,
            .ExpirationDate = whole->ExpirationDate,
            .ServiceSpecificCredentialId = whole->ServiceSpecificCredentialId,
            .ServiceName = whole->ServiceName,
        };
        VEC_PUSH(call->arena, out->ServiceSpecificCredentials.items,
                 out->ServiceSpecificCredentials.len, cap, shown);
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}
