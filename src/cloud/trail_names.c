/* Operations that CloudTrail knows by other names ("Logging AWS Lambda API calls using AWS
 * CloudTrail": date and version of the API's action). */
#include "cloud/trail.h"

static const struct {
    struct str operation, name;
} lambda_names[] = {
#define DATED(operation, date)                                                                     \
    {                                                                                              \
        STR_INIT(operation), STR_INIT(operation date)                                              \
    }
    DATED("AddLayerVersionPermission", "20181031"),
    DATED("AddPermission", "20150331v2"),
    DATED("CreateAlias", "20150331"),
    DATED("CreateEventSourceMapping", "20150331"),
    DATED("CreateFunction", "20150331"),
    DATED("DeleteAlias", "20150331"),
    DATED("DeleteEventSourceMapping", "20150331"),
    DATED("DeleteFunction", "20150331"),
    DATED("DeleteFunctionConcurrency", "20171031"),
    DATED("DeleteLayerVersion", "20181031"),
    DATED("GetAccountSettings", "20160819"),
    DATED("GetAlias", "20150331"),
    DATED("GetEventSourceMapping", "20150331"),
    DATED("GetFunction", "20150331v2"),
    DATED("GetFunctionConfiguration", "20150331v2"),
    DATED("GetLayerVersion", "20181031"),
    DATED("GetLayerVersionPolicy", "20181031"),
    DATED("GetPolicy", "20150331v2"),
    DATED("ListAliases", "20150331"),
    DATED("ListEventSourceMappings", "20150331"),
    DATED("ListFunctions", "20150331"),
    DATED("ListLayers", "20181031"),
    DATED("ListLayerVersions", "20181031"),
    DATED("ListTags", "20170331"),
    DATED("ListVersionsByFunction", "20150331"),
    DATED("PublishLayerVersion", "20181031"),
    DATED("PublishVersion", "20150331"),
    DATED("PutFunctionConcurrency", "20171031"),
    DATED("RemoveLayerVersionPermission", "20181031"),
    DATED("RemovePermission", "20150331v2"),
    DATED("TagResource", "20170331v2"),
    DATED("UntagResource", "20170331v2"),
    DATED("UpdateAlias", "20150331"),
    DATED("UpdateEventSourceMapping", "20150331"),
    DATED("UpdateFunctionCode", "20150331v2"),
    DATED("UpdateFunctionConfiguration", "20150331v2"),
#undef DATED
};

struct str trail_name_of(const struct wire_model *model, struct str operation)
{
    if (!str_eq(model->name, STR("lambda")))
        return operation;
    for (size_t i = 0; i < sizeof lambda_names / sizeof lambda_names[0]; i++)
        if (str_eq(lambda_names[i].operation, operation))
            return lambda_names[i].name;
    return operation;
}
