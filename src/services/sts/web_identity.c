/* "AssumeRoleWithWebIdentity", AWS Security Token Service API Reference; "OIDC federation", "Keys
 * for AWS OIDC federation", IAM User Guide; OpenID Connect Core 1.0, Discovery 1.0. */
#include "auth/jwt.h"
#include "base/vec.h"
#include "cloud/authorize.h"
#include "cloud/fetch.h"
#include "services/sts/sts_int.h"
#include "wire/json_text.h"

enum { KEYS_MAX_AGE_MS = 5 * 60 * 1000, SKEW_MS = 5 * 60 * 1000 };

static const struct str tags_claim = STR_INIT("https://aws.amazon.com/tags");
static const struct str source_claim = STR_INIT("https://aws.amazon.com/source_identity");

/* All that one request comes to. */
struct web {
    const struct sts_AssumeRoleWithWebIdentityRequest *in;
    struct jwt token;
    struct str issuer, subject, audience;
    struct identity_oidc provider;
    struct identity_role role;
    struct str account; /* the role's */
    struct session session;
    struct sts_keys keys;
    struct opt_int packed;
};

static RESULT web_invalid(struct call *call, const char *message)
{
    return call_fail(call, STS_INVALID_IDENTITY_TOKEN, "%s", message);
}

/* --- claims --- */

static bool web_text(struct call *call, const struct web *web, struct str name, struct str *out)
{
    struct str raw;
    return json_member(call->arena, web->token.claims, name, &raw) &&
           json_string(call->arena, raw, out) && !str_is_empty(*out);
}

static bool web_seconds(struct call *call, const struct web *web, struct str name, int64_t *out)
{
    struct str raw;
    double number;
    if (!json_member(call->arena, web->token.claims, name, &raw) ||
        json_kind_of(raw) != JSON_NUMBER || !str_to_double(str_trim(raw), &number) || number < 0 ||
        number > 1e12)
        return false;
    *out = (int64_t)number;
    return true;
}

static bool web_client_listed(const struct web *web, struct str client)
{
    for (size_t i = 0; i < web->provider.client_ids.len; i++)
        if (str_eq(web->provider.client_ids.items[i], client))
            return true;
    return false;
}

/* One of the token's audiences must be a client of the provider; azp, when there, is what the
 * condition key `aud` tells. */
static RESULT web_take_audience(struct call *call, struct web *web)
{
    struct str raw, item, text, found = {0};
    if (!json_member(call->arena, web->token.claims, STR("aud"), &raw))
        return web_invalid(call, "Missing a required claim: aud");
    if (json_string(call->arena, raw, &text) && web_client_listed(web, text))
        found = text;
    bool list = json_kind_of(raw) == JSON_ARRAY;
    while (list && json_next_item(&raw, &item))
        if (json_string(call->arena, item, &text) && web_client_listed(web, text))
            found = text;
    if (str_is_absent(found))
        return web_invalid(call, "Incorrect token audience");
    web->audience = found;
    if (web_text(call, web, STR("azp"), &text))
        web->audience = text;
    return RESULT_OK;
}

static RESULT web_check_times(struct call *call, const struct web *web)
{
    int64_t expires, begins, issued;
    if (!web_seconds(call, web, STR("exp"), &expires))
        return web_invalid(call, "Missing a required claim: exp");
    if (!web_seconds(call, web, STR("iat"), &issued))
        return web_invalid(call, "Missing a required claim: iat");
    if (expires * 1000 <= call->now_ms)
        return call_fail(call, STS_EXPIRED_TOKEN_EXCEPTION,
                         "Token expired: current date/time %lld must be before the expiration "
                         "date/time %lld",
                         (long long)(call->now_ms / 1000), (long long)expires);
    if (issued * 1000 > call->now_ms + SKEW_MS ||
        (web_seconds(call, web, STR("nbf"), &begins) && begins * 1000 > call->now_ms + SKEW_MS))
        return web_invalid(call, "Token is not valid yet");
    return RESULT_OK;
}

/* {"principal_tags": {"Project": ["Automation"]}, "transitive_tag_keys": ["Project"]}: "Passing
 * session tags using AssumeRoleWithWebIdentity". */
static void web_take_tags(struct call *call, const struct web *web, struct sts_tagListType *tags,
                          struct str_list *transitive)
{
    struct str claim, list, name, raw, value;
    size_t caps[2] = {0, 0};
    if (!json_member(call->arena, web->token.claims, tags_claim, &claim) ||
        json_kind_of(claim) != JSON_OBJECT)
        return;
    if (json_member(call->arena, claim, STR("principal_tags"), &list))
        while (json_next_member(call->arena, &list, &name, &raw)) {
            struct str item = raw;
            if (json_kind_of(raw) == JSON_ARRAY && !json_next_item(&raw, &item))
                continue;
            if (!json_string(call->arena, item, &value))
                continue;
            struct sts_Tag tag = {.Key = name, .Value = value};
            VEC_PUSH(call->arena, tags->items, tags->len, caps[0], tag);
        }
    if (json_member(call->arena, claim, STR("transitive_tag_keys"), &list))
        while (json_next_item(&list, &raw))
            if (json_string(call->arena, raw, &value))
                VEC_PUSH(call->arena, transitive->items, transitive->len, caps[1], value);
}

