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

/* The same without the checks that a request needs; false: it is no name. */
bool lambda_name_split(const struct call *call, struct str text, struct lambda_name *out);
/* For operations of whole functions. */
RESULT lambda_name_unqualified(struct call *call, struct str text, struct lambda_name *out);
struct str lambda_name_arn(struct call *call, const struct lambda_name *name);
/* "$LATEST" or a number; else it is an alias. */
bool lambda_is_version(struct str qualifier);
/* ("lambda", account, region, kind); with the function's name behind. */
struct key lambda_key(struct call *call, const struct lambda_name *name, struct str kind);
struct key lambda_function_key(struct call *call, const struct lambda_name *name, struct str kind);

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

/* The parts of it; *found tells, strings are in the arena. version: "$LATEST" or a number. What was
 * Pending or InProgress until a time that is past is not any more. */
RESULT function_get(struct call *call, const struct lambda_name *name,
                    struct lambda_function *function, bool *found);
RESULT function_put(struct call *call, const struct lambda_name *name,
                    const struct lambda_function *function);
RESULT version_get(struct call *call, const struct lambda_name *name, struct str number,
                   struct lambda_version *version, bool *found);
RESULT version_put(struct call *call, const struct lambda_name *name,
                   const struct lambda_version *version);
struct key version_key(struct call *call, const struct lambda_name *name, struct str number);
RESULT alias_get(struct call *call, const struct lambda_name *name, struct str alias,
                 struct lambda_alias *out, bool *found);
/* ResourceNotFoundException in AWS's words. */
RESULT function_missing(struct call *call, const struct lambda_name *name);
/* The function, or ResourceNotFoundException. */
RESULT function_find(struct call *call, const struct lambda_name *name,
                     struct lambda_function *function);
/* A new RevisionId. */
struct str lambda_revision(struct call *call);

/* What an account uses in a region, to read and to change. */
RESULT account_get(struct call *call, const struct lambda_name *name, struct lambda_account *out);
RESULT account_add(struct call *call, const struct lambda_name *name, int64_t functions,
                   int64_t code_size, int64_t reserved);

/* "Lambda returns up to 50 functions per call"; so it does of the rest. */
enum { LAMBDA_PAGE = 50 };

/* One page of a list of what stands under a prefix. */
struct lambda_page {
    struct kv_cursor *cursor;
    size_t limit;          /* entries that it has room for */
    struct str key, value; /* the entry, as kv_next() gives it; key absent: the page ends */
};
/* Begins where `marker` says (InvalidParameterValueException), or at the beginning. `wanted`:
 * MaxItems, of which more than `most` count as `most`. */
RESULT lambda_page_open(struct call *call, struct str marker, struct opt_int wanted, size_t most,
                        struct key *prefix, struct lambda_page *page);
/* The next entry. When as many as there is room for are `shown` and there is one more, the page
 * ends and *next says where it goes on. */
RESULT lambda_page_next(struct call *call, struct lambda_page *page, size_t shown,
                        struct str *next);

/* --- configurations (configuration.c: shown; configure.c: checked) --- */

/* arn: as the reader asked for it. all: with the members that lists leave out. */
RESULT configuration_show(struct call *call, const struct lambda_name *name, struct str arn,
                          const struct lambda_version *version, bool all,
                          struct lambda_FunctionConfiguration *out);
/* 2026-11-21T05:15:00.000+0000 */
struct str lambda_timestamp(struct call *call, int64_t ms);
/* Opens the environment variables; RESULT_OK with *problem: the key is not usable. */
RESULT environment_open(struct call *call, const struct lambda_name *name,
                        const struct lambda_version *version, struct str_map *out, struct str *code,
                        struct str *problem);

/* --- code.c, store.c: archives --- */

enum {
    CODE_ZIPPED_MAX = 50 * 1024 * 1024, /* "Lambda quotas": direct upload */
    CODE_UNZIPPED_MAX = 262144000,
    CODE_LAYERS_MAX = 5,
    ACCOUNT_CONCURRENCY = 1000,   /* executions at once, of an account in a region */
    ACCOUNT_UNRESERVED_MIN = 100, /* that no function may reserve */
};
#define ACCOUNT_CODE_MAX (INT64_C(75) << 30) /* of all versions, in a region */

