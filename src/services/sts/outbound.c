/* "GetWebIdentityToken", AWS Security Token Service API Reference; "Understanding token claims",
 * IAM User Guide: tokens by which others know an account's users and roles, and the pages where
 * their keys are found (OpenID Connect Discovery 1.0). Each account has an issuer and, made when
 * first needed, one key for each algorithm. */
#include "auth/jwt_sign.h"
#include "base/cipher.h"
#include "base/rng.h"
#include "base/time.h"
#include "cloud/authorize.h"
#include "cloud/organization.h"
#include "cloud/tags.h"
#include "cloud/work.h"
#include "services/sts/sts_int.h"
#include "wire/wire.h"

enum { TOKEN_S = 300, CLAIMS_MAX = 16 * 1024 };

static const struct str token_kids[] = {
    [JWT_RS256] = STR_INIT("RSA_0"), [JWT_ES384] = STR_INIT("EC384_0")};

/* --- keys --- */

static struct key token_key_key(struct call *call, struct str issuer, struct str kid)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("sts-token-key"));
    key_str(&key, issuer);
    key_str(&key, kid);
    return key;
}

struct making {
    enum jwt_kind kind;
    struct jwt_key made;
};

static RESULT token_key_make(struct work *work)
{
    struct making *making = work->data;
    return jwt_key_make(work->arena, making->kind, token_kids[making->kind], &making->made);
}

/* Waits (RESULT_PARK) while the pair is made on another thread; then it is written down, unless
 * another call was first. */
static RESULT token_key_new(struct call *call, struct str issuer, enum jwt_kind kind,
                            struct sts_token_key *out)
{
    uint8_t secret[CIPHER_KEY];
    struct work *work = work_find(call, token_kids[kind]);
    if (work == NULL) {
        work = work_new(call, token_kids[kind], sizeof(struct making));
        ((struct making *)work->data)->kind = kind;
        TRY(work_start(call, work, false, token_key_make));
    }
    TRY(work_await(call, work));
    const struct making *making = work->data;
    cloud_derive(call->cloud, STR("sts token keys"), secret);
    *out = (struct sts_token_key){
        .kid = token_kids[kind],
        .private_key = cipher_box(call->arena, secret, issuer, making->made.private_der),
        .jwk = making->made.jwk,
    };
    cipher_forget(secret, sizeof secret);
    struct key key = token_key_key(call, issuer, token_kids[kind]);
    return call_put_record(call, &key, &sts_model, STS_SHAPE_token_key, out);
}

static RESULT token_sign(struct call *call, struct str issuer, enum jwt_kind kind,
                         struct str claims, struct str *token)
{
    uint8_t secret[CIPHER_KEY];
    struct sts_token_key kept;
    struct str der;
    bool found;
    struct key key = token_key_key(call, issuer, token_kids[kind]);
    TRY(call_get_record_copy(call, &key, &sts_model, STS_SHAPE_token_key, &kept, &found));
    if (!found)
        TRY(token_key_new(call, issuer, kind, &kept));
    cloud_derive(call->cloud, STR("sts token keys"), secret);
    bool opened = cipher_unbox(call->arena, secret, issuer, kept.private_key, &der);
    cipher_forget(secret, sizeof secret);
    if (!opened)
        return FAULT("a key of tokens does not open");
    TRY(jwt_sign(call->arena, kind, token_kids[kind], der, claims, token));
    cipher_forget((void *)(uintptr_t)der.ptr, der.len);
    return RESULT_OK;
}

/* --- claims --- */

static void put_name(struct buf *out, struct str name)
{
    char last = out->len == 0 ? '{' : buf_str(out).ptr[out->len - 1];
    if (last != '{' && last != '[')
        buf_append_char(out, ',');
    wire_json_write_string(out, name);
    buf_append_char(out, ':');
}

static void put_text(struct buf *out, const char *name, struct str value)
{
    if (str_is_absent(value))
        return;
    put_name(out, str_from_c(name));
    wire_json_write_string(out, value);
}

