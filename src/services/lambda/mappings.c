/* Event source mappings: made, shown, changed, deleted. poll.c runs them.
 *
 *   ("lambda", account, region, "mapping", UUID)                       record event_source
 *   ("lambda", account, region, "mapping-source", ARN, FUNCTION, QUALIFIER)    UUID
 *   ("lambda", account, region, "mapping-function", FUNCTION, UUID)    ""  */
#include "services/lambda/mappings.h"
#include "base/rng.h"
#include "services/lambda/configure.h"
#include "services/lambda/role_rights.h"
#include "store/record.h"

enum { MAPPINGS_PAGE = 100 };

static struct lambda_name mapping_place(const struct call *call)
{
    return (struct lambda_name){.account = call->account, .region = call->region};
}

static struct key mapping_source_key(struct call *call, const struct lambda_event_source *mapping)
{
    const struct lambda_name place = mapping_place(call);
    struct key key = lambda_key(call, &place, STR("mapping-source"));
    key_str(&key, mapping->source_arn);
    key_str(&key, mapping->function);
    key_str(&key, str_is_absent(mapping->qualifier) ? STR("") : mapping->qualifier);
    return key;
}

static struct key mapping_function_key(struct call *call, const struct lambda_event_source *mapping)
{
    const struct lambda_name place = mapping_place(call);
    struct key key = lambda_key(call, &place, STR("mapping-function"));
    key_str(&key, mapping->function);
    key_str(&key, mapping->uuid);
    return key;
}

static RESULT mapping_index(struct call *call, const struct lambda_event_source *mapping)
{
    struct key source = mapping_source_key(call, mapping);
    struct key function = mapping_function_key(call, mapping);
    TRY(kv_put(call->txn, key_bytes(&source), mapping->uuid));
    return kv_put(call->txn, key_bytes(&function), STR("+"));
}

static RESULT mapping_unindex(struct call *call, const struct lambda_event_source *mapping)
{
    struct key source = mapping_source_key(call, mapping);
    struct key function = mapping_function_key(call, mapping);
    TRY(kv_delete(call->txn, key_bytes(&source), NULL));
    return kv_delete(call->txn, key_bytes(&function), NULL);
}

/* --- states --- */

static void mapping_settle(const struct call *call, struct lambda_event_source *mapping)
{
    bool settled = str_eq(mapping->state, STR("Enabled")) ||
                   str_eq(mapping->state, STR("Disabled")) ||
                   str_eq(mapping->state, STR("Deleting"));
    if (!settled && mapping->settles_ms <= call->now_ms)
        mapping->state = mapping->enabled ? STR("Enabled") : STR("Disabled");
}

static RESULT mapping_find(struct call *call, struct str uuid, struct lambda_event_source *mapping)
{
    bool found;
    TRY(event_source_get(call, call->account, call->region, uuid, mapping, &found));
    mapping_settle(call, mapping);
    if (found)
        return RESULT_OK;
    return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND, "The resource you requested does not exist.");
}

static RESULT mapping_check_free(struct call *call, const struct lambda_event_source *mapping,
                                 const char *what)
{
    if (str_eq(mapping->state, STR("Enabled")) || str_eq(mapping->state, STR("Disabled")))
        return RESULT_OK;
    return call_fail(call, LAMBDA_RESOURCE_IN_USE,
                     "Cannot %s the event source mapping because it is in use.", what);
}

static RESULT mapping_put(struct call *call, struct lambda_event_source *mapping, struct str state)
{
    mapping->state = state;
    mapping->settles_ms = call->now_ms + LAMBDA_SETTLES_MS;
    mapping->modified_ms = call->now_ms;
    TRY(event_source_put(call, call->account, call->region, mapping));
    return source_changed(call, mapping->uuid, false);
}

/* --- showing --- */

static struct str mapping_arn(struct call *call, struct str uuid)
{
    return arn_make(call->arena, STR("lambda"), call->region, call->account,
                    str_concat(call->arena, STR("event-source-mapping:"), uuid));
}

