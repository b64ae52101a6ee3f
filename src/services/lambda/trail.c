/* What Lambda tells CloudTrail: "Logging AWS Lambda API calls using AWS CloudTrail", AWS Lambda
 * Developer Guide. */
#include "cloud/trail.h"
#include "services/lambda/lambda_int.h"

static const uint32_t trail_operations[] = {
    LAMBDA_OP_Invoke,
    LAMBDA_OP_InvokeAsync,
    LAMBDA_OP_InvokeWithResponseStream,
};

static bool trail_is_silent(uint32_t operation)
{
    (void)operation;
    return true;
}

/* Neither what a function is given nor what it answers. */
static struct str trail_tell(struct call *call, struct arena *arena, uint32_t operation,
                             const void *in)
{
    struct buf text;
    (void)call;
    if (operation != LAMBDA_OP_Invoke)
        return (struct str){0};
    struct lambda_InvocationRequest copy = *(const struct lambda_InvocationRequest *)in;
    copy.Payload = (struct str){0};
    buf_init(&text, arena, 64 * 1024);
    return wire_json_describe(&text, &lambda_model, LAMBDA_SHAPE_InvocationRequest, &copy) ==
                   RESULT_OK
               ? buf_str(&text)
               : STR("null");
}

/* Its names of management events have the date and version of the API's action. */
static const struct str trail_names[] = {STR_INIT("AddLayerVersionPermission20181031"),
                                         STR_INIT("AddPermission20150331v2"),
                                         STR_INIT("CreateAlias20150331"),
                                         STR_INIT("CreateEventSourceMapping20150331"),
                                         STR_INIT("CreateFunction20150331"),
                                         STR_INIT("DeleteAlias20150331"),
                                         STR_INIT("DeleteEventSourceMapping20150331"),
                                         STR_INIT("DeleteFunction20150331"),
                                         STR_INIT("DeleteFunctionConcurrency20171031"),
                                         STR_INIT("DeleteLayerVersion20181031"),
                                         STR_INIT("GetAccountSettings20160819"),
                                         STR_INIT("GetAlias20150331"),
                                         STR_INIT("GetEventSourceMapping20150331"),
                                         STR_INIT("GetFunction20150331v2"),
                                         STR_INIT("GetFunctionConfiguration20150331v2"),
                                         STR_INIT("GetLayerVersion20181031"),
                                         STR_INIT("GetLayerVersionPolicy20181031"),
                                         STR_INIT("GetPolicy20150331v2"),
                                         STR_INIT("ListAliases20150331"),
                                         STR_INIT("ListEventSourceMappings20150331"),
                                         STR_INIT("ListFunctions20150331"),
                                         STR_INIT("ListLayers20181031"),
                                         STR_INIT("ListLayerVersions20181031"),
                                         STR_INIT("ListTags20170331"),
                                         STR_INIT("ListVersionsByFunction20150331"),
                                         STR_INIT("PublishLayerVersion20181031"),
                                         STR_INIT("PublishVersion20150331"),
                                         STR_INIT("PutFunctionConcurrency20171031"),
                                         STR_INIT("RemoveLayerVersionPermission20181031"),
                                         STR_INIT("RemovePermission20150331v2"),
                                         STR_INIT("TagResource20170331v2"),
                                         STR_INIT("UntagResource20170331v2"),
                                         STR_INIT("UpdateAlias20150331"),
                                         STR_INIT("UpdateEventSourceMapping20150331"),
                                         STR_INIT("UpdateFunctionCode20150331v2"),
                                         STR_INIT("UpdateFunctionConfiguration20150331v2")};

static struct str trail_name(struct str operation)
{
    for (size_t i = 0; i < sizeof trail_names / sizeof trail_names[0]; i++) {
        struct str name = trail_names[i];
        if (str_starts_with(name, operation) &&
            str_starts_with(str_slice(name, operation.len, name.len), STR("20")))
            return name;
    }
    return operation;
}

const struct trail_data lambda_trail_data = {
    .name = trail_name,
    .tell = trail_tell,
    .is_silent = trail_is_silent,
    .type = STR_INIT("AWS::Lambda::Function"),
    .operations = trail_operations,
    .count = sizeof trail_operations / sizeof trail_operations[0],
};