static void put_tags(struct buf *out, const char *name, const struct str_map *tags)
{
    if (tags->len == 0)
        return;
    put_name(out, str_from_c(name));
    buf_append_char(out, '{');
    for (size_t i = 0; i < tags->len; i++) {
        put_name(out, tags->items[i].key);
        wire_json_write_string(out, tags->items[i].value);
    }
    buf_append_char(out, '}');
}

/* A session's tags come before those of its role or user. */
static RESULT principal_tags(struct call *call, struct str_map *out)
{
    const struct identity_table *identity = identity_of(call->cloud);
    const struct principal *who = &call->principal;
    struct identity_role role = {0};
    struct str_map kept = {0};
    struct str id;
    bool found = false;
    if (who->kind == PRINCIPAL_ROLE_SESSION && identity->role != NULL) {
        TRY(identity->role(call, who->session->role_arn, &role, &found));
        kept = role.tags;
    } else if (who->kind == PRINCIPAL_USER && identity->user != NULL) {
        TRY(identity->user(call, who->account, who->name, &id, &kept, &found));
    }
    if (!found)
        kept.len = 0;
    *out = who->session == NULL || who->session->tags.len == 0
               ? kept
               : tags_merge(call->arena, &kept, &who->session->tags);
    return RESULT_OK;
}

static RESULT put_identity(struct call *call, const struct str_map *tags, struct buf *out)
{
    const struct session *session = call->principal.session;
    struct organization_view view;
    struct str_map own;
    put_name(out, STR("https://sts.amazonaws.com/"));
    buf_append_char(out, '{');
    put_text(out, "aws_account", call->principal.account);
    put_text(out, "source_region", call->region);
    TRY(authorize_view(call, call->principal.account, &view));
    put_text(out, "org_id", view.id);
    put_text(out, "ou_path", view.path);
    TRY(principal_tags(call, &own));
    put_tags(out, "principal_tags", &own);
    if (session != NULL) {
        struct buf time;
        buf_init(&time, call->arena, 64);
        time_format_iso8601(&time, session->expires_ms / 1000 * 1000);
        put_text(out, "original_session_exp", buf_str(&time));
        put_text(out, "federated_provider", session->federated_provider);
        put_text(out, "source_identity", session->source_identity);
    }
    put_tags(out, "request_tags", tags);
    buf_append_char(out, '}');
    return RESULT_OK;
}

static RESULT token_claims(struct call *call, const struct sts_GetWebIdentityTokenRequest *in,
                           struct str issuer, const struct str_map *tags, int64_t seconds,
                           struct str *claims)
{
    const struct session *session = call->principal.session;
    struct buf out;
    char id[36];
    rng_uuid(id);
    buf_init(&out, call->arena, CLAIMS_MAX);
    buf_append_char(&out, '{');
    put_text(&out, "iss", identity_issuer(call, issuer));
    put_name(&out, STR("aud"));
    if (in->Audience.len == 1) {
        wire_json_write_string(&out, in->Audience.items[0]);
    } else {
        for (size_t i = 0; i < in->Audience.len; i++) {
            buf_append_char(&out, i == 0 ? '[' : ',');
            wire_json_write_string(&out, in->Audience.items[i]);
        }
        buf_append_char(&out, ']');
    }
    put_text(&out, "sub",
             session != NULL && !str_is_absent(session->role_arn) ? session->role_arn
                                                                  : call->principal.arn);
    put_name(&out, STR("iat"));
    buf_append_format(&out, "%lld", (long long)(call->now_ms / 1000));
    put_name(&out, STR("exp"));
    buf_append_format(&out, "%lld", (long long)(call->now_ms / 1000 + seconds));
    put_text(&out, "jti", str_make(id, sizeof id));
    TRY(put_identity(call, tags, &out));
    buf_append_char(&out, '}');
    if (buf_is_full(&out))
        return call_fail(call, STS_JWT_PAYLOAD_SIZE_EXCEEDED,
                         "The requested token payload size exceeds the maximum allowed size. "
                         "Reduce the number of request tags included in the GetWebIdentityToken "
                         "API call to reduce the token payload size.");
    *claims = buf_str(&out);
    return RESULT_OK;
}

