/* Server certificates and signing certificates ("Manage server certificates in IAM", "Manage
 * signing certificates", IAM User Guide). */
#include "base/digest.h"
#include "base/encode.h"
#include "base/vec.h"
#include "services/iam/pem.h"
#include "services/iam/topics.h"
#include "store/record.h"

enum { SERVER_MAX = 20, SIGNING_PER_USER = 2, SIGNING_ID_LEN = 32 };

/* --- server certificates --- */

static struct key server_key(struct call *call, struct str name)
{
    return iam_key(call, "server-cert", name);
}

static RESULT server_find(struct call *call, struct str name,
                          struct iam_server_certificate *certificate, bool *found)
{
    struct key key = server_key(call, name);
    return call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_server_certificate, certificate,
                                found);
}

static RESULT server_must(struct call *call, struct str name,
                          struct iam_server_certificate *certificate)
{
    bool found;
    TRY(server_find(call, name, certificate, &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY,
                         "The Server Certificate with name %.*s cannot be found.", PRSTR(name));
    return RESULT_OK;
}

static RESULT server_put(struct call *call, const struct iam_server_certificate *certificate)
{
    struct key key = server_key(call, certificate->name);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_server_certificate, certificate);
}

static struct str server_arn(struct call *call, const struct iam_server_certificate *certificate)
{
    return iam_arn(call, "server-certificate", certificate->path, certificate->name);
}

RESULT iam_server_certificate_arn(struct call *call, struct str name, struct str *arn, bool *found)
{
    struct iam_server_certificate certificate;
    TRY(server_find(call, name, &certificate, found));
    if (*found)
        *arn = server_arn(call, &certificate);
    return RESULT_OK;
}

static struct iam_ServerCertificateMetadata
server_shown(struct call *call, const struct iam_server_certificate *certificate)
{
    return (struct iam_ServerCertificateMetadata){
        .Path = certificate->path,
        .ServerCertificateName = certificate->name,
        .ServerCertificateId = certificate->id,
        .Arn = server_arn(call, certificate),
        .UploadDate = opt_time(certificate->uploaded_ms),
        .Expiration = opt_time(certificate->expires_ms),
    };
}

static RESULT server_check(struct call *call, const struct iam_UploadServerCertificateRequest *in,
                           struct pem_certificate *read)
{
    if (!pem_read_certificate(in->CertificateBody, read))
        return call_fail(call, IAM_MALFORMED_CERTIFICATE,
                         "Unable to parse certificate. Please ensure the certificate is in PEM "
                         "format.");
    if (!pem_is_private_key(in->PrivateKey))
        return call_fail(call, IAM_MALFORMED_CERTIFICATE,
                         "Unable to parse private key. Please ensure the private key is in PEM "
                         "format.");
    if (!str_is_absent(in->CertificateChain) && !pem_is_chain(in->CertificateChain))
        return call_fail(call, IAM_MALFORMED_CERTIFICATE,
                         "Unable to parse certificate chain. Please ensure the certificate chain "
                         "is in PEM format.");
    if (!pem_matches(in->CertificateBody, in->PrivateKey))
        return call_fail(call, IAM_KEY_PAIR_MISMATCH,
                         "Public key of certificate and private key do not match.");
    return RESULT_OK;
}

