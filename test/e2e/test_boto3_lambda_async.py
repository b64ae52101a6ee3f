"""Asynchronous invocation: nothing that was accepted is lost, what fails is tried again by the cloud's clock, and
who wanted to hear of it does."""

import json
import time

import pytest
from kumoniwa import wait_until
from lambda_functions import TELLS, Place, allow

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