/* --- permission --- */

struct outbound_keys {
    struct call *call;
    struct str_list audience, tag_keys;
    struct str algorithm, seconds;
    struct str_map tags;
};

static bool outbound_key(void *self, struct str key, struct policy_values *out)
{
    struct outbound_keys *keys = self;
    struct str name, rest;
    if (str_eq_nocase(key, STR("sts:IdentityTokenAudience")))
        *out = (struct policy_values){keys->audience.items, keys->audience.len};
    else if (str_eq_nocase(key, STR("sts:SigningAlgorithm")))
        *out = (struct policy_values){&keys->algorithm, 1};
    else if (str_eq_nocase(key, STR("sts:DurationSeconds")))
        *out = (struct policy_values){&keys->seconds, 1};
    else if (str_eq_nocase(key, STR("aws:TagKeys")) && keys->tag_keys.len > 0)
        *out = (struct policy_values){keys->tag_keys.items, keys->tag_keys.len};
    else if (str_cut(key, '/', &name, &rest) && str_eq_nocase(name, STR("aws:RequestTag")))
        for (size_t i = 0; i < keys->tags.len; i++)
            if (str_eq_nocase(keys->tags.items[i].key, rest)) {
                *out = (struct policy_values){&keys->tags.items[i].value, 1};
                return true;
            }
    return out->len > 0;
}

static RESULT outbound_ask(struct call *call, struct outbound_keys *keys)
{
    struct authorize_ask ask = {
        .action = STR("sts:GetWebIdentityToken"),
        .resource = str_format(call->arena, "arn:aws:sts::%.*s:self", PRSTR(call->account)),
        .form = POLICY_FORM_RESOURCE,
        .find = outbound_key,
        .self = keys,
    };
    TRY(authorize_ask(call, &ask));
    ask.action = STR("sts:TagGetWebIdentityToken");
    return keys->tags.len == 0 ? RESULT_OK : authorize_ask(call, &ask);
}

static RESULT outbound_tags(struct call *call, const struct sts_tagListType *given,
                            struct str_map *tags)
{
    *tags = (struct str_map){ARENA_ARRAY(call->arena, given->len + 1, struct str_map_entry), 0};
    for (size_t i = 0; i < given->len; i++) {
        for (size_t j = 0; j < tags->len; j++)
            if (str_eq_nocase(tags->items[j].key, given->items[i].Key))
                return call_fail(call, STS_INVALID_PARAMETER_VALUE,
                                 "Duplicate tag keys found. Please note that Tag keys are case "
                                 "insensitive.");
        tags->items[tags->len++] =
            (struct str_map_entry){given->items[i].Key, given->items[i].Value};
    }
    return RESULT_OK;
}

