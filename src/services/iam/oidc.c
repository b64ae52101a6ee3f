/* OpenID Connect providers ("Create an OpenID Connect identity provider in IAM", IAM User Guide).
 * The URL stands for the provider: it is its issuer, without "https://". */
#include "base/vec.h"
#include "services/iam/topics.h"
#include "store/record.h"

enum { PROVIDERS_MAX = 100, CLIENTS_MAX = 100, THUMBPRINTS_MAX = 5, THUMBPRINT_LEN = 40 };

static const struct str scheme = STR_INIT("https://");

static struct str url_bare(struct str url)
{
    struct str bare = str_starts_with(url, scheme) ? str_slice(url, scheme.len, url.len) : url;
    return str_ends_with(bare, STR("/")) ? str_slice(bare, 0, bare.len - 1) : bare;
}

/* URLs are told apart by case. */
static struct key provider_key(struct call *call, struct str account, struct str url)
{
    struct key key = iam_key_of(call, account, "oidc", (struct str){0});
    if (!str_is_absent(url))
        key_str(&key, url);
    return key;
}

static struct str provider_arn(struct call *call, struct str account, struct str url)
{
    return str_format(call->arena, "arn:aws:iam::%.*s:oidc-provider/%.*s", PRSTR(account),
                      PRSTR(url));
}

RESULT iam_find_oidc(struct call *call, struct str account, struct str url,
                     struct identity_oidc *out, bool *found)
{
    struct iam_oidc_provider provider;
    struct str bare = url_bare(url);
    struct key key = provider_key(call, account, bare);
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_oidc_provider, &provider, found));
    if (*found)
        *out = (struct identity_oidc){
            .arn = provider_arn(call, account, bare),
            .url = provider.url,
            .client_ids = provider.client_ids,
            .thumbprints = provider.thumbprints,
        };
    return RESULT_OK;
}

/* By ARN, in the arena. */
static RESULT provider_must(struct call *call, struct str arn, struct iam_oidc_provider *provider)
{
    struct str prefix = provider_arn(call, call->account, STR(""));
    bool found = false;
    if (str_starts_with(arn, prefix)) {
        struct key key = provider_key(call, call->account, str_slice(arn, prefix.len, arn.len));
        TRY(call_get_record_copy(call, &key, &iam_model, IAM_SHAPE_oidc_provider, provider,
                                 &found));
    }
    if (!found)
        return call_fail(call, IAM_NO_SUCH_ENTITY, "OpenIDConnect Provider not found for arn %.*s",
                         PRSTR(arn));
    return RESULT_OK;
}

static RESULT provider_put(struct call *call, const struct iam_oidc_provider *provider)
{
    struct key key = provider_key(call, call->account, provider->url);
    return call_put_record(call, &key, &iam_model, IAM_SHAPE_oidc_provider, provider);
}

/* --- rules --- */

static RESULT check_url(struct call *call, struct str url)
{
    struct str bare = url_bare(url);
    bool good = str_starts_with(url, scheme) && bare.len > 0 && bare.ptr[0] != '/' &&
                str_find_char(bare, '?') == SIZE_MAX && str_find_char(bare, '#') == SIZE_MAX &&
                str_find_char(bare, '@') == SIZE_MAX;
    for (size_t i = 0; i < bare.len && good; i++)
        good = bare.ptr[i] > ' ' && bare.ptr[i] < '\x7f';
    if (!good)
        return call_fail(call, IAM_VALIDATION, "Invalid Open ID Connect Provider URL");
    return RESULT_OK;
}

static RESULT check_thumbprints(struct call *call, const struct str_list *thumbprints)
{
    if (thumbprints->len > THUMBPRINTS_MAX)
        return call_fail(call, IAM_INVALID_INPUT,
                         "Thumbprint list must contain fewer than %d entries.",
                         THUMBPRINTS_MAX + 1);
    for (size_t i = 0; i < thumbprints->len; i++) {
        struct str print = thumbprints->items[i];
        bool good = print.len == THUMBPRINT_LEN;
        for (size_t c = 0; c < print.len && good; c++)
            good = strchr("0123456789abcdefABCDEF", print.ptr[c]) != NULL && print.ptr[c] != '\0';
        if (!good)
            return call_fail(call, IAM_INVALID_INPUT, "Invalid thumbprint %.*s.", PRSTR(print));
    }
    return RESULT_OK;
}

