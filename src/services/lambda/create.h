/* Between create.c, update.c and versions.c: where code comes from, and who uses it. */
#ifndef KUMONIWA_SERVICES_LAMBDA_CREATE_H
#define KUMONIWA_SERVICES_LAMBDA_CREATE_H

#include "services/lambda/lambda_int.h"

struct source_request {
    bool image;
    struct str zip, s3_bucket, s3_key, s3_version, storage_mode, kms_key, image_uri;
};
struct source_code {
    struct code_stored stored; /* id absent: a folder */
    struct str sha256;
    int64_t size;
    struct str image_uri, hot_folder;
};
/* Parks while an archive is taken in. */
RESULT source_take(struct call *call, const struct source_request *in, struct source_code *out);
void source_set(const struct source_code *source, struct lambda_version *version);

/* One more, one less version that needs the code that it names. */
RESULT version_use_code(struct call *call, const struct lambda_version *version);
RESULT version_release_code(struct call *call, const struct lambda_version *version);

/* "Lambda quotas": unzipped, code and layers together. own: bytes of the code; -1: as its record
 * says. */
RESULT version_check_size(struct call *call, const struct lambda_version *version, int64_t own);

/* What CreateFunction and UpdateFunctionCode answer: the version, or what they publish. */
RESULT create_answer(struct call *call, const struct lambda_name *name,
                     struct lambda_function *function, const struct lambda_version *version,
                     bool publish, struct lambda_FunctionConfiguration *out);

/* ResourceConflictException while the function is Pending or an update is InProgress. */
RESULT version_check_steady(struct call *call, const struct lambda_name *name,
                            const struct lambda_version *version);
RESULT version_check_revision(struct call *call, struct str given, struct str have);

/* What belongs to a version or alias alone goes with it. */
RESULT function_drop_qualifier(struct call *call, const struct lambda_name *name,
                               struct str qualifier);
/* urls.c, code_signing.c */
RESULT url_drop(struct call *call, const struct lambda_name *name, struct str qualifier);
RESULT urls_drop(struct call *call, const struct lambda_name *name);
RESULT code_signing_leave(struct call *call, const struct lambda_name *name,
                          const struct lambda_function *function);

RESULT code_signing_join(struct call *call, const struct lambda_name *name, struct str arn,
                         struct lambda_function *function);

/* --- concurrency.c, provisioned.c --- */

RESULT provisioned_get(struct call *call, const struct lambda_name *name,
                       struct lambda_provisioned *config, bool *found);
RESULT provisioned_put(struct call *call, const struct lambda_name *name,
                       const struct lambda_provisioned *config);
RESULT provisioned_drop(struct call *call, const struct lambda_name *name, struct str qualifier);
RESULT provisioned_drop_all(struct call *call, const struct lambda_name *name);
/* The alias points to another version. */
void provisioned_moved(struct call *call, const struct lambda_name *name, struct str alias);
/* How many environments are started for it; *runs: functions run in this process at all. */
RESULT provisioned_ready(struct call *call, const struct lambda_name *name,
                         const struct lambda_provisioned *config, unsigned *ready, bool *runs);
RESULT provisioned_start(struct cloud *cloud);
RESULT provisioned_deliver(struct call *call, const struct outbox_item *item);

/* Environments of the version as it was are not used again. */
void version_forget(struct call *call, const struct lambda_name *name,
                    const struct lambda_version *version);

#endif
