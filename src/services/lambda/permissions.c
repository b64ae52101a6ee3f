/* Policies of functions: "Viewing resource-based IAM policies in Lambda", Developer Guide.
 *
 *   ("lambda", account, region, "policy", FUNCTION, QUALIFIER)    record policy; "" for none */
#include "services/lambda/lambda_int.h"

static struct key policy_key(struct call *call, const struct lambda_name *name)
{
    struct key key = lambda_function_key(call, name, STR("policy"));
    key_str(&key, str_is_absent(name->qualifier) ? STR("") : name->qualifier);
    return key;
}

RESULT policy_get(struct call *call, const struct lambda_name *name, struct lambda_policy *policy,
                  bool *found)
{
    struct key key = policy_key(call, name);
    return call_get_record_copy(call, &key, &lambda_model, LAMBDA_SHAPE_policy, policy, found);
}
