/* Which events a trail takes ("Logging management events", "Logging data events", AWS CloudTrail
 * User Guide). */
#include "base/vec.h"
#include "services/cloudtrail/cloudtrail_int.h"

/* --- matching --- */

static bool is_management(const struct cloud_trail_event *event)
{
    return str_is_absent(event->data_type);
}

static bool list_has(const struct str_list *list, struct str value)
{
    for (size_t i = 0; i < list->len; i++)
        if (str_eq(list->items[i], value))
            return true;
    return false;
}

/* "arn:aws:s3" and "arn:aws:lambda" mean all; otherwise the beginning of the resource's ARN. */
static bool data_matches(const struct cloudtrail_DataResources *resources,
                         const struct cloud_trail_event *event)
{
    for (size_t i = 0; i < resources->len; i++) {
        if (!str_eq(resources->items[i].Type, event->data_type))
            continue;
        const struct cloudtrail_DataResource *resource = &resources->items[i];
        for (size_t v = 0; v < resource->Values.len; v++)
            for (size_t k = 0; k < event->resources.len; k++)
                if (str_starts_with(event->resources.items[k], resource->Values.items[v]))
                    return true;
    }
    return false;
}

static bool selector_matches(const struct cloudtrail_EventSelector *selector,
                             const struct cloud_trail_event *event)
{
    if ((str_eq(selector->ReadWriteType, STR("ReadOnly")) && !event->read_only) ||
        (str_eq(selector->ReadWriteType, STR("WriteOnly")) && event->read_only))
        return false;
    if (!is_management(event))
        return data_matches(&selector->DataResources, event);
    if (selector->IncludeManagementEvents.set && !selector->IncludeManagementEvents.value)
        return false;
    const struct str_list excluded = {selector->ExcludeManagementEventSources.items,
                                      selector->ExcludeManagementEventSources.len};
    return !list_has(&excluded, event->source);
}

static struct str field_value(const struct cloud_trail_event *event, struct str field)
{
    if (str_eq(field, STR("eventCategory")))
        return is_management(event) ? STR("Management") : STR("Data");
    if (str_eq(field, STR("readOnly")))
        return event->read_only ? STR("true") : STR("false");
    if (str_eq(field, STR("eventSource")))
        return event->source;
    if (str_eq(field, STR("eventName")))
        return event->name;
    if (str_eq(field, STR("resources.type")))
        return event->data_type;
    if (str_eq(field, STR("resources.ARN")))
        return event->resources.len > 0 ? event->resources.items[0] : STR("");
    if (str_eq(field, STR("eventType")))
        return STR("AwsApiCall");
    return STR("");
}

typedef bool str_test(struct str s, struct str part);

static bool equals(struct str s, struct str part)
{
    return str_eq(s, part);
}

static bool any_of(struct str value, const struct str *items, size_t len, str_test *test)
{
    for (size_t i = 0; i < len; i++)
        if (test(value, items[i]))
            return true;
    return false;
}

static bool field_matches(const struct cloudtrail_AdvancedFieldSelector *field,
                          const struct cloud_trail_event *event)
{
    struct str value = field_value(event, field->Field);
    bool asked = field->Equals.len + field->StartsWith.len + field->EndsWith.len > 0;
    bool wanted = any_of(value, field->Equals.items, field->Equals.len, equals) ||
                  any_of(value, field->StartsWith.items, field->StartsWith.len, str_starts_with) ||
                  any_of(value, field->EndsWith.items, field->EndsWith.len, str_ends_with);
    bool unwanted =
        any_of(value, field->NotEquals.items, field->NotEquals.len, equals) ||
        any_of(value, field->NotStartsWith.items, field->NotStartsWith.len, str_starts_with) ||
        any_of(value, field->NotEndsWith.items, field->NotEndsWith.len, str_ends_with);
    return (wanted || !asked) && !unwanted;
}

static bool advanced_matches(const struct cloudtrail_AdvancedEventSelector *selector,
                             const struct cloud_trail_event *event)
{
    for (size_t i = 0; i < selector->FieldSelectors.len; i++)
        if (!field_matches(&selector->FieldSelectors.items[i], event))
            return false;
    return true;
}

static bool trail_covers(const struct cloudtrail_trail *trail,
                         const struct cloud_trail_event *event, struct str organization)
{
    return str_eq(trail->account, event->account) ||
           (!str_is_absent(trail->organization) && str_eq(trail->organization, organization));
}

bool trail_wants(const struct cloudtrail_trail *trail, const struct cloud_trail_event *event,
                 struct str organization)
{
    bool global = str_eq(event->source, STR("iam.amazonaws.com")) ||
                  str_eq(event->source, STR("organizations.amazonaws.com"));
    if (!trail->logging || !trail_covers(trail, event, organization) ||
        (!trail->multi_region && !str_eq(trail->region, event->region)) ||
        (global && !trail->global))
        return false;
    for (size_t i = 0; i < trail->advanced.len; i++)
        if (advanced_matches(&trail->advanced.items[i], event))
            return true;
    for (size_t i = 0; i < trail->selectors.len; i++)
        if (selector_matches(&trail->selectors.items[i], event))
            return true;
    return trail->advanced.len + trail->selectors.len == 0 && is_management(event);
}

