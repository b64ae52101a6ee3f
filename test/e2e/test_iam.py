"""IAM's users through an unmodified boto3: keys that sign, policies that decide."""

import json

import botocore.exceptions
import pytest

ACCOUNT = "000000000000"


def refusal(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture
def iam(cloud):
    return cloud.client("iam")


def test_users(iam, name):
    made = iam.create_user(UserName=name, Path="/team/", Tags=[{"Key": "k", "Value": "v"}])["User"]
    assert made["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/{name}"
    user = iam.get_user(UserName=name)["User"]
    assert (user["UserId"], user["Tags"]) == (made["UserId"], [{"Key": "k", "Value": "v"}])
    pages = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1})
    assert name in [u["UserName"] for page in pages for u in page["Users"]]
    assert refusal(iam.create_user, UserName=name)[0] == "EntityAlreadyExists"
    iam.delete_user(UserName=name)
    assert refusal(iam.get_user, UserName=name) == ("NoSuchEntity", f"The user with name {name} cannot be found.")


def test_lists_are_asked_for_by_their_path(cloud, iam, name):
    """Denials name the path, and policies may allow one path alone."""
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    mine = cloud.client("iam", key["AccessKeyId"], key["SecretAccessKey"])
    code, message = refusal(mine.list_users)
    assert code == "AccessDenied" and f"iam:ListUsers on resource: arn:aws:iam::{ACCOUNT}:user/ because" in message
    assert f"on resource: arn:aws:iam::{ACCOUNT}:role/x/ because" in refusal(mine.list_roles, PathPrefix="/x/")[1]
    statement = {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": f"arn:aws:iam::{ACCOUNT}:user/team/*"}
    iam.put_user_policy(UserName=name, PolicyName="p",
                        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    mine.list_users(PathPrefix="/team/")
    assert refusal(mine.list_users)[0] == "AccessDenied"


def test_a_user_may_what_its_policies_allow(cloud, iam, sqs, queue, name):
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    pair = key["AccessKeyId"], key["SecretAccessKey"]
    assert cloud.client("sts", *pair).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    mine = cloud.client("sqs", *pair)
    code, message = refusal(mine.send_message, QueueUrl=queue, MessageBody="x")
    assert code == "AccessDenied" or code == "AccessDeniedException"
    assert message.endswith("because no identity-based policy allows the sqs:SendMessage action")
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sqs:Send*", "Resource": "*"}}
    iam.put_user_policy(UserName=name, PolicyName="send", PolicyDocument=json.dumps(policy))
    assert iam.get_user_policy(UserName=name, PolicyName="send")["PolicyDocument"] == policy
    mine.send_message(QueueUrl=queue, MessageBody="x")
    refusal(mine.receive_message, QueueUrl=queue)
    assert refusal(iam.put_user_policy, UserName=name, PolicyName="p", PolicyDocument="{}") == (
        "MalformedPolicyDocument", "Syntax errors in policy.")
    iam.update_access_key(UserName=name, AccessKeyId=pair[0], Status="Inactive")
    assert refusal(mine.send_message, QueueUrl=queue, MessageBody="x")[1] == (
        "The security token included in the request is invalid.")
    iam.update_access_key(UserName=name, AccessKeyId=pair[0], Status="Active")
    mine.send_message(QueueUrl=queue, MessageBody="x")
    assert [k["Status"] for k in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]] == ["Active"]
    assert refusal(iam.delete_user, UserName=name)[0] == "DeleteConflict"
    iam.delete_access_key(UserName=name, AccessKeyId=pair[0])
    iam.delete_user_policy(UserName=name, PolicyName="send")
    iam.delete_user(UserName=name)
