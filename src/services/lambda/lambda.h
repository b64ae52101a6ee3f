/* AWS Lambda. */
#ifndef KUMONIWA_SERVICES_LAMBDA_LAMBDA_H
#define KUMONIWA_SERVICES_LAMBDA_LAMBDA_H

#include "cloud/cloud.h"

extern const struct service_hooks lambda_hooks;

struct sandbox_host;

/* What execution environments need of the program: functions/functions.h. */
struct lambda_environments {
    struct sandbox_host *host; /* NULL: nothing can run, and invocations say so */
    struct str directory;
    unsigned idle_limit; /* 0: the engine's own */
    int64_t idle_ms;     /* likewise */
    bool outside;        /* functions are on the machine's network */
    /* Takes over a connection from inside a sandbox to the cloud's endpoint; NULL: refused. */
    void (*connected)(void *context, int descriptor);
    void *context;
};
RESULT lambda_environments_start(struct cloud *cloud, const struct lambda_environments *given);
/* Before the cloud is closed: what they log is still kept. What is invoked later fails. */
void lambda_environments_stop(struct cloud *cloud);

#endif
