"""Policies of resources decide who may: two accounts, through an unmodified boto3."""

import json

import botocore.exceptions
import pytest

OWNER, OTHER = "000000000000", "111111111111"


def denial(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert error["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    return error["Error"]["Message"]


def arn_of(sqs, queue):
    return sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def set_policy(sqs, queue, **statement):
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": arn_of(sqs, queue), **statement}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})


def test_add_permission(cloud, sqs, queue, name):
    root = cloud.client("sqs", *cloud.issue(OTHER))
    alice = cloud.client("sqs", *cloud.issue(OTHER, "alice"))
    arn = arn_of(sqs, queue)
    assert denial(root.send_message, QueueUrl=queue, MessageBody="x") == (
        f"User: arn:aws:iam::{OTHER}:root is not authorized to perform: sqs:SendMessage on resource: {arn} "
        "because no resource-based policy allows the sqs:SendMessage action"
    )
    sqs.add_permission(QueueUrl=queue, Label="l", AWSAccountIds=[OTHER], Actions=["SendMessage", "GetQueueUrl"])
    root.send_message(QueueUrl=queue, MessageBody="root")
    alice.send_message(QueueUrl=queue, MessageBody="alice")
    assert alice.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=OWNER)["QueueUrl"] == queue
    assert "because no resource-based policy allows the sqs:ReceiveMessage action" in denial(
        alice.receive_message, QueueUrl=queue
    )
    assert {m["Body"] for _ in range(2) for m in sqs.receive_message(QueueUrl=queue)["Messages"]} == {"root", "alice"}
    sqs.remove_permission(QueueUrl=queue, Label="l")
    denial(alice.send_message, QueueUrl=queue, MessageBody="x")


def test_policy_of_one_user(cloud, sqs, queue):
    alice = cloud.client("sqs", *cloud.issue(OTHER, "alice"))
    eve = cloud.client("sqs", *cloud.issue(OTHER, "eve"))
    set_policy(sqs, queue, Principal={"AWS": f"arn:aws:iam::{OTHER}:user/alice"}, Action="SQS:Send*")
    alice.send_message(QueueUrl=queue, MessageBody="x")
    assert f"User: arn:aws:iam::{OTHER}:user/eve is not authorized" in denial(
        eve.send_message, QueueUrl=queue, MessageBody="x"
    )


def test_deny_binds_the_owner(cloud, sqs, queue):
    set_policy(sqs, queue, Effect="Deny")
    assert denial(sqs.send_message, QueueUrl=queue, MessageBody="x").endswith(
        "with an explicit deny in a resource-based policy"
    )
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": ""})  # root can mend it
    sqs.send_message(QueueUrl=queue, MessageBody="x")


def test_conditions_see_the_request(cloud, sqs, queue):
    other = cloud.client("sqs", OTHER, "any")
    send = {"QueueUrl": queue, "MessageBody": "x"}
    set_policy(sqs, queue, Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}})
    other.send_message(**send)
    set_policy(sqs, queue, Condition={"Bool": {"aws:SecureTransport": "true"}})
    denial(other.send_message, **send)
    set_policy(sqs, queue, Condition={"StringLike": {"aws:UserAgent": "Boto3/*"}})
    other.send_message(**send)
    set_policy(sqs, queue, Condition={"StringLike": {"aws:UserAgent": "curl/*"}})
    denial(other.send_message, **send)


def test_malformed_policies(sqs, queue):
    for policy in ("{}", '{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}', "nonsense"):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
        assert caught.value.response["Error"]["Message"] == "Invalid value for the parameter Policy."


@pytest.mark.parametrize("mode", ["off", "audit"])
def test_modes(make_cloud, mode):
    cloud = make_cloud("--iam", mode).start()
    queue = cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    cloud.client("sqs", OTHER, "any").send_message(QueueUrl=queue, MessageBody="x")
    assert ("iam audit: User: arn:aws:iam::111111111111:root" in cloud.log_text()) == (mode == "audit")


def test_a_denial_is_explained(own):
    """`kumoniwa iam explain` tells which statements spoke, and what was missing."""
    iam = own.client("iam")
    iam.create_user(UserName="reader")
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Lists", "Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"},
            {"Sid": "Tagged", "Effect": "Allow", "Action": "sqs:CreateQueue", "Resource": "*",
             "Condition": {"StringEquals": {"aws:RequestTag/team": "red"}}},
            {"Sid": "Never", "Effect": "Deny", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:secret"},
        ],
    }  # fmt: skip
    iam.put_user_policy(UserName="reader", PolicyName="limits", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    sqs = own.client("sqs", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    def explained(name):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            sqs.create_queue(QueueName=name)
        return own.run("iam", "explain", caught.value.response["ResponseMetadata"]["RequestId"]).stdout

    text = explained("plain")
    assert "denied implicitly" in text and "identity-based policy limits" in text
    assert 'statement 1 "Lists", Allow: is about other actions' in text
    assert 'statement 2 "Tagged", Allow: its condition on aws:RequestTag/team does not hold' in text
    assert "(the request has no such key)" in text
    assert 'statement 3 "Never", Deny: is about other resources' in text
    assert "missing: an identity-based policy that allows sqs:CreateQueue on arn:aws:sqs:us-east-1:" in text
    text = explained("secret")
    assert "denied explicitly" in text and 'statement 3 "Never", Deny: DENIES this' in text
    unknown = own.run("iam", "explain", "00000000-0000-4000-8000-000000000000", check=False)
    assert unknown.returncode == 1 and "not among the last 512" in unknown.stderr
