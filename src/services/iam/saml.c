/* SAML 2.0 identity providers ("Create a SAML identity provider in IAM", IAM User Guide). */
#include <expat.h>

#include "base/rng.h"
#include "base/time.h"
#include "base/vec.h"
#include "services/iam/topics.h"
#include "store/record.h"

enum { PROVIDERS_MAX = 100, UUID_LEN = 22 };

static struct key provider_key(struct call *call, struct str account, struct str name)
{
    return iam_key_of(call, account, "saml", name);
}

static struct str provider_arn(struct call *call, struct str account, struct str name)
{
    return str_format(call->arena, "arn:aws:iam::%.*s:saml-provider/%.*s", PRSTR(account),
                      PRSTR(name));
}

RESULT iam_find_saml(struct call *call, struct str arn, struct identity_saml *out, bool *found)
{
    struct iam_saml_provider provider;
    struct str mark = STR(":saml-provider/"), prefix = STR("arn:aws:iam::");
    size_t at = str_find(arn, mark);
    *found = false;
    if (at == SIZE_MAX || !str_starts_with(arn, prefix))
        return RESULT_OK;
    struct str account = str_slice(arn, prefix.len, at);
    struct key key = provider_key(call, account, str_slice(arn, at + mark.len, arn.len));
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_saml_provider, &provider, found));
    if (*found)
        *out = (struct identity_saml){.arn = arn, .metadata = provider.metadata};
    return RESULT_OK;
}

static RESULT provider_must(struct call *call, struct str arn, struct iam_saml_provider *provider)
{
    struct str prefix = provider_arn(call, call->account, STR(""));
    bool found = false;
    if (str_starts_with(arn, prefix)) {
        struct key key = provider_key(call, call->account, str_slice(arn, prefix.len, arn.len));
        TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_saml_provider, provider,
                                 &found));
    }
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "Manifest not found for arn %.*s", PRSTR(arn));
    return RESULT_OK;
}

static RESULT provider_put(struct call *call, const struct iam_saml_provider *provider)
{
    struct key key = provider_key(call, call->account, provider->name);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_saml_provider, provider);
}

/* --- metadata --- */

/* What is read of it. */
struct metadata {
    XML_Parser parser;
    bool entity;      /* the root is an EntityDescriptor with an entityID */
    bool certificate; /* there is an X509Certificate */
    bool root_seen, bad;
    char valid_until[64];
    size_t valid_len;
};

static bool ends_as(const char *name, const char *wanted)
{
    const char *bare = strrchr(name, '|');
    return strcmp(bare == NULL ? name : bare + 1, wanted) == 0;
}

static void metadata_start(void *self, const char *name, const char **attributes)
{
    struct metadata *metadata = self;
    metadata->certificate |= ends_as(name, "X509Certificate");
    if (metadata->root_seen)
        return;
    metadata->root_seen = true;
    if (!ends_as(name, "EntityDescriptor"))
        return;
    for (size_t i = 0; attributes[i] != NULL; i += 2) {
        metadata->entity |= strcmp(attributes[i], "entityID") == 0;
        size_t len = strlen(attributes[i + 1]);
        if (strcmp(attributes[i], "validUntil") == 0 && len < sizeof metadata->valid_until) {
            memcpy(metadata->valid_until, attributes[i + 1], len);
            metadata->valid_len = len;
        }
    }
}

/* Documents with their own entities are refused: they are how XML is made to explode. */
static void metadata_doctype(void *self, const char *name, const char *system, const char *public,
                             int internal)
{
    struct metadata *metadata = self;
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    metadata->bad = true;
    XML_StopParser(metadata->parser, XML_FALSE);
}

static RESULT metadata_read(struct call *call, struct str text, int64_t *valid_until_ms)
{
    struct metadata metadata = {.parser = XML_ParserCreateNS(NULL, '|')};
    ASSERT(metadata.parser != NULL);
    XML_SetUserData(metadata.parser, &metadata);
    XML_SetStartElementHandler(metadata.parser, metadata_start);
    XML_SetStartDoctypeDeclHandler(metadata.parser, metadata_doctype);
    bool good = XML_Parse(metadata.parser, text.ptr, (int)text.len, 1) == XML_STATUS_OK;
    XML_ParserFree(metadata.parser);
    if (!good || metadata.bad || !metadata.entity || !metadata.certificate)
        return call_fail(call, IAM_INVALID_INPUT, "Could not parse metadata");
    *valid_until_ms = 0;
    if (metadata.valid_len > 0 &&
        !time_parse_iso8601(str_make(metadata.valid_until, metadata.valid_len), valid_until_ms))
        return call_fail(call, IAM_INVALID_INPUT, "Could not parse metadata");
    if (*valid_until_ms != 0 && *valid_until_ms <= call->now_ms)
        return call_fail(call, IAM_INVALID_INPUT,
                         "Metadata document is expired, please provide a valid one");
    return RESULT_OK;
}

static RESULT encryption_refused(struct call *call, struct str mode, struct str key)
{
    if (str_is_absent(mode) && str_is_absent(key))
        return RESULT_OK;
    return call_fail(call, IAM_NOT_IMPLEMENTED,
                     "Kumoniwa does not implement encrypted assertions of SAML providers yet "
                     "(AssertionEncryptionMode, AddPrivateKey, RemovePrivateKey).");
}

/* --- operations --- */

