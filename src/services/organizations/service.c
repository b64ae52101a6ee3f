/* What Organizations gives the cloud besides its operations. */
#include "services/organizations/organizations_int.h"

static const struct outbox_handler organizations_handlers[] = {
    {STR_INIT("organizations.account"), org_deliver_account},
    {STR_INIT("organizations.close"), org_deliver_close},
};

static const struct organization_table organizations_table = {
    .view = org_view,
    .standing = org_standing,
    .tag_refused = org_tag_refused,
};

const struct service_hooks organizations_hooks = {
    .model = &organizations_model,
    .organization = &organizations_table,
    .handlers = organizations_handlers,
    .handler_count = sizeof organizations_handlers / sizeof organizations_handlers[0],
};
