/* Bucket policies: what S3 asks of them beyond the policy language ("Bucket policies for Amazon
 * S3", "Policies and permissions in Amazon S3", Amazon S3 User Guide). */
#include "cloud/bucket_policy.h"

#include "auth/policy_words.h"
#include "cloud/identity.h"
#include "wire/json_text.h"

enum { POLICY_MAX = 20 * 1024 };

/* Actions that resource policies may name, by what they are done to ("Actions defined by Amazon
 * S3", Service Authorization Reference). */
static const char object_actions[] =
    " abortmultipartupload bypassgovernanceretention deleteobject deleteobjecttagging "
    "deleteobjectversion deleteobjectversiontagging getobject getobjectacl "
    "getobjectattributes getobjectlegalhold getobjectretention getobjecttagging "
    "getobjecttorrent getobjectversion getobjectversionacl getobjectversionattributes "
    "getobjectversionforreplication getobjectversiontagging getobjectversiontorrent "
    "initiatereplication listmultipartuploadparts objectowneroverridetobucketowner "
    "putobject putobjectacl putobjectlegalhold putobjectretention putobjecttagging "
    "putobjectversionacl putobjectversiontagging replicatedelete replicateobject "
    "replicatetags restoreobject updateobjectencryption getobjectannotation "
    "putobjectannotation deleteobjectannotation listobjectannotations ";
static const char bucket_reads[] =
    " createbucket createbucketmetadatatableconfiguration deletebucket "
    "deletebucketmetadatatableconfiguration deletebucketpolicy deletebucketwebsite "
    "getaccelerateconfiguration getanalyticsconfiguration getbucketabac getbucketacl "
    "getbucketcors getbucketlocation getbucketlogging getbucketmetadatatableconfiguration "
    "getbucketnotification getbucketobjectlockconfiguration getbucketownershipcontrols "
    "getbucketpolicy getbucketpolicystatus getbucketpublicaccessblock "
    "getbucketrequestpayment getbuckettagging getbucketversioning getbucketwebsite "
    "getencryptionconfiguration getintelligenttieringconfiguration "
    "getinventoryconfiguration getlifecycleconfiguration getmetricsconfiguration "
    "getreplicationconfiguration ";
static const char bucket_writes[] =
    " listbucket listbucketmultipartuploads listbucketversions listtagsforresource "
    "putaccelerateconfiguration putanalyticsconfiguration putbucketabac putbucketacl "
    "putbucketcors putbucketlogging putbucketnotification putbucketobjectlockconfiguration "
    "putbucketownershipcontrols putbucketpolicy putbucketpublicaccessblock "
    "putbucketrequestpayment putbuckettagging putbucketversioning putbucketwebsite "
    "putencryptionconfiguration putintelligenttieringconfiguration "
    "putinventoryconfiguration putlifecycleconfiguration putmetricsconfiguration "
    "putreplicationconfiguration tagresource untagresource "
    "updatebucketmetadatainventorytableconfiguration "
    "updatebucketmetadatajournaltableconfiguration ";

/* Of S3's own condition keys ("Condition keys for Amazon S3"); '/' ends those that go on. */
static const char some_keys[] =
    " s3:accessgrantsinstancearn s3:accesspointnetworkorigin s3:accesspointtag/ s3:authtype "
    "s3:buckettag/ s3:dataaccesspointaccount s3:dataaccesspointarn s3:delimiter "
    "s3:destinationregion s3:existingjoboperation s3:existingjobpriority "
    "s3:existingobjecttag/ s3:if-match s3:if-none-match "
    "s3:inventoryaccessibleoptionalfields s3:jobsuspendedcause s3:locationconstraint "
    "s3:max-keys s3:object-lock-event-hold s3:object-lock-event-hold-duration-days "
    "s3:object-lock-legal-hold s3:object-lock-mode "
    "s3:object-lock-remaining-retention-days s3:object-lock-retain-until-date "
    "s3:objectcreationoperation s3:prefix ";
static const char more_keys[] =
    " s3:requestjoboperation s3:requestjobpriority s3:requestobjecttag/ "
    "s3:requestobjecttagkeys s3:resourceaccount s3:signatureage s3:signatureversion "
    "s3:tlsversion s3:versionid s3:x-amz-acl s3:x-amz-content-sha256 s3:x-amz-copy-source "
    "s3:x-amz-grant-full-control s3:x-amz-grant-read s3:x-amz-grant-read-acp "
    "s3:x-amz-grant-write s3:x-amz-grant-write-acp s3:x-amz-metadata-directive "
    "s3:x-amz-object-ownership s3:x-amz-bucket-namespace "
    "s3:x-amz-server-side-encryption "
    "s3:x-amz-server-side-encryption-aws-kms-key-id "
    "s3:x-amz-server-side-encryption-customer-algorithm s3:x-amz-storage-class "
    "s3:x-amz-website-redirect-location ";

struct checker {
    struct call *call;
    const struct policy_guarded *guarded;
    struct str *reason;
};

