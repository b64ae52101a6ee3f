/* Function URLs: "Creating and managing Lambda function URLs", Developer Guide. Serving them is not
 * done here.
 *
 *   ("lambda", account, region, "url", FUNCTION, QUALIFIER)    record url; "" for $LATEST
 *   ("lambda-url", ID)                                         the key above */
#include "services/lambda/create.h"
#include "store/record.h"

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
