/* Environments that are kept started. */
#include "services/lambda/configure.h"
#include "services/lambda/create.h"

RESULT provisioned_ready(struct call *call, const struct lambda_target *target,
                         const struct lambda_provisioned *config, unsigned *ready)
{
    (void)target;
    *ready =
        call->now_ms >= config->modified_ms + LAMBDA_SETTLES_MS ? (unsigned)config->requested : 0;
    return RESULT_OK;
}

RESULT provisioned_changed(struct call *call, const struct lambda_target *target,
                           const struct lambda_provisioned *config)
{
    (void)call;
    (void)target;
    (void)config;
    return RESULT_OK;
}
