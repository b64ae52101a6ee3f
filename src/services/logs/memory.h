/* What CloudWatch Logs holds in memory while the cloud is open. */
#ifndef KUMONIWA_SERVICES_LOGS_MEMORY_H
#define KUMONIWA_SERVICES_LOGS_MEMORY_H

#include "cloud/cloud.h"

struct logs_memory {
    struct query_table *queries; /* queries.h */
    struct tail_table *tails;    /* tail.h */
};
struct logs_memory *logs_memory_of(const struct cloud *cloud);

void *logs_memory_new(void);
void logs_memory_free(void *memory);

#endif
