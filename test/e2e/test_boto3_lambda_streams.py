"""DynamoDB's streams as event sources: order, positions, what fails, windows."""

import json
import re
import time

import pytest
from kumoniwa import wait_until
from lambda_functions import Place, allow

TELLS = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""
# Refuses batches with a bad item, and tells of those that it takes.
PICKY = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    names = [r["dynamodb"]["Keys"]["pk"]["S"] for r in event["Records"]]
    if any(n.startswith("bad") for n in names):
        raise ValueError("bad among " + ",".join(names))
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(names))
"""
PARTIAL = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    done = []
    for r in event["Records"]:
        name = r["dynamodb"]["Keys"]["pk"]["S"]
        if name.startswith("bad"):
            break
        done.append(name)
    if done:
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(done))
    if len(done) < len(event["Records"]):
        return {"batchItemFailures": [{"itemIdentifier": event["Records"][len(done)]["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}
"""
WINDOWS = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    state = event["state"]
    state["count"] = state.get("count", 0) + len(event["Records"])
    if event["isFinalInvokeForWindow"]:
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps([event["window"], state, event["shardId"]]))
    return {"state": state}
"""


class Streaming(Place):
    def __init__(self, cloud, name):
        super().__init__(cloud, name)
        self.dynamodb = cloud.client("dynamodb")
        self.stream = self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]["LatestStreamArn"]
        self.heard = self.queue("heard")

    def put(self, *keys, **more):
        for key in keys:
            self.dynamodb.put_item(TableName=self.name, Item={"pk": {"S": key}, **more})

    def function(self, suffix, code, **more):
        more.setdefault("Environment", {"Variables": {"QUEUE": self.heard}})
        return super().function(suffix, code, **more)

    def told(self, enough, seconds=20):
        """Bodies of what was told, until `enough` of them say so."""
        bodies = []

        def more():
            if enough(bodies):
                return True
            answer = self.sqs.receive_message(QueueUrl=self.heard, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", []):
                bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.heard, ReceiptHandle=message["ReceiptHandle"])
            return enough(bodies)

        wait_until(more, seconds, f"what is told: {bodies}")
        return bodies


@pytest.fixture
def place(own, name):
    return Streaming(own, name)


def test_a_record_as_the_function_sees_it(place):
    place.put("one", n={"N": "1"})
    place.map(place.function("tells", TELLS), place.stream, StartingPosition="TRIM_HORIZON")
    ((event,),) = [place.told(lambda b: b)]
    (record,) = event["Records"]
    assert set(event) == {"Records"}
    assert record["eventName"] == "INSERT"
    assert record["eventVersion"] == "1.1"
    assert record["eventSource"] == "aws:dynamodb"
    assert record["awsRegion"] == "us-east-1"
    assert record["eventSourceARN"] == place.stream
    assert len(record["eventID"]) == 32
    body = record["dynamodb"]
    assert body["Keys"] == {"pk": {"S": "one"}}
    assert body["NewImage"] == {"pk": {"S": "one"}, "n": {"N": "1"}}
    assert body["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert abs(body["ApproximateCreationDateTime"] - time.time()) < 600
    assert body["SequenceNumber"].isdigit() and body["SizeBytes"] > 0


def test_latest_begins_where_the_mapping_was_made(place):
    place.put("before")
    place.map(place.function("tells", TELLS), place.stream, StartingPosition="LATEST")
    place.put("after")
    events = place.told(lambda b: b)
    assert [r["dynamodb"]["Keys"]["pk"]["S"] for e in events for r in e["Records"]] == ["after"]
    assert place.is_empty(place.heard)


def test_records_come_in_order_in_batches(place):
    place.put(*(f"k{n}" for n in range(50)))
    place.map(place.function("picky", PICKY), place.stream, StartingPosition="TRIM_HORIZON", BatchSize=20)
    batches = place.told(lambda b: sum(map(len, b)) >= 50)
    assert [n for batch in sorted(batches, key=lambda b: int(b[0][1:])) for n in batch] == [f"k{n}" for n in range(50)]
    assert max(map(len, batches)) == 20


def test_a_bad_record_is_found_by_bisecting_and_told_of(place):
    failed = place.queue("failed")
    function = place.function("picky", PICKY)
    place.put("a", "b", "bad", "c", "d")
    place.map(
        function,
        place.stream,
        StartingPosition="TRIM_HORIZON",
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": place.arn(failed)}},
    )
    batches = place.told(lambda b: sum(map(len, b)) >= 4)
    assert sorted(n for batch in batches for n in batch) == ["a", "b", "c", "d"]
    (record,) = place.bodies(failed)
    assert record["version"] == "1.0"
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["functionArn"].startswith(function)
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    info = record["DDBStreamBatchInfo"]
    assert info["batchSize"] == 1
    assert info["startSequenceNumber"] == info["endSequenceNumber"]
    assert info["streamArn"] == place.stream
    assert info["shardId"].startswith("shardId-")


def test_what_keeps_failing_holds_the_shard_back(place):
    function = place.function("picky", PICKY)
    place.put("bad")
    mapping = place.map(function, place.stream, StartingPosition="TRIM_HORIZON", BatchSize=1)
    place.put("good")
    wait_until(lambda: place.runs(function) >= 3, 20, "it is tried again and again")
    assert place.is_empty(place.heard)
    assert place.last_result(mapping) == "PROBLEM: Function call failed"


def test_records_become_too_old(place):
    failed = place.queue("failed")
    function = place.function("picky", PICKY)
    place.put("bad")
    place.map(
        function,
        place.stream,
        StartingPosition="TRIM_HORIZON",
        MaximumRecordAgeInSeconds=60,
        BatchSize=1,
        DestinationConfig={"OnFailure": {"Destination": place.arn(failed)}},
    )
    wait_until(lambda: place.runs(function) >= 1, 10)
    place.advance("2m")
    (record,) = place.bodies(failed)
    assert record["requestContext"]["condition"] == "RecordAgeExceeded"
    place.put("good")
    assert place.told(lambda b: b) == [["good"]]


def test_partial_failures_go_on_from_the_first(place):
    failed = place.queue("failed")
    place.put("a", "b", "bad1", "c")
    place.map(
        place.function("partial", PARTIAL),
        place.stream,
        StartingPosition="TRIM_HORIZON",
        FunctionResponseTypes=["ReportBatchItemFailures"],
        MaximumRetryAttempts=1,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": place.arn(failed)}},
    )
    told = place.told(lambda b: sum(map(len, b)) >= 3)
    assert told == [["a", "b"], ["c"]]
    (record,) = place.bodies(failed)
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}


def test_lanes_keep_the_order_of_each_key(place):
    place.map(
        place.function("tells", TELLS),
        place.stream,
        StartingPosition="TRIM_HORIZON",
        ParallelizationFactor=4,
        BatchSize=5,
    )
    for n in range(10):
        for key in "abcdefgh":
            place.put(key, n={"N": str(n)})
    seen = {}

    def enough(events):
        return sum(len(e["Records"]) for e in events) >= 80

    for event in sorted(place.told(enough), key=lambda e: e["Records"][0]["dynamodb"]["SequenceNumber"]):
        for record in event["Records"]:
            image = record["dynamodb"]["NewImage"]
            seen.setdefault(image["pk"]["S"], []).append(int(image["n"]["N"]))
    assert seen == {key: list(range(10)) for key in "abcdefgh"}


def test_filters(place):
    place.map(
        place.function("picky", PICKY),
        place.stream,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={
            "Filters": [
                {"Pattern": json.dumps({"dynamodb": {"NewImage": {"kind": {"S": [{"prefix": "x"}]}}}})},
                {"Pattern": json.dumps({"eventName": ["REMOVE"]})},
            ]
        },
    )
    place.put("a", kind={"S": "xa"})
    place.put("b", kind={"S": "yb"})
    place.dynamodb.delete_item(TableName=place.name, Key={"pk": {"S": "b"}})
    told = place.told(lambda b: sum(map(len, b)) >= 2)
    assert [n for batch in told for n in batch] == ["a", "b"]


def test_tumbling_windows_carry_their_state(place):
    place.map(
        place.function("windows", WINDOWS),
        place.stream,
        StartingPosition="TRIM_HORIZON",
        TumblingWindowInSeconds=30,
        BatchSize=2,
    )
    place.put("a", "b", "c")
    place.advance("31s")
    place.put("d")
    place.advance("61s")
    told = place.told(lambda b: sum(x[1]["count"] for x in b) >= 4)
    assert sum(state["count"] for _, state, _ in told) == 4
    assert len(told) >= 2
    for window, _, shard in told:
        assert window["start"] < window["end"] and window["end"].endswith("Z")
        assert shard.startswith("shardId-")


STATELESS = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    tell = lambda word: sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(word))
    if event["isFinalInvokeForWindow"]:
        gate = sqs.receive_message(QueueUrl=os.environ["GATE"])
        tell("final" if "Messages" in gate else "not yet")
        if "Messages" not in gate:
            raise ValueError("not yet")
        return None
    names = [r["dynamodb"]["Keys"]["pk"]["S"] for r in event["Records"]]
    tell(names)
    return {"state": {}} if names != ["bad"] else {"batchItemFailures": []}
"""


