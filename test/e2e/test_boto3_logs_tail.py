"""StartLiveTail through boto3 and the AWS CLI."""

import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from kumoniwa import SLOWNESS, within

DEBIAN = "/usr/bin/aws"


@pytest.fixture
def logs(cloud):
    return cloud.client("logs", inject_host_prefix=False)


@pytest.fixture
def group(logs, name):
    logs.create_log_group(logGroupName=name)
    for stream in ("app", "other"):
        logs.create_log_stream(logGroupName=name, logStreamName=stream)
    yield logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["logGroupArn"]
    logs.delete_log_group(logGroupName=name)


def put(logs, group, stream, *messages):
    at = int(time.time() * 1000)
    logs.put_log_events(logGroupName=group.rsplit(":", 1)[1], logStreamName=stream,
                        logEvents=[{"timestamp": at, "message": message} for message in messages])


def test_events_come_each_second(logs, group):
    stream = logs.start_live_tail(logGroupIdentifiers=[group], logStreamNames=["app"],
                                  logEventFilterPattern="hello")["responseStream"]
    events = iter(stream)
    start = next(events)["sessionStart"]
    assert start["logGroupIdentifiers"] == [group] and start["logEventFilterPattern"] == "hello" and start["sessionId"]
    put(logs, group, "app", "hello one", "nothing", "hello two")
    put(logs, group, "other", "hello elsewhere")
    seen, updates, began = [], 0, time.monotonic()
    with within(8 * SLOWNESS):
        while len(seen) < 2 or updates < 3:
            update = next(events)["sessionUpdate"]
            assert update["sessionMetadata"] == {"sampled": False}
            seen += update["sessionResults"]
            updates += 1
    assert time.monotonic() - began >= 2
    assert [event["message"] for event in seen] == ["hello one", "hello two"]
    assert seen[0]["logStreamName"] == "app" and seen[0]["logGroupIdentifier"].endswith(":" + group.rsplit(":", 1)[1])
    stream.close()


def test_many_are_sampled(logs, group):
    stream = logs.start_live_tail(logGroupIdentifiers=[group])["responseStream"]
    events = iter(stream)
    next(events)
    put(logs, group, "app", *(f"line {i}" for i in range(900)))
    updates = [next(events)["sessionUpdate"] for _ in range(3)]
    (full,) = [update for update in updates if update["sessionResults"]]
    assert full["sessionMetadata"]["sampled"] and len(full["sessionResults"]) == 500
    stream.close()


def test_refused(logs, group):
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.start_live_tail(logGroupIdentifiers=[group.rsplit(":", 1)[1]])
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.start_live_tail(logGroupIdentifiers=[group + "-not"])
    open_ones = [logs.start_live_tail(logGroupIdentifiers=[group])["responseStream"] for _ in range(8)]
    for one in open_ones:
        one.close()


def test_ends_after_three_hours(own):
    logs = own.client("logs", inject_host_prefix=False)
    logs.create_log_group(logGroupName="g")
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    events = iter(logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"])
    next(events)
    own.run("clock", "advance", "3h")
    with pytest.raises(Exception, match="SessionTimeoutException"):
        for _ in range(5):
            next(events)


@pytest.mark.parametrize("command", [DEBIAN, str(pathlib.Path(sys.executable).parent / "aws")], ids=["v2", "v1"])
def test_live_tail_of_the_cli(cloud, logs, group, command):
    if not os.access(command, os.X_OK):
        pytest.skip(f"{command} is not installed")
    environment = {**cloud.client_environment(), "PYTHONUNBUFFERED": "1", "AWS_DISABLE_HOST_PREFIX_INJECTION": "true"}
    helped = subprocess.run([command, "logs", "start-live-tail", "help"], env={**environment, "AWS_PAGER": "cat"},
                            check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if "session" not in helped.stdout:
        pytest.skip("this AWS CLI has no live tail")
    mode = ["--mode", "print-only"] if "print-only" in helped.stdout else []
    with subprocess.Popen([command, "--endpoint-url", cloud.endpoint, "logs", "start-live-tail", *mode,
                           "--log-group-identifiers", group], env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as tail:
        stop = threading.Event()

        def write():
            while not stop.wait(0.5):
                put(logs, group, "app", "hello tail")
        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert "hello tail" in tail.stdout.readline()
        finally:
            stop.set()
            writer.join()
            tail.terminate()