static void show_stream(struct call *call, const struct lambda_event_source *mapping,
                        struct lambda_EventSourceMappingConfiguration *out)
{
    out->StartingPosition = mapping->starting_position;
    out->ParallelizationFactor = opt_int((int32_t)mapping->parallel);
    out->MaximumRecordAgeInSeconds = opt_int((int32_t)mapping->record_age_s);
    out->MaximumRetryAttempts = opt_int((int32_t)mapping->retries);
    out->TumblingWindowInSeconds = opt_int((int32_t)mapping->tumbling_s);
    out->BisectBatchOnFunctionError = opt_bool(mapping->bisect);
    out->DestinationConfig = ARENA_NEW(call->arena, struct lambda_DestinationConfig);
    out->DestinationConfig->OnFailure = ARENA_NEW(call->arena, struct lambda_OnFailure);
    out->DestinationConfig->OnFailure->Destination = mapping->on_failure;
    out->LastProcessingResult =
        str_is_absent(mapping->last_result) ? STR("No records processed") : mapping->last_result;
}

static void show_filters(struct call *call, const struct lambda_event_source *mapping,
                         struct lambda_EventSourceMappingConfiguration *out)
{
    if (mapping->filters.len == 0)
        return;
    out->FilterCriteria = ARENA_NEW(call->arena, struct lambda_FilterCriteria);
    struct lambda_FilterList *list = &out->FilterCriteria->Filters;
    list->items = ARENA_ARRAY(call->arena, mapping->filters.len, struct lambda_Filter);
    list->len = mapping->filters.len;
    for (size_t i = 0; i < list->len; i++)
        list->items[i].Pattern = mapping->filters.items[i];
}

static void mapping_show(struct call *call, const struct lambda_event_source *mapping,
                         struct lambda_EventSourceMappingConfiguration *out)
{
    bool stream = mapping->parallel > 0;
    *out = (struct lambda_EventSourceMappingConfiguration){
        .UUID = mapping->uuid,
        .BatchSize = opt_int((int32_t)mapping->batch_size),
        .MaximumBatchingWindowInSeconds = opt_int((int32_t)mapping->window_s),
        .EventSourceArn = mapping->source_arn,
        .FunctionArn =
            lambda_arn(call, call->account, call->region, mapping->function, mapping->qualifier),
        .LastModified = {true, mapping->modified_ms},
        .State = mapping->state,
        .StateTransitionReason = stream ? STR("User action") : STR("USER_INITIATED"),
        .EventSourceMappingArn = mapping_arn(call, mapping->uuid),
    };
    out->FunctionResponseTypes.items = ARENA_NEW(call->arena, struct str);
    if (mapping->partial) {
        out->FunctionResponseTypes.items[0] = STR("ReportBatchItemFailures");
        out->FunctionResponseTypes.len = 1;
    }
    if (mapping->concurrency > 0) {
        out->ScalingConfig = ARENA_NEW(call->arena, struct lambda_ScalingConfig);
        out->ScalingConfig->MaximumConcurrency = opt_int((int32_t)mapping->concurrency);
    }
    show_filters(call, mapping, out);
    if (stream)
        show_stream(call, mapping, out);
    else
        out->LastProcessingResult = mapping->last_result;
}

/* --- CreateEventSourceMapping --- */

static const char *create_refused(const struct lambda_CreateEventSourceMappingRequest *in)
{
    if (!str_is_empty(in->KMSKeyArn))
        return "KMSKeyArn";
    if (in->MetricsConfig != NULL && in->MetricsConfig->Metrics.len > 0)
        return "MetricsConfig";
    if (in->LoggingConfig != NULL)
        return "LoggingConfig";
    if (in->ProvisionedPollerConfig != NULL)
        return "ProvisionedPollerConfig";
    if (in->SelfManagedEventSource != NULL)
        return "SelfManagedEventSource";
    if (in->SelfManagedKafkaEventSourceConfig != NULL)
        return "SelfManagedKafkaEventSourceConfig";
    if (in->AmazonManagedKafkaEventSourceConfig != NULL)
        return "AmazonManagedKafkaEventSourceConfig";
    if (in->DocumentDBEventSourceConfig != NULL)
        return "DocumentDBEventSourceConfig";
    if (in->Topics.len > 0)
        return "Topics";
    if (in->Queues.len > 0)
        return "Queues";
    return in->SourceAccessConfigurations.len > 0 ? "SourceAccessConfigurations" : NULL;
}

