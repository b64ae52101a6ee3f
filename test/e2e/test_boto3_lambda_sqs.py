"""Queues as event sources: batches, order, what fails, what is let through."""

import contextlib
import json

import pytest
from kumoniwa import wait_until
from lambda_functions import Place, allow

# Tells of each batch: what came, and in which order.
BATCHES = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""
FAILS_SOME = """
import json
def handler(event, context):
    bad = [r["messageId"] for r in event["Records"] if json.loads(r["body"])["n"] % 2]
    return {"batchItemFailures": [{"itemIdentifier": b} for b in bad]}
"""
FAILS = """
def handler(event, context):
    raise ValueError("no")
"""


@pytest.fixture
def place(own, name):
    return Place(own, name)


@pytest.fixture
def source(place):
    return place.queue("source")


@pytest.fixture
def heard(place):
    return place.queue("heard")


@pytest.fixture
def teller(place, heard):
    return place.function("tells", BATCHES, Environment={"Variables": {"QUEUE": heard}})


def send(place, url, *bodies, **more):
    for body in bodies:
        place.sqs.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body), **more)


def records(batches):
    return [record for batch in batches for record in batch["Records"]]


def hear_records(place, url, count):
    """As many records, in the order in which functions told of them."""
    messages = place.hear(url, lambda m: sum(len(json.loads(x["Body"])["Records"]) for x in m) >= count)
    return records(json.loads(message["Body"]) for message in messages)


