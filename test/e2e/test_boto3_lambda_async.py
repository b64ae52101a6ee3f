"""Asynchronous invocation: nothing that was accepted is lost, what fails is tried again by the cloud's clock, and
who wanted to hear of it does."""

import json

import pytest
from botocore.exceptions import ClientError
from kumoniwa import wait_until
from lambda_functions import TELLS, Place, allow

FAILS = """
def handler(event, context):
    print("running", event)
    raise ValueError("not " + str(event["n"]))
"""
LINGERS = """
import boto3, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody="here")
    while "Messages" not in sqs.receive_message(QueueUrl=os.environ["GATE"], WaitTimeSeconds=20):
        pass
"""


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
    place.advance("40s")
    assert place.is_empty(dead) and place.runs(function) == 1
    place.advance_until(lambda: place.runs(function) == 2)
    place.advance("70s")
    assert place.is_empty(dead) and place.runs(function) == 2
    place.advance_until(lambda: place.waiting(dead) == (1, 0))
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
    place.advance_until(lambda: "is dropped" in place.cloud.log_text(), "30s")
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
    heard, gate = place.queue("heard"), place.queue("gate")
    function = place.function(
        "lingers", LINGERS, Timeout=300, Environment={"Variables": {"QUEUE": heard, "GATE": gate}}
    )
    for _ in range(10):
        place.send(function, {})
    place.receive(heard, 10, 60)  # ten have begun, none can end
    for _ in range(10):
        place.sqs.send_message(QueueUrl=gate, MessageBody="go")


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


def destinations(place, function, **more):
    place.client.put_function_event_invoke_config(FunctionName=function, **more)


def test_results_go_to_destinations(place):
    good = place.queue("good")
    function = place.function("answers", "def handler(event, context):\n    return {'saw': event}\n")
    destinations(place, function, DestinationConfig={"OnSuccess": {"Destination": place.arn(good)}})
    request = place.send(function, {"n": 1})
    (record,) = place.bodies(good)
    assert record.pop("timestamp").endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request,
            "functionArn": function + ":$LATEST",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
        "responsePayload": {"saw": {"n": 1}},
    }


def test_failures_go_to_destinations(place):
    bad = place.queue("bad")
    function = place.function("fails", FAILS)
    destinations(
        place, function, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": place.arn(bad)}}
    )
    place.send(function, {"n": 1})
    place.advance_until(lambda: place.waiting(bad) == (1, 0))
    (record,) = place.bodies(bad)
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["requestPayload"] == {"n": 1}
    assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert record["responsePayload"]["errorMessage"] == "not 1"
    assert record["responsePayload"]["errorType"] == "ValueError"


def test_without_retries_a_failure_is_told_at_once(place):
    bad = place.queue("bad")
    function = place.function("fails", FAILS)
    destinations(
        place, function, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": place.arn(bad)}}
    )
    place.send(function, {"n": 1})
    assert place.bodies(bad)[0]["requestContext"]["approximateInvokeCount"] == 1


def test_an_event_that_would_be_too_old_is_given_up(place):
    bad = place.queue("bad")
    function = place.function("fails", FAILS)
    destinations(
        place, function, MaximumEventAgeInSeconds=60, DestinationConfig={"OnFailure": {"Destination": place.arn(bad)}}
    )
    place.send(function, {"n": 1})
    place.advance_until(lambda: place.waiting(bad) == (1, 0))
    (record,) = place.bodies(bad)
    assert record["requestContext"]["condition"] == "EventAgeExceeded"


def test_a_function_is_a_destination(place):
    heard = place.queue("heard")
    tells = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": heard}})
    first = place.function("first", "def handler(event, context):\n    return event['n'] + 1\n")
    destinations(place, first, DestinationConfig={"OnSuccess": {"Destination": tells}})
    place.send(first, {"n": 1})
    (record,) = place.bodies(heard)
    assert record["responsePayload"] == 2
    assert record["requestContext"]["functionArn"] == first + ":$LATEST"