static RESULT create_position(struct call *call, enum mapping_kind kind,
                              const struct lambda_CreateEventSourceMappingRequest *in,
                              struct lambda_event_source *mapping)
{
    bool stream = kind == MAPPING_DYNAMODB;
    if (stream && str_is_absent(in->StartingPosition))
        return call_fail(call, WIRE_VALIDATION,
                         "1 validation error detected: Value null at 'startingPosition' failed to "
                         "satisfy constraint: Member must not be null.");
    if (!stream && !str_is_absent(in->StartingPosition))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "StartingPosition is not valid for SQS event sources.");
    if (str_eq(in->StartingPosition, STR("AT_TIMESTAMP")) || in->StartingPositionTimestamp.set)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Unsupported starting position for arn type: %.*s",
                         PRSTR(in->EventSourceArn));
    mapping->starting_position = in->StartingPosition;
    return RESULT_OK;
}

static RESULT mapping_function(struct call *call, struct str text, struct lambda_target *target)
{
    struct lambda_name name;
    TRY(lambda_name_parse(call, text, (struct str){0}, &name));
    if (!str_eq(name.account, call->account))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "The function must be in the account of the event source mapping.");
    enum result result = lambda_find(call, &name, target);
    return result == RESULT_ERROR
               ? call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "Function does not exist")
               : result;
}

/* One source has one mapping to one function. */
static RESULT mapping_check_new(struct call *call, const struct lambda_event_source *mapping)
{
    struct key key = mapping_source_key(call, mapping);
    struct arn arn;
    struct str uuid;
    TRY(kv_get(call->txn, key_bytes(&key), &uuid));
    if (str_is_absent(uuid) || !arn_parse(mapping->source_arn, &arn))
        return RESULT_OK;
    const char *kind = str_eq(arn.service, STR("sqs")) ? "SQS" : "DynamoDB";
    return call_fail(call, LAMBDA_RESOURCE_CONFLICT,
                     "An event source mapping with %s arn (\" %.*s \") and function (\" %.*s "
                     "\") already exists. Please update or delete the existing mapping with UUID "
                     "%.*s",
                     kind, PRSTR(mapping->source_arn), PRSTR(mapping->function), PRSTR(uuid));
}

static RESULT mapping_check_destination(struct call *call, const struct mapping_settings *in,
                                        const struct lambda_target *target,
                                        const struct lambda_event_source *mapping)
{
    if (in->destination == NULL || str_is_empty(mapping->on_failure))
        return RESULT_OK;
    return role_rights_of_destination(call, target, mapping->on_failure);
}

static RESULT create_identity(struct call *call, struct lambda_event_source *mapping)
{
    uint64_t id;
    char *uuid = arena_alloc_raw(call->arena, 36);
    rng_uuid(uuid);
    TRY(call_sequence(call, &id));
    mapping->uuid = str_make(uuid, 36);
    mapping->id = (int64_t)id;
    mapping->created_ms = call->now_ms;
    return RESULT_OK;
}

