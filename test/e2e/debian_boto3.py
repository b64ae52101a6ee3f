"""Run by /usr/bin/python3 with Debian's boto3 1.26, which speaks SQS's query protocol: prints what it saw as JSON."""

import json
import sys

import boto3
import botocore.exceptions

endpoint, name = sys.argv[1:]
sqs = boto3.client("sqs", endpoint_url=endpoint)
seen = {"version": boto3.__version__, "bodies": [], "protocol": sqs.meta.service_model.protocol}

url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "5"}, tags={"k": "v"})["QueueUrl"]
attributes = {
    "text": {"DataType": "String", "StringValue": "a&b=c<d>"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
}
sqs.send_message(QueueUrl=url, MessageBody="one & two", MessageAttributes=attributes)
batch = sqs.send_message_batch(
    QueueUrl=url,
    Entries=[{"Id": str(i), "MessageBody": f"<{i}>"} for i in range(3)]
    + [{"Id": "bad", "MessageBody": "x", "DelaySeconds": 5000}],
)
seen["successful"] = sorted(entry["Id"] for entry in batch["Successful"])
seen["failed"] = [entry["Id"] for entry in batch["Failed"]]
while len(seen["bodies"]) < 4:
    reply = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=2
    )
    messages = reply.get("Messages", [])
    if not messages:
        break
    for message in messages:
        seen["bodies"].append(message["Body"])
        if "MessageAttributes" in message:
            seen["attributes_equal"] = message["MessageAttributes"] == attributes
        seen["receive_count"] = message["Attributes"]["ApproximateReceiveCount"]
    sqs.delete_message_batch(
        QueueUrl=url,
        Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)],
    )
seen["tags"] = sqs.list_queue_tags(QueueUrl=url)["Tags"]
seen["attributes"] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
seen["listed"] = sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url]
sqs.delete_queue(QueueUrl=url)
try:
    sqs.get_queue_url(QueueName=name)
except botocore.exceptions.ClientError as error:
    seen["error"] = error.response["Error"]
    seen["status"] = error.response["ResponseMetadata"]["HTTPStatusCode"]
    seen["class"] = type(error).__name__
seen["identity"] = boto3.client("sts", endpoint_url=endpoint).get_caller_identity()["Arn"]
print(json.dumps(seen))
