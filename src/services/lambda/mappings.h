/* Between the files of event source mappings' operations. */
#ifndef KUMONIWA_SERVICES_LAMBDA_MAPPINGS_H
#define KUMONIWA_SERVICES_LAMBDA_MAPPINGS_H

#include "cloud/arn.h"
#include "services/lambda/events_int.h"

enum mapping_kind { MAPPING_SQS, MAPPING_FIFO, MAPPING_DYNAMODB };

/* What CreateEventSourceMapping and UpdateEventSourceMapping both say. */
struct mapping_settings {
    struct opt_bool enabled;
    struct opt_int batch_size, window_s, parallel, record_age_s, retries, tumbling_s;
    struct opt_bool bisect;
    const struct lambda_FilterCriteria *filters;
    const struct lambda_ScalingConfig *scaling;
    const struct lambda_DestinationConfig *destination;
    struct str_list response_types;
    const char *refused; /* the name of a member that is not implemented; NULL: none was given */
};

/* Of either request: their members have the same names. */
#define MAPPING_SETTINGS_OF(in, refused_name)                                                      \
    {                                                                                              \
        .enabled = (in)->Enabled, .batch_size = (in)->BatchSize,                                   \
        .window_s = (in)->MaximumBatchingWindowInSeconds, .parallel = (in)->ParallelizationFactor, \
        .record_age_s = (in)->MaximumRecordAgeInSeconds, .retries = (in)->MaximumRetryAttempts,    \
        .tumbling_s = (in)->TumblingWindowInSeconds, .bisect = (in)->BisectBatchOnFunctionError,   \
        .filters = (in)->FilterCriteria, .scaling = (in)->ScalingConfig,                           \
        .destination = (in)->DestinationConfig, .response_types = (in)->FunctionResponseTypes,     \
        .refused = (refused_name),                                                                 \
    }

/* RESULT_ERROR: no kind of source that there is, in AWS's words or by name. */
RESULT mapping_kind_of(struct call *call, struct str source_arn, enum mapping_kind *kind);
void mapping_defaults(enum mapping_kind kind, struct lambda_event_source *mapping);
/* Checks them and takes them over. */
RESULT mapping_configure(struct call *call, enum mapping_kind kind,
                         const struct mapping_settings *in, struct lambda_event_source *mapping);
/* The source is there, suits the function, and the function's role may read it. */
RESULT mapping_check_source(struct call *call, enum mapping_kind kind,
                            const struct lambda_target *target, struct str source_arn);

RESULT mapping_deliver_drop(struct call *call, const struct outbox_item *item);

#endif
