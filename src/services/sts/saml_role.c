/* "AssumeRoleWithSAML", AWS Security Token Service API Reference; "Configure SAML assertions for
 * the authentication response", "Keys for SAML-based AWS STS federation", IAM User Guide. */
#include "auth/saml.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/time.h"
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "services/sts/sts_int.h"

#define ATTRIBUTES "https://aws.amazon.com/SAML/Attributes/"

enum { NAME_MIN = 2, NAME_MAX = 64 };

/* All that one request comes to. */
struct saml {
    const struct sts_AssumeRoleWithSAMLRequest *in;
    struct identity_saml provider;
    struct saml_assertion assertion;
    struct identity_role role;
    struct str account; /* the role's */
    struct str session_name, subject_type, qualifier;
    struct session session;
    struct sts_keys keys;
    struct opt_int packed;
};

static RESULT saml_invalid(struct call *call, const char *message)
{
    return call_fail(call, STS_INVALID_IDENTITY_TOKEN, "%s", message);
}

/* --- the response --- */

static RESULT saml_verdict_told(struct call *call, enum saml_verdict verdict)
{
    switch (verdict) {
    case SAML_GOOD:
        return RESULT_OK;
    case SAML_UNREADABLE:
        return saml_invalid(call, "Invalid SAML response");
    case SAML_FAILED:
        return call_fail(call, STS_IDP_REJECTED_CLAIM,
                         "The identity provider did not authenticate the user.");
    case SAML_WRONG_IDP:
        return saml_invalid(call, "Issuer not present in specified provider");
    case SAML_FORGED:
        return saml_invalid(call, "Response signature invalid");
    case SAML_UNSUPPORTED:
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa implements neither encrypted assertions nor the algorithm that "
                         "this one is signed with.");
    case SAML_NO_LIBRARY:
        break;
    }
    return call_fail(call, WIRE_NOT_IMPLEMENTED,
                     "AssumeRoleWithSAML needs libxml2.so.2, which is not on this machine.");
}

static RESULT saml_take_response(struct call *call, struct saml *saml)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct str response;
    struct arn arn;
    bool found = false;
    if (!arn_parse(saml->in->PrincipalArn, &arn))
        return call_fail(call, STS_VALIDATION, "%.*s is invalid", PRSTR(saml->in->PrincipalArn));
    if (identity->saml != NULL && str_eq(arn.account, saml->account))
        TRY(identity->saml(call, saml->in->PrincipalArn, &saml->provider, &found));
    if (!found)
        return saml_invalid(call, "Specified provider doesn't exist");
    if (!base64_decode(call->arena, saml->in->SAMLAssertion, &response))
        return saml_invalid(call, "Invalid base64 SAMLResponse");
    return saml_verdict_told(
        call, saml_read(call->arena, response, saml->provider.metadata, &saml->assertion));
}

/* --- conditions --- */

static bool saml_is_past(const struct call *call, struct str time)
{
    int64_t ms;
    return !str_is_absent(time) && (!time_parse_iso8601(time, &ms) || ms <= call->now_ms);
}

/* "https://signin.aws.amazon.com/saml", a region's, or with /acs/ID behind. */
static bool saml_is_sign_in(struct str url)
{
    struct str end = STR("signin.aws.amazon.com/saml"), scheme = STR("https://");
    size_t at = str_find(url, end);
    if (!str_starts_with(url, scheme) || at == SIZE_MAX)
        return false;
    struct str region = str_slice(url, scheme.len, at),
               rest = str_slice(url, at + end.len, url.len);
    return (str_is_empty(region) || (str_ends_with(region, STR(".")) &&
                                     arn_is_region(str_slice(region, 0, region.len - 1)))) &&
           (str_is_empty(rest) || str_starts_with(rest, STR("/acs/")));
}

static RESULT saml_check_conditions(struct call *call, const struct saml *saml)
{
    const struct saml_assertion *assertion = &saml->assertion;
    int64_t begins;
    bool ours = assertion->audiences.len == 0;
    if (saml_is_past(call, assertion->not_on_or_after) ||
        saml_is_past(call, assertion->confirmed_until))
        return call_fail(call, STS_EXPIRED_TOKEN_EXCEPTION,
                         "Token must be redeemed within 5 minutes of issuance");
    if (str_is_absent(assertion->confirmed_until))
        return saml_invalid(call, "SubjectConfirmationData must have NotOnOrAfter");
    if (!str_is_absent(assertion->not_before) &&
        (!time_parse_iso8601(assertion->not_before, &begins) || begins > call->now_ms + 300000))
        return saml_invalid(call, "Assertion is not valid yet");
    if (!saml_is_sign_in(assertion->recipient))
        return saml_invalid(call, "Recipient of the assertion is not AWS");
    for (size_t i = 0; i < assertion->audiences.len; i++)
        ours = ours || saml_is_sign_in(assertion->audiences.items[i]) ||
               str_eq(assertion->audiences.items[i], STR("urn:amazon:webservices"));
    return ours ? RESULT_OK : saml_invalid(call, "Audience of the assertion is not AWS");
}