def test_windows_need_a_state_and_a_good_end(place):
    """Without "state" in its answer a run has failed; the end of a window is tried until it succeeds."""
    gate = place.queue("gate")
    failed = place.queue("failed")
    mapping = place.map(
        place.function("stateless", STATELESS, Environment={"Variables": {"QUEUE": place.heard, "GATE": gate}}),
        place.stream,
        StartingPosition="TRIM_HORIZON",
        TumblingWindowInSeconds=900,
        BatchSize=1,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": place.arn(failed)}},
    )
    place.put("bad", "good")
    assert place.told(lambda b: len(b) >= 2) == [["bad"], ["good"]]
    (record,) = place.bodies(failed)
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1
    place.advance("901s")
    assert set(place.told(lambda b: len(b) >= 3)) == {"not yet"}
    assert place.last_result(mapping) == "PROBLEM: Function call failed"
    place.put("later")
    place.sqs.send_message(QueueUrl=gate, MessageBody="go")
    told = [word for word in place.told(lambda b: ["later"] in b) if word != "not yet"]
    assert told == ["final", ["later"]]


def test_what_is_given_up_goes_to_a_bucket(place):
    s3, bucket = place.cloud.client("s3"), "given-up"
    s3.create_bucket(Bucket=bucket)
    mapping = place.map(
        place.function("picky", PICKY),
        place.stream,
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    place.put("bad", n={"N": "7"})
    wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1, 20)
    key = s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"]
    record = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    info = record["DDBStreamBatchInfo"]
    uuid = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
    assert re.fullmatch(
        rf"aws/lambda/{mapping}/{info['shardId']}/(\d{{4}})/(\d\d)/(\d\d)/"
        rf"\1-\2-\3T\d\d\.\d\d\.\d\d-{uuid}", key
    ), key
    (sent,) = json.loads(record["payload"])["Records"]
    assert sent["dynamodb"]["NewImage"] == {"pk": {"S": "bad"}, "n": {"N": "7"}}
    assert sent["dynamodb"]["SequenceNumber"] == info["startSequenceNumber"] == info["endSequenceNumber"]
    assert info["approximateArrivalOfFirstRecord"] == info["approximateArrivalOfLastRecord"]
    assert record["requestContext"]["approximateInvokeCount"] == 1


