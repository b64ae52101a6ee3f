/* Lambda: what its files share. Keys and records: README.md. */
#ifndef KUMONIWA_SERVICES_LAMBDA_LAMBDA_INT_H
#define KUMONIWA_SERVICES_LAMBDA_LAMBDA_INT_H

#include "cloud/call.h"
#include "cloud/outbox.h"
#include "functions/functions.h"
#include "gen/lambda.h"
#include "services/lambda/lambda.h"

/* --- naming (names.c) --- */

/* What a request names: NAME, NAME:QUALIFIER, ACCOUNT:function:NAME[:QUALIFIER] or an ARN, with the
 * member Qualifier beside. */
struct lambda_name {
    struct str account, region, function;
    struct str qualifier; /* absent: none was given */
};
/* RESULT_ERROR as AWS words it (InvalidParameterValueException, ValidationException). */
RESULT lambda_name_parse(struct call *call, struct str text, struct str qualifier,
                         struct lambda_name *out);
/* arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER]; qualifier may be absent. */
struct str lambda_arn(struct call *call, struct str account, struct str region, struct str function,
                      struct str qualifier);

/* --- functions (functions.c, versions.c) --- */

struct lambda_target {
    struct lambda_name name;
    struct lambda_function function;
    struct lambda_version version; /* that runs: an alias's weights have chosen */
    struct str invoked_arn;        /* as the function sees it: with the qualifier that was given */
};
/* Strings are copied to the arena. RESULT_ERROR: ResourceNotFoundException in AWS's words. For
 * an alias with weights each call throws the dice. */
RESULT lambda_find(struct call *call, const struct lambda_name *name, struct lambda_target *out);

/* --- running (invoke.c, spec.c) --- */

/* The environments of this process: held in the service's memory (service_hooks.memory_new),
 * started by the server (lambda_environments_start). NULL: functions do not run here. */
struct functions *lambda_functions(struct call *call);

/* All that an environment of the version needs: code and layers unpacked (parks while they are),
 * environment variables opened, the execution role assumed. RESULT_ERROR in AWS's words. */
RESULT lambda_spec(struct call *call, const struct lambda_target *target,
                   struct function_spec *out);
/* The key that lambda_spec() gives, without the work. */
struct str lambda_spec_key(struct call *call, const struct lambda_target *target);

/* Code and layers as directories, readable by everybody; parks while they are unpacked. code.c */
RESULT lambda_code_ready(struct call *call, const struct lambda_target *target, struct str *task,
                         struct str *opt);

/* Starts a run of the target: for Invoke, function URLs, asynchronous events and event sources
 * alike. May park (see lambda_spec). RESULT_ERROR: TooManyRequestsException with its Reason, or
 * what lambda_spec() says. */
RESULT lambda_run_start(struct call *call, const struct lambda_target *target,
                        const struct function_event *event, struct function_run **run);

/* --- asynchronous events (async.c) --- */

struct lambda_async {
    struct str payload, client_context, trace_id, request_id;
    struct str source_arn;      /* that caused it; absent: a client */
    struct str_list chain;      /* recursion detection: how often it came through here */
};
/* Queues an event in this transaction: accepted means it will run, whatever crashes. */
RESULT lambda_async_put(struct call *call, const struct lambda_target *target,
                        const struct lambda_async *event);

#endif
