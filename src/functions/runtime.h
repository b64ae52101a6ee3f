/* How a runtime's process is started: which interpreter of this machine serves "python3.12", with
 * which of our own runtime interface clients (src/functions/runtimes), in which environment.
 * "Lambda runtimes", "Defined runtime environment variables", AWS Lambda Developer Guide. */
#ifndef KUMONIWA_FUNCTIONS_RUNTIME_H
#define KUMONIWA_FUNCTIONS_RUNTIME_H

#include "functions/functions.h"
#include "sandbox/sandbox.h"

struct runtimes; /* what was found on this machine; looked up when first asked for, then kept */

/* directory: the clients are written there, readable by everybody. */
RESULT runtimes_new(struct arena *arena, struct str directory, struct runtimes **out);
void runtimes_free(struct runtimes *runtimes);

struct runtime_command {
    const struct str *argv;
    size_t argc;
    const struct str *env; /* NAME=VALUE: all but AWS_LAMBDA_RUNTIME_API, _X_AMZN_TRACE_ID,
                              credentials and what the log needs, which the engine adds */
    size_t env_count;
    const struct sandbox_bind *binds; /* what the runtime needs besides /var/task and /opt */
    size_t bind_count;
    struct str looked_for; /* programs to start, none of which is there: argv is one of them.
                              "/var/task/bootstrap /opt/bootstrap". Absent: argv[0] is there */
    struct str note;  /* "python3.9 is served by Python 3.11.2 (/usr/bin/python3)"; absent: exact */
    bool http_client; /* speaks the Runtime API over TCP at AWS_LAMBDA_RUNTIME_API, as all do today
                       */
};
/* RESULT_ERROR: *problem says for people what is missing and how to get it. */
RESULT runtime_command(struct runtimes *runtimes, struct arena *arena,
                       const struct function_spec *spec, struct runtime_command *out,
                       struct str *problem);

/* A line for each runtime family, for `kumoniwa doctor`. */
RESULT runtimes_describe(struct runtimes *runtimes, struct arena *arena, struct str *text);

#endif