static RESULT malformed(struct checker *checker, struct str text)
{
    *checker->reason = text;
    return RESULT_ERROR;
}

/* Whether a word of the list is what the pattern stands for. */
static bool list_has(struct call *call, const char *list, struct str pattern)
{
    struct str rest = str_from_c(list), word;
    while (!str_is_absent(rest)) {
        str_cut(rest, ' ', &word, &rest);
        if (word.len > 0 && policy_glob(call->arena, pattern, word))
            return true;
    }
    return false;
}

/* --- the form --- */

/* What the common compiler has other words for. */
static RESULT check_statement(struct checker *checker, struct str raw)
{
    struct call *call = checker->call;
    static const struct str known[] = {
        STR_INIT("Sid"),          STR_INIT("Effect"),      STR_INIT("Principal"),
        STR_INIT("NotPrincipal"), STR_INIT("Action"),      STR_INIT("NotAction"),
        STR_INIT("Resource"),     STR_INIT("NotResource"), STR_INIT("Condition"),
    };
    static const char *const needed[] = {"Effect", "Principal", "Action", "Resource"};
    struct str rest = raw, name, value, text;
    while (json_next_member(call->arena, &rest, &name, &value)) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            is_known = is_known || str_eq(name, known[i]);
        if (!is_known)
            return malformed(checker, str_format(call->arena, "Unknown field %.*s", PRSTR(name)));
    }
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        struct str wanted = str_from_c(needed[i]);
        if (!json_member(call->arena, raw, wanted, &value) &&
            (i == 0 ||
             !json_member(call->arena, raw, str_concat(call->arena, STR("Not"), wanted), &value)))
            return malformed(checker,
                             str_format(call->arena, "Missing required field %s", needed[i]));
    }
    ASSERT(json_member(call->arena, raw, STR("Effect"), &value));
    if (!json_string(call->arena, value, &text) ||
        (!str_eq(text, STR("Allow")) && !str_eq(text, STR("Deny"))))
        return malformed(checker, str_format(call->arena, "Invalid effect: %.*s", PRSTR(value)));
    return RESULT_OK;
}

static RESULT check_form(struct checker *checker, struct str text)
{
    struct call *call = checker->call;
    struct str statements, item, name, value, rest = text;
    if (str_is_empty(text) || text.ptr[0] != '{' || !json_is_valid(text))
        return malformed(checker,
                         STR("Policies must be valid JSON and the first byte must be '{'"));
    while (json_next_member(call->arena, &rest, &name, &value))
        if (!str_eq(name, STR("Version")) && !str_eq(name, STR("Id")) &&
            !str_eq(name, STR("Statement")))
            return malformed(checker, str_format(call->arena, "Unknown field %.*s", PRSTR(name)));
    if (!json_member(call->arena, text, STR("Statement"), &statements))
        return malformed(checker, STR("Missing required field Statement"));
    if (json_kind_of(statements) == JSON_OBJECT)
        return check_statement(checker, statements);
    if (json_kind_of(statements) != JSON_ARRAY)
        return malformed(checker, STR("Invalid policy syntax."));
    bool empty = true;
    while (json_next_item(&statements, &item)) {
        if (json_kind_of(item) != JSON_OBJECT)
            return malformed(checker, STR("Invalid policy syntax."));
        TRY(check_statement(checker, item));
        empty = false;
    }
    return empty ? malformed(checker, STR("Could not parse the policy: Statement is empty!"))
                 : RESULT_OK;
}

/* --- what it names --- */

/* Users and roles must be there: S3 keeps their ids, not their names. */
static RESULT party_exists(struct call *call, const struct policy_party *party, bool *exists)
{
    const struct identity_table *identity = identity_of(call->cloud);
    struct str rest = party->text, part[5], name, id;
    struct identity_role role;
    struct str_map tags;
    *exists = true;
    if (party->kind != POLICY_PARTY_ARN)
        return RESULT_OK;
    for (int i = 0; i < 5; i++)
        if (!str_cut(rest, ':', &part[i], &rest))
            return RESULT_OK;
    size_t slash = str_find_last_char(rest, '/');
    name = slash == SIZE_MAX ? rest : str_slice(rest, slash + 1, rest.len);
    if (str_starts_with(rest, STR("role/")) && identity->role != NULL)
        return identity->role(call, party->text, &role, exists);
    if (str_starts_with(rest, STR("user/")) && identity->user != NULL)
        return identity->user(call, part[4], name, &id, &tags, exists);
    return RESULT_OK;
}

static RESULT check_parties(struct checker *checker, const struct policy_words *words)
{
    struct call *call = checker->call;
    for (size_t i = 0; i < words->party_count; i++) {
        bool exists;
        TRY(party_exists(call, &words->parties[i], &exists));
        if (!exists)
            return malformed(checker, STR("Invalid principal in policy"));
    }
    return RESULT_OK;
}

/* What a resource is of these: the bucket, things in it. */
struct resource_kind {
    bool bucket, object;
};

