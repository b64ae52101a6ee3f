// Who the SDK's own chain of credentials makes of the environment: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN.
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";

const sts = new STSClient({});
const { Arn } = await sts.send(new GetCallerIdentityCommand({}));
const { $metadata } = await new SQSClient({}).send(new ListQueuesCommand({}));
console.log(JSON.stringify({ arn: Arn, status: $metadata.httpStatusCode }));