bool trail_selects_data(const struct cloudtrail_trail *trail)
{
    for (size_t i = 0; i < trail->selectors.len; i++)
        if (trail->selectors.items[i].DataResources.len > 0)
            return true;
    return trail->advanced.len > 0;
}

/* --- PutEventSelectors, GetEventSelectors --- */

static RESULT invalid(struct call *call, const char *why)
{
    return call_fail(call, CLOUDTRAIL_INVALID_EVENT_SELECTORS, "%s", why);
}

/* AdvancedFieldSelector, CloudTrail API Reference: what may be compared, and how. */
static RESULT field_check(struct call *call, const struct cloudtrail_AdvancedFieldSelector *field)
{
    static const struct str known[] = {
        STR_INIT("eventCategory"), STR_INIT("readOnly"),  STR_INIT("eventSource"),
        STR_INIT("eventName"),     STR_INIT("eventType"), STR_INIT("resources.type"),
        STR_INIT("resources.ARN"),
    };
    static const struct str unbuilt[] = {
        STR_INIT("userIdentity.arn"),
        STR_INIT("sessionCredentialFromConsole"),
        STR_INIT("errorCode"),
        STR_INIT("vpcEndpointId"),
    };
    size_t others = field->StartsWith.len + field->EndsWith.len + field->NotEquals.len +
                    field->NotStartsWith.len + field->NotEndsWith.len;
    bool is_known = false, category = str_eq(field->Field, known[0]),
         read_only = str_eq(field->Field, known[1]);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        is_known |= str_eq(field->Field, known[i]);
    for (size_t i = 0; i < sizeof unbuilt / sizeof unbuilt[0]; i++)
        if (str_eq(field->Field, unbuilt[i]))
            return call_fail(call, WIRE_NOT_IMPLEMENTED,
                             "The field %.*s of selectors is not implemented.",
                             PRSTR(field->Field));
    if (!is_known)
        return invalid(call, "An advanced event selector names a field that does not exist.");
    if (field->Equals.len + others == 0)
        return invalid(call, "A field selector needs an operator with values.");
    if ((category || read_only || str_eq(field->Field, known[5])) && others > 0)
        return invalid(call, "eventCategory, readOnly and resources.type take Equals alone.");
    for (size_t i = 0; i < field->Equals.len; i++) {
        struct str value = field->Equals.items[i];
        if ((category && !str_eq(value, STR("Management")) && !str_eq(value, STR("Data"))) ||
            (read_only && !str_eq(value, STR("true")) && !str_eq(value, STR("false"))))
            return invalid(call, "A field selector has a value that its field never has.");
    }
    return RESULT_OK;
}

static RESULT advanced_check(struct call *call,
                             const struct cloudtrail_AdvancedEventSelector *selector)
{
    const struct cloudtrail_AdvancedFieldSelectors *fields = &selector->FieldSelectors;
    bool category = false, data = false, type = false;
    for (size_t i = 0; i < fields->len; i++) {
        const struct cloudtrail_AdvancedFieldSelector *field = &fields->items[i];
        TRY(field_check(call, field));
        for (size_t j = 0; j < i; j++)
            if (str_eq(fields->items[j].Field, field->Field))
                return invalid(call, "An advanced event selector names a field twice.");
        type |= str_eq(field->Field, STR("resources.type"));
        if (!str_eq(field->Field, STR("eventCategory")))
            continue;
        category = true;
        data = str_eq(field->Equals.items[0], STR("Data"));
    }
    if (!category)
        return invalid(call, "An advanced event selector needs the field eventCategory.");
    if (data && !type)
        return invalid(call, "A selector of data events needs the field resources.type.");
    return RESULT_OK;
}

/* DataResource, EventSelector, CloudTrail API Reference. */
static RESULT basic_check(struct call *call, const struct cloudtrail_EventSelector *selector)
{
    for (size_t i = 0; i < selector->DataResources.len; i++) {
        struct str type = selector->DataResources.items[i].Type;
        if (!str_eq(type, STR("AWS::S3::Object")) && !str_eq(type, STR("AWS::DynamoDB::Table")) &&
            !str_eq(type, STR("AWS::Lambda::Function")))
            return invalid(call, "Data resources of event selectors are AWS::S3::Object, "
                                 "AWS::Lambda::Function and AWS::DynamoDB::Table.");
    }
    for (size_t i = 0; i < selector->ExcludeManagementEventSources.len; i++) {
        struct str source = selector->ExcludeManagementEventSources.items[i];
        if (!str_eq(source, STR("kms.amazonaws.com")) &&
            !str_eq(source, STR("rdsdata.amazonaws.com")))
            return invalid(call, "Only kms.amazonaws.com and rdsdata.amazonaws.com can be "
                                 "excluded.");
    }
    return RESULT_OK;
}

