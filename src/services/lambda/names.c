/* How functions are called: "Function name formats" in "CreateFunction" and every other operation's
 * page, AWS Lambda API Reference:
 *   my-function, my-function:v1, 123456789012:function:my-function, function:my-function,
 *   arn:aws:lambda:us-west-2:123456789012:function:my-function, and what lies between. */
#include "cloud/arn.h"
#include "services/lambda/lambda_int.h"

static RESULT name_bad(struct call *call, struct str text)
{
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Invalid Lambda function name: %.*s",
                     PRSTR(text));
}

/* The part before the next ':' when it looks like what is meant. */
static bool name_take(struct str *rest, bool (*is)(struct str part), struct str *out)
{
    struct str part, after;
    if (!str_cut(*rest, ':', &part, &after) || !is(part))
        return false;
    *out = part;
    *rest = after;
    return true;
}

static bool is_function_word(struct str part)
{
    return str_eq(part, STR("function"));
}

static bool is_lambda_word(struct str part)
{
    return str_eq(part, STR("lambda"));
}

bool lambda_name_split(const struct call *call, struct str text, struct lambda_name *out)
{
    struct str rest = text, word = {0};
    *out = (struct lambda_name){.account = call->account, .region = call->region};
    if (str_starts_with(rest, STR("arn:"))) {
        str_cut(rest, ':', &word, &rest);
        if (!str_cut(rest, ':', &word, &rest) || !name_take(&rest, is_lambda_word, &word))
            return false;
    }
    /* A function may be called like a region: one is where something follows that is no qualifier.
     */
    struct str after = rest, region;
    if (name_take(&after, arn_is_region, &region) &&
        (name_take(&after, arn_is_account, &word) || name_take(&after, is_function_word, &word)))
        (void)name_take(&rest, arn_is_region, &out->region);
    (void)name_take(&rest, arn_is_account, &out->account);
    (void)name_take(&rest, is_function_word, &word);
    str_cut(rest, ':', &out->function, &out->qualifier);
    return !str_is_empty(out->function) && (out->qualifier.ptr == NULL || out->qualifier.len > 0);
}

RESULT lambda_name_parse(struct call *call, struct str text, struct str qualifier,
                         struct lambda_name *out)
{
    if (!lambda_name_split(call, text, out))
        return name_bad(call, text);
    if (out->function.len > 64)
        return call_fail(call, WIRE_VALIDATION,
                         "1 validation error detected: Value '%.*s' at 'functionName' failed to "
                         "satisfy constraint: Member must have length less than or equal to 64",
                         PRSTR(text));
    if (!str_eq(out->region, call->region))
        return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND,
                         "Functions from '%.*s' are not reachable in this region ('%.*s')",
                         PRSTR(out->region), PRSTR(call->region));
    if (!str_is_absent(qualifier)) {
        if (!str_is_absent(out->qualifier) && !str_eq(out->qualifier, qualifier))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "The derived qualifier from the function name does not match the "
                             "specified qualifier.");
        out->qualifier = qualifier;
    }
    return RESULT_OK;
}

RESULT lambda_name_unqualified(struct call *call, struct str text, struct lambda_name *out)
{
    TRY(lambda_name_parse(call, text, (struct str){0}, out));
    if (!str_is_absent(out->qualifier))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "This operation is permitted on Lambda functions only. Aliases and "
                         "versions do not support this operation. Please specify either a function "
                         "name or an unqualified function ARN.");
    return RESULT_OK;
}

struct str lambda_arn(struct call *call, struct str account, struct str region, struct str function,
                      struct str qualifier)
{
    return str_format(call->arena, "arn:%.*s:lambda:%.*s:%.*s:function:%.*s%s%.*s",
                      PRSTR(call->partition), PRSTR(region), PRSTR(account), PRSTR(function),
                      str_is_absent(qualifier) ? "" : ":", PRSTR(qualifier));
}

struct str lambda_name_arn(struct call *call, const struct lambda_name *name)
{
    return lambda_arn(call, name->account, name->region, name->function, name->qualifier);
}

bool lambda_is_version(struct str qualifier)
{
    int64_t number;
    return str_eq(qualifier, STR("$LATEST")) ||
           (qualifier.len > 0 && qualifier.ptr[0] >= '1' && qualifier.ptr[0] <= '9' &&
            str_to_i64(qualifier, &number) && number > 0);
}

struct key lambda_key(struct call *call, const struct lambda_name *name, struct str kind)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("lambda"));
    key_str(&key, name->account);
    key_str(&key, name->region);
    key_str(&key, kind);
    return key;
}

struct key lambda_function_key(struct call *call, const struct lambda_name *name, struct str kind)
{
    struct key key = lambda_key(call, name, kind);
    key_str(&key, name->function);
    return key;
}
