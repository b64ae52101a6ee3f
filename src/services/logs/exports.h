/* Exports of log groups to S3. */
#ifndef KUMONIWA_SERVICES_LOGS_EXPORTS_H
#define KUMONIWA_SERVICES_LOGS_EXPORTS_H

#include "services/logs/logs_int.h"

RESULT logs_deliver_export(struct call *call, const struct outbox_item *item);

#endif
