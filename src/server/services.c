/* The services that are built in. */
#include "server/server.h"
#include "services/cloudtrail/cloudtrail.h"
#include "services/dynamodb/dynamodb.h"
#include "services/dynamodbstreams/dynamodbstreams.h"
#include "services/iam/iam.h"
#include "services/lambda/lambda.h"
#include "services/logs/logs.h"
#include "services/organizations/organizations.h"
#include "services/s3/s3.h"
#include "services/s3control/s3control.h"
#include "services/sqs/sqs.h"
#include "services/sts/sts.h"

const struct service_hooks *const server_services[] = {
    &cloudtrail_hooks,    &dynamodb_hooks, &dynamodbstreams_hooks,
    &iam_hooks,           &lambda_hooks,   &logs_hooks,
    &organizations_hooks, &s3_hooks,       &s3control_hooks,
    &sqs_hooks,           &sts_hooks,      NULL,
};
