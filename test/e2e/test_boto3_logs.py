"""CloudWatch Logs through boto3 and the AWS CLI."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from botocore.exceptions import ClientError

DEBIAN = "/usr/bin/aws"


@pytest.fixture
def logs(cloud):
    return cloud.client("logs")


@pytest.fixture
def group(logs, name):
    logs.create_log_group(logGroupName=name, tags={"team": "garden"})
    yield name
    logs.delete_log_group(logGroupName=name)


def now():
    return int(time.time() * 1000)


def put(logs, group, stream, *messages, at=None):
    at = at or now()
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[
        {"timestamp": at + i, "message": message} for i, message in enumerate(messages)])


def test_groups_and_tags(logs, group):
    (found,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert found["arn"].endswith(f":log-group:{group}:*") and found["logGroupClass"] == "STANDARD"
    assert found["storedBytes"] == 0 and "retentionInDays" not in found
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePattern=group[2:])["logGroups"][0]["retentionInDays"] == 7
    arn = found["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"a": "1"})
    logs.tag_log_group(logGroupName=group, tags={"b": "2"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "garden", "a": "1", "b": "2"}
    logs.untag_resource(resourceArn=arn, tagKeys=["team", "b"])
    assert logs.list_tags_log_group(logGroupName=group)["tags"] == {"a": "1"}
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.describe_log_streams(logGroupName=group + "-not")


def test_events_by_paginators(logs, group):
    for stream in ("one", "two"):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    base = now() - 100000
    for i in range(0, 300, 3):
        put(logs, group, "one" if i % 2 else "two", *(f"line {i + k} {'x' * 50}" for k in range(3)), at=base + i)
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, PaginationConfig={"PageSize": 7})
    events = [event for page in pages for event in page["events"]]
    assert [int(event["message"].split()[1]) for event in events] == list(range(300))
    assert len({event["eventId"] for event in events}) == 300
    seen, token = 0, None
    while True:
        more = {"nextToken": token} if token else {}
        page = logs.get_log_events(logGroupName=group, logStreamName="one", startFromHead=True, limit=40, **more)
        seen += len(page["events"])
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert seen == 150
    (found,) = logs.filter_log_events(logGroupName=group, filterPattern='"line 42 "')["events"]
    assert found["logStreamName"] == "two" and found["timestamp"] == base + 42
    with pytest.raises(ClientError) as caught:
        logs.filter_log_events(logGroupName=group, filterPattern="{ $.a")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


def test_killed_and_packed(own):
    logs = own.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    for i in range(40):
        put(logs, "g", "s", *(f"{i * 500 + k} {'payload ' * 10}" for k in range(500)), at=now() - 3600000 + i * 1000)
    own.kill()
    own.start()
    logs = own.client("logs")
    numbers = [int(event["message"].split()[0])
               for page in logs.get_paginator("filter_log_events").paginate(logGroupName="g")
               for event in page["events"]]
    assert sorted(numbers) == list(range(20000))


def tails(command, environment):
    """Whether that CLI has `logs tail`."""
    if not os.access(command[0], os.X_OK):
        pytest.skip(f"{command[0]} is not installed")
    helped = subprocess.run([*command, "logs", "tail", "help"], env={**environment, "AWS_PAGER": "cat"}, check=False,
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    if "follow" not in helped.stdout + helped.stderr:
        pytest.skip("this AWS CLI has no logs tail")


@pytest.mark.parametrize("command", [[DEBIAN], [str(pathlib.Path(sys.executable).parent / "aws")]], ids=["v2", "v1"])
def test_tail_follows(cloud, logs, group, command):
    environment = {**cloud.client_environment(), "PYTHONUNBUFFERED": "1"}
    tails(command, environment)
    logs.create_log_stream(logGroupName=group, logStreamName="app")
    put(logs, group, "app", "before")
    with subprocess.Popen([*command, "--endpoint-url", cloud.endpoint, "logs", "tail", group, "--follow",
                           "--format", "short"], env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True) as tail:
        try:
            assert "before" in tail.stdout.readline()
            put(logs, group, "app", "after")
            assert "after" in tail.stdout.readline()
        finally:
            tail.terminate()


@pytest.mark.parametrize("command", [[DEBIAN], [str(pathlib.Path(sys.executable).parent / "aws")]], ids=["v2", "v1"])
def test_tail_chooses_and_formats(cloud, logs, group, command):
    environment = cloud.client_environment()
    tails(command, environment)
    for stream in ("app-1", "app-2", "other"):
        logs.create_log_stream(logGroupName=group, logStreamName=stream)
    at = now()
    put(logs, group, "app-1", "ERROR of long ago", at=at - 7200000)
    put(logs, group, "app-1", "ERROR one", "INFO fine", at=at - 60000)
    put(logs, group, "app-2", json.dumps({"level": "ERROR", "b": [1]}), at=at - 50000)
    put(logs, group, "other", "ERROR elsewhere", at=at - 40000)

    def tail(*more):
        done = subprocess.run([*command, "--endpoint-url", cloud.endpoint, "logs", "tail", group, *more], env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    lines = tail("--since", "1h", "--filter-pattern", "ERROR").splitlines()
    assert [line.split()[1] for line in lines] == ["app-1", "app-2", "other"]
    shown = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((at - 60000) // 1000))
    assert lines[0].startswith(shown) and lines[0].endswith("app-1 ERROR one")
    lines = tail("--since", "3h", "--filter-pattern", "ERROR -elsewhere", "--format", "short").splitlines()
    assert [line.partition(" ")[2] for line in lines][:2] == ["ERROR of long ago", "ERROR one"] and len(lines) == 3
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((at - 55000) // 1000))
    text = tail("--since", since, "--log-stream-name-prefix", "app", "--format", "json")
    assert text.partition("\n")[2].strip() == json.dumps({"level": "ERROR", "b": [1]}, indent=4)
    assert tail("--since", "1h", "--log-stream-names", "other").split()[1:] == ["other", "ERROR", "elsewhere"]
