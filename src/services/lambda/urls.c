/* Function URLs: "Creating and managing Lambda function URLs", Developer Guide. Serving them is
 * not done here.
 *
 *   ("lambda", account, region, "url", FUNCTION, QUALIFIER)    record url; "" for $LATEST
 *   ("lambda-url", ID)                                         the same */
#include "base/rng.h"
#include "services/lambda/create.h"
#include "store/record.h"

enum { URL_ID = 32 };

static struct key url_key(struct call *call, const struct lambda_name *name, struct str qualifier)
{
    struct key key = lambda_function_key(call, name, STR("url"));
    key_str(&key, qualifier);
    return key;
}

static struct key url_id_key(struct call *call, struct str id)
{
    struct key key;
    key_init(&key, call->arena);
    key_str(&key, STR("lambda-url"));
    key_str(&key, id);
    return key;
}

RESULT url_by_id(struct call *call, struct str id, struct lambda_url *url, bool *found)
{
    struct key key = url_id_key(call, id);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_url, url, found);
}

RESULT url_get(struct call *call, const struct lambda_name *name, struct lambda_url *url,
               bool *found)
{
    struct key key =
        url_key(call, name, str_is_absent(name->qualifier) ? STR("") : name->qualifier);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_url, url, found);
}

static RESULT url_put(struct call *call, const struct lambda_name *name,
                      const struct lambda_url *url)
{
    struct key key =
        url_key(call, name, str_is_absent(name->qualifier) ? STR("") : name->qualifier);
    struct key id = url_id_key(call, url->id);
    TRY(call_put_record(call, &id, &lambda_model, LAMBDA_SHAPE_url, url));
    return call_put_record(call, &key, &lambda_model, LAMBDA_SHAPE_url, url);
}

RESULT url_drop(struct call *call, const struct lambda_name *name, struct str qualifier)
{
    struct key key = url_key(call, name, qualifier);
    struct lambda_url url;
    bool found;
    TRY(call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_url, &url, &found));
    if (!found)
        return RESULT_OK;
    struct key id = url_id_key(call, url.id);
    TRY(kv_delete(call->txn, key_bytes(&id), NULL));
    return kv_delete(call->txn, key_bytes(&key), NULL);
}

RESULT urls_drop(struct call *call, const struct lambda_name *name)
{
    struct key prefix = lambda_function_key(call, name, STR("url"));
    for (;;) {
        struct kv_cursor *cursor;
        struct str key, value;
        struct lambda_url url;
        TRY(kv_cursor_open(call->txn, call->arena, key_bytes(&prefix), false, &cursor));
        TRY(kv_next(cursor, &key, &value));
        if (str_is_absent(key))
            return RESULT_OK;
        TRY(record_decode_copy(call->arena, &lambda_model, LAMBDA_SHAPE_url, value, &url));
        TRY(url_drop(call, name, str_is_absent(url.qualifier) ? STR("") : url.qualifier));
    }
}

/* --- showing --- */

/* http://ID.lambda-url.REGION.HOST:PORT/, under the name by which this client reached us; names
 * below "localhost" are this machine everywhere, what is below a number is nothing. */
static struct str url_text(struct call *call, const struct lambda_url *url)
{
    struct str scheme, host = call->endpoint, port = {0};
    size_t slashes = str_find(host, STR("://"));
    scheme = slashes == SIZE_MAX ? STR("http") : str_slice(host, 0, slashes);
    host = slashes == SIZE_MAX ? host : str_slice(host, slashes + 3, host.len);
    size_t colon = str_find_last_char(host, ':');
    if (colon != SIZE_MAX && str_find_char(str_slice(host, colon, host.len), ']') == SIZE_MAX) {
        port = str_slice(host, colon, host.len);
        host = str_slice(host, 0, colon);
    }
    char last = host.len > 0 ? host.ptr[host.len - 1] : '.';
    if ((last >= '0' && last <= '9') || last == ']' || last == '.')
        host = STR("localhost");
    return str_format(call->arena, "%.*s://%.*s.lambda-url.%.*s.%.*s%.*s/", PRSTR(scheme),
                      PRSTR(url->id), PRSTR(url->region), PRSTR(host), PRSTR(port));
}

