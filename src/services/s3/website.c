/* Configurations of static websites: "Configuring a static website on Amazon S3", Amazon S3 User
 * Guide. website_serve.c serves them. */
#include "services/s3/access.h"
#include "services/s3/settings.h"

enum { ROUTING_RULES_MAX = 50 };

static RESULT malformed(struct call *call)
{
    return call_fail(call, WIRE_SERIALIZATION,
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

static RESULT check_protocol(struct call *call, struct str protocol)
{
    if (str_is_absent(protocol) || str_eq(protocol, STR("http")) || str_eq(protocol, STR("https")))
        return RESULT_OK;
    return call_fail(call, WIRE_VALIDATION,
                     "Invalid protocol, protocol can be http or https. If not defined the protocol "
                     "will be selected automatically.");
}

static bool is_error_code(struct str text)
{
    int64_t code;
    return text.len == 3 && str_to_i64(text, &code) && code >= 400 && code <= 599;
}

static bool is_redirect_code(struct str text)
{
    int64_t code;
    return text.len == 3 && str_to_i64(text, &code) && code >= 301 && code <= 399;
}

static RESULT check_rule(struct call *call, const struct s3_RoutingRule *rule)
{
    const struct s3_Redirect *redirect = rule->Redirect;
    const struct s3_Condition *condition = rule->Condition;
    if (redirect == NULL)
        return malformed(call);
    if (str_is_absent(redirect->HostName) && str_is_absent(redirect->HttpRedirectCode) &&
        str_is_absent(redirect->Protocol) && str_is_absent(redirect->ReplaceKeyPrefixWith) &&
        str_is_absent(redirect->ReplaceKeyWith))
        return malformed(call);
    if (!str_is_absent(redirect->ReplaceKeyPrefixWith) && !str_is_absent(redirect->ReplaceKeyWith))
        return call_fail(call, WIRE_VALIDATION,
                         "You can only define ReplaceKeyPrefix or ReplaceKey but not both.");
    TRY(check_protocol(call, redirect->Protocol));
    if (!str_is_absent(redirect->HttpRedirectCode) && !is_redirect_code(redirect->HttpRedirectCode))
        return call_fail(call, WIRE_VALIDATION,
                         "The provided HTTP redirect code (%.*s) is not valid. Valid codes are 3XX "
                         "except 300.",
                         PRSTR(redirect->HttpRedirectCode));
    if (condition == NULL)
        return RESULT_OK;
    if (str_is_absent(condition->HttpErrorCodeReturnedEquals) &&
        str_is_absent(condition->KeyPrefixEquals))
        return call_fail(call, WIRE_VALIDATION,
                         "Condition cannot be empty. To redirect all "
                         "requests without a condition, the condition "
                         "element shouldn't be present.");
    if (!str_is_absent(condition->HttpErrorCodeReturnedEquals) &&
        !is_error_code(condition->HttpErrorCodeReturnedEquals))
        return call_fail(call, WIRE_VALIDATION,
                         "The provided HTTP error code (%.*s) is not valid. Valid codes are 4XX or "
                         "5XX.",
                         PRSTR(condition->HttpErrorCodeReturnedEquals));
    return RESULT_OK;
}

static RESULT check_website(struct call *call, const struct s3_WebsiteConfiguration *wanted)
{
    if (wanted == NULL)
        return malformed(call);
    const struct s3_RedirectAllRequestsTo *all = wanted->RedirectAllRequestsTo;
    if (all != NULL) {
        if (wanted->IndexDocument != NULL || wanted->ErrorDocument != NULL ||
            wanted->RoutingRules.len > 0)
            return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                             "RedirectAllRequestsTo cannot be provided in conjunction with other "
                             "Routing Rules.");
        if (str_is_empty(all->HostName))
            return malformed(call);
        return check_protocol(call, all->Protocol);
    }
    if (wanted->IndexDocument == NULL)
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "A value for IndexDocument Suffix must be provided if "
                         "RedirectAllRequestsTo is empty");
    struct str suffix = wanted->IndexDocument->Suffix;
    if (str_is_empty(suffix) || str_find_char(suffix, '/') != SIZE_MAX)
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "The IndexDocument Suffix is not well formed");
    if (wanted->ErrorDocument != NULL && str_is_empty(wanted->ErrorDocument->Key))
        return call_fail(call, WIRE_INVALID_PARAMETER_VALUE,
                         "The ErrorDocument Key is not well formed");
    if (wanted->RoutingRules.len > ROUTING_RULES_MAX)
        return call_fail(call, WIRE_VALIDATION, "The number of routing rules must not exceed 50.");
    for (size_t i = 0; i < wanted->RoutingRules.len; i++)
        TRY(check_rule(call, &wanted->RoutingRules.items[i]));
    return RESULT_OK;
}

RESULT s3_PutBucketWebsite(struct call *call, const struct s3_PutBucketWebsiteRequest *in,
                           struct s3_PutBucketWebsiteResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    TRY(check_website(call, in->WebsiteConfiguration));
    return setting_put(call, &bucket, S3_SETTING_WEBSITE, (struct str){0},
                       in->WebsiteConfiguration);
}

RESULT s3_GetBucketWebsite(struct call *call, const struct s3_GetBucketWebsiteRequest *in,
                           struct s3_GetBucketWebsiteOutput *out)
{
    struct s3_bucket bucket;
    struct s3_WebsiteConfiguration kept;
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(setting_get(call, &bucket, S3_SETTING_WEBSITE, (struct str){0}, &kept, &found));
    if (!found) {
        return s3_fail_bucket(call, S3_NO_SUCH_WEBSITE_CONFIGURATION, bucket.name,
                              "The specified bucket does not have a website configuration");
    }
    out->RedirectAllRequestsTo = kept.RedirectAllRequestsTo;
    out->IndexDocument = kept.IndexDocument;
    out->ErrorDocument = kept.ErrorDocument;
    out->RoutingRules = kept.RoutingRules;
    return RESULT_OK;
}

RESULT s3_DeleteBucketWebsite(struct call *call, const struct s3_DeleteBucketWebsiteRequest *in,
                              struct s3_DeleteBucketWebsiteResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    bool existed;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    call->status = 204;
    return setting_delete(call, &bucket, S3_SETTING_WEBSITE, (struct str){0}, &existed);
}
