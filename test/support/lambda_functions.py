"""Functions for tests: zipped in memory, with a role that may do what the test says."""

import io
import json
import time
import zipfile

from botocore.exceptions import ClientError
from kumoniwa import wait_until

REGION_ACCOUNT = "us-east-1:000000000000"

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def zipped(**files):
    """An archive of NAME.py files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return out.getvalue()


def make_role(iam, name, *actions):
    """A role for functions; without actions it may everything."""
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]
    allow(iam, name, *actions)
    return role["Arn"]


def allow(iam, name, *actions):
    statement = {"Effect": "Allow", "Action": list(actions) or "*", "Resource": "*"}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="may",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def make_function(client, name, role, code, **more):
    client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler="index.handler",
        Code={"ZipFile": zipped(index=code)},
        **more,
    )
    client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.1})
    return client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]


# Writes its event to a queue, as anybody's function would.
TELLS = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
    return {"saw": event}
"""


class Place:
    """A cloud with a role, queues and functions of one test."""

    def __init__(self, cloud, name):
        self.cloud = cloud
        self.name = name
        self.sqs = cloud.client("sqs")
        self.client = cloud.client("lambda")
        self.iam = cloud.client("iam")
        self.role = make_role(self.iam, name)

    def queue(self, suffix):
        return self.sqs.create_queue(QueueName=f"{self.name}-{suffix}")["QueueUrl"]

    def arn(self, url):
        return f"arn:aws:sqs:{REGION_ACCOUNT}:{url.rsplit('/', 1)[1]}"

    def function(self, suffix, code, **more):
        return make_function(self.client, f"{self.name}-{suffix}", self.role, code, **more)

    def send(self, function, event):
        answer = self.client.invoke(FunctionName=function, InvocationType="Event", Payload=json.dumps(event))
        assert answer["StatusCode"] == 202
        assert answer["Payload"].read() == b""
        return answer["ResponseMetadata"]["RequestId"]

    def hear(self, url, enough, seconds=20):
        """Messages in the order of their coming, deleted, until `enough` of them are."""
        got = []

        def more():
            if enough(got):
                return True
            answer = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                WaitTimeSeconds=1,
                AttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            for message in answer.get("Messages", []):
                got.append(message)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return enough(got)

        wait_until(more, seconds, f"messages of {url}")
        return got

    def receive(self, url, count=1, seconds=20):
        """That many messages, and no more."""
        got = self.hear(url, lambda messages: len(messages) >= count, seconds)
        assert len(got) == count, [message["Body"] for message in got]
        return got

    def is_empty(self, url):
        return "Messages" not in self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)

    def bodies(self, url, count=1, seconds=20):
        return [json.loads(message["Body"]) for message in self.receive(url, count, seconds)]

    def waiting(self, url):
        """(visible, in flight)"""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return tuple(int(attributes[name]) for name in names)

    def map(self, function, source, **more):
        """An event source mapping, enabled."""
        made = self.client.create_event_source_mapping(FunctionName=function, EventSourceArn=source, **more)
        wait_until(lambda: self.client.get_event_source_mapping(UUID=made["UUID"])["State"] == "Enabled", 10)
        return made["UUID"]

    def last_result(self, mapping):
        return self.client.get_event_source_mapping(UUID=mapping).get("LastProcessingResult", "")

    def advance(self, duration):
        self.cloud.run("clock", "advance", duration)

    def advance_until(self, condition, step="10s"):
        """Moves the clock step by step, with time between for what a step sets going."""

        def come():
            if condition():
                return True
            self.advance(step)
            time.sleep(1)
            return condition()

        wait_until(come, 60)

    def runs(self, function, mark="START"):
        """How often the function has begun, by its log; with the mark REPORT, how often it has ended."""
        try:
            page = self.cloud.client("logs").filter_log_events(
                logGroupName=f"/aws/lambda/{function.rsplit(':', 1)[-1]}", filterPattern=f'"{mark}"'
            )
        except ClientError:
            return 0
        return sum(f"{mark} RequestId" in event["message"] for event in page["events"])