struct code_source {
    struct str zip; /* either these bytes */
    struct str bucket, key, version_id;
    struct str image_uri; /* oci:/FOLDER[:TAG], or a reference that podman or docker knows */
};
struct code_stored {
    struct str id;     /* ("lambda-code", id) */
    struct str sha256; /* Base64; of images hexadecimal */
    int64_t size, unzipped;
};
/* Takes the archive in: its bytes as a blob, its content as a directory. Parks; writes nothing. */
RESULT code_take(struct call *call, const struct code_source *source, struct code_stored *out);
/* In the transaction that makes the record which names the code. */
RESULT code_use(struct call *call, const struct code_stored *stored);
RESULT code_use_again(struct call *call, struct str id);
/* In the transaction that drops it. */
RESULT code_release(struct call *call, struct str id);
RESULT code_get(struct call *call, struct str id, struct lambda_code *code, bool *found);
/* An image's URI with its digest in place of a tag. */
struct str image_resolved(struct arena *arena, const struct lambda_version *version);
/* An URL that gives the archive for ten minutes. */
struct str code_location(struct call *call, struct str id);
RESULT code_answer(struct call *call, struct wire_response *response);
RESULT code_deliver_drop(struct call *call, const struct outbox_item *item);
RESULT code_start(struct cloud *cloud);

/* --- tags.c --- */

/* The tags that a request gives to what it makes, `arn`: within the limits, allowed by the
 * account's tag policy for the type ("lambda:function"), by somebody who may lambda:TagResource it.
 * in: the request. */
RESULT tags_given(struct call *call, const void *in, const char *type, struct str account,
                  struct str arn, const struct str_map *tags);

/* --- permissions.c --- */

/* The policy of a function (qualifier absent), or of a version or alias of it. */
RESULT policy_get(struct call *call, const struct lambda_name *name, struct lambda_policy *policy,
                  bool *found);

/* --- urls.c --- */

/* Of the alias, or of $LATEST (qualifier absent). */
RESULT url_get(struct call *call, const struct lambda_name *name, struct lambda_url *url,
               bool *found);
/* The URL whose host begins with that label: call->account and region need not be its own. */
RESULT url_by_id(struct call *call, struct str id, struct lambda_url *url, bool *found);

/* --- resource.c --- */

RESULT lambda_resource_policy(struct call *call, const void *in, struct str *resource_arn,
                              struct str *owner, struct str *policy);
RESULT lambda_policy_of_arn(struct call *call, struct str arn, struct str *owner,
                            struct str *policy);
RESULT lambda_condition_key(struct call *call, const void *in, struct str key, struct str *value);
RESULT lambda_condition_values(struct call *call, const void *in, struct str key,
                               struct str_list *out);

/* --- layers.c --- */

struct layer_name {
    struct str account, region, name;
    int64_t version; /* 0: none was given */
};
/* A name, an ARN of a layer or of a version of one; false: none of these. */
bool layer_name_parse(const struct call *call, struct str text, struct layer_name *out);
/* With the version, unless it is 0. */
struct str layer_arn(struct call *call, const struct layer_name *name);
RESULT layer_version_get(struct call *call, const struct layer_name *name,
                         struct lambda_layer_version *version, bool *found);

/* --- running (invoke.c, spec.c) --- */

/* The environments of this process: held in the service's memory (service_hooks.memory_new),
 * started by the server (lambda_environments_start). NULL: functions do not run here. */
struct functions *lambda_functions(struct call *call);
/* Functions are on the machine's network. */
bool lambda_outside(struct call *call);

/* All that an environment of the version needs: code and layers unpacked (parks while they are),
 * environment variables opened, the execution role assumed. RESULT_ERROR in AWS's words. */
RESULT lambda_spec(struct call *call, const struct lambda_target *target,
                   struct function_spec *out);
/* What a folder looks like, as a text that differs after any change. hot.c */
struct str lambda_hot_stamp(struct call *call, struct str folder);
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
    struct str payload, trace_id, request_id;
};
/* Queues an event in this transaction: accepted means it will run, whatever crashes. */
RESULT lambda_async_put(struct call *call, const struct lambda_target *target,
                        const struct lambda_async *event);

/* --- trail.c --- */
extern const struct trail_data lambda_trail_data;

#endif
