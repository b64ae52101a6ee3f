/* What CreateFunction and UpdateFunctionConfiguration say of a function, checked and taken over. */
#ifndef KUMONIWA_SERVICES_LAMBDA_CONFIGURE_H
#define KUMONIWA_SERVICES_LAMBDA_CONFIGURE_H

#include "services/lambda/lambda_int.h"

/* What both requests have; what is absent stays as it is. */
struct settings {
    struct str role, handler, description, runtime, kms_key;
    struct opt_int timeout, memory;
    const struct lambda_VpcConfig *vpc;
    const struct lambda_Environment *environment;
    const struct lambda_DeadLetterConfig *dead_letter;
    const struct lambda_TracingConfig *tracing;
    struct str_list layers; /* absent: items NULL */
    struct lambda_FileSystemConfigList file_systems;
    const struct lambda_ImageConfig *image;
    const struct lambda_EphemeralStorage *storage;
    const struct lambda_SnapStart *snap_start;
    const struct lambda_LoggingConfig *logging;
    /* Refused by name. */
    bool capacity_provider, durable, runtime_config, accelerator, tenancy;
};

/* Of either request: their members have the same names. */
#define SETTINGS_OF(in)                                                                            \
    {                                                                                              \
        .role = (in)->Role, .handler = (in)->Handler, .description = (in)->Description,            \
        .runtime = (in)->Runtime, .kms_key = (in)->KMSKeyArn, .timeout = (in)->Timeout,            \
        .memory = (in)->MemorySize, .vpc = (in)->VpcConfig, .environment = (in)->Environment,      \
        .dead_letter = (in)->DeadLetterConfig, .tracing = (in)->TracingConfig,                     \
        .layers = (in)->Layers, .file_systems = (in)->FileSystemConfigs,                           \
        .image = (in)->ImageConfig, .storage = (in)->EphemeralStorage,                             \
        .snap_start = (in)->SnapStart, .logging = (in)->LoggingConfig,                             \
        .capacity_provider = (in)->CapacityProviderConfig != NULL,                                 \
        .durable = (in)->DurableConfig != NULL, .runtime_config = (in)->RuntimeConfig != NULL,     \
        .accelerator = (in)->AcceleratorConfig != NULL,                                            \
    }

/* Checks and sets them on *version, which holds the old ones or the defaults. The caller keeps the
 * count of uses of layers' code. */
RESULT configure(struct call *call, const struct lambda_name *name, const struct settings *in,
                 struct lambda_version *version);
/* How long Pending and InProgress last. */
enum { LAMBDA_SETTLES_MS = 100 };

/* A line in the log when the machine is another one. */
void architecture_note(const struct lambda_version *version);
RESULT environment_seal(struct call *call, const struct lambda_name *name, struct str kms_key,
                        struct lambda_version *version);
/* layers.c: *codes: the code of each; checks that the caller may use them. */
RESULT layers_resolve(struct call *call, const struct lambda_name *name,
                      const struct str_list *layers, struct str_list *codes);

#endif