def test_failures_go_to_a_bucket(place):
    s3, bucket = place.cloud.client("s3"), place.name.lower()[:60].strip("-")
    s3.create_bucket(Bucket=bucket)
    function = place.function("fails", FAILS)
    destinations(
        place,
        function,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:s3:::{bucket}"}},
    )
    request = place.send(function, {"n": 1})
    wait_until(lambda: s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 1, 10)
    key = s3.list_objects_v2(Bucket=bucket)["Contents"][0]["Key"]
    assert key.startswith(f"aws/lambda/async/{place.name}-fails/20")
    record = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    assert record["requestContext"]["requestId"] == request


def test_an_alias_has_its_own_configuration(place):
    good = place.queue("good")
    function = place.function("answers", "def handler(event, context):\n    return 1\n")
    place.client.publish_version(FunctionName=function)
    place.client.get_waiter("published_version_active").wait(
        FunctionName=function, Qualifier="1", WaiterConfig={"Delay": 0.1}
    )
    place.client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    destinations(place, function, Qualifier="live", DestinationConfig={"OnSuccess": {"Destination": place.arn(good)}})
    place.send(function, {"n": 1})
    place.send(function + ":live", {"n": 2})
    (record,) = place.bodies(good)
    assert record["requestPayload"] == {"n": 2}
    assert record["requestContext"]["functionArn"] == function + ":live"
    assert record["responseContext"]["executedVersion"] == "1"
    assert place.is_empty(good)


@pytest.mark.parametrize("service", ["sns", "events"])
def test_destinations_that_are_not_built_are_refused(place, service):
    function = place.function("answers", "def handler(event, context):\n    return 1\n")
    kind = "event-bus/default" if service == "events" else "topic"
    with pytest.raises(ClientError) as refused:
        destinations(
            place,
            function,
            DestinationConfig={"OnSuccess": {"Destination": f"arn:aws:{service}:us-east-1:000000000000:{kind}"}},
        )
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


CALLS_ITSELF = """
import boto3, json, os
me = boto3.client("lambda", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    me.invoke(FunctionName=context.function_name, InvocationType="Event", Payload=json.dumps({"n": event["n"] + 1}))
"""


@pytest.mark.parametrize("loop", ["Terminate", "Allow"])
def test_a_function_that_calls_itself(place, loop):
    dead = place.queue("dead")
    function = place.function("loops", CALLS_ITSELF, DeadLetterConfig={"TargetArn": place.arn(dead)})
    place.client.put_function_recursion_config(FunctionName=function, RecursiveLoop=loop)
    place.send(function, {"n": 1})
    if loop == "Allow":
        wait_until(lambda: place.runs(function) > 20, 20, "it goes on")
        place.client.put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=0)
        return
    (message,) = place.receive(dead)
    assert json.loads(message["Body"]) == {"n": 17}
    assert "recursive loop" in message["MessageAttributes"]["ErrorMessage"]["StringValue"]


TRACES = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(os.environ["_X_AMZN_TRACE_ID"]))
"""


def members(trace):
    return dict(part.split("=", 1) for part in trace.split(";"))


@pytest.mark.parametrize("kind", ["RequestResponse", "Event"])
def test_a_trace_goes_from_function_to_function(place, kind):
    """ "Tracing header": what the client sends, and Lineage=HASH:PASSES|HASH:PASSES."""
    between, heard = place.queue("between"), place.queue("heard")
    first = place.function("first", TRACES, Environment={"Variables": {"QUEUE": between}})
    second = place.function("second", TRACES, Environment={"Variables": {"QUEUE": heard}})
    place.map(second, place.arn(between))
    header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    client = place.cloud.client("lambda")
    client.meta.events.register("before-sign", lambda request, **_: request.headers.add_header("X-Amzn-Trace-Id", header))
    client.invoke(FunctionName=first, InvocationType=kind)
    (trace,) = place.bodies(heard)
    got = members(trace)
    assert got["Root"] == members(header)["Root"] and got["Sampled"] == "1"
    lineage = got["Lineage"].split("|")
    assert len(lineage) == 2 and all(item.endswith(":1") for item in lineage), trace