def test_a_message_as_the_function_sees_it(place, source, heard, teller):
    place.map(teller, place.arn(source))
    sent = place.sqs.send_message(
        QueueUrl=source,
        MessageBody="hello",
        MessageAttributes={
            "text": {"DataType": "String", "StringValue": "t"},
            "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
        },
    )
    (batch,) = place.bodies(heard)
    (record,) = batch["Records"]
    assert record["messageId"] == sent["MessageId"]
    assert record["body"] == "hello"
    assert record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert record["md5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == place.arn(source)
    assert record["awsRegion"] == "us-east-1"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])
    assert record["messageAttributes"] == {
        "text": {"stringValue": "t", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "bytes": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    wait_until(lambda: place.waiting(source) == (0, 0), 5, "the message is deleted")


def test_batches_are_as_large_as_they_may(place, source, heard, teller):
    send(place, source, *range(25))
    place.map(teller, place.arn(source), BatchSize=5)
    batches = place.bodies(heard, 5)
    assert [len(batch["Records"]) for batch in batches] == [5] * 5
    assert sorted(int(record["body"]) for record in records(batches)) == list(range(25))


def test_a_window_gathers(place, heard, teller):
    source = place.sqs.create_queue(QueueName="window", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
    place.map(teller, place.arn(source), BatchSize=100, MaximumBatchingWindowInSeconds=120)
    send(place, source, *range(30))
    wait_until(lambda: place.waiting(source) == (0, 30), 10, "all are taken")
    assert place.is_empty(heard)
    place.advance("121s")
    (batch,) = place.bodies(heard)
    assert sorted(int(record["body"]) for record in batch["Records"]) == list(range(30))


def test_what_failed_comes_again_and_goes_to_the_dead_letters(place, source):
    dead = place.queue("dead")
    place.sqs.set_queue_attributes(
        QueueUrl=source,
        Attributes={
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": place.arn(dead), "maxReceiveCount": 2}),
            "VisibilityTimeout": "3600",
        },
    )
    function = place.function("fails", FAILS)
    mapping = place.map(function, place.arn(source))
    send(place, source, "x")
    wait_until(lambda: place.runs(function) == 1, 10)
    wait_until(lambda: place.last_result(mapping) == "PROBLEM: Function call failed", 5)
    assert place.waiting(source) == (0, 1)
    place.advance("3601s")
    wait_until(lambda: place.runs(function) == 2, 10)
    place.advance("3601s")
    assert place.receive(dead)[0]["Body"] == "x"


def test_partial_failures_alone_come_again(place, source):
    function = place.function("some", FAILS_SOME)
    send(place, source, *({"n": n} for n in range(6)))
    place.map(function, place.arn(source), FunctionResponseTypes=["ReportBatchItemFailures"])
    wait_until(lambda: place.waiting(source) == (0, 3), 10, "three are left in flight")


def test_a_response_that_names_nobody_fails_all(place, source):
    function = place.function(
        "wrong", "def handler(e, c):\n    return {'batchItemFailures': [{'itemIdentifier': 'x'}]}\n"
    )
    send(place, source, 1, 2)
    mapping = place.map(function, place.arn(source), FunctionResponseTypes=["ReportBatchItemFailures"])
    wait_until(lambda: place.last_result(mapping) == "OK", message="the function has answered")
    assert place.waiting(source) == (0, 2)


def test_filters(place, source, heard, teller):
    place.map(
        teller,
        place.arn(source),
        FilterCriteria={
            "Filters": [
                {"Pattern": json.dumps({"body": {"kind": ["a"], "n": [{"numeric": [">", 1]}]}})},
                {"Pattern": json.dumps({"body": [{"prefix": "plain"}]})},
            ]
        },
    )
    send(place, source, {"kind": "a", "n": 1}, {"kind": "b", "n": 2}, "plainly", "other", {"kind": "a", "n": 2})
    got = {record["body"] for record in hear_records(place, heard, 2)}
    assert got == {"plainly", json.dumps({"kind": "a", "n": 2})}
    wait_until(lambda: place.waiting(source) == (0, 0), 5, "what no filter wants is deleted")


def test_groups_of_a_fifo_queue_stay_in_order(place, heard, teller):
    source = place.sqs.create_queue(
        QueueName=f"{place.name}.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    )["QueueUrl"]
    place.map(teller, place.arn(source), BatchSize=3)
    for n in range(40):
        send(place, source, {"n": n}, MessageGroupId=f"g{n % 4}")
    seen = {}
    for record in hear_records(place, heard, 40):
        seen.setdefault(record["attributes"]["MessageGroupId"], []).append(json.loads(record["body"])["n"])
    assert seen == {f"g{g}": list(range(g, 40, 4)) for g in range(4)}


STUMBLES = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    (record,) = event["Records"]
    if record["body"] == "a3" and record["attributes"]["ApproximateReceiveCount"] == "1":
        raise ValueError("not yet")
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


def test_a_failure_holds_its_group_back_alone(place, heard):
    source = place.sqs.create_queue(
        QueueName="groups.fifo",
        Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true", "VisibilityTimeout": "3600"},
    )["QueueUrl"]
    function = place.function("stumbles", STUMBLES, Environment={"Variables": {"QUEUE": heard}})
    for n in range(6):
        for group in "ab":
            send(place, source, f"{group}{n}", MessageGroupId=group)
    place.map(function, place.arn(source), BatchSize=1)
    bodies = sorted(record["body"] for record in hear_records(place, heard, 9))
    assert bodies == ["a0", "a1", "a2", "b0", "b1", "b2", "b3", "b4", "b5"]
    assert place.is_empty(heard)
    place.advance("3601s")
    assert [record["body"] for record in hear_records(place, heard, 3)] == ["a3", "a4", "a5"]


SIZES = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    size = len(json.dumps(event, separators=(",", ":")))
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps([len(event["Records"]), size]))
"""


def test_a_batch_is_of_six_megabytes_at_most(place, heard):
    source = place.sqs.create_queue(QueueName="large", Attributes={"VisibilityTimeout": "3600"})["QueueUrl"]
    function = place.function("sizes", SIZES, Timeout=20, Environment={"Variables": {"QUEUE": heard}})
    for n in range(30):
        send(place, source, str(n) + "x" * 250000)
    place.map(function, place.arn(source), BatchSize=30, MaximumBatchingWindowInSeconds=120)
    batches = place.bodies(heard, 2)  # at once: there is no waiting for more than fits
    assert sorted(count for count, _ in batches) == [5, 25]
    assert 6000000 < max(size for _, size in batches) <= 6 * 1024 * 1024


def test_a_queue_may_go_and_come_again(place, source, heard, teller):
    mapping = place.map(teller, place.arn(source))
    place.sqs.delete_queue(QueueUrl=source)
    wait_until(lambda: "PROBLEM" in place.last_result(mapping), 30, "the mapping says so")
    place.advance("61s")
    assert place.queue("source") == source
    send(place, source, "again")
    assert records(place.bodies(heard))[0]["body"] == "again"


def test_the_role_is_needed(place, source, heard, teller):
    mapping = place.map(teller, place.arn(source))
    allow(place.iam, place.name, "sqs:SendMessage", "logs:*")
    send(place, source, 1)
    wait_until(lambda: "PROBLEM" in place.last_result(mapping), 30, "the mapping says so")
    assert "sqs:" in place.last_result(mapping).lower()
    assert place.is_empty(heard)
    allow(place.iam, place.name)
    assert records(place.bodies(heard))[0]["body"] == "1"


def test_no_more_at_once_than_is_allowed(place, source):
    function = place.function("slow", "import time\ndef handler(e, c):\n    time.sleep(0.5)\n", Timeout=10)
    send(place, source, *range(8))
    place.map(function, place.arn(source), BatchSize=1, ScalingConfig={"MaximumConcurrency": 2})
    most = 0

    def done():
        nonlocal most
        waiting = place.waiting(source)
        most = max(most, waiting[1])
        return waiting == (0, 0)

    wait_until(done, message="all are done")
    assert most == 2


WAITS = """
import boto3, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=record["body"])
        while record["body"] == "wait" and "Messages" not in sqs.receive_message(
                QueueUrl=os.environ["GATE"], WaitTimeSeconds=20):
            pass
"""


def test_a_slow_batch_holds_nobody_back(place, heard):
    """While a function works at one message, alone in its batch, the next ones are heard."""
    source = place.sqs.create_queue(QueueName="slow", Attributes={"VisibilityTimeout": "120"})["QueueUrl"]
    gate = place.queue("gate")
    function = place.function(
        "waits", WAITS, Timeout=100, Environment={"Variables": {"QUEUE": heard, "GATE": gate}}
    )
    place.map(function, place.arn(source))
    for _ in range(3):
        send(place, source, "wait")
        assert place.receive(heard)[0]["Body"] == "wait"
    send(place, source, "last")
    assert place.receive(heard)[0]["Body"] == "last"
    for _ in range(3):
        send(place, gate, "go")
    wait_until(lambda: place.waiting(source) == (0, 0), 30, "all are done")


MALFORMED = [
    {"batchItemFailures": [{"itemIdentifier": ""}]},
    {"batchItemFailures": [{"itemIdentifier": None}]},
    {"batchItemFailures": [{"wrong": "x"}]},
    {"batchItemFailures": [{"itemIdentifier": "no-such-message"}]},
    {"batchItemFailures": "x"},
    {"batchItemFailures": ["x"]},
    [],
]
FINE = [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"statusCode": 200}]


def test_responses_that_are_malformed_fail_the_batch(place):
    """ "Partial batch responses: success and failure conditions"; each queue has its own."""
    answers = place.function("answers", "import json\ndef handler(e, c):\n    return json.loads(e['Records'][0]['body'])\n")
    queues = [(place.queue(str(n)), json.dumps(answer), n < len(MALFORMED)) for n, answer in enumerate(MALFORMED + FINE)]
    for queue, body, _ in queues:
        place.map(answers, place.arn(queue), FunctionResponseTypes=["ReportBatchItemFailures"])
        send(place, queue, body)
    wait_until(lambda: place.runs(answers) >= len(queues), 60, "each has run")
    for queue, body, malformed in queues:
        wait_until(lambda: place.waiting(queue) == ((0, 1) if malformed else (0, 0)), 10, body)


def test_a_disabled_mapping_takes_nothing(place, source, heard, teller):
    mapping = place.map(teller, place.arn(source))
    place.client.update_event_source_mapping(UUID=mapping, Enabled=False)
    wait_until(lambda: place.client.get_event_source_mapping(UUID=mapping)["State"] == "Disabled", 10)
    send(place, source, 1)
    assert place.is_empty(heard)
    assert place.waiting(source) == (1, 0)
    place.client.update_event_source_mapping(UUID=mapping, Enabled=True)
    assert records(place.bodies(heard))[0]["body"] == "1"
    place.client.delete_event_source_mapping(UUID=mapping)

    def is_gone():
        with contextlib.suppress(place.client.exceptions.ResourceNotFoundException):
            place.client.get_event_source_mapping(UUID=mapping)
            return False
        return True

    wait_until(is_gone, message="the mapping goes")
    send(place, source, 2)
    assert place.is_empty(heard)


def test_nothing_is_lost_when_the_program_is_killed(place, heard, teller):
    source = place.sqs.create_queue(QueueName="quick", Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    place.map(teller, place.arn(source))
    seen = set()
    for n in range(300):
        send(place, source, n)
        if n == 200:
            place.cloud.kill()
            place.cloud.start()

    def all_came():
        answer = place.sqs.receive_message(QueueUrl=heard, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            seen.update(int(record["body"]) for record in json.loads(message["Body"])["Records"])
            place.sqs.delete_message(QueueUrl=heard, ReceiptHandle=message["ReceiptHandle"])
        return len(seen) == 300

    wait_until(all_came, 40, "all messages")


LOOPS = """
import boto3, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    for record in event["Records"]:
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=record["body"])
"""


def test_a_loop_is_stopped_after_sixteen_passes(place):
    # What is stopped is tried again when it is visible again, two minutes later.
    source = place.sqs.create_queue(QueueName="loop", Attributes={"VisibilityTimeout": "120"})["QueueUrl"]
    function = place.function("loops", LOOPS, Timeout=60, Environment={"Variables": {"QUEUE": source}})
    mapping = place.map(function, place.arn(source))
    send(place, source, "round")
    wait_until(lambda: place.runs(function, "REPORT") >= 16, 10)
    wait_until(lambda: sum(place.waiting(source)) == 1, message="the last one that was run goes")
    place.advance_until(lambda: "recursive loop" in place.last_result(mapping), "121s")
    assert place.runs(function) == 16
    assert sum(place.waiting(source)) == 1
