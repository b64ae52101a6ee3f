"""Debian's boto3 (1.26, of 2022): the clients that distributions ship are older than SQS's JSON protocol."""

import json
import pathlib
import subprocess

import pytest

PYTHON = "/usr/bin/python3"


def test_sqs_by_query(cloud, name):
    if subprocess.run([PYTHON, "-c", "import boto3"], capture_output=True, check=False).returncode != 0:
        pytest.skip("python3-boto3 is not installed")
    script = pathlib.Path(__file__).with_name("debian_boto3.py")
    done = subprocess.run([PYTHON, "-P", str(script), cloud.endpoint, name], env=cloud.client_environment(),
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    if seen["version"].startswith("1.26."):
        assert seen["protocol"] == "query"
    assert sorted(seen["bodies"]) == ["<0>", "<1>", "<2>", "one & two"]
    assert seen["successful"] == ["0", "1", "2"] and seen["failed"] == ["bad"]
    assert seen["attributes_equal"] and seen["receive_count"] == "1"
    assert seen["tags"] == {"k": "v"}
    assert seen["attributes"]["VisibilityTimeout"] == "5"
    assert seen["attributes"]["ApproximateNumberOfMessages"] == "0"
    assert seen["listed"]
    assert seen["error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert seen["status"] == 400
    assert seen["class"] == "QueueDoesNotExist"
    assert seen["identity"] == "arn:aws:iam::000000000000:root"