RESULT
lambda_CreateEventSourceMapping(struct call *call,
                                const struct lambda_CreateEventSourceMappingRequest *in,
                                struct lambda_EventSourceMappingConfiguration *out)
{
    const struct mapping_settings settings = MAPPING_SETTINGS_OF(in, create_refused(in));
    struct lambda_event_source mapping = {0};
    struct lambda_target target;
    enum mapping_kind kind;
    if (str_is_absent(in->EventSourceArn) && settings.refused == NULL)
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Please provide an event source: EventSourceArn.");
    if (str_is_absent(in->EventSourceArn))
        return call_fail(call, WIRE_NOT_IMPLEMENTED,
                         "Kumoniwa does not implement %s of event source mappings yet.",
                         settings.refused);
    TRY(mapping_kind_of(call, in->EventSourceArn, &kind));
    mapping_defaults(kind, &mapping);
    TRY(create_position(call, kind, in, &mapping));
    TRY(mapping_configure(call, kind, &settings, &mapping));
    TRY(mapping_function(call, in->FunctionName, &target));
    mapping.function = target.name.function;
    mapping.qualifier = target.name.qualifier;
    mapping.source_arn = in->EventSourceArn;
    mapping.tags = in->Tags;
    TRY(mapping_check_new(call, &mapping));
    TRY(mapping_check_source(call, kind, &target, in->EventSourceArn));
    TRY(mapping_check_destination(call, &settings, &target, &mapping));
    TRY(create_identity(call, &mapping));
    TRY(tags_given(call, in, "lambda:event-source-mapping", call->account,
                   mapping_arn(call, mapping.uuid), &in->Tags));
    TRY(mapping_index(call, &mapping));
    TRY(mapping_put(call, &mapping, STR("Creating")));
    mapping_show(call, &mapping, out);
    return RESULT_OK;
}

RESULT lambda_GetEventSourceMapping(struct call *call,
                                    const struct lambda_GetEventSourceMappingRequest *in,
                                    struct lambda_EventSourceMappingConfiguration *out)
{
    struct lambda_event_source mapping;
    TRY(mapping_find(call, in->UUID, &mapping));
    mapping_show(call, &mapping, out);
    return RESULT_OK;
}

/* --- UpdateEventSourceMapping --- */

static const char *update_refused(const struct lambda_UpdateEventSourceMappingRequest *in)
{
    if (!str_is_empty(in->KMSKeyArn))
        return "KMSKeyArn";
    if (in->MetricsConfig != NULL && in->MetricsConfig->Metrics.len > 0)
        return "MetricsConfig";
    if (in->LoggingConfig != NULL)
        return "LoggingConfig";
    if (in->ProvisionedPollerConfig != NULL)
        return "ProvisionedPollerConfig";
    if (in->SelfManagedKafkaEventSourceConfig != NULL)
        return "SelfManagedKafkaEventSourceConfig";
    if (in->AmazonManagedKafkaEventSourceConfig != NULL)
        return "AmazonManagedKafkaEventSourceConfig";
    if (in->DocumentDBEventSourceConfig != NULL)
        return "DocumentDBEventSourceConfig";
    return in->SourceAccessConfigurations.len > 0 ? "SourceAccessConfigurations" : NULL;
}

static struct str update_state(bool was, bool is)
{
    if (was == is)
        return STR("Updating");
    return is ? STR("Enabling") : STR("Disabling");
}

RESULT
lambda_UpdateEventSourceMapping(struct call *call,
                                const struct lambda_UpdateEventSourceMappingRequest *in,
                                struct lambda_EventSourceMappingConfiguration *out)
{
    const struct mapping_settings settings = MAPPING_SETTINGS_OF(in, update_refused(in));
    struct lambda_event_source mapping, old;
    struct lambda_target target;
    enum mapping_kind kind;
    TRY(mapping_find(call, in->UUID, &mapping));
    TRY(mapping_check_free(call, &mapping, "update"));
    old = mapping;
    TRY(mapping_kind_of(call, mapping.source_arn, &kind));
    TRY(mapping_configure(call, kind, &settings, &mapping));
    struct str function = in->FunctionName;
    if (str_is_absent(function))
        function = lambda_arn(call, call->account, call->region, old.function, old.qualifier);
    TRY(mapping_function(call, function, &target));
    mapping.function = target.name.function;
    mapping.qualifier = target.name.qualifier;
    TRY(mapping_unindex(call, &old));
    TRY(mapping_check_new(call, &mapping));
    TRY(mapping_check_source(call, kind, &target, mapping.source_arn));
    TRY(mapping_check_destination(call, &settings, &target, &mapping));
    TRY(mapping_index(call, &mapping));
    TRY(mapping_put(call, &mapping, update_state(old.enabled, mapping.enabled)));
    mapping_show(call, &mapping, out);
    return RESULT_OK;
}

/* --- DeleteEventSourceMapping --- */

