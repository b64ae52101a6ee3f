/* Which resources a request names, for LookupEvents ("AWS::SQS::Queue", "orders"): by the names of
 * its members and of its answer's. */
#include "base/vec.h"
#include "cloud/arn.h"
#include "cloud/trail.h"

static const struct {
    const char *service, *member, *type;
} kinds[] = {
    {"sqs", "QueueName", "AWS::SQS::Queue"},
    {"sqs", "QueueUrl", "AWS::SQS::Queue"},
    {"s3", "Bucket", "AWS::S3::Bucket"},
    {"dynamodb", "TableName", "AWS::DynamoDB::Table"},
    {"dynamodb", "ResourceArn", "AWS::DynamoDB::Table"},
    {"dynamodb", "BackupArn", "AWS::DynamoDB::Backup"},
    {"iam", "UserName", "AWS::IAM::User"},
    {"iam", "RoleName", "AWS::IAM::Role"},
    {"iam", "GroupName", "AWS::IAM::Group"},
    {"iam", "PolicyArn", "AWS::IAM::Policy"},
    {"iam", "PolicyName", "AWS::IAM::Policy"},
    {"iam", "InstanceProfileName", "AWS::IAM::InstanceProfile"},
    {"iam", "AccessKeyId", "AWS::IAM::AccessKey"},
    {"iam", "SerialNumber", "AWS::IAM::MfaDevice"},
    {"sts", "RoleArn", "AWS::IAM::Role"},
    {"sts", "RoleSessionName", "AWS::STS::AssumedRole"},
    {"organizations", "AccountId", "AWS::Organizations::Account"},
    {"organizations", "PolicyId", "AWS::Organizations::Policy"},
    {"organizations", "OrganizationalUnitId", "AWS::Organizations::OrganizationalUnit"},
    {"cloudtrail", "Name", "AWS::CloudTrail::Trail"},
    {"cloudtrail", "TrailName", "AWS::CloudTrail::Trail"},
    {"cloudtrail", "S3BucketName", "AWS::S3::Bucket"},
    {"lambda", "FunctionName", "AWS::Lambda::Function"},
    {"lambda", "LayerName", "AWS::Lambda::LayerVersion"},
    {"lambda", "UUID", "AWS::Lambda::EventSourceMapping"},
    {"logs", "logGroupName", "AWS::Logs::LogGroup"},
    {"logs", "logStreamName", "AWS::Logs::LogStream"},
    {"kms", "KeyId", "AWS::KMS::Key"},
    {"sns", "TopicArn", "AWS::SNS::Topic"},
    {"events", "Name", "AWS::Events::Rule"},
    {"ec2", "InstanceId", "AWS::EC2::Instance"},
    {"ec2", "ImageId", "AWS::EC2::Ami"},
};

/* The name that people know: of an ARN or URL its end. */
static struct str trail_short(struct str value)
{
    size_t from = value.len;
    struct arn arn;
    if (!arn_parse(value, &arn) && !str_starts_with(value, STR("http")))
        return value;
    while (from > 0 && value.ptr[from - 1] != '/' && value.ptr[from - 1] != ':')
        from--;
    return str_slice(value, from, value.len);
}

struct names {
    struct str *items;
    size_t len, cap;
};

static void trail_resource(struct arena *arena, struct names *names, struct names *types,
                           const char *type, struct str value)
{
    struct str forms[] = {value, trail_short(value)};
    for (size_t f = 0; f < (str_eq(forms[0], forms[1]) ? 1 : 2); f++) {
        bool known = str_is_empty(forms[f]);
        for (size_t i = 0; i < names->len && !known; i++)
            known = str_eq(names->items[i], forms[f]) && str_eq(types->items[i], str_from_c(type));
        if (known)
            continue;
        VEC_PUSH(arena, names->items, names->len, names->cap, str_copy(arena, forms[f]));
        VEC_PUSH(arena, types->items, types->len, types->cap, str_from_c(type));
    }
}

void trail_resources(struct arena *arena, const struct wire_model *model, uint16_t shape,
                     const void *value, struct cloud_trail_event *event)
{
    const struct wire_shape *structure = &model->shapes[shape];
    const struct wire_member *members = &model->members[structure->members];
    struct names names = {event->resources.items, event->resources.len, event->resources.len};
    struct names types = {event->resource_types.items, event->resource_types.len,
                          event->resource_types.len};
    for (size_t i = 0; i < structure->member_count; i++) {
        const struct wire_member *member = &members[i];
        struct str name = wire_string(model, member->name);
        if (model->shapes[member->shape].type != WIRE_STRING)
            continue;
        struct str text;
        memcpy(&text, (const char *)value + member->offset, sizeof text);
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0] && !str_is_empty(text); k++)
            if (str_eq(str_from_c(kinds[k].service), model->name) &&
                str_eq(str_from_c(kinds[k].member), name))
                trail_resource(arena, &names, &types, kinds[k].type, text);
    }
    event->resources.items = names.items;
    event->resources.len = names.len;
    event->resource_types.items = types.items;
    event->resource_types.len = types.len;
}
