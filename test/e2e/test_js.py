"""The AWS SDK for JavaScript v3, run by node."""

import json
import pathlib
import shutil
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).with_name("js")


def run(cloud, name, script="sqs.mjs", **environment):
    if shutil.which("node") is None or not (FOLDER / "node_modules").is_dir():
        pytest.skip("node or the SDK is not installed")
    done = subprocess.run(["node", str(FOLDER / script), name],
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


def check_s3(seen):
    assert seen["put"] == {"ETag": '"5d41402abc4b2a76b9719d911017c592"', "crc32": "NhCmhg=="}
    assert seen["got"] == {"body": "hello", "metadata": {"a": "b"}, "type": "text/x"}
    large = seen["large"]
    assert large["etag"].endswith('-3"') and large["same"] and large["progress"] == 13 << 20
    assert (large["range"], large["part"]) == ("ef01", 3 << 20)
    assert seen["small"] == '"187ef4436122d1cc2f40dc2b92f0eba0"' and seen["aborted"] == "AbortError"
    assert {name: seen["sums"][name] for name in ("CRC32", "CRC32C", "SHA1", "SHA256")} == dict.fromkeys(
        ("CRC32", "CRC32C", "SHA1", "SHA256"), "1")
    assert seen["attributes"] == [13 << 20, 3]
    assert [len(page) for page in seen["keys"]][:-1] == [3] * (len(seen["keys"]) - 1)
    assert sorted(sum(seen["keys"], []))[:4] == ["copy", "dir/ü +.txt", "large", "small"]
    assert seen["folders"] == ["dir/", "sum/"]
    assert seen["signed"] == {"put": 200, "hoisted": True, "body": "by url", "part": "part"}
    assert seen["errors"] == [{"name": "NoSuchKey", "status": 404}, {"name": "NotFound", "status": 404},
                              {"name": "NoSuchBucket", "status": 404}, {"name": "PreconditionFailed", "status": 412}]
    assert seen["deleted"] == ["copy", "small"]


def test_s3(cloud, name):
    check_s3(run(cloud, name.replace("_", "-"), "s3.mjs"))


def test_s3_by_tls(secure, name):
    check_s3(run(secure, name.replace("_", "-"), "s3.mjs", NODE_EXTRA_CA_CERTS=str(secure.ca)))


def test_dynamodb_documents(cloud, name):
    seen = run(cloud, name, script="dynamodb.mjs")
    assert seen["got"] == {
        "pk": "雲庭", "sk": 1, "kind": "full", "text": "", "bytes": [0, 255, 10], "yes": True, "nothing": None,
        "list": [1, "two", [3.5], {"deep": {"er": -1e-20}}], "words": ["a", "b"], "numbers": [1, 2.5]}
    assert seen["missing"] == "none"
    assert seen["updated"] == {"list": ["changed"], "added": 1, "words": ["a", "b", "c"]}
    assert seen["conflict"] == {"name": "ConditionalCheckFailedException", "message": "The conditional request failed",
                                "status": 400, "item": True}
    assert seen["batch"] == [3, 4]
    assert [len(page) for page in seen["pages"]][:2] == [2, 2] and sum(seen["pages"], []) == [13, 11, 9, 7, 5]
    assert seen["index"] == 13 and seen["scanned"] == 26
    assert seen["transaction"]["name"] == "TransactionCanceledException"
    assert seen["transaction"]["reasons"] == ["None", "ConditionalCheckFailed"] and seen["rolledBack"] == "none"
    assert seen["deleted"] == {"pk": "many", "sk": 0, "kind": "even"}
    assert seen["invalid"]["name"] == "ValidationException" and ":p" in seen["invalid"]["message"]
    assert seen["none"]["name"] == "ResourceNotFoundException"
