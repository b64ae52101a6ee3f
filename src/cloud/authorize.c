#include "cloud/authorize.h"

static const struct service_hooks *authorize_hooks(const struct call *call)
{
    for (size_t i = 0; call->cloud->hooks[i] != NULL; i++)
        if (call->cloud->hooks[i]->model == call->model)
            return call->cloud->hooks[i];
    return NULL;
}

RESULT authorize_call(struct call *call, const void *in)
{
    if (call->principal.kind == PRINCIPAL_SERVICE)
        return RESULT_OK;
    const struct service_hooks *hooks = authorize_hooks(call);
    if (hooks == NULL || hooks->resource_policy == NULL)
        return RESULT_OK;
    struct str arn = {0}, owner = {0}, policy = {0};
    TRY(hooks->resource_policy(call, in, &arn, &owner, &policy));
    if (str_is_absent(owner) || str_eq(owner, call->principal.account))
        return RESULT_OK;
    struct str name = wire_string(call->model, call->model->operations[call->operation].name);
    struct str service = call->model->signing_name;
    return call_fail(
        call, WIRE_ACCESS_DENIED,
        "User: %.*s is not authorized to perform: %.*s:%.*s on resource: %.*s because no "
        "resource-based policy allows the %.*s:%.*s action",
        PRSTR(call->principal.arn), PRSTR(service), PRSTR(name), PRSTR(arn), PRSTR(service),
        PRSTR(name));
}
