/* Cross-origin resource sharing: "Using cross-origin resource sharing (CORS)", Amazon S3 User
 * Guide; OPTIONS object, Amazon S3 API Reference. */
#include "services/s3/access.h"
#include "services/s3/settings.h"

enum { CORS_RULES_MAX = 100, CORS_ID_MAX = 255 };

static const struct str cors_methods[] = {STR_INIT("GET"), STR_INIT("PUT"), STR_INIT("POST"),
                                          STR_INIT("DELETE"), STR_INIT("HEAD")};

static bool method_is_known(struct str method)
{
    for (size_t i = 0; i < sizeof cors_methods / sizeof cors_methods[0]; i++)
        if (str_eq(method, cors_methods[i]))
            return true;
    return false;
}

/* --- configuration --- */

static unsigned stars_in(struct str text)
{
    unsigned count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '*';
    return count;
}

static RESULT check_stars(struct call *call, const struct str_list *list, const char *what)
{
    for (size_t i = 0; i < list->len; i++)
        if (stars_in(list->items[i]) > 1)
            return call_fail(call, WIRE_VALIDATION,
                             "%s \"%.*s\" can not have more than one wildcard.", what,
                             PRSTR(list->items[i]));
    return RESULT_OK;
}

static RESULT malformed(struct call *call)
{
    return call_fail(call, WIRE_SERIALIZATION,
                     "The XML you provided was not well-formed or did not validate against our "
                     "published schema");
}

static RESULT check_rule(struct call *call, const struct s3_CORSRule *rule)
{
    if (rule->AllowedMethods.len == 0 || rule->AllowedOrigins.len == 0 ||
        rule->ID.len > CORS_ID_MAX || (rule->MaxAgeSeconds.set && rule->MaxAgeSeconds.value < 0))
        return malformed(call);
    for (size_t i = 0; i < rule->AllowedMethods.len; i++)
        if (!method_is_known(rule->AllowedMethods.items[i]))
            return call_fail(call, WIRE_VALIDATION,
                             "Found unsupported HTTP method in CORS config. Unsupported method is "
                             "%.*s",
                             PRSTR(rule->AllowedMethods.items[i]));
    TRY(check_stars(call, &rule->AllowedOrigins, "AllowedOrigin"));
    TRY(check_stars(call, &rule->AllowedHeaders, "AllowedHeader"));
    for (size_t i = 0; i < rule->ExposeHeaders.len; i++)
        if (stars_in(rule->ExposeHeaders.items[i]) > 0)
            return call_fail(call, WIRE_VALIDATION,
                             "ExposeHeader \"%.*s\" contains wildcard. We currently do not support "
                             "wildcard for ExposeHeader.",
                             PRSTR(rule->ExposeHeaders.items[i]));
    return RESULT_OK;
}

RESULT s3_PutBucketCors(struct call *call, const struct s3_PutBucketCorsRequest *in,
                        struct s3_PutBucketCorsResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(s3_check_body(call));
    const struct s3_CORSConfiguration *wanted = in->CORSConfiguration;
    if (wanted == NULL || wanted->CORSRules.len == 0)
        return malformed(call);
    if (wanted->CORSRules.len > CORS_RULES_MAX)
        return call_fail(call, WIRE_VALIDATION,
                         "The number of CORS rules should not exceed allowed limit of 100 rules.");
    for (size_t i = 0; i < wanted->CORSRules.len; i++)
        TRY(check_rule(call, &wanted->CORSRules.items[i]));
    return setting_put(call, &bucket, S3_SETTING_CORS, (struct str){0}, wanted);
}

RESULT s3_GetBucketCors(struct call *call, const struct s3_GetBucketCorsRequest *in,
                        struct s3_GetBucketCorsOutput *out)
{
    struct s3_bucket bucket;
    struct s3_CORSConfiguration kept;
    bool found;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    TRY(setting_get(call, &bucket, S3_SETTING_CORS, (struct str){0}, &kept, &found));
    if (!found) {
        return s3_fail_bucket(call, S3_NO_SUCH_CORS_CONFIGURATION, bucket.name,
                              "The CORS configuration does not exist");
    }
    out->CORSRules = kept.CORSRules;
    return RESULT_OK;
}

