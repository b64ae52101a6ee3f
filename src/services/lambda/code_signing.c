/* Code signing configurations: "Using code signing to verify code integrity with Lambda", Developer
 * Guide. Kept and attached; signatures are not verified.
 *
 *   ("lambda", account, region, "signing", ID)                       record code_signing
 *   ("lambda", account, region, "signing-function", ID, FUNCTION)    who has it */
#include "services/lambda/create.h"

static struct str signing_id(struct str arn)
{
    size_t at = str_find_last_char(arn, ':');
    return at == SIZE_MAX ? arn : str_slice(arn, at + 1, arn.len);
}

static struct key signing_function_key(struct call *call, const struct lambda_name *name,
                                       struct str arn)
{
    struct key key = lambda_key(call, name, STR("signing-function"));
    key_str(&key, signing_id(arn));
    key_str(&key, name->function);
    return key;
}

RESULT code_signing_leave(struct call *call, const struct lambda_name *name,
                          const struct lambda_function *function)
{
    if (str_is_empty(function->code_signing))
        return RESULT_OK;
    struct key key = signing_function_key(call, name, function->code_signing);
    return kv_delete(call->txn, key_bytes(&key), NULL);
}