RESULT
lambda_DeleteEventSourceMapping(struct call *call,
                                const struct lambda_DeleteEventSourceMappingRequest *in,
                                struct lambda_EventSourceMappingConfiguration *out)
{
    struct lambda_event_source mapping;
    TRY(mapping_find(call, in->UUID, &mapping));
    TRY(mapping_check_free(call, &mapping, "delete"));
    TRY(mapping_unindex(call, &mapping));
    TRY(mapping_put(call, &mapping, STR("Deleting")));
    TRY(job_schedule(call, STR("lambda.mapping"), mapping.settles_ms, mapping.uuid, NULL));
    mapping_show(call, &mapping, out);
    return RESULT_OK;
}

RESULT mapping_deliver_drop(struct call *call, const struct outbox_item *item)
{
    const struct lambda_name place = mapping_place(call);
    struct key key = lambda_key(call, &place, STR("mapping"));
    key_str(&key, item->payload);
    TRY(kv_delete(call->txn, key_bytes(&key), NULL));
    return source_changed(call, item->payload, true);
}

/* --- ListEventSourceMappings --- */

/* Which keys to walk, and whether they end with a mapping's id or lead to one. */
static struct key list_prefix(struct call *call,
                              const struct lambda_ListEventSourceMappingsRequest *in,
                              const struct lambda_name *function)
{
    const struct lambda_name place = mapping_place(call);
    struct key key;
    if (!str_is_absent(in->EventSourceArn)) {
        key = lambda_key(call, &place, STR("mapping-source"));
        key_str(&key, in->EventSourceArn);
    } else if (!str_is_absent(in->FunctionName)) {
        key = lambda_key(call, &place, STR("mapping-function"));
        key_str(&key, function->function);
    } else {
        key = lambda_key(call, &place, STR("mapping"));
    }
    return key;
}

static RESULT list_read(struct call *call, const struct lambda_ListEventSourceMappingsRequest *in,
                        struct str rest, struct str value, struct lambda_event_source *mapping)
{
    struct key_reader reader = key_read(call->arena, rest);
    struct str uuid = value;
    bool found;
    if (str_is_absent(in->EventSourceArn) && !key_next_str(&reader, &uuid))
        return FAULT("a key without a mapping's id");
    TRY(event_source_get(call, call->account, call->region, uuid, mapping, &found));
    mapping_settle(call, mapping);
    return found ? RESULT_OK : FAULT("no mapping %.*s", PRSTR(uuid));
}

static bool list_wants(const struct lambda_ListEventSourceMappingsRequest *in,
                       const struct lambda_name *function,
                       const struct lambda_event_source *mapping)
{
    if (str_is_absent(in->FunctionName))
        return true;
    return str_eq(function->function, mapping->function) &&
           (str_is_absent(function->qualifier) || str_eq(function->qualifier, mapping->qualifier));
}

RESULT lambda_ListEventSourceMappings(struct call *call,
                                      const struct lambda_ListEventSourceMappingsRequest *in,
                                      struct lambda_ListEventSourceMappingsResponse *out)
{
    struct lambda_name function = {0};
    struct lambda_page page;
    if (!str_is_absent(in->FunctionName))
        TRY(lambda_name_parse(call, in->FunctionName, (struct str){0}, &function));
    struct key prefix = list_prefix(call, in, &function);
    TRY(lambda_page_open(call, in->Marker, in->MaxItems, MAPPINGS_PAGE, &prefix, &page));
    out->EventSourceMappings.items =
        ARENA_ARRAY(call->arena, page.limit, struct lambda_EventSourceMappingConfiguration);
    for (;;) {
        struct lambda_event_source mapping;
        TRY(lambda_page_next(call, &page, out->EventSourceMappings.len, &out->NextMarker));
        if (str_is_absent(page.key))
            return RESULT_OK;
        struct str rest = str_slice(page.key, key_bytes(&prefix).len, page.key.len);
        TRY(list_read(call, in, rest, page.value, &mapping));
        if (list_wants(in, &function, &mapping))
            mapping_show(call, &mapping,
                         &out->EventSourceMappings.items[out->EventSourceMappings.len++]);
    }
}