RESULT s3_DeleteBucketCors(struct call *call, const struct s3_DeleteBucketCorsRequest *in,
                           struct s3_DeleteBucketCorsResult *out)
{
    (void)out;
    struct s3_bucket bucket;
    bool existed;
    TRY(bucket_open(call, in->Bucket, in->ExpectedBucketOwner, &bucket));
    call->status = 204;
    return setting_delete(call, &bucket, S3_SETTING_CORS, (struct str){0}, &existed);
}

/* --- rules and requests --- */

static bool star_matches(struct str pattern, struct str text, bool nocase)
{
    struct str head, tail;
    if (!str_cut(pattern, '*', &head, &tail))
        return nocase ? str_eq_nocase(pattern, text) : str_eq(pattern, text);
    if (text.len < head.len + tail.len)
        return false;
    struct str from = str_slice(text, 0, head.len),
               to = str_slice(text, text.len - tail.len, text.len);
    return nocase ? str_eq_nocase(from, head) && str_eq_nocase(to, tail)
                  : str_eq(from, head) && str_eq(to, tail);
}

static bool listed(const struct str_list *list, struct str text, bool nocase, struct str *which)
{
    for (size_t i = 0; i < list->len; i++) {
        if (!star_matches(list->items[i], text, nocase))
            continue;
        *which = list->items[i];
        return true;
    }
    return false;
}

static bool headers_allowed(const struct s3_CORSRule *rule, struct str asked)
{
    struct str one, which;
    while (!str_is_absent(asked)) {
        str_cut(asked, ',', &one, &asked);
        one = str_trim(one);
        if (one.len > 0 && !listed(&rule->AllowedHeaders, one, true, &which))
            return false;
    }
    return true;
}

/* The first rule that allows it; *origin: as the rule has it. */
static const struct s3_CORSRule *rule_for(const struct s3_CORSConfiguration *cors,
                                          struct str origin, struct str method, struct str headers,
                                          struct str *allowed)
{
    struct str which;
    for (size_t i = 0; i < cors->CORSRules.len; i++) {
        const struct s3_CORSRule *rule = &cors->CORSRules.items[i];
        if (listed(&rule->AllowedOrigins, origin, false, allowed) &&
            listed(&rule->AllowedMethods, method, false, &which) && headers_allowed(rule, headers))
            return rule;
    }
    return NULL;
}

static struct str joined(struct call *call, const struct str_list *list)
{
    struct buf out;
    buf_init(&out, call->arena, SIZE_MAX);
    for (size_t i = 0; i < list->len; i++) {
        buf_append_c(&out, i == 0 ? "" : ", ");
        buf_append(&out, list->items[i]);
    }
    return buf_str(&out);
}

static void answer(struct call *call, const struct s3_CORSRule *rule, struct str allowed,
                   struct str origin, struct str headers)
{
    bool anyone = str_eq(allowed, STR("*"));
    call_add_header(call, STR("Access-Control-Allow-Origin"), anyone ? STR("*") : origin);
    call_add_header(call, STR("Access-Control-Allow-Methods"), joined(call, &rule->AllowedMethods));
    if (!str_is_empty(headers))
        call_add_header(call, STR("Access-Control-Allow-Headers"), str_lower(call->arena, headers));
    if (rule->ExposeHeaders.len > 0)
        call_add_header(call, STR("Access-Control-Expose-Headers"),
                        joined(call, &rule->ExposeHeaders));
    if (rule->MaxAgeSeconds.set)
        call_add_header(call, STR("Access-Control-Max-Age"),
                        str_format(call->arena, "%d", (int)rule->MaxAgeSeconds.value));
    if (!anyone)
        call_add_header(call, STR("Access-Control-Allow-Credentials"), STR("true"));
    call_add_header(call, STR("Vary"),
                    STR("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"));
}