static bool resource_of_bucket(struct call *call, const struct policy_guarded *guarded,
                               struct str resource, struct resource_kind *kind)
{
    struct str prefix = str_format(call->arena, "arn:%.*s:s3:::", PRSTR(call->partition)), name,
               rest;
    if (!str_starts_with(resource, prefix))
        return false;
    bool in_it = str_cut(str_slice(resource, prefix.len, resource.len), '/', &name, &rest);
    if (!policy_glob(call->arena, name, guarded->bucket))
        return false;
    kind->object = kind->object || in_it || str_ends_with(name, STR("*"));
    kind->bucket = kind->bucket || !in_it;
    return true;
}

static bool resource_of_point(struct call *call, const struct policy_guarded *guarded,
                              struct str resource, struct resource_kind *kind)
{
    struct str rest;
    if (!str_starts_with(resource, guarded->point_arn)) {
        kind->bucket = kind->object = true;
        return policy_glob(call->arena, resource, guarded->point_arn);
    }
    rest = str_slice(resource, guarded->point_arn.len, resource.len);
    kind->bucket = kind->bucket || str_is_empty(rest) || str_eq(rest, STR("*"));
    bool in_it =
        str_starts_with(rest, STR("/object/")) || str_eq(rest, STR("/*")) || str_eq(rest, STR("*"));
    kind->object = kind->object || in_it;
    return in_it || str_is_empty(rest);
}

static RESULT check_resources(struct checker *checker, const struct policy_words *words,
                              struct resource_kind *kind)
{
    struct call *call = checker->call;
    const struct policy_guarded *guarded = checker->guarded;
    for (size_t i = 0; i < words->resources.len; i++) {
        struct str resource = words->resources.items[i];
        bool good = str_is_absent(guarded->point_arn)
                        ? resource_of_bucket(call, guarded, resource, kind)
                        : resource_of_point(call, guarded, resource, kind);
        if (!good)
            return malformed(checker, STR("Policy has invalid resource"));
    }
    if (words->not_resource)
        kind->bucket = kind->object = true;
    return RESULT_OK;
}

static RESULT check_actions(struct checker *checker, const struct policy_words *words,
                            const struct resource_kind *kind)
{
    struct call *call = checker->call;
    for (size_t i = 0; i < words->actions.len; i++) {
        struct str action = words->actions.items[i], vendor, name;
        if (str_eq(action, STR("*")))
            continue;
        str_cut(action, ':', &vendor, &name);
        if (!policy_glob(call->arena, vendor, STR("s3")))
            return malformed(checker, STR("Policy has invalid action"));
        bool of_object = list_has(call, object_actions, name);
        bool of_bucket = list_has(call, bucket_reads, name) || list_has(call, bucket_writes, name);
        if (!of_object && !of_bucket)
            return malformed(checker, STR("Policy has invalid action"));
        if (!words->not_action && !(of_object && kind->object) && !(of_bucket && kind->bucket))
            return malformed(checker, STR("Action does not apply to any resource(s) in statement"));
    }
    return RESULT_OK;
}

static RESULT check_keys(struct checker *checker, const struct policy_words *words)
{
    struct call *call = checker->call;
    for (size_t i = 0; i < words->keys.len; i++) {
        struct str key = str_lower(call->arena, words->keys.items[i]);
        size_t slash = str_find_char(key, '/');
        struct str word = slash == SIZE_MAX ? key : str_slice(key, 0, slash + 1);
        if (!str_starts_with(key, STR("s3:")))
            continue;
        struct str spaced = str_format(call->arena, " %.*s ", PRSTR(word));
        if (str_find(str_from_c(some_keys), spaced) == SIZE_MAX &&
            str_find(str_from_c(more_keys), spaced) == SIZE_MAX)
            return malformed(checker, STR("Policy has an invalid condition key"));
    }
    return RESULT_OK;
}

RESULT bucket_policy_check(struct call *call, const struct policy_guarded *guarded, struct str text,
                           bool *is_public, struct str *reason)
{
    const struct policy *policy;
    struct checker it = {call, guarded, reason}, *checker = &it;
    if (text.len > POLICY_MAX)
        return malformed(checker, STR("Policy exceeds the maximum allowed document size."));
    TRY(check_form(checker, text));
    enum result result = policy_compile(call->arena, text, POLICY_FORM_RESOURCE, &policy, reason);
    if (result == RESULT_ERROR && str_starts_with(*reason, STR("Invalid principal in policy")))
        *reason = STR("Invalid principal in policy");
    TRY(result);
    for (size_t i = 0; i < policy_statement_count(policy); i++) {
        struct policy_words words;
        struct resource_kind kind = {0};
        policy_statement_words(call->arena, policy, i, &words);
        TRY(check_parties(checker, &words));
        TRY(check_resources(checker, &words, &kind));
        TRY(check_actions(checker, &words, &kind));
        TRY(check_keys(checker, &words));
    }
    *is_public = policy_is_public(call->arena, policy);
    return RESULT_OK;
}
