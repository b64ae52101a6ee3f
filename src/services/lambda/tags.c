/* Tags: "Using tags on Lambda functions", Developer Guide. */
#include "cloud/tags.h"
#include "cloud/arn.h"
#include "cloud/authorize.h"
#include "cloud/organization.h"
#include "services/lambda/lambda_int.h"

static RESULT tags_fail(struct call *call, const struct str_map *tags)
{
    size_t which;
    switch (tags_check(tags, 50, &which)) {
    case TAGS_OK:
        return RESULT_OK;
    case TAGS_TOO_MANY:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Number of tags exceeds resource tag limit.");
    case TAGS_KEY_RESERVED:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Tag key begins with aws: which is reserved.");
    case TAGS_KEY_LENGTH:
    case TAGS_KEY_CHARACTERS:
    case TAGS_KEY_TWICE:
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, "The tag key %.*s is not valid.",
                         PRSTR(tags->items[which].key));
    case TAGS_VALUE_LENGTH:
    case TAGS_VALUE_CHARACTERS:
        break;
    }
    return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                     "The value of the tag %.*s is not valid.", PRSTR(tags->items[which].key));
}

/* Of the request's tags; the code is that of the service's other refusals of tags. */
static RESULT tags_check_policy(struct call *call, const char *type, struct str account,
                                const struct str_map *given)
{
    struct str key;
    TRY(organization_tag_refused(call, account, str_from_c(type), given, &key));
    return str_is_absent(key)
               ? RESULT_OK
               : call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE, ORGANIZATION_TAG_TEXT, PRSTR(key));
}

/* "lambda:TagResource: grant this permission to anyone who needs to call TagResource or perform a
 * tag on create." */
RESULT tags_given(struct call *call, const void *in, const char *type, struct str account,
                  struct str arn, const struct str_map *tags)
{
    const struct authorize_ask ask = {
        .action = STR("lambda:TagResource"), .resource = arn, .owner = account, .in = in};
    if (tags->len == 0)
        return RESULT_OK;
    TRY(tags_fail(call, tags));
    TRY(tags_check_policy(call, type, account, tags));
    return authorize_ask(call, &ask);
}

/* What has the tags that an ARN names: a function, an event source mapping, a code signing
 * configuration. */
struct tagged {
    const char *type;
    struct str account;
    struct key key;
    uint16_t shape;
    void *record;
    struct str_map *tags;
};

static RESULT tagged_missing(struct call *call, struct str arn)
{
    return call_fail(call, LAMBDA_RESOURCE_NOT_FOUND, "The resource %.*s does not exist.",
                     PRSTR(arn));
}

static RESULT tagged_function(struct call *call, struct str arn, struct tagged *out)
{
    struct lambda_name name;
    struct lambda_function *function = ARENA_NEW(call->arena, struct lambda_function);
    TRY(lambda_name_parse(call, arn, (struct str){0}, &name));
    if (!str_is_absent(name.qualifier))
        return call_fail(call, LAMBDA_INVALID_PARAMETER_VALUE,
                         "Tags on function aliases and versions are not supported. Please specify "
                         "either a function name or an unqualified function ARN.");
    TRY(function_find(call, &name, function));
    *out = (struct tagged){
        "lambda:function",     name.account, lambda_function_key(call, &name, STR("function")),
        LAMBDA_SHAPE_function, function,     &function->tags};
    return RESULT_OK;
}

static RESULT tagged_other(struct call *call, const struct arn *arn, struct str text,
                           struct tagged *out)
{
    const struct lambda_name place = {.account = arn->account, .region = arn->region};
    struct str kind, id;
    bool found = false;
    str_cut(arn->resource, ':', &kind, &id);
    bool mapping = str_eq(kind, STR("event-source-mapping"));
    if (!mapping && !str_eq(kind, STR("code-signing-config")))
        return tagged_missing(call, text);
    struct lambda_event_source *source = ARENA_NEW(call->arena, struct lambda_event_source);
    struct lambda_code_signing *signing = ARENA_NEW(call->arena, struct lambda_code_signing);
    struct key key = lambda_key(call, &place, mapping ? STR("mapping") : STR("signing"));
    key_str(&key, id);
    *out = (struct tagged){.type = mapping ? "lambda:event-source-mapping"
                                           : "lambda:code-signing-config",
                           .account = place.account,
                           .key = key,
                           .shape = mapping ? LAMBDA_SHAPE_event_source : LAMBDA_SHAPE_code_signing,
                           .record = mapping ? (void *)source : (void *)signing,
                           .tags = mapping ? &source->tags : &signing->tags};
    TRY(call_get_record_copy(call, &out->key, &lambda_model, out->shape, out->record, &found));
    return found ? RESULT_OK : tagged_missing(call, text);
}

static RESULT tagged_find(struct call *call, struct str text, struct tagged *out)
{
    struct arn arn;
    if (!arn_parse(text, &arn) || !str_eq(arn.region, call->region))
        return tagged_missing(call, text);
    if (str_starts_with(arn.resource, STR("function:")))
        return tagged_function(call, text, out);
    return tagged_other(call, &arn, text, out);
}

RESULT lambda_TagResource(struct call *call, const struct lambda_TagResourceRequest *in,
                          struct lambda_TagResourceResult *out)
{
    struct tagged tagged;
    (void)out;
    TRY(tagged_find(call, in->Resource, &tagged));
    *tagged.tags = tags_merge(call->arena, tagged.tags, &in->Tags);
    TRY(tags_fail(call, tagged.tags));
    TRY(tags_check_policy(call, tagged.type, tagged.account, &in->Tags));
    return call_put_record(call, &tagged.key, &lambda_model, tagged.shape, tagged.record);
}

RESULT lambda_UntagResource(struct call *call, const struct lambda_UntagResourceRequest *in,
                            struct lambda_UntagResourceResult *out)
{
    struct tagged tagged;
    (void)out;
    TRY(tagged_find(call, in->Resource, &tagged));
    *tagged.tags = tags_without(call->arena, tagged.tags, &in->TagKeys);
    return call_put_record(call, &tagged.key, &lambda_model, tagged.shape, tagged.record);
}

RESULT lambda_ListTags(struct call *call, const struct lambda_ListTagsRequest *in,
                       struct lambda_ListTagsResponse *out)
{
    struct tagged tagged;
    TRY(tagged_find(call, in->Resource, &tagged));
    out->Tags = *tagged.tags;
    if (out->Tags.items == NULL)
        out->Tags.items = ARENA_NEW(call->arena, struct str_map_entry);
    return RESULT_OK;
}