/* --- attributes --- */

static struct str saml_first(const struct saml *saml, const char *name)
{
    const struct str_list *values = saml_values(&saml->assertion, str_from_c(name));
    return values == NULL || values->len == 0 ? (struct str){0} : values->items[0];
}

/* "ROLE-ARN,PROVIDER-ARN", either first. */
static bool saml_names_role(const struct saml *saml)
{
    const struct str_list *values = saml_values(&saml->assertion, STR(ATTRIBUTES "Role"));
    for (size_t i = 0; values != NULL && i < values->len; i++) {
        struct str one, two;
        str_cut(values->items[i], ',', &one, &two);
        one = str_trim(one);
        two = str_is_absent(two) ? two : str_trim(two);
        const struct sts_AssumeRoleWithSAMLRequest *in = saml->in;
        if ((str_eq(one, in->RoleArn) && str_eq(two, in->PrincipalArn)) ||
            (str_eq(two, in->RoleArn) && str_eq(one, in->PrincipalArn)))
            return true;
    }
    return false;
}

static RESULT saml_take_name(struct call *call, struct saml *saml)
{
    struct str name = saml_first(saml, ATTRIBUTES "RoleSessionName");
    if (str_is_absent(name))
        return saml_invalid(call, "RoleSessionName is required in AuthnResponse");
    if (name.len < NAME_MIN || name.len > NAME_MAX || !arn_is_name(name))
        return saml_invalid(call,
                            "RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}");
    saml->session_name = name;
    return RESULT_OK;
}

static void saml_take_tags(struct call *call, const struct saml *saml, struct sts_tagListType *tags,
                           struct str_list *transitive)
{
    struct str prefix = STR(ATTRIBUTES "PrincipalTag:");
    const struct str_list *keys =
        saml_values(&saml->assertion, STR(ATTRIBUTES "TransitiveTagKeys"));
    size_t cap = 0;
    for (size_t i = 0; i < saml->assertion.attribute_count; i++) {
        const struct saml_attribute *attribute = &saml->assertion.attributes[i];
        if (!str_starts_with(attribute->name, prefix) || attribute->values.len == 0)
            continue;
        struct sts_Tag tag = {.Key = str_slice(attribute->name, prefix.len, attribute->name.len),
                              .Value = attribute->values.items[0]};
        VEC_PUSH(call->arena, tags->items, tags->len, cap, tag);
    }
    if (keys != NULL)
        *transitive = *keys;
}

/* The base64 of SHA-1 over issuer, account and "/NAME" of the provider: with the subject it names a
 * person for good. */
static void saml_take_subject(struct call *call, struct saml *saml)
{
    struct str formats = STR("urn:oasis:names:tc:SAML:2.0:nameid-format:");
    struct str format = saml->assertion.subject_format, provider = saml->in->PrincipalArn;
    size_t slash = str_find_char(provider, '/');
    uint8_t digest[SHA1_SIZE];
    struct buf text;
    saml->subject_type =
        str_starts_with(format, formats) ? str_slice(format, formats.len, format.len) : format;
    digest_sha1(str_format(call->arena, "%.*s%.*s%.*s", PRSTR(saml->assertion.issuer),
                           PRSTR(saml->account), PRSTR(str_slice(provider, slash, provider.len))),
                digest);
    buf_init(&text, call->arena, 64);
    base64_encode(&text, str_make((const char *)digest, sizeof digest));
    saml->qualifier = buf_str(&text);
}

static void saml_take_claims(struct call *call, struct saml *saml)
{
    struct str provider = saml->in->PrincipalArn;
    size_t slash = str_find_char(provider, '/');
    struct str_map_entry claims[] = {
        {STR("saml:aud"), saml->assertion.recipient},
        {STR("saml:iss"), saml->assertion.issuer},
        {STR("saml:sub"), saml->assertion.subject},
        {STR("saml:sub_type"), saml->subject_type},
        {STR("saml:namequalifier"), saml->qualifier},
        {STR("saml:doc"),
         str_concat(call->arena, saml->account, str_slice(provider, slash, provider.len))},
    };
    struct str_map *out = &saml->session.claims;
    size_t cap = 0;
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        if (!str_is_absent(claims[i].value))
            VEC_PUSH(call->arena, out->items, out->len, cap, claims[i]);
}

/* --- permission --- */