static void url_show(struct call *call, const struct lambda_name *name,
                     const struct lambda_url *url, struct lambda_FunctionUrlConfig *out)
{
    struct lambda_name full = *name;
    full.qualifier = url->qualifier;
    *out = (struct lambda_FunctionUrlConfig){
        .FunctionUrl = url_text(call, url),
        .FunctionArn = lambda_name_arn(call, &full),
        .CreationTime = lambda_timestamp(call, url->created_ms),
        .LastModifiedTime = lambda_timestamp(call, url->modified_ms),
        .Cors = url->cors,
        .AuthType = url->auth,
        .InvokeMode = url->invoke_mode,
    };
}

/* --- operations --- */

/* The function, and the alias if one is named: versions and $LATEST by name have no URL. */
static RESULT url_target(struct call *call, struct str function, struct str qualifier,
                         struct lambda_name *name)
{
    struct lambda_target target;
    TRY(lambda_name_parse(call, function, qualifier, name));
    if (!str_is_absent(name->qualifier) && lambda_is_version(name->qualifier))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Function URLs are of $LATEST, or of an alias: %.*s is neither.",
                         PRSTR(name->qualifier));
    return lambda_find(call, name, &target);
}

static RESULT url_find(struct call *call, const struct lambda_name *name, struct lambda_url *url)
{
    bool found;
    TRY(url_get(call, name, url, &found));
    if (found)
        return RESULT_OK;
    return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND, "The resource you requested does not exist.");
}

static bool cors_has_star(const struct str_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        if (str_eq(list->items[i], STR("*")))
            return true;
    return false;
}

static bool cors_method_is_known(struct str method)
{
    static const struct str known[] = {STR_INIT("GET"),     STR_INIT("PUT"),   STR_INIT("HEAD"),
                                       STR_INIT("POST"),    STR_INIT("PATCH"), STR_INIT("DELETE"),
                                       STR_INIT("OPTIONS"), STR_INIT("*")};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (str_eq(method, known[i]))
            return true;
    return false;
}

static bool cors_origin_is_good(struct str origin)
{
    struct str rest;
    if (str_eq(origin, STR("*")))
        return true;
    if (str_starts_with(origin, STR("http://")))
        rest = str_slice(origin, 7, origin.len);
    else if (str_starts_with(origin, STR("https://")))
        rest = str_slice(origin, 8, origin.len);
    else
        return false;
    return rest.len > 0 && str_find_char(rest, '/') == SIZE_MAX;
}

static RESULT cors_check(struct call *call, const struct lambda_Cors *cors)
{
    for (size_t i = 0; i < cors->AllowMethods.len; i++)
        if (!cors_method_is_known(cors->AllowMethods.items[i]))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "The method %.*s of Cors.AllowMethods is not valid.",
                             PRSTR(cors->AllowMethods.items[i]));
    for (size_t i = 0; i < cors->AllowOrigins.len; i++)
        if (!cors_origin_is_good(cors->AllowOrigins.items[i]))
            return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                             "The origin %.*s of Cors.AllowOrigins is not valid.",
                             PRSTR(cors->AllowOrigins.items[i]));
    if (cors_has_star(&cors->AllowOrigins) && cors->AllowOrigins.len > 1)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Cors.AllowOrigins can't have other origins beside *.");
    return RESULT_OK;
}

RESULT lambda_CreateFunctionUrlConfig(struct call *call,
                                      const struct lambda_CreateFunctionUrlConfigRequest *in,
                                      struct lambda_CreateFunctionUrlConfigResponse *out)
{
    struct lambda_name name;
    struct lambda_url url;
    struct lambda_FunctionUrlConfig shown;
    bool found;
    TRY(url_target(call, in->FunctionName, in->Qualifier, &name));
    TRY(url_get(call, &name, &url, &found));
    if (found)
        return call_fail(call, LAMBDA_RESOURCE_CONFLICT,
                         "Failed to create function url config for [functionArn = %.*s]. Error "
                         "message:  FunctionUrlConfig exists for this Lambda function",
                         PRSTR(lambda_name_arn(call, &name)));
    if (in->Cors != NULL)
        TRY(cors_check(call, in->Cors));
    url = (struct lambda_url){
        .id = rng_text(call->arena, STR("abcdefghijklmnopqrstuvwxyz234567"), URL_ID),
        .account = name.account,
        .region = name.region,
        .function = name.function,
        .qualifier = name.qualifier,
        .auth = in->AuthType,
        .invoke_mode = str_is_absent(in->InvokeMode) ? STR("BUFFERED") : in->InvokeMode,
        .cors = in->Cors,
        .created_ms = call->now_ms,
        .modified_ms = call->now_ms,
    };
    TRY(url_put(call, &name, &url));
    url_show(call, &name, &url, &shown);
    *out = (struct lambda_CreateFunctionUrlConfigResponse){
        .FunctionUrl = shown.FunctionUrl,
        .FunctionArn = shown.FunctionArn,
        .AuthType = shown.AuthType,
        .Cors = shown.Cors,
        .CreationTime = shown.CreationTime,
        .InvokeMode = shown.InvokeMode,
    };
    return RESULT_OK;
}

