// The AWS SDK for JavaScript v3 against the endpoint of the environment: prints what it saw as JSON.
import {
  SQSClient,
  CreateQueueCommand,
  SendMessageCommand,
  SendMessageBatchCommand,
  ReceiveMessageCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  paginateListQueues,
} from "@aws-sdk/client-sqs";
import { STSClient, GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { S3Client, GetObjectTorrentCommand } from "@aws-sdk/client-s3";

const name = process.argv[2];
const sqs = new SQSClient({ maxAttempts: 1 });
const seen = { bodies: [] };

const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
await sqs.send(
  new SendMessageCommand({
    QueueUrl,
    MessageBody: "hello, 雲庭",
    MessageAttributes: { bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255, 10]) } },
  }),
);
const batch = await sqs.send(
  new SendMessageBatchCommand({
    QueueUrl,
    Entries: [
      { Id: "a", MessageBody: "one" },
      { Id: "b", MessageBody: "two", DelaySeconds: 5000 },
    ],
  }),
);
seen.successful = batch.Successful.map((entry) => entry.Id);
seen.failed = batch.Failed.map((entry) => [entry.Id, entry.SenderFault]);

while (seen.bodies.length < 2) {
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 2, MessageAttributeNames: ["All"] }),
  );
  if (Messages.length === 0) break;
  for (const message of Messages) {
    seen.bodies.push(message.Body);
    if (message.MessageAttributes) seen.bytes = Array.from(message.MessageAttributes.bytes.BinaryValue);
    await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: message.ReceiptHandle }));
  }
}
seen.attributes = (await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }))).Attributes;

for (let i = 0; i < 5; i++) await sqs.send(new CreateQueueCommand({ QueueName: `${name}-page-${i}` }));
seen.pages = [];
for await (const page of paginateListQueues({ client: sqs, pageSize: 2 }, { QueueNamePrefix: `${name}-page-` }))
  seen.pages.push(page.QueueUrls.length);

try {
  await sqs.send(new GetQueueUrlCommand({ QueueName: "not-there" }));
} catch (error) {
  seen.error = { name: error.name, message: error.message, status: error.$metadata.httpStatusCode };
}

const sts = new STSClient({ maxAttempts: 1 });
seen.identity = (await sts.send(new GetCallerIdentityCommand({}))).Arn;
try {
  // AWS itself serves it no more.
  await new S3Client({ forcePathStyle: true, maxAttempts: 1 }).send(new GetObjectTorrentCommand({ Bucket: "none", Key: "none" }));
} catch (error) {
  seen.unimplemented = { name: error.name, status: error.$metadata.httpStatusCode };
}

// Many at once over the client's pool of connections.
await Promise.all(
  Array.from({ length: 100 }, (_, i) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: `parallel ${i}` }))),
);
const counted = await sqs.send(
  new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["ApproximateNumberOfMessages"] }),
);
seen.parallel = counted.Attributes.ApproximateNumberOfMessages;
console.log(JSON.stringify(seen));
