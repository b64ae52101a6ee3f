/* The environments' life within the service's memory. */
#ifndef KUMONIWA_SERVICES_LAMBDA_RUN_H
#define KUMONIWA_SERVICES_LAMBDA_RUN_H

/* struct service_hooks */
void *lambda_memory_new(void);
void lambda_memory_free(void *memory);

#endif
