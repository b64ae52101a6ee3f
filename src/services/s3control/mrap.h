/* Multi-region access points ("Multi-Region Access Points in Amazon S3", Amazon S3 User Guide):
 * made, changed and removed by requests that are carried out after they were answered. */
#ifndef KUMONIWA_SERVICES_S3CONTROL_MRAP_H
#define KUMONIWA_SERVICES_S3CONTROL_MRAP_H

#include "cloud/outbox.h"

/* "s3control.mrap": carries a request out. Payload: "ACCOUNT/ID". */
RESULT mrap_deliver(struct call *call, const struct outbox_item *item);

#endif
