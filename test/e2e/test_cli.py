"""The AWS CLI: version 1 from PyPI, and the version 2 that Debian ships, whose SQS speaks the query protocol."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

DEBIAN = "/usr/bin/aws"
CLIENTS = {
    "v1": [str(pathlib.Path(sys.executable).parent / "aws")],
    "debian-v2": [DEBIAN],
}


@pytest.fixture(params=CLIENTS)
def aws(request, cloud):
    command = CLIENTS[request.param]
    if not os.access(command[0], os.X_OK):
        pytest.skip(f"{command[0]} is not installed")

    def run(*arguments, on=cloud, fails=False, environment=None):
        # Both are given the flag: version 2.9 knows no AWS_ENDPOINT_URL, version 1 does not heed it for SQS.
        done = subprocess.run(
            [*command, "--endpoint-url", on.endpoint, "--output", "json", *arguments],
            env={**on.client_environment(), **(environment or {})}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=120, check=False,
        )
        assert fails == (done.returncode != 0), f"{done.returncode}: {done.stdout}{done.stderr}"
        if fails:
            return done.stderr.strip()
        return json.loads(done.stdout) if done.stdout.strip() else {}

    run.is_old = command[0] == DEBIAN
    return run


def test_message_there_and_back(aws, name):
    url = aws("sqs", "create-queue", "--queue-name", name, "--attributes", "VisibilityTimeout=40")["QueueUrl"]
    sent = aws("sqs", "send-message", "--queue-url", url, "--message-body", "hello, 雲庭",
               "--message-attributes", '{"colour": {"DataType": "String", "StringValue": "green"}}')
    (got,) = aws("sqs", "receive-message", "--queue-url", url, "--attribute-names", "All",
                 "--message-attribute-names", "All")["Messages"]
    assert got["MessageId"] == sent["MessageId"] and got["Body"] == "hello, 雲庭"
    assert got["MessageAttributes"]["colour"]["StringValue"] == "green"
    aws("sqs", "delete-message", "--queue-url", url, "--receipt-handle", got["ReceiptHandle"])
    attributes = aws("sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert attributes["VisibilityTimeout"] == "40"
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
    assert url in aws("sqs", "list-queues", "--queue-name-prefix", name)["QueueUrls"]
    aws("sqs", "delete-queue", "--queue-url", url)


def test_batch(aws, name):
    url = aws("sqs", "create-queue", "--queue-name", name)["QueueUrl"]
    reply = aws("sqs", "send-message-batch", "--queue-url", url, "--entries",
                "Id=a,MessageBody=one", "Id=b,MessageBody=two", "Id=c,MessageBody=three,DelaySeconds=1000")
    assert sorted(entry["Id"] for entry in reply["Successful"]) == ["a", "b"]
    assert [entry["Id"] for entry in reply["Failed"]] == ["c"]
    got = aws("sqs", "receive-message", "--queue-url", url, "--max-number-of-messages", "10")["Messages"]
    assert sorted(message["Body"] for message in got) == ["one", "two"]


def test_error_as_aws_words_it(aws):
    code = "AWS.SimpleQueueService.NonExistentQueue"
    said = aws("sqs", "get-queue-url", "--queue-name", "not-there", fails=True)
    assert f"An error occurred ({code}) when calling the GetQueueUrl operation" in said
    assert "The specified queue does not exist" in said


def test_caller_identity(aws):
    assert aws("sts", "get-caller-identity") == {
        "UserId": "000000000000", "Account": "000000000000", "Arn": "arn:aws:iam::000000000000:root",
    }


def test_not_implemented_is_said(aws):
    said = aws("route53", "list-hosted-zones", fails=True)
    assert "An error occurred (NotImplemented) when calling the ListHostedZones operation" in said


def test_wrong_secret(aws, cloud):
    key, _ = cloud.issue()
    environment = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "wrong"}
    said = aws("sts", "get-caller-identity", environment=environment, fails=True)
    assert "An error occurred (SignatureDoesNotMatch) when calling the GetCallerIdentity operation" in said
    assert "The request signature we calculated does not match the signature you provided." in said


def test_tls(aws, secure, name):
    assert aws("sqs", "create-queue", "--queue-name", name, on=secure)["QueueUrl"].startswith("https://")


def test_v1_finds_the_endpoint_by_the_environment(cloud):
    done = subprocess.run([*CLIENTS["v1"], "sts", "get-caller-identity", "--output", "json"],
                          env=cloud.client_environment(), capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["Account"] == "000000000000"


def test_iam(aws, name):
    document = json.dumps({"Version": "2012-10-17",
                           "Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]})
    made = aws("iam", "create-user", "--user-name", name, "--path", "/team/", "--tags", "Key=k,Value=v")["User"]
    assert made["Arn"] == f"arn:aws:iam::000000000000:user/team/{name}"
    policy = aws("iam", "create-policy", "--policy-name", name, "--policy-document", document)["Policy"]["Arn"]
    aws("iam", "attach-user-policy", "--user-name", name, "--policy-arn", policy)
    aws("iam", "put-user-policy", "--user-name", name, "--policy-name", "own", "--policy-document", document)
    (attached,) = aws("iam", "list-attached-user-policies", "--user-name", name)["AttachedPolicies"]
    assert attached == {"PolicyName": name, "PolicyArn": policy}
    got = aws("iam", "get-user-policy", "--user-name", name, "--policy-name", "own")
    assert got["PolicyDocument"] == json.loads(document)
    key = aws("iam", "create-access-key", "--user-name", name)["AccessKey"]
    theirs = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    assert aws("sts", "get-caller-identity", environment=theirs)["Arn"] == made["Arn"]
    aws("sqs", "create-queue", "--queue-name", name, environment=theirs)
    denied = aws("iam", "list-users", environment=theirs, fails=True)
    assert "(AccessDenied)" in denied and "is not authorized to perform: iam:ListUsers" in denied
    said = aws("iam", "delete-user", "--user-name", name, fails=True)
    assert "(DeleteConflict)" in said
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
    role = aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", trust)["Role"]
    assert role["AssumeRolePolicyDocument"] == json.loads(trust)
    assert name in [r["RoleName"] for r in aws("iam", "list-roles", "--max-items", "1000")["Roles"]]
    aws("iam", "delete-role", "--role-name", name)
    aws("iam", "detach-user-policy", "--user-name", name, "--policy-arn", policy)
    aws("iam", "delete-user-policy", "--user-name", name, "--policy-name", "own")
    aws("iam", "delete-access-key", "--user-name", name, "--access-key-id", key["AccessKeyId"])
    aws("iam", "delete-user", "--user-name", name)
    aws("iam", "delete-policy", "--policy-arn", policy)
