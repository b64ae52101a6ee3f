#include "services/iam/topics.h"

RESULT topic_user(struct call *call, struct str name, struct iam_user *user)
{
    TRY(iam_user_or_caller(call, name, user));
    user->name = str_copy(call->arena, user->name);
    user->id = str_copy(call->arena, user->id);
    user->path = str_is_absent(user->path) ? STR("/") : str_copy(call->arena, user->path);
    return RESULT_OK;
}

RESULT topic_count(struct call *call, const char *kind, struct str name, size_t *count)
{
    struct key prefix = iam_key(call, kind, name);
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    for (*count = 0;; ++*count) {
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
    }
}

RESULT iam_user_holds(struct call *call, const struct iam_user *user, struct str *message)
{
    static const struct {
        const char *kind;
        struct str what;
    } held[] = {
        {"user-mfa", STR_INIT("Cannot delete entity, must delete MFA device first.")},
        {"signing-cert", STR_INIT("Cannot delete entity, must delete certificates first.")},
        {"ssh-key", STR_INIT("Cannot delete entity, must remove referenced objects first.")},
        {"service-cred", STR_INIT("Cannot delete entity, must remove referenced objects first.")},
    };
    *message = (struct str){0};
    for (size_t i = 0; i < sizeof held / sizeof held[0]; i++) {
        bool any;
        TRY(iam_has_any(call, held[i].kind, user->id, &any));
        if (any) {
            *message = held[i].what;
            return RESULT_OK;
        }
    }
    return RESULT_OK;
}

RESULT iam_topic_count(struct call *call, struct iam_topic_counts *out)
{
    size_t devices, used, oidc, saml, certificates;
    TRY(topic_count(call, "mfa", (struct str){0}, &devices));
    TRY(topic_count(call, "user-mfa", (struct str){0}, &used));
    TRY(topic_count(call, "oidc", (struct str){0}, &oidc));
    TRY(topic_count(call, "saml", (struct str){0}, &saml));
    TRY(topic_count(call, "server-cert", (struct str){0}, &certificates));
    *out = (struct iam_topic_counts){
        .mfa_devices = (int64_t)devices,
        .mfa_in_use = (int64_t)used,
        .providers = (int64_t)(oidc + saml),
        .server_certificates = (int64_t)certificates,
    };
    return RESULT_OK;
}

RESULT iam_topic_resource(struct call *call, const void *in, struct str *resource_arn)
{
    struct str name, path = {0};
    bool found = false;
    switch (call->operation) {
    case IAM_OP_UploadServerCertificate: {
        const struct iam_UploadServerCertificateRequest *request = in;
        name = request->ServerCertificateName;
        path = request->Path;
        break;
    }
    case IAM_OP_GetServerCertificate:
    case IAM_OP_DeleteServerCertificate:
    case IAM_OP_UpdateServerCertificate:
    case IAM_OP_TagServerCertificate:
    case IAM_OP_UntagServerCertificate:
    case IAM_OP_ListServerCertificateTags:
        name = *(const struct str *)in; /* all begin with it */
        TRY(iam_server_certificate_arn(call, name, resource_arn, &found));
        break;
    case IAM_OP_CreateVirtualMFADevice: {
        const struct iam_CreateVirtualMFADeviceRequest *request = in;
        *resource_arn =
            iam_arn(call, "mfa", iam_path(request->Path), request->VirtualMFADeviceName);
        return RESULT_OK;
    }
    case IAM_OP_CreateOpenIDConnectProvider: {
        const struct iam_CreateOpenIDConnectProviderRequest *request = in;
        struct str url = request->Url, scheme = STR("https://");
        url = str_starts_with(url, scheme) ? str_slice(url, scheme.len, url.len) : url;
        *resource_arn = iam_arn(call, "oidc-provider", STR("/"), url);
        return RESULT_OK;
    }
    default:
        return RESULT_OK;
    }
    if (!found)
        *resource_arn = iam_arn(call, "server-certificate", iam_path(path), name);
    return RESULT_OK;
}