static RESULT forbidden(struct call *call, struct str method, const char *kind, const char *message)
{
    struct s3_AccessForbidden *detail = ARENA_NEW(call->arena, struct s3_AccessForbidden);
    detail->Method = method;
    detail->ResourceType = str_from_c(kind);
    return call_fail_with(call, S3_ACCESS_FORBIDDEN, detail, "CORSResponse: %s", message);
}

static RESULT preflight(struct call *call, const struct s3_OptionsRequest *in)
{
    const struct access_target *target;
    struct s3_CORSConfiguration cors;
    struct str method = in->AccessControlRequestMethod, allowed;
    bool found = false;
    if (str_is_empty(in->Origin))
        return call_fail(call, S3_BAD_REQUEST,
                         "Insufficient information. Origin request header needed.");
    if (!method_is_known(method))
        return call_fail(call, S3_BAD_REQUEST, "Invalid Access-Control-Request-Method: %.*s",
                         PRSTR(str_is_absent(method) ? STR("null") : method));
    TRY(access_target(call, in->Bucket, &target));
    if (!target->found)
        return forbidden(call, method, "BUCKET", "Bucket not found");
    TRY(setting_get(call, &target->bucket, S3_SETTING_CORS, (struct str){0}, &cors, &found));
    if (!found)
        return forbidden(call, method, "BUCKET", "CORS is not enabled for this bucket.");
    struct str headers = in->AccessControlRequestHeaders;
    const struct s3_CORSRule *rule = rule_for(&cors, in->Origin, method, headers, &allowed);
    if (rule == NULL)
        return forbidden(
            call, method, "OBJECT",
            "This CORS request is not allowed. This is usually because the evalution of Origin, "
            "request method / Access-Control-Request-Method or Access-Control-Request-Headers are "
            "not whitelisted by the resource's CORS spec.");
    answer(call, rule, allowed, in->Origin, headers);
    return RESULT_OK;
}

RESULT s3_OptionsBucket(struct call *call, const struct s3_OptionsRequest *in,
                        struct s3_OptionsOutput *out)
{
    (void)out;
    return preflight(call, in);
}

RESULT s3_OptionsObject(struct call *call, const struct s3_OptionsObjectRequest *in,
                        struct s3_OptionsOutput *out)
{
    (void)out;
    struct str website = STR("website/"), name = in->Bucket, key;
    if (str_eq(name, STR("_kumoniwa")) && str_starts_with(in->Key, website))
        str_cut(str_slice(in->Key, website.len, in->Key.len), '/', &name, &key);
    const struct s3_OptionsRequest bucket = {
        .Bucket = name,
        .Origin = in->Origin,
        .AccessControlRequestMethod = in->AccessControlRequestMethod,
        .AccessControlRequestHeaders = in->AccessControlRequestHeaders,
    };
    return preflight(call, &bucket);
}

/* --- answers to other requests --- */

RESULT s3_cross_origin(struct call *call, struct str path)
{
    struct str website = STR("/_kumoniwa/website/"), name, rest, allowed;
    const struct access_target *target;
    struct s3_CORSConfiguration cors;
    bool found;
    if (str_starts_with(path, website))
        path = str_slice(path, website.len - 1, path.len);
    if (str_eq(call->request->method, STR("OPTIONS")) || path.len < 2)
        return RESULT_OK;
    str_cut(str_slice(path, 1, path.len), '/', &name, &rest);
    call->found = NULL;
    TRY(access_target(call, name, &target));
    if (!target->found)
        return RESULT_OK;
    TRY(setting_get(call, &target->bucket, S3_SETTING_CORS, (struct str){0}, &cors, &found));
    if (!found)
        return RESULT_OK;
    struct str origin = wire_request_header(call->request, STR("origin"));
    const struct s3_CORSRule *rule =
        rule_for(&cors, origin, call->request->method, (struct str){0}, &allowed);
    if (rule != NULL)
        answer(call, rule, allowed, origin, (struct str){0});
    return RESULT_OK;
}