/* --- the provider's keys --- */

/* What was fetched, or the error of its being not to be had. */
static RESULT web_fetched(struct call *call, const struct fetched *fetched)
{
    if (fetched->outcome == FETCH_UNTRUSTED)
        return web_invalid(call, "OpenIDConnect provider's HTTPS certificate doesn't match "
                                 "configured thumbprint");
    if (fetched->outcome == FETCH_UNREACHABLE)
        return call_fail(call, STS_IDP_COMMUNICATION_ERROR,
                         "The identity provider could not be reached.");
    if (fetched->status != 200 || !json_is_valid(fetched->body))
        return web_invalid(call, "Couldn't retrieve verification key from your identity provider,  "
                                 "please reference AssumeRoleWithWebIdentity documentation for "
                                 "requirements");
    return RESULT_OK;
}

/* Waits (RESULT_PARK) for the discovery document, then for the keys that it names. */
static RESULT web_verify(struct call *call, const struct web *web)
{
    struct fetched document, keys;
    struct str jwks_uri, raw;
    struct str base = web->issuer;
    if (str_ends_with(base, STR("/")))
        base = str_slice(base, 0, base.len - 1);
    struct str discovery = str_concat(call->arena, base, STR("/.well-known/openid-configuration"));
    TRY(fetch_get(call, discovery, &web->provider.thumbprints, KEYS_MAX_AGE_MS, &document));
    TRY(web_fetched(call, &document));
    if (!json_member(call->arena, document.body, STR("jwks_uri"), &raw) ||
        !json_string(call->arena, raw, &jwks_uri))
        return web_invalid(call, "Couldn't retrieve verification key from your identity provider,  "
                                 "please reference AssumeRoleWithWebIdentity documentation for "
                                 "requirements");
    TRY(fetch_get(call, jwks_uri, &web->provider.thumbprints, KEYS_MAX_AGE_MS, &keys));
    TRY(web_fetched(call, &keys));
    enum jwt_verdict verdict = jwt_verify(call->arena, &web->token, keys.body);
    if (verdict == JWT_NO_KEY) { /* the provider may have changed its keys since */
        TRY(fetch_get(call, jwks_uri, &web->provider.thumbprints, SKEW_MS / 30, &keys));
        TRY(web_fetched(call, &keys));
        verdict = jwt_verify(call->arena, &web->token, keys.body);
    }
    if (verdict == JWT_NO_KEY)
        return web_invalid(call, "Couldn't retrieve verification key from your identity provider,  "
                                 "please reference AssumeRoleWithWebIdentity documentation for "
                                 "requirements");
    if (verdict == JWT_FORGED)
        return web_invalid(call, "Provided Token signature is invalid");
    return RESULT_OK;
}

/* "The JSON Web Tokens (JWTs) generated by the GetWebIdentityToken API cannot be used for OpenID
 * Connect (OIDC) federation into AWS" ("Getting started with outbound identity federation"). */
static RESULT web_is_own(struct call *call, struct str issuer, bool *own)
{
    const struct identity_table *identity = identity_of(call->cloud);
    size_t at = str_find(issuer, STR(IDENTITY_ISSUER_PATH));
    *own = false;
    if (at == SIZE_MAX || identity->is_issuer == NULL)
        return RESULT_OK;
    at += sizeof IDENTITY_ISSUER_PATH - 1;
    return identity->is_issuer(call, str_slice(issuer, at, issuer.len), own);
}

static RESULT web_take_token(struct call *call, struct web *web)
{
    const struct identity_table *identity = identity_of(call->cloud);
    bool found = false, own;
    if (!str_is_absent(web->in->ProviderId))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement ProviderId (OAuth 2.0 access tokens) of "
                         "AssumeRoleWithWebIdentity yet.");
    if (!jwt_parse(call->arena, web->in->WebIdentityToken, &web->token))
        return web_invalid(call, "The ID Token provided is not a valid JWT. (You may see this "
                                 "error if you sent an Access Token)");
    if (!web_text(call, web, STR("iss"), &web->issuer))
        return web_invalid(call, "Missing a required claim: iss");
    if (!web_text(call, web, STR("sub"), &web->subject))
        return web_invalid(call, "Missing a required claim: sub");
    TRY(web_is_own(call, web->issuer, &own));
    if (own)
        return web_invalid(call, "Tokens of GetWebIdentityToken cannot be used with "
                                 "AssumeRoleWithWebIdentity");
    if (identity->oidc != NULL && str_starts_with(web->issuer, STR("https://")))
        TRY(identity->oidc(call, web->account, web->issuer, &web->provider, &found));
    if (!found)
        return call_fail(call, STS_INVALID_IDENTITY_TOKEN,
                         "No OpenIDConnect provider found in your account for %.*s",
                         PRSTR(web->issuer));
    TRY(web_check_times(call, web));
    TRY(web_take_audience(call, web));
    return web_verify(call, web);
}

