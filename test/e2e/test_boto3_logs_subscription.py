"""Subscriptions that lead to functions: what comes, what is refused, that nothing is lost."""

import base64
import gzip
import json
import random
import time

import pytest
from kumoniwa import SLOWNESS, wait_until
from lambda_functions import TELLS, Place

ACCOUNT = "000000000000"


@pytest.fixture
def place(own, name):
    return Place(own, name)


class Subscribed:
    """A function that tells a queue of its events, and a group to subscribe it to."""

    def __init__(self, place):
        self.place, self.logs = place, place.cloud.client("logs")
        self.heard = place.queue("heard")
        self.function = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": self.heard}})
        self.arn = place.client.get_function(FunctionName=self.function)["Configuration"]["FunctionArn"]
        self.logs.create_log_group(logGroupName="app")
        self.logs.create_log_stream(logGroupName="app", logStreamName="one")

    def allow(self, principal="logs.amazonaws.com", group="app"):
        self.place.client.add_permission(
            FunctionName=self.function, StatementId="logs", Action="lambda:InvokeFunction", Principal=principal,
            SourceArn=f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{group}:*", SourceAccount=ACCOUNT)

    def subscribe(self, pattern="", name="mine"):
        self.logs.put_subscription_filter(logGroupName="app", filterName=name, filterPattern=pattern,
                                          destinationArn=self.arn)

    def put(self, *messages):
        at = int(time.time() * 1000)
        self.logs.put_log_events(logGroupName="app", logStreamName="one",
                                 logEvents=[{"timestamp": at, "message": message} for message in messages])

    def records(self, count, seconds=60 * SLOWNESS):
        """The next ones that carry `count` events together, control messages left out."""
        found, events, end = [], 0, time.monotonic() + seconds
        while events < count and time.monotonic() < end:
            answer = self.place.sqs.receive_message(QueueUrl=self.heard, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for body in answer.get("Messages", []):
                self.place.sqs.delete_message(QueueUrl=self.heard, ReceiptHandle=body["ReceiptHandle"])
                data = json.loads(body["Body"])["awslogs"]["data"]
                record = json.loads(gzip.decompress(base64.b64decode(data)))
                if record["messageType"] == "DATA_MESSAGE":
                    found.append(record)
                    events += len(record["logEvents"])
        return found


def test_events_come_as_aws_sends_them(place):
    at = Subscribed(place)
    with pytest.raises(at.logs.exceptions.InvalidParameterException, match="Could not execute the lambda function. Make "
                       "sure you have given CloudWatch Logs permission to execute your function."):
        at.subscribe()
    at.allow()
    at.subscribe("[level=ERROR, code, ...]")
    (body,) = place.receive(at.heard)
    control = json.loads(gzip.decompress(base64.b64decode(json.loads(body["Body"])["awslogs"]["data"])))
    assert control["messageType"] == "CONTROL_MESSAGE" and control["owner"] == "CloudwatchLogs"
    at.put("INFO 1 fine", "ERROR 17 not fine", "ERROR 18")
    (record,) = at.records(2)
    assert {name: record[name] for name in ("messageType", "owner", "logGroup", "logStream", "subscriptionFilters")} == {
        "messageType": "DATA_MESSAGE", "owner": ACCOUNT, "logGroup": "app", "logStream": "one",
        "subscriptionFilters": ["mine"]}
    assert [event["message"] for event in record["logEvents"]] == ["ERROR 17 not fine", "ERROR 18"]
    assert record["logEvents"][0]["extractedFields"] == {"level": "ERROR", "code": "17"}
    assert len(record["logEvents"][0]["id"]) == 56
    (found,) = at.logs.describe_subscription_filters(logGroupName="app")["subscriptionFilters"]
    assert found["destinationArn"] == at.arn and found["distribution"] == "ByLogStream"
    at.subscribe(name="second")
    with pytest.raises(at.logs.exceptions.LimitExceededException):
        at.subscribe(name="third")
    for name in ("mine", "second"):
        at.logs.delete_subscription_filter(logGroupName="app", filterName=name)
    at.put("ERROR 19")
    time.sleep(0.5)
    assert at.records(1, 1) == []


def test_the_regional_principal_and_long_batches(place):
    at = Subscribed(place)
    at.allow("logs.us-east-1.amazonaws.com")
    at.subscribe("x")
    drawn = random.Random(3)
    texts = [f"{i:04} " + base64.b64encode(drawn.randbytes(600)).decode() for i in range(900)]
    at.put(*("x" + text for text in texts))
    records = at.records(900)
    assert sorted(event["message"][1:] for record in records for event in record["logEvents"]) == texts
    assert len(records) > 1


def test_a_policy_of_the_account(place):
    at = Subscribed(place)
    at.allow(group="*")
    at.logs.create_log_group(logGroupName="left-out")
    at.logs.create_log_stream(logGroupName="left-out", logStreamName="s")
    document = json.dumps({"DestinationArn": at.arn, "FilterPattern": "x", "Distribution": "Random"})
    made = at.logs.put_account_policy(policyName="all", policyType="SUBSCRIPTION_FILTER_POLICY", policyDocument=document,
                                      selectionCriteria=f'LogGroupName NOT IN ["left-out", "/aws/lambda/{place.name}-tells"]')
    assert made["accountPolicy"]["accountId"] == ACCOUNT and made["accountPolicy"]["scope"] == "ALL"
    with pytest.raises(at.logs.exceptions.LimitExceededException):
        at.logs.put_account_policy(policyName="other", policyType="SUBSCRIPTION_FILTER_POLICY", policyDocument=document)
    at.logs.put_log_events(logGroupName="left-out", logStreamName="s",
                           logEvents=[{"timestamp": int(time.time() * 1000), "message": "x left out"}])
    at.put("x one")
    (record,) = at.records(1)
    assert record["logGroup"] == "app" and record["subscriptionFilters"] == ["all"]
    at.logs.delete_account_policy(policyName="all", policyType="SUBSCRIPTION_FILTER_POLICY")
    assert at.logs.describe_account_policies(policyType="SUBSCRIPTION_FILTER_POLICY")["accountPolicies"] == []


def test_none_is_lost_when_the_program_is_killed(place):
    at = Subscribed(place)
    at.allow()
    at.subscribe()
    for i in range(100):
        at.put(f"event {i}")
    place.cloud.kill()
    place.cloud.start()
    seen = set()

    def all_came():
        for record in at.records(1, 2):
            seen.update(event["message"] for event in record["logEvents"])
        return len(seen) == 100
    wait_until(all_came, 60, "all events")