static RESULT take_clients(struct call *call, const struct str_list *given, struct str_list *out)
{
    size_t cap = 0;
    for (size_t i = 0; i < given->len; i++) {
        bool known = false;
        for (size_t j = 0; j < out->len && !known; j++)
            known = str_eq(out->items[j], given->items[i]);
        if (!known)
            VEC_PUSH(call->arena, out->items, out->len, cap, given->items[i]);
    }
    if (out->len > CLIENTS_MAX)
        return iam_quota(call, "ClientIdsPerOpenIdConnectProvider", CLIENTS_MAX);
    return RESULT_OK;
}

/* --- operations --- */

/* Without thumbprints the machine's certificate authorities decide alone. */
RESULT iam_CreateOpenIDConnectProvider(struct call *call,
                                       const struct iam_CreateOpenIDConnectProviderRequest *in,
                                       struct iam_CreateOpenIDConnectProviderResponse *out)
{
    struct iam_oidc_provider provider;
    size_t count;
    bool found;
    TRY(check_url(call, in->Url));
    TRY(check_thumbprints(call, &in->ThumbprintList));
    struct key key = provider_key(call, call->account, url_bare(in->Url));
    TRY(call_get_record(call, &key, &iam_model, IAM_SHAPE_oidc_provider, &provider, &found));
    if (found)
        return call_fail(call, IAM_ENTITY_ALREADY_EXISTS, "Provider with url %.*s already exists.",
                         PRSTR(in->Url));
    TRY(topic_count(call, "oidc", (struct str){0}, &count));
    if (count >= PROVIDERS_MAX)
        return iam_quota(call, "OpenIdConnectProvidersPerAccount", PROVIDERS_MAX);
    provider = (struct iam_oidc_provider){
        .url = url_bare(in->Url),
        .thumbprints = in->ThumbprintList,
        .created_ms = call->now_ms,
    };
    TRY(take_clients(call, &in->ClientIDList, &provider.client_ids));
    TRY(iam_tags_take(call, "iam:oidc-provider", &in->Tags, &provider.tags));
    out->OpenIDConnectProviderArn = provider_arn(call, call->account, provider.url);
    out->Tags = iam_tags_shown(call, &provider.tags);
    return provider_put(call, &provider);
}

RESULT iam_GetOpenIDConnectProvider(struct call *call,
                                    const struct iam_GetOpenIDConnectProviderRequest *in,
                                    struct iam_GetOpenIDConnectProviderResponse *out)
{
    struct iam_oidc_provider provider;
    TRY(provider_must(call, in->OpenIDConnectProviderArn, &provider));
    out->Url = provider.url;
    out->ClientIDList = provider.client_ids;
    out->ThumbprintList = provider.thumbprints;
    if (out->ClientIDList.items == NULL)
        out->ClientIDList.items = ARENA_NEW(call->arena, struct str);
    if (out->ThumbprintList.items == NULL)
        out->ThumbprintList.items = ARENA_NEW(call->arena, struct str);
    out->CreateDate = opt_time(provider.created_ms);
    out->Tags = iam_tags_shown(call, &provider.tags);
    return RESULT_OK;
}

RESULT iam_ListOpenIDConnectProviders(struct call *call,
                                      const struct iam_ListOpenIDConnectProvidersRequest *in,
                                      struct iam_ListOpenIDConnectProvidersResponse *out)
{
    (void)in; /* has no members */
    struct key prefix = provider_key(call, call->account, (struct str){0});
    struct kv_cursor *cursor;
    struct str key, value;
    TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
    out->OpenIDConnectProviderList.items =
        ARENA_NEW(call->arena, struct iam_OpenIDConnectProviderListEntry);
    for (size_t cap = 1;;) {
        struct iam_oidc_provider provider;
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &iam_model, IAM_SHAPE_oidc_provider, value, &provider));
        struct iam_OpenIDConnectProviderListEntry entry = {
            .Arn = provider_arn(call, call->account, provider.url)};
        VEC_PUSH(call->arena, out->OpenIDConnectProviderList.items,
                 out->OpenIDConnectProviderList.len, cap, entry);
    }
}