static RESULT selectors_check(struct call *call,
                              const struct cloudtrail_PutEventSelectorsRequest *in)
{
    size_t values = 0;
    if (in->EventSelectors.len > 0 && in->AdvancedEventSelectors.len > 0)
        return invalid(call, "You can use either event selectors or advanced event selectors for a "
                             "trail, but not both.");
    if (in->EventSelectors.len + in->AdvancedEventSelectors.len == 0)
        return invalid(call, "Specify event selectors or advanced event selectors.");
    if (in->EventSelectors.len > 5)
        return invalid(call, "A trail has at most 5 event selectors.");
    for (size_t i = 0; i < in->EventSelectors.len; i++)
        for (size_t r = 0; r < in->EventSelectors.items[i].DataResources.len; r++)
            values += in->EventSelectors.items[i].DataResources.items[r].Values.len;
    if (values > 250)
        return invalid(call, "A trail has at most 250 data resources.");
    for (size_t i = 0; i < in->EventSelectors.len; i++)
        TRY(basic_check(call, &in->EventSelectors.items[i]));
    for (size_t i = 0; i < in->AdvancedEventSelectors.len; i++)
        TRY(advanced_check(call, &in->AdvancedEventSelectors.items[i]));
    return RESULT_OK;
}

RESULT trail_data_switch(struct call *call)
{
    struct cloudtrail_trail *trails;
    size_t count;
    bool wanted = false;
    TRY(trails_of(call, (struct str){0}, &trails, &count));
    for (size_t i = 0; i < count; i++)
        wanted |= trail_selects_data(&trails[i]);
    if (!wanted)
        return outbox_post(call, STR("cloudtrail.switch"), STR(""), STR(""));
    trail_set_data(call->cloud->trail, true);
    return RESULT_OK;
}

/* In a transaction of its own: what it reads is committed, and nobody else is about to change it.
 */
RESULT cloudtrail_deliver_switch(struct call *call, const struct outbox_item *item)
{
    struct cloudtrail_trail *trails;
    size_t count;
    bool wanted = false;
    (void)item;
    TRY(trails_of(call, (struct str){0}, &trails, &count));
    for (size_t i = 0; i < count; i++)
        wanted |= trail_selects_data(&trails[i]);
    trail_set_data(call->cloud->trail, wanted);
    return RESULT_OK;
}

RESULT cloudtrail_PutEventSelectors(struct call *call,
                                    const struct cloudtrail_PutEventSelectorsRequest *in,
                                    struct cloudtrail_PutEventSelectorsResponse *out)
{
    struct cloudtrail_trail trail;
    TRY(trail_find_own(call, in->TrailName, &trail));
    TRY(selectors_check(call, in));
    trail.selectors = in->EventSelectors;
    for (size_t i = 0; i < trail.selectors.len; i++) {
        struct cloudtrail_EventSelector *selector = &trail.selectors.items[i];
        if (str_is_absent(selector->ReadWriteType))
            selector->ReadWriteType = STR("All");
        if (!selector->IncludeManagementEvents.set)
            selector->IncludeManagementEvents = opt_bool(true);
    }
    trail.advanced = in->AdvancedEventSelectors;
    TRY(trail_put(call, &trail));
    TRY(trail_data_switch(call));
    out->TrailARN = trail_arn(call, &trail);
    out->EventSelectors = trail.selectors;
    out->AdvancedEventSelectors = trail.advanced;
    return RESULT_OK;
}

RESULT cloudtrail_GetEventSelectors(struct call *call,
                                    const struct cloudtrail_GetEventSelectorsRequest *in,
                                    struct cloudtrail_GetEventSelectorsResponse *out)
{
    struct cloudtrail_trail trail;
    TRY(trail_find(call, in->TrailName, &trail));
    out->TrailARN = trail_arn(call, &trail);
    out->EventSelectors = trail.selectors;
    out->AdvancedEventSelectors = trail.advanced;
    if (trail.selectors.len + trail.advanced.len > 0)
        return RESULT_OK;
    struct cloudtrail_EventSelector *all = ARENA_NEW(call->arena, struct cloudtrail_EventSelector);
    all->ReadWriteType = STR("All");
    all->IncludeManagementEvents = opt_bool(true);
    all->DataResources.items = ARENA_NEW(call->arena, struct cloudtrail_DataResource);
    all->ExcludeManagementEventSources.items = ARENA_NEW(call->arena, struct str);
    out->EventSelectors.items = all;
    out->EventSelectors.len = 1;
    return RESULT_OK;
}
