/* Operations that CloudTrail knows by other names ("Logging AWS Lambda API calls using AWS
 * CloudTrail": date and version of the API's action). */
#include "cloud/trail.h"

static const struct str lambda_names[] = {STR_INIT("AddLayerVersionPermission20181031"),
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

struct str trail_name_of(const struct wire_model *model, struct str operation)
{
    if (!str_eq(model->name, STR("lambda")))
        return operation;
    for (size_t i = 0; i < sizeof lambda_names / sizeof lambda_names[0]; i++) {
        struct str name = lambda_names[i];
        if (str_starts_with(name, operation) &&
            str_starts_with(str_slice(name, operation.len, name.len), STR("20")))
            return name;
    }
    return operation;
}