/* "This operation is idempotent": one that is gone is gone. */
RESULT iam_DeleteOpenIDConnectProvider(struct call *call,
                                       const struct iam_DeleteOpenIDConnectProviderRequest *in,
                                       struct iam_DeleteOpenIDConnectProviderResult *out)
{
    (void)out;
    struct str prefix = provider_arn(call, call->account, STR(""));
    struct str arn = in->OpenIDConnectProviderArn;
    if (!str_starts_with(arn, prefix))
        return call_fail(call, IAM_INVALID_INPUT, "Invalid ARN %.*s", PRSTR(arn));
    struct key key = provider_key(call, call->account, str_slice(arn, prefix.len, arn.len));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT iam_AddClientIDToOpenIDConnectProvider(
    struct call *call, const struct iam_AddClientIDToOpenIDConnectProviderRequest *in,
    struct iam_AddClientIDToOpenIDConnectProviderResult *out)
{
    (void)out;
    struct iam_oidc_provider provider;
    TRY(provider_must(call, in->OpenIDConnectProviderArn, &provider));
    struct str_list all = {ARENA_ARRAY(call->arena, provider.client_ids.len + 1, struct str),
                           provider.client_ids.len + 1};
    for (size_t i = 0; i < provider.client_ids.len; i++)
        all.items[i] = provider.client_ids.items[i];
    all.items[all.len - 1] = in->ClientID;
    provider.client_ids = (struct str_list){0};
    TRY(take_clients(call, &all, &provider.client_ids));
    return provider_put(call, &provider);
}

RESULT iam_RemoveClientIDFromOpenIDConnectProvider(
    struct call *call, const struct iam_RemoveClientIDFromOpenIDConnectProviderRequest *in,
    struct iam_RemoveClientIDFromOpenIDConnectProviderResult *out)
{
    (void)out;
    struct iam_oidc_provider provider;
    size_t left = 0;
    TRY(provider_must(call, in->OpenIDConnectProviderArn, &provider));
    for (size_t i = 0; i < provider.client_ids.len; i++)
        if (!str_eq(provider.client_ids.items[i], in->ClientID))
            provider.client_ids.items[left++] = provider.client_ids.items[i];
    provider.client_ids.len = left;
    return provider_put(call, &provider);
}

RESULT iam_UpdateOpenIDConnectProviderThumbprint(
    struct call *call, const struct iam_UpdateOpenIDConnectProviderThumbprintRequest *in,
    struct iam_UpdateOpenIDConnectProviderThumbprintResult *out)
{
    (void)out;
    struct iam_oidc_provider provider;
    TRY(check_thumbprints(call, &in->ThumbprintList));
    TRY(provider_must(call, in->OpenIDConnectProviderArn, &provider));
    provider.thumbprints = in->ThumbprintList;
    return provider_put(call, &provider);
}

/* --- tags --- */

RESULT iam_TagOpenIDConnectProvider(struct call *call,
                                    const struct iam_TagOpenIDConnectProviderRequest *in,
                                    struct iam_TagOpenIDConnectProviderResult *out)
{
    (void)out;
    struct iam_oidc_provider provider;
    TRY(provider_must(call, in->OpenIDConnectProviderArn, &provider));
    TRY(iam_tags_add(call, "iam:oidc-provider", &in->Tags, &provider.tags));
    return provider_put(call, &provider);
}

RESULT iam_UntagOpenIDConnectProvider(struct call *call,
                                      const struct iam_UntagOpenIDConnectProviderRequest *in,
                                      struct iam_UntagOpenIDConnectProviderResult *out)
{
    (void)out;
    struct iam_oidc_provider provider;
    TRY(provider_must(call, in->OpenIDConnectProviderArn, &provider));
    iam_tags_remove(call, &in->TagKeys, &provider.tags);
    return provider_put(call, &provider);
}

RESULT iam_ListOpenIDConnectProviderTags(struct call *call,
                                         const struct iam_ListOpenIDConnectProviderTagsRequest *in,
                                         struct iam_ListOpenIDConnectProviderTagsResponse *out)
{
    struct iam_oidc_provider provider;
    struct iam_tags_page page;
    TRY(provider_must(call, in->OpenIDConnectProviderArn, &provider));
    TRY(iam_tags_page(call, &provider.tags, in->Marker, in->MaxItems, &page));
    out->Tags = page.tags;
    out->IsTruncated = page.truncated;
    out->Marker = page.marker;
    return RESULT_OK;
}