/* --- permission --- */

/* "token.actions.githubusercontent.com:sub" and the like, kept in the session too. */
static void web_take_claims(struct call *call, struct web *web)
{
    static const struct str kept[] = {STR_INIT("sub"), STR_INIT("amr"), STR_INIT("email"),
                                      STR_INIT("oaud"), STR_INIT("id")};
    struct str_map *claims = &web->session.claims;
    size_t cap = 0;
    struct str_map_entry audience = {str_format(call->arena, "%.*s:aud", PRSTR(web->provider.url)),
                                     web->audience};
    VEC_PUSH(call->arena, claims->items, claims->len, cap, audience);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        struct str value;
        if (!web_text(call, web, kept[i], &value))
            continue;
        struct str_map_entry claim = {
            str_format(call->arena, "%.*s:%.*s", PRSTR(web->provider.url), PRSTR(kept[i])), value};
        VEC_PUSH(call->arena, claims->items, claims->len, cap, claim);
    }
}

static RESULT web_ask(struct call *call, struct web *web, const char *action)
{
    struct session stranger = {.federated_provider = web->provider.arn};
    struct principal who = {.kind = PRINCIPAL_ANONYMOUS, .session = &stranger};
    struct authorize_ask ask = {
        .who = &who,
        .action = str_from_c(action),
        .resource = web->role.arn,
        .owner = web->account,
        .policy = web->role.trust,
        .form = POLICY_FORM_TRUST,
        .needs_policy = true,
        .find = sts_find_key,
        .self = &web->keys,
    };
    bool allowed;
    TRY(authorize_may(call, &ask, &allowed));
    return allowed ? RESULT_OK
                   : call_fail(call, STS_ACCESS_DENIED, "Not authorized to perform %s", action);
}

static RESULT web_ask_all(struct call *call, struct web *web)
{
    struct session *session = &web->session;
    web->keys = (struct sts_keys){
        .call = call,
        .session_name = web->in->RoleSessionName,
        .source_identity = session->source_identity,
        .transitive = session->transitive,
        .tags = session->tags,
        .tag_keys = sts_tag_keys(call, &session->tags),
        .role_tags = web->role.tags,
        .claims = session->claims,
        .duration_s = web->in->DurationSeconds.set ? web->in->DurationSeconds.value : 0,
    };
    TRY(web_ask(call, web, "sts:AssumeRoleWithWebIdentity"));
    if (session->tags.len > 0)
        TRY(web_ask(call, web, "sts:TagSession"));
    if (!str_is_absent(session->source_identity))
        TRY(web_ask(call, web, "sts:SetSourceIdentity"));
    return RESULT_OK;
}

static RESULT web_prepare(struct call *call, struct web *web)
{
    const struct sts_AssumeRoleWithWebIdentityRequest *in = web->in;
    struct sts_tagListType tags = {0};
    struct str_list transitive = {0};
    bool found;
    TRY(sts_find_role(call, in->RoleArn, &web->role, &web->account, &found));
    TRY(web_take_token(call, web));
    if (!found || web->role.linked)
        return call_fail(call, STS_ACCESS_DENIED,
                         "Not authorized to perform sts:AssumeRoleWithWebIdentity");
    web_take_tags(call, web, &tags, &transitive);
    web_take_claims(call, web);
    (void)web_text(call, web, source_claim, &web->session.source_identity);
    struct sts_parts parts = {in->Policy, &in->PolicyArns, &tags, &transitive};
    TRY(sts_take_parts(call, &parts, web->account, NULL, &web->session, &web->packed));
    TRY(web_ask_all(call, web));
    return sts_take_duration(call, in->DurationSeconds, &web->role, false, &web->session);
}

RESULT sts_AssumeRoleWithWebIdentity(struct call *call,
                                     const struct sts_AssumeRoleWithWebIdentityRequest *in,
                                     struct sts_AssumeRoleWithWebIdentityResponse *out)
{
    struct web web = {.in = in};
    struct session *session = &web.session;
    struct sts_shown shown;
    TRY(web_prepare(call, &web));
    session->role_arn = web.role.arn;
    session->role_id = web.role.id;
    session->name = in->RoleSessionName;
    session->federated_provider = web.provider.arn;
    session->kept = true;
    struct principal who = {.account = web.account, .session = session};
    session_role_principal(call->arena, &web.role, &who);
    TRY(sts_issue(call, &who, in->MinimumSessionTokenSize, &shown));
    out->Credentials = shown.credentials;
    out->SessionTokenSize = shown.size;
    out->SessionTokenUtilization = shown.utilization;
    out->SubjectFromWebIdentityToken = web.subject;
    out->AssumedRoleUser = sts_assumed(call, &who);
    out->PackedPolicySize = web.packed;
    out->Provider = web.provider.arn;
    out->Audience = web.audience;
    out->SourceIdentity = session->source_identity;
    return RESULT_OK;
}