RESULT iam_UploadServerCertificate(struct call *call,
                                   const struct iam_UploadServerCertificateRequest *in,
                                   struct iam_UploadServerCertificateResponse *out)
{
    struct iam_server_certificate certificate;
    struct pem_certificate read;
    size_t count;
    bool found;
    TRY(iam_check_path(call, "path", in->Path));
    TRY(server_check(call, in, &read));
    TRY(server_find(call, in->ServerCertificateName, &certificate, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS,
                         "The Server Certificate with name %.*s already exists.",
                         PRSTR(in->ServerCertificateName));
    TRY(topic_count(call, "server-cert", (struct str){0}, &count));
    if (count >= SERVER_MAX)
        return iam_quota(call, "ServerCertificatesPerAccount", SERVER_MAX);
    certificate = (struct iam_server_certificate){
        .name = in->ServerCertificateName,
        .path = iam_path(in->Path),
        .id = iam_new_id(call, STR("ASCA")),
        .uploaded_ms = call->now_ms,
        .expires_ms = read.expires_ms,
        .body = in->CertificateBody,
        .chain = in->CertificateChain,
        .private_key = in->PrivateKey,
    };
    TRY(iam_tags_take(call, "iam:server-certificate", &in->Tags, &certificate.tags));
    out->ServerCertificateMetadata = ARENA_NEW(call->arena, struct iam_ServerCertificateMetadata);
    *out->ServerCertificateMetadata = server_shown(call, &certificate);
    out->Tags = iam_tags_shown(call, &certificate.tags);
    return server_put(call, &certificate);
}

RESULT iam_GetServerCertificate(struct call *call, const struct iam_GetServerCertificateRequest *in,
                                struct iam_GetServerCertificateResponse *out)
{
    struct iam_server_certificate certificate;
    TRY(server_must(call, in->ServerCertificateName, &certificate));
    out->ServerCertificate = ARENA_NEW(call->arena, struct iam_ServerCertificate);
    *out->ServerCertificate = (struct iam_ServerCertificate){
        .ServerCertificateMetadata = ARENA_NEW(call->arena, struct iam_ServerCertificateMetadata),
        .CertificateBody = certificate.body,
        .CertificateChain = certificate.chain,
        .Tags = iam_tags_shown(call, &certificate.tags),
    };
    *out->ServerCertificate->ServerCertificateMetadata = server_shown(call, &certificate);
    return RESULT_OK;
}

RESULT iam_ListServerCertificates(struct call *call,
                                  const struct iam_ListServerCertificatesRequest *in,
                                  struct iam_ListServerCertificatesResponse *out)
{
    struct key prefix = server_key(call, (struct str){0});
    struct iam_pages pages;
    struct str value;
    TRY(iam_check_path_prefix(call, in->PathPrefix));
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->ServerCertificateMetadataList.items =
        ARENA_NEW(call->arena, struct iam_ServerCertificateMetadata);
    for (size_t cap = 1;;) {
        struct iam_server_certificate certificate;
        TRY(iam_pages_next(&pages, out->ServerCertificateMetadataList.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_server_certificate, value,
                          &certificate));
        if (!str_is_absent(in->PathPrefix) && !str_starts_with(certificate.path, in->PathPrefix))
            continue;
        VEC_PUSH(call->arena, out->ServerCertificateMetadataList.items,
                 out->ServerCertificateMetadataList.len, cap, server_shown(call, &certificate));
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}

RESULT iam_UpdateServerCertificate(struct call *call,
                                   const struct iam_UpdateServerCertificateRequest *in,
                                   struct iam_UpdateServerCertificateResult *out)
{
    (void)out;
    struct iam_server_certificate certificate, other;
    struct str name = in->NewServerCertificateName;
    bool found = false;
    TRY(iam_check_path(call, "newPath", in->NewPath));
    TRY(server_must(call, in->ServerCertificateName, &certificate));
    struct key old = server_key(call, certificate.name);
    if (!str_is_absent(name) && !str_eq_nocase(name, certificate.name))
        TRY(server_find(call, name, &other, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS,
                         "The Server Certificate with name %.*s already exists.", PRSTR(name));
    TRY(kv_delete(call->txn, key_bytes(&old), NULL));
    certificate.name = str_is_absent(name) ? certificate.name : name;
    certificate.path = str_is_absent(in->NewPath) ? certificate.path : in->NewPath;
    return server_put(call, &certificate);
}

RESULT iam_DeleteServerCertificate(struct call *call,
                                   const struct iam_DeleteServerCertificateRequest *in,
                                   struct iam_DeleteServerCertificateResult *out)
{
    (void)out;
    struct iam_server_certificate certificate;
    TRY(server_must(call, in->ServerCertificateName, &certificate));
    struct key key = server_key(call, certificate.name);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT iam_TagServerCertificate(struct call *call, const struct iam_TagServerCertificateRequest *in,
                                struct iam_TagServerCertificateResult *out)
{
    (void)out;
    struct iam_server_certificate certificate;
    TRY(server_must(call, in->ServerCertificateName, &certificate));
    TRY(iam_tags_add(call, "iam:server-certificate", &in->Tags, &certificate.tags));
    return server_put(call, &certificate);
}

RESULT iam_UntagServerCertificate(struct call *call,
                                  const struct iam_UntagServerCertificateRequest *in,
                                  struct iam_UntagServerCertificateResult *out)
{
    (void)out;
    struct iam_server_certificate certificate;
    TRY(server_must(call, in->ServerCertificateName, &certificate));
    iam_tags_remove(call, &in->TagKeys, &certificate.tags);
    return server_put(call, &certificate);
}

RESULT iam_ListServerCertificateTags(struct call *call,
                                     const struct iam_ListServerCertificateTagsRequest *in,
                                     struct iam_ListServerCertificateTagsResponse *out)
{
    struct iam_server_certificate certificate;
    struct iam_tags_page page;
    TRY(server_must(call, in->ServerCertificateName, &certificate));
    TRY(iam_tags_page(call, &certificate.tags, in->Marker, in->MaxItems, &page));
    out->Tags = page.tags;
    out->IsTruncated = page.truncated;
    out->Marker = page.marker;
    return RESULT_OK;
}

/* --- signing certificates --- */

static struct key signing_key(struct call *call, struct str user_id, struct str id)
{
    struct key key = iam_key(call, "signing-cert", user_id);
    if (!str_is_absent(id))
        key_str(&key, id);
    return key;
}

static RESULT signing_must(struct call *call, struct str user_name, struct str id,
                           struct iam_user *user, struct iam_signing_certificate *certificate)
{
    bool found;
    TRY(topic_user(call, user_name, user));
    struct key key = signing_key(call, user->id, id);
    TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_signing_certificate, certificate,
                             &found));
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "The Certificate with id %.*s cannot be found.",
                         PRSTR(id));
    return RESULT_OK;
}

static struct iam_SigningCertificate
signing_shown(const struct iam_user *user, const struct iam_signing_certificate *certificate)
{
    return (struct iam_SigningCertificate){
        .UserName = user->name,
        .CertificateId = certificate->id,
        .CertificateBody = certificate->body,
        .Status = topic_status(certificate->inactive),
        .UploadDate = opt_time(certificate->uploaded_ms),
    };
}

/* The id tells the certificate: one is never there twice. */
static struct str signing_id(struct call *call, const struct pem_certificate *read)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    char *id = arena_alloc_raw(call->arena, SIGNING_ID_LEN);
    for (size_t i = 0; i < SIGNING_ID_LEN; i++)
        id[i] = letters[read->digest[i] & 31];
    return str_make(id, SIGNING_ID_LEN);
}

