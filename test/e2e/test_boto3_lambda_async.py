"""Asynchronous invocation: nothing that was accepted is lost, what fails is tried again by the cloud's clock, and
who wanted to hear of it does."""

import json

import pytest
from botocore.exceptions import ClientError
from kumoniwa import wait_until
from lambda_functions import allow, make_function, make_role

REGION_ACCOUNT = "us-east-1:000000000000"

# Writes its event to a queue, as anybody's function would.
TELLS = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
    return {"saw": event}
"""
FAILS = """
def handler(event, context):
    print("running", event)
    raise ValueError("not " + str(event["n"]))
"""
LINGERS = """
import time
def handler(event, context):
    time.sleep(event["s"])
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

    def receive(self, url, count=1, seconds=20):
        """That many messages, deleted."""
        got = []

        def more():
            answer = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1, MessageAttributeNames=["All"]
            )
            for message in answer.get("Messages", []):
                got.append(message)
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return len(got) >= count

        wait_until(more, seconds, f"{count} messages, {len(got)} came")
        assert len(got) == count
        return got

    def is_empty(self, url):
        return "Messages" not in self.sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1)

    def advance(self, duration):
        self.cloud.run("clock", "advance", duration)

    def runs(self, function):
        """How often the function has begun, by its log."""
        try:
            page = self.cloud.client("logs").filter_log_events(
                logGroupName=f"/aws/lambda/{function.rsplit(':', 1)[-1]}", filterPattern='"START"'
            )
        except ClientError:
            return 0
        return sum("START RequestId" in event["message"] for event in page["events"])


@pytest.fixture
def place(own, name):
    return Place(own, name)


def test_an_event_is_run(place):
    heard = place.queue("heard")
    function = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": heard}})
    for n in range(20):
        place.send(function, {"n": n})
    bodies = [json.loads(m["Body"])["n"] for m in place.receive(heard, 20)]
    assert sorted(bodies) == list(range(20))


def test_failures_are_tried_again_after_one_and_two_minutes_and_buried(place):
    dead = place.queue("dead")
    function = place.function("fails", FAILS, DeadLetterConfig={"TargetArn": place.arn(dead)})
    request = place.send(function, {"n": 1})
    wait_until(lambda: place.runs(function) == 1, 10, "the first run")
    place.advance("58s")
    assert place.is_empty(dead) and place.runs(function) == 1
    place.advance("3s")
    wait_until(lambda: place.runs(function) == 2, 10, "the second run")
    place.advance("117s")
    assert place.is_empty(dead) and place.runs(function) == 2
    place.advance("4s")
    (message,) = place.receive(dead)
    assert json.loads(message["Body"]) == {"n": 1}
    attributes = message["MessageAttributes"]
    assert attributes["RequestID"] == {"StringValue": request, "DataType": "String"}
    assert attributes["ErrorCode"] == {"StringValue": "200", "DataType": "Number"}
    assert attributes["ErrorMessage"] == {"StringValue": "not 1", "DataType": "String"}
    wait_until(lambda: place.runs(function) == 3, 10, "the third run")


def test_without_permission_a_dead_letter_is_dropped(place):
    dead = place.queue("dead")
    function = place.function("fails", FAILS, DeadLetterConfig={"TargetArn": place.arn(dead)})
    allow(place.iam, place.name, "logs:*")
    place.send(function, {"n": 1})
    for wait in ("61s", "121s"):
        before = place.runs(function)
        wait_until(lambda: place.runs(function) > before or before, 10)
        place.advance(wait)
    wait_until(lambda: "is dropped" in place.cloud.log_text(), 10, "the dispatcher's word")
    assert place.is_empty(dead)


def test_a_function_without_concurrency_throttles_its_events(place):
    heard, dead = place.queue("heard"), place.queue("dead")
    function = place.function(
        "tells", TELLS, Environment={"Variables": {"QUEUE": heard}}, DeadLetterConfig={"TargetArn": place.arn(dead)}
    )
    place.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
    place.send(function, {"n": 1})
    (message,) = place.receive(dead)
    assert message["MessageAttributes"]["ErrorCode"]["StringValue"] == "429"
    assert place.is_empty(heard)


def test_many_wait_for_one(place):
    """Reserved concurrency of one: the events run one after another, and all of them."""
    heard = place.queue("heard")
    function = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": heard}})
    place.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=1)
    for n in range(50):
        place.send(function, {"n": n})
    assert sorted(json.loads(m["Body"])["n"] for m in place.receive(heard, 50)) == list(range(50))


def test_slow_ones_run_side_by_side(place):
    function = place.function("lingers", LINGERS, Timeout=10)
    import time

    begin = time.monotonic()
    for _ in range(10):
        place.send(function, {"s": 1.5})
    wait_until(lambda: place.runs(function) == 10, 14, "ten runs")
    assert time.monotonic() - begin < 10


def test_an_event_is_not_lost_when_the_program_is_killed(place):
    heard = place.queue("heard")
    function = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": heard}})
    for n in range(300):
        place.send(function, {"n": n})
    place.cloud.kill()
    place.cloud.start()
    seen = set()

    def all_came():
        answer = place.sqs.receive_message(QueueUrl=heard, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            seen.add(json.loads(message["Body"])["n"])
            place.sqs.delete_message(QueueUrl=heard, ReceiptHandle=message["ReceiptHandle"])
        return len(seen) == 300

    wait_until(all_came, 60, f"300 events, {len(seen)} came")


def test_events_of_a_deleted_function_go(place):
    heard = place.queue("heard")
    function = place.function("fails", FAILS)
    place.send(function, {"n": 1})
    wait_until(lambda: place.runs(function) == 1, 10)
    place.client.delete_function(FunctionName=function)
    place.function("fails", TELLS, Environment={"Variables": {"QUEUE": heard}})
    place.advance("70s")
    assert place.is_empty(heard)