def test_what_expires_says_who_deleted_it(place):
    place.dynamodb.update_time_to_live(
        TableName=place.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
    )
    place.put("old", until={"N": str(int(time.time()) + 100)})
    place.map(
        place.function("tells", TELLS),
        place.stream,
        StartingPosition="TRIM_HORIZON",
        FilterCriteria={"Filters": [{"Pattern": json.dumps({"userIdentity": {"type": ["Service"]}})}]},
    )
    place.advance("3h")
    (event,) = place.told(lambda b: b)
    (record,) = event["Records"]
    assert record["eventName"] == "REMOVE"
    assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


def test_positions_survive_a_crash(place):
    place.map(place.function("picky", PICKY), place.stream, StartingPosition="TRIM_HORIZON", BatchSize=10)
    seen = []
    for n in range(200):
        place.put(f"k{n}")
        if n == 120:
            place.cloud.kill()
            place.cloud.start()
    told = place.told(lambda b: len({n for batch in b for n in batch}) >= 200, 40)
    seen = [n for batch in told for n in batch]
    assert set(seen) == {f"k{n}" for n in range(200)}
    assert len(seen) <= 200 + 10, "no more than a batch is run again"


def test_the_role_is_needed(place):
    mapping = place.map(place.function("picky", PICKY), place.stream, StartingPosition="TRIM_HORIZON")
    allow(place.iam, place.name, "sqs:*", "logs:*")
    place.put("a")
    wait_until(lambda: "dynamodb:" in place.last_result(mapping), 20, "the mapping says so")
    assert place.is_empty(place.heard)
    allow(place.iam, place.name)
    assert place.told(lambda b: b) == [["a"]]
