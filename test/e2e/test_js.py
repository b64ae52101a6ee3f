"""The AWS SDK for JavaScript v3, run by node."""

import json
import pathlib
import shutil
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).with_name("js")


def run(cloud, name, **environment):
    if shutil.which("node") is None or not (FOLDER / "node_modules").is_dir():
        pytest.skip("node or the SDK is not installed")
    done = subprocess.run(["node", str(FOLDER / "sqs.mjs"), name],
                          env=cloud.client_environment(AWS_REGION="us-east-1", **environment),
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(seen, name):
    assert sorted(seen["bodies"]) == ["hello, 雲庭", "one"]
    assert seen["bytes"] == [0, 255, 10]
    assert seen["successful"] == ["a"] and seen["failed"] == [["b", True]]
    assert seen["attributes"]["QueueArn"].endswith(f":{name}")
    assert seen["pages"] == [2, 2, 1]
    assert seen["error"] == {
        "name": "QueueDoesNotExist", "message": "The specified queue does not exist.", "status": 400,
    }
    assert seen["identity"] == "arn:aws:iam::000000000000:root"
    assert seen["unimplemented"] == {"name": "NotImplemented", "status": 501}
    assert seen["parallel"] == "100"


def test_sqs_and_sts(cloud, name):
    check(run(cloud, name), name)


def test_tls(secure, name):
    check(run(secure, name, NODE_EXTRA_CA_CERTS=str(secure.ca)), name)