RESULT sts_GetWebIdentityToken(struct call *call, const struct sts_GetWebIdentityTokenRequest *in,
                               struct sts_GetWebIdentityTokenResponse *out)
{
    const struct identity_table *identity = identity_of(call->cloud);
    const struct session *session = call->principal.session;
    struct identity_outbound outbound = {0};
    struct str_map tags;
    struct str claims;
    int64_t seconds = in->DurationSeconds.set ? in->DurationSeconds.value : TOKEN_S;
    bool rsa = str_eq(in->SigningAlgorithm, STR("RS256"));
    TRY(sts_refuse_sessions(call, "GetWebIdentityToken"));
    if (!rsa && !str_eq(in->SigningAlgorithm, STR("ES384")))
        return call_fail(call, STS_VALIDATION,
                         "The signing algorithm %.*s is not valid: RS256 and ES384 are.",
                         PRSTR(in->SigningAlgorithm));
    TRY(outbound_tags(call, &in->Tags, &tags));
    struct outbound_keys keys = {
        .call = call,
        .audience = {in->Audience.items, in->Audience.len},
        .algorithm = in->SigningAlgorithm,
        .seconds = str_format(call->arena, "%lld", (long long)seconds),
        .tags = tags,
        .tag_keys = sts_tag_keys(call, &tags),
    };
    TRY(outbound_ask(call, &keys));
    if (identity->outbound != NULL)
        TRY(identity->outbound(call, call->account, &outbound));
    if (!outbound.enabled)
        return call_fail(call, STS_OUTBOUND_WEB_IDENTITY_FEDERATION_DISABLED,
                         "The outbound web identity federation feature is not enabled for this "
                         "account. To use this feature, you must first enable it through the "
                         "Amazon Web Services Management Console or API.");
    if (session != NULL && call->now_ms + seconds * 1000 > session->expires_ms)
        return call_fail(call, STS_SESSION_DURATION_ESCALATION,
                         "The requested token duration would extend the session beyond its "
                         "original expiration time. You cannot use this operation to extend the "
                         "lifetime of a session beyond what was granted when the session was "
                         "originally created.");
    TRY(token_claims(call, in, outbound.id, &tags, seconds, &claims));
    TRY(token_sign(call, outbound.id, rsa ? JWT_RS256 : JWT_ES384, claims, &out->WebIdentityToken));
    out->Expiration = opt_time((call->now_ms / 1000 + seconds) * 1000);
    return RESULT_OK;
}

/* --- the issuer's pages --- */

static RESULT issuer_keys(struct call *call, struct str issuer, struct buf *out)
{
    buf_append(out, STR("{\"keys\":["));
    for (size_t i = 0, shown = 0; i < sizeof token_kids / sizeof token_kids[0]; i++) {
        struct sts_token_key kept;
        bool found;
        struct key key = token_key_key(call, issuer, token_kids[i]);
        TRY(call_get_record(call, &key, &sts_model, STS_SHAPE_token_key, &kept, &found));
        if (!found)
            continue;
        if (shown++ > 0)
            buf_append_char(out, ',');
        buf_append(out, kept.jwk);
    }
    buf_append(out, STR("]}"));
    return RESULT_OK;
}

static void issuer_document(struct call *call, struct str issuer, struct buf *out)
{
    struct str url = identity_issuer(call, issuer);
    buf_append_char(out, '{');
    put_text(out, "issuer", url);
    put_text(out, "jwks_uri", str_concat(call->arena, url, STR("/.well-known/jwks.json")));
    buf_append(out, STR(",\"response_types_supported\":[\"id_token\"]"
                        ",\"subject_types_supported\":[\"public\"]"
                        ",\"id_token_signing_alg_values_supported\":[\"RS256\",\"ES384\"]"
                        ",\"claims_supported\":[\"sub\",\"iss\",\"aud\",\"exp\",\"iat\",\"jti\","
                        "\"https://sts.amazonaws.com/\"]}"));
}

RESULT sts_issuer_page(struct call *call, struct wire_response *response)
{
    struct wire_header *type = ARENA_NEW(call->arena, struct wire_header);
    static const size_t prefix = sizeof IDENTITY_ISSUER_PATH - 1;
    const struct identity_table *identity = identity_of(call->cloud);
    struct str path = call->request->path, issuer, page;
    bool known = false;
    struct buf out;
    buf_init(&out, call->arena, 64 * 1024);
    *type = (struct wire_header){STR("Content-Type"), STR("application/json")};
    response->headers = type;
    response->header_count = 1;
    if (!str_cut(str_slice(path, prefix, path.len), '/', &issuer, &page))
        issuer = STR("");
    if (identity->is_issuer != NULL)
        TRY(identity->is_issuer(call, issuer, &known));
    if (!known) {
        response->status = 404;
        buf_append(&out, STR("{}"));
    } else if (str_eq(page, STR(".well-known/openid-configuration"))) {
        issuer_document(call, issuer, &out);
    } else if (str_eq(page, STR(".well-known/jwks.json"))) {
        TRY(issuer_keys(call, issuer, &out));
    } else {
        response->status = 404;
        buf_append(&out, STR("{}"));
    }
    response->body = buf_str(&out);
    return RESULT_OK;
}