static RESULT saml_ask(struct call *call, struct saml *saml, const char *action)
{
    struct session stranger = {.federated_provider = saml->provider.arn};
    struct principal who = {.kind = PRINCIPAL_ANONYMOUS, .session = &stranger};
    struct authorize_ask ask = {
        .who = &who,
        .action = str_from_c(action),
        .resource = saml->role.arn,
        .owner = saml->account,
        .policy = saml->role.trust,
        .form = POLICY_FORM_TRUST,
        .needs_policy = true,
        .find = sts_find_key,
        .self = &saml->keys,
    };
    bool allowed;
    TRY(authorize_may(call, &ask, &allowed));
    return allowed ? RESULT_OK
                   : call_fail(call, STS_ACCESS_DENIED, "Not authorized to perform %s", action);
}

static RESULT saml_ask_all(struct call *call, struct saml *saml)
{
    struct session *session = &saml->session;
    saml->keys = (struct sts_keys){
        .call = call,
        .session_name = saml->session_name,
        .source_identity = session->source_identity,
        .transitive = session->transitive,
        .tags = session->tags,
        .tag_keys = sts_tag_keys(call, &session->tags),
        .role_tags = saml->role.tags,
        .claims = session->claims,
        .duration_s = saml->in->DurationSeconds.set ? saml->in->DurationSeconds.value : 0,
    };
    TRY(saml_ask(call, saml, "sts:AssumeRoleWithSAML"));
    if (session->tags.len > 0)
        TRY(saml_ask(call, saml, "sts:TagSession"));
    if (!str_is_absent(session->source_identity))
        TRY(saml_ask(call, saml, "sts:SetSourceIdentity"));
    return RESULT_OK;
}

/* The shorter of what the request and what the assertion say. */
static struct opt_int saml_duration(const struct saml *saml)
{
    struct opt_int asked = saml->in->DurationSeconds;
    int64_t seconds;
    if (!str_to_i64(saml_first(saml, ATTRIBUTES "SessionDuration"), &seconds) || seconds < 900 ||
        seconds > 43200)
        return asked;
    return asked.set && asked.value < seconds ? asked : opt_int((int32_t)seconds);
}

static RESULT saml_prepare(struct call *call, struct saml *saml)
{
    const struct sts_AssumeRoleWithSAMLRequest *in = saml->in;
    struct sts_tagListType tags = {0};
    struct str_list transitive = {0};
    bool found;
    TRY(sts_find_role(call, in->RoleArn, &saml->role, &saml->account, &found));
    TRY(saml_take_response(call, saml));
    TRY(saml_check_conditions(call, saml));
    TRY(saml_take_name(call, saml));
    if (!found || saml->role.linked || !saml_names_role(saml))
        return call_fail(call, STS_ACCESS_DENIED,
                         "Not authorized to perform sts:AssumeRoleWithSAML");
    saml_take_tags(call, saml, &tags, &transitive);
    saml_take_subject(call, saml);
    saml_take_claims(call, saml);
    saml->session.source_identity = saml_first(saml, ATTRIBUTES "SourceIdentity");
    struct sts_parts parts = {in->Policy, &in->PolicyArns, &tags, &transitive};
    TRY(sts_take_parts(call, &parts, saml->account, NULL, &saml->session, &saml->packed));
    TRY(saml_ask_all(call, saml));
    return sts_take_duration(call, saml_duration(saml), &saml->role, false, &saml->session);
}

RESULT sts_AssumeRoleWithSAML(struct call *call, const struct sts_AssumeRoleWithSAMLRequest *in,
                              struct sts_AssumeRoleWithSAMLResponse *out)
{
    struct saml saml = {.in = in};
    struct session *session = &saml.session;
    struct sts_shown shown;
    TRY(saml_prepare(call, &saml));
    session->role_arn = saml.role.arn;
    session->role_id = saml.role.id;
    session->name = saml.session_name;
    session->federated_provider = saml.provider.arn;
    session->kept = true;
    struct principal who = {.account = saml.account, .session = session};
    session_role_principal(call->arena, &saml.role, &who);
    TRY(sts_issue(call, &who, in->MinimumSessionTokenSize, &shown));
    out->Credentials = shown.credentials;
    out->SessionTokenSize = shown.size;
    out->SessionTokenUtilization = shown.utilization;
    out->AssumedRoleUser = sts_assumed(call, &who);
    out->PackedPolicySize = saml.packed;
    out->Subject = saml.assertion.subject;
    out->SubjectType = saml.subject_type;
    out->Issuer = saml.assertion.issuer;
    out->Audience = saml.assertion.recipient;
    out->NameQualifier = saml.qualifier;
    out->SourceIdentity = session->source_identity;
    return RESULT_OK;
}