RESULT iam_CreateSAMLProvider(struct call *call, const struct iam_CreateSAMLProviderRequest *in,
                              struct iam_CreateSAMLProviderResponse *out)
{
    struct iam_saml_provider provider;
    size_t count;
    bool found;
    int64_t valid_until_ms;
    TRY(encryption_refused(call, in->AssertionEncryptionMode, in->AddPrivateKey));
    TRY(metadata_read(call, in->SAMLMetadataDocument, &valid_until_ms));
    struct key key = provider_key(call, call->account, in->Name);
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_saml_provider, &provider, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS,
                         "SAMLProvider with name %.*s already exists.", PRSTR(in->Name));
    TRY(topic_count(call, "saml", (struct str){0}, &count));
    if (count >= PROVIDERS_MAX)
        return iam_quota(call, "SAMLProvidersPerAccount", PROVIDERS_MAX);
    provider = (struct iam_saml_provider){
        .name = in->Name,
        .metadata = in->SAMLMetadataDocument,
        .created_ms = call->now_ms,
        .valid_until_ms = valid_until_ms,
        .uuid = rng_text(call->arena, STR("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), UUID_LEN),
    };
    TRY(iam_tags_take(call, "iam:saml-provider", &in->Tags, &provider.tags));
    out->SAMLProviderArn = provider_arn(call, call->account, in->Name);
    out->Tags = iam_tags_shown(call, &provider.tags);
    return provider_put(call, &provider);
}

RESULT iam_GetSAMLProvider(struct call *call, const struct iam_GetSAMLProviderRequest *in,
                           struct iam_GetSAMLProviderResponse *out)
{
    struct iam_saml_provider provider;
    TRY(provider_must(call, in->SAMLProviderArn, &provider));
    out->SAMLProviderUUID = provider.uuid;
    out->SAMLMetadataDocument = provider.metadata;
    out->CreateDate = opt_time(provider.created_ms);
    out->ValidUntil = iam_time(provider.valid_until_ms);
    out->Tags = iam_tags_shown(call, &provider.tags);
    return RESULT_OK;
}

RESULT iam_ListSAMLProviders(struct call *call, const struct iam_ListSAMLProvidersRequest *in,
                             struct iam_ListSAMLProvidersResponse *out)
{
    (void)in; /* has no members */
    struct key prefix = provider_key(call, call->account, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    out->SAMLProviderList.items = ARENA_NEW(call->arena, struct iam_SAMLProviderListEntry);
    for (size_t cap = 1;;) {
        struct iam_saml_provider provider;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_saml_provider, value, &provider));
        struct iam_SAMLProviderListEntry entry = {
            .Arn = provider_arn(call, call->account, provider.name),
            .ValidUntil = iam_time(provider.valid_until_ms),
            .CreateDate = opt_time(provider.created_ms),
        };
        VEC_PUSH(call->arena, out->SAMLProviderList.items, out->SAMLProviderList.len, cap, entry);
    }
}

RESULT iam_UpdateSAMLProvider(struct call *call, const struct iam_UpdateSAMLProviderRequest *in,
                              struct iam_UpdateSAMLProviderResponse *out)
{
    struct iam_saml_provider provider;
    TRY(encryption_refused(call, in->AssertionEncryptionMode,
                           str_is_absent(in->AddPrivateKey) ? in->RemovePrivateKey
                                                            : in->AddPrivateKey));
    TRY(provider_must(call, in->SAMLProviderArn, &provider));
    out->SAMLProviderArn = in->SAMLProviderArn;
    if (str_is_absent(in->SAMLMetadataDocument))
        return RESULT_OK;
    TRY(metadata_read(call, in->SAMLMetadataDocument, &provider.valid_until_ms));
    provider.metadata = in->SAMLMetadataDocument;
    return provider_put(call, &provider);
}

RESULT iam_DeleteSAMLProvider(struct call *call, const struct iam_DeleteSAMLProviderRequest *in,
                              struct iam_DeleteSAMLProviderResult *out)
{
    (void)out;
    struct iam_saml_provider provider;
    TRY(provider_must(call, in->SAMLProviderArn, &provider));
    struct key key = provider_key(call, call->account, provider.name);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

/* --- tags --- */

RESULT iam_TagSAMLProvider(struct call *call, const struct iam_TagSAMLProviderRequest *in,
                           struct iam_TagSAMLProviderResult *out)
{
    (void)out;
    struct iam_saml_provider provider;
    TRY(provider_must(call, in->SAMLProviderArn, &provider));
    TRY(iam_tags_add(call, "iam:saml-provider", &in->Tags, &provider.tags));
    return provider_put(call, &provider);
}

RESULT iam_UntagSAMLProvider(struct call *call, const struct iam_UntagSAMLProviderRequest *in,
                             struct iam_UntagSAMLProviderResult *out)
{
    (void)out;
    struct iam_saml_provider provider;
    TRY(provider_must(call, in->SAMLProviderArn, &provider));
    iam_tags_remove(call, &in->TagKeys, &provider.tags);
    return provider_put(call, &provider);
}

RESULT iam_ListSAMLProviderTags(struct call *call, const struct iam_ListSAMLProviderTagsRequest *in,
                                struct iam_ListSAMLProviderTagsResponse *out)
{
    struct iam_saml_provider provider;
    struct iam_tags_page page;
    TRY(provider_must(call, in->SAMLProviderArn, &provider));
    TRY(iam_tags_page(call, &provider.tags, in->Marker, in->MaxItems, &page));
    out->Tags = page.tags;
    out->IsTruncated = page.truncated;
    out->Marker = page.marker;
    return RESULT_OK;
}