RESULT lambda_UpdateFunctionUrlConfig(struct call *call,
                                      const struct lambda_UpdateFunctionUrlConfigRequest *in,
                                      struct lambda_UpdateFunctionUrlConfigResponse *out)
{
    struct lambda_name name;
    struct lambda_url url;
    struct lambda_FunctionUrlConfig shown;
    TRY(url_target(call, in->FunctionName, in->Qualifier, &name));
    TRY(url_find(call, &name, &url));
    if (in->Cors != NULL) {
        TRY(cors_check(call, in->Cors));
        url.cors = in->Cors;
    }
    if (!str_is_absent(in->AuthType))
        url.auth = in->AuthType;
    if (!str_is_absent(in->InvokeMode))
        url.invoke_mode = in->InvokeMode;
    url.modified_ms = call->now_ms;
    TRY(url_put(call, &name, &url));
    url_show(call, &name, &url, &shown);
    *out = (struct lambda_UpdateFunctionUrlConfigResponse){
        .FunctionUrl = shown.FunctionUrl,
        .FunctionArn = shown.FunctionArn,
        .AuthType = shown.AuthType,
        .Cors = shown.Cors,
        .CreationTime = shown.CreationTime,
        .LastModifiedTime = shown.LastModifiedTime,
        .InvokeMode = shown.InvokeMode,
    };
    return RESULT_OK;
}

RESULT lambda_GetFunctionUrlConfig(struct call *call,
                                   const struct lambda_GetFunctionUrlConfigRequest *in,
                                   struct lambda_GetFunctionUrlConfigResponse *out)
{
    struct lambda_name name;
    struct lambda_url url;
    struct lambda_FunctionUrlConfig shown;
    TRY(url_target(call, in->FunctionName, in->Qualifier, &name));
    TRY(url_find(call, &name, &url));
    url_show(call, &name, &url, &shown);
    *out = (struct lambda_GetFunctionUrlConfigResponse){
        .FunctionUrl = shown.FunctionUrl,
        .FunctionArn = shown.FunctionArn,
        .AuthType = shown.AuthType,
        .Cors = shown.Cors,
        .CreationTime = shown.CreationTime,
        .LastModifiedTime = shown.LastModifiedTime,
        .InvokeMode = shown.InvokeMode,
    };
    return RESULT_OK;
}

RESULT lambda_DeleteFunctionUrlConfig(struct call *call,
                                      const struct lambda_DeleteFunctionUrlConfigRequest *in,
                                      struct lambda_DeleteFunctionUrlConfigResult *out)
{
    struct lambda_name name;
    struct lambda_url url;
    (void)out;
    TRY(url_target(call, in->FunctionName, in->Qualifier, &name));
    TRY(url_find(call, &name, &url));
    return url_drop(call, &name, str_is_absent(name.qualifier) ? STR("") : name.qualifier);
}

RESULT lambda_ListFunctionUrlConfigs(struct call *call,
                                     const struct lambda_ListFunctionUrlConfigsRequest *in,
                                     struct lambda_ListFunctionUrlConfigsResponse *out)
{
    struct lambda_name name;
    struct lambda_function function;
    struct lambda_page page;
    TRY(lambda_name_unqualified(call, in->FunctionName, &name));
    TRY(function_find(call, &name, &function));
    struct key prefix = lambda_function_key(call, &name, STR("url"));
    TRY(lambda_page_open(call, in->Marker, in->MaxItems, LAMBDA_PAGE, &prefix, &page));
    out->FunctionUrlConfigs.items =
        ARENA_ARRAY(call->arena, page.limit, struct lambda_FunctionUrlConfig);
    for (;;) {
        struct lambda_url url;
        TRY(lambda_page_next(call, &page, out->FunctionUrlConfigs.len, &out->NextMarker));
        if (str_is_absent(page.key))
            return RESULT_OK;
        TRY(record_decode(call->arena, &lambda_model, LAMBDA_SHAPE_url, page.value, &url));
        url_show(call, &name, &url, &out->FunctionUrlConfigs.items[out->FunctionUrlConfigs.len++]);
    }
}
