"""kill -9 in the midst of PutLogEvents, of functions that print, of packing and of deliveries to a subscribed function: what
was acknowledged is there exactly once, what a function printed before its acknowledged end is there, and all of it was
delivered at least once."""

import base64
import functools
import gzip
import json
import os
import random
import threading
import time

from botocore.exceptions import ClientError
from kumoniwa import SLOWNESS, Cloud, wait_until
from lambda_functions import TELLS, Place, zipped

ROUNDS = max(2, int(os.environ.get("KUMONIWA_CRASH_ROUNDS", "500")) // 50)
SEED = int(os.environ.get("KUMONIWA_SEED", "20261121"))
FILLER = "the filler of an event that fills segments " * 20

PRINTS = """
def handler(event, context):
    for i in range(event["lines"]):
        print(event["name"], i)
    return context.aws_request_id
"""


def put(cloud, stream, name, ledger):
    """Batches of 20 events into a stream, until the kill."""
    logs = cloud.client("logs", connect_timeout=2)
    number = 0
    try:
        while True:
            names = [f"{name}-{number + i}" for i in range(20)]
            number += 20
            at = int(time.time() * 1000)
            ledger["unsure"].update(names)
            logs.put_log_events(logGroupName="app", logStreamName=stream, logEvents=[
                {"timestamp": at, "message": f"{one} {FILLER}"} for one in names])
            ledger["unsure"].difference_update(names)
            ledger["sure"].update(names)
    except ClientError as error:
        ledger["wrong"].append(repr(error))
    except Exception:  # noqa: BLE001: the kill, in whatever form it comes
        pass


def invoke(cloud, name, choose, ledger):
    client = cloud.client("lambda", connect_timeout=2)
    number = 0
    try:
        while True:
            number += 1
            lines = choose.choice([1, 3, 200])
            event = {"name": f"{name}-{number}", "lines": lines}
            reply = client.invoke(FunctionName="prints", Payload=json.dumps(event))
            body = reply["Payload"].read()
            if "FunctionError" in reply:
                ledger["wrong"].append(body)
            ledger["printed"].update(f"{event['name']} {i}" for i in range(lines))
            ledger["ended"].add(json.loads(body))
    except ClientError as error:
        ledger["wrong"].append(repr(error))
    except Exception:  # noqa: BLE001: the kill, in whatever form it comes
        pass


def messages(cloud, group):
    pages = cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def check(cloud, ledger):
    assert ledger["wrong"] == []
    found = [message.partition(" ")[0] for message in messages(cloud, "app")]
    assert len(found) == len(set(found))
    assert ledger["sure"] <= set(found) <= ledger["sure"] | ledger["unsure"]
    ledger["sure"].update(found)
    ledger["unsure"].clear()
    if not ledger["ended"]:
        return
    lines = [message.rstrip("\n") for message in messages(cloud, "/aws/lambda/prints")]
    assert ledger["printed"] <= set(lines)
    assert sum(line in ledger["printed"] for line in lines) == len(ledger["printed"])
    assert ledger["ended"] <= {line.split()[2] for line in lines if line.startswith("REPORT")}


def delivered(cloud, queue, wanted):
    """A run that a kill ended is tried again a minute later by the cloud's clock, and two after that."""
    sqs = cloud.client("sqs")
    seen, end = set(), time.monotonic() + 60 * SLOWNESS
    while not wanted <= seen and time.monotonic() < end:  # as long as something comes
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        if "Messages" not in answer:
            cloud.run("clock", "advance", "1m")
        for message in answer.get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            data = json.loads(message["Body"])["awslogs"]["data"]
            record = json.loads(gzip.decompress(base64.b64decode(data)))
            if record["messageType"] == "DATA_MESSAGE":
                before = len(seen)
                seen.update(event["message"].partition(" ")[0] for event in record["logEvents"])
                end = time.monotonic() + 60 * SLOWNESS if len(seen) > before else end
    return seen


def test_logs_survive(tmp_path):
    choose = random.Random(SEED)
    print("seed", SEED)
    cloud = Cloud(tmp_path / "cloud").start()
    place, logs = Place(cloud, "kept"), cloud.client("logs")
    queue = place.queue("heard")
    tells = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": queue}})
    place.client.create_function(FunctionName="prints", Runtime="python3.12", Role=place.role, Handler="index.handler",
                                 Code={"ZipFile": zipped(index=PRINTS)})
    logs.create_log_group(logGroupName="app")
    for stream in "ab":
        logs.create_log_stream(logGroupName="app", logStreamName=stream)
    place.client.add_permission(FunctionName=tells, StatementId="logs", Action="lambda:InvokeFunction",
                                Principal="logs.amazonaws.com")
    logs.put_subscription_filter(logGroupName="app", filterName="all", filterPattern="", destinationArn=tells)
    ledger = {"sure": set(), "unsure": set(), "printed": set(), "ended": set(), "wrong": []}
    for turn in range(ROUNDS):
        workers = [threading.Thread(target=put, args=(cloud, stream, f"{turn}{stream}", ledger)) for stream in "ab"]
        workers.append(threading.Thread(target=invoke, args=(cloud, f"f{turn}", choose, ledger)))
        for worker in workers:
            worker.start()
        if turn % 3 == 0:  # however slow the machine: some runs come to their end
            wait_until(functools.partial(lambda had: len(ledger["ended"]) > had, len(ledger["ended"])), 60, "a run's end")
            time.sleep(choose.uniform(0, 0.2))
        else:
            time.sleep(choose.uniform(0.05, 1.2))
        cloud.kill()
        for worker in workers:
            worker.join()
        cloud.start()
        check(cloud, ledger)
    assert ledger["ended"] and ledger["sure"]
    seen = delivered(cloud, queue, ledger["sure"])
    assert ledger["sure"] == seen
    cloud.stop()