RESULT iam_UploadSigningCertificate(struct call *call,
                                    const struct iam_UploadSigningCertificateRequest *in,
                                    struct iam_UploadSigningCertificateResponse *out)
{
    struct iam_user user;
    struct iam_signing_certificate certificate;
    struct pem_certificate read;
    size_t count;
    bool found;
    TRY(topic_user(call, in->UserName, &user));
    if (!pem_read_certificate(in->CertificateBody, &read))
        return call_fail(call, IAM_MALFORMED_CERTIFICATE,
                         "Unable to parse certificate. Please ensure the certificate is in PEM "
                         "format.");
    if (read.expires_ms <= call->now_ms)
        return call_fail(call, IAM_INVALID_CERTIFICATE, "The certificate has expired.");
    struct key key = signing_key(call, user.id, signing_id(call, &read));
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_signing_certificate, &certificate,
                        &found));
    if (found)
        return call_fail(call, IAM_DUPLICATE_CERTIFICATE,
                         "The same certificate is associated with an IAM user in the account.");
    TRY(topic_count(call, "signing-cert", user.id, &count));
    if (count >= SIGNING_PER_USER)
        return iam_quota(call, "CertificatesPerUser", SIGNING_PER_USER);
    certificate = (struct iam_signing_certificate){
        .id = signing_id(call, &read),
        .body = in->CertificateBody,
        .uploaded_ms = call->now_ms,
    };
    out->Certificate = ARENA_NEW(call->arena, struct iam_SigningCertificate);
    *out->Certificate = signing_shown(&user, &certificate);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_signing_certificate, &certificate);
}

RESULT iam_UpdateSigningCertificate(struct call *call,
                                    const struct iam_UpdateSigningCertificateRequest *in,
                                    struct iam_UpdateSigningCertificateResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_signing_certificate certificate;
    TRY(signing_must(call, in->UserName, in->CertificateId, &user, &certificate));
    certificate.inactive = !str_eq(in->Status, STR("Active"));
    struct key key = signing_key(call, user.id, certificate.id);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_signing_certificate, &certificate);
}

RESULT iam_DeleteSigningCertificate(struct call *call,
                                    const struct iam_DeleteSigningCertificateRequest *in,
                                    struct iam_DeleteSigningCertificateResult *out)
{
    (void)out;
    struct iam_user user;
    struct iam_signing_certificate certificate;
    TRY(signing_must(call, in->UserName, in->CertificateId, &user, &certificate));
    struct key key = signing_key(call, user.id, certificate.id);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT iam_ListSigningCertificates(struct call *call,
                                   const struct iam_ListSigningCertificatesRequest *in,
                                   struct iam_ListSigningCertificatesResponse *out)
{
    struct iam_user user;
    struct iam_pages pages;
    struct str value;
    TRY(topic_user(call, in->UserName, &user));
    struct key prefix = signing_key(call, user.id, (struct str){0});
    TRY(iam_pages_open(call, &prefix, in->Marker, in->MaxItems, &pages));
    out->Certificates.items = ARENA_NEW(call->arena, struct iam_SigningCertificate);
    for (size_t cap = 1;;) {
        struct iam_signing_certificate certificate;
        TRY(iam_pages_next(&pages, out->Certificates.len, &value));
        if (str_is_absent(value))
            break;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_signing_certificate, value,
                          &certificate));
        VEC_PUSH(call->arena, out->Certificates.items, out->Certificates.len, cap,
                 signing_shown(&user, &certificate));
    }
    iam_pages_end(&pages, &out->IsTruncated, &out->Marker);
    return RESULT_OK;
}
