"""IAM through unmodified clients: roles, groups, managed policies, boundaries, reports and the simulator (scenarios B12, B22,
and of B25 what policies decide)."""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys

import botocore.exceptions
import pytest

from kumoniwa import wait_until

ACCOUNT = "000000000000"
SQS_FULL = "arn:aws:iam::aws:policy/AmazonSQSFullAccess"
EC2_TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})


def refusal(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action, resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.fixture
def iam(cloud):
    return cloud.client("iam")


@pytest.fixture
def short(name):
    return name[-40:].lstrip("-")


@pytest.fixture
def user(cloud, iam, short):
    """A user without policies: its name, and how to make its clients."""
    iam.create_user(UserName=short)
    key = iam.create_access_key(UserName=short)["AccessKey"]
    return short, lambda service: cloud.client(service, key["AccessKeyId"], key["SecretAccessKey"])


def test_groups_and_managed_policies(iam, sqs, queue, user, short):
    name, of = user
    mine = of("sqs")
    assert refusal(mine.send_message, QueueUrl=queue, MessageBody="x")[0] in ("AccessDenied", "AccessDeniedException")
    iam.create_group(GroupName=short, Path="/team/")
    iam.attach_group_policy(GroupName=short, PolicyArn=SQS_FULL)
    iam.add_user_to_group(GroupName=short, UserName=name)
    mine.send_message(QueueUrl=queue, MessageBody="x")
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName=name)["Groups"]] == [short]
    assert [u["UserName"] for u in iam.get_group(GroupName=short)["Users"]] == [name]
    # An account's own policy that denies comes before all that allow.
    policy = iam.create_policy(PolicyName=short, PolicyDocument=document(deny("sqs:SendMessage")))["Policy"]
    iam.attach_user_policy(UserName=name, PolicyArn=policy["Arn"])
    assert refusal(mine.send_message, QueueUrl=queue, MessageBody="x")[1].endswith(
        "with an explicit deny in an identity-based policy")
    assert iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["AttachmentCount"] == 1
    # Its next version denies something else.
    version = iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=document(deny("sqs:PurgeQueue")),
                                        SetAsDefault=True)["PolicyVersion"]
    assert version["VersionId"] == "v2"
    mine.send_message(QueueUrl=queue, MessageBody="x")
    assert refusal(mine.purge_queue, QueueUrl=queue)[0] in ("AccessDenied", "AccessDeniedException")
    shown = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId="v2")["PolicyVersion"]["Document"]
    assert shown["Statement"][0]["Action"] == "sqs:PurgeQueue"
    assert refusal(iam.delete_policy, PolicyArn=policy["Arn"]) == (
        "DeleteConflict", "Cannot delete a policy attached to entities.")
    # A user renamed keeps its keys, groups and policies.
    iam.update_user(UserName=name, NewUserName="renamed-" + name)
    mine.send_message(QueueUrl=queue, MessageBody="x")
    arn = of("sts").get_caller_identity()["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:user/renamed-{name}"
    paginator = iam.get_paginator("list_policies")
    names = [p["PolicyName"] for page in paginator.paginate(Scope="AWS", PaginationConfig={"PageSize": 20})
             for p in page["Policies"]]
    assert len(names) == len(set(names)) >= 60 and {"AdministratorAccess", "ReadOnlyAccess"} <= set(names)


def test_a_boundary_limits_what_policies_allow(iam, queue, user, short):
    """An administrator within a boundary; and B25's way: who makes users must give them the boundary."""
    name, of = user
    arn = iam.create_policy(PolicyName=short, PolicyDocument=document(allow(["s3:*", "iam:CreateUser"])))["Policy"]["Arn"]
    iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    of("sqs").send_message(QueueUrl=queue, MessageBody="x")
    iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=arn)
    assert iam.get_user(UserName=name)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == arn
    code, message = refusal(of("sqs").send_message, QueueUrl=queue, MessageBody="x")
    assert message.endswith("because no permissions boundary allows the sqs:SendMessage action")
    of("s3").list_buckets()
    iam.detach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    assert refusal(of("s3").list_buckets)[0] == "AccessDenied"  # a boundary allows nothing by itself
    condition = {"StringEquals": {"iam:PermissionsBoundary": arn}}
    iam.put_user_policy(UserName=name, PolicyName="make",
                        PolicyDocument=document(allow("iam:CreateUser", Condition=condition)))
    assert refusal(of("iam").create_user, UserName="other-" + short)[0] == "AccessDenied"
    of("iam").create_user(UserName="other-" + short, PermissionsBoundary=arn)


def test_roles_and_instance_profiles(iam, short):
    assert refusal(iam.create_role, RoleName=short, AssumeRolePolicyDocument="{}")[0] == "MalformedPolicyDocument"
    role = iam.create_role(RoleName=short, AssumeRolePolicyDocument=EC2_TRUST, Path="/app/", MaxSessionDuration=7200,
                           Tags=[{"Key": "k", "Value": "v"}])["Role"]
    assert role["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/app/{short}"
    assert iam.get_role(RoleName=short)["Role"]["AssumeRolePolicyDocument"] == json.loads(EC2_TRUST)
    iam.get_waiter("role_exists").wait(RoleName=short)
    iam.put_role_policy(RoleName=short, PolicyName="p", PolicyDocument=document(allow("s3:*")))
    iam.attach_role_policy(RoleName=short, PolicyArn=SQS_FULL)
    iam.create_instance_profile(InstanceProfileName=short)
    iam.add_role_to_instance_profile(InstanceProfileName=short, RoleName=short)
    iam.get_waiter("instance_profile_exists").wait(InstanceProfileName=short)
    profile = iam.get_instance_profile(InstanceProfileName=short)["InstanceProfile"]
    assert [r["RoleName"] for r in profile["Roles"]] == [short]
    details = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    (mine,) = [r for r in details if r["RoleName"] == short]
    assert mine["RolePolicyList"][0]["PolicyDocument"]["Statement"][0]["Action"] == "s3:*"
    assert mine["AttachedManagedPolicies"][0]["PolicyArn"] == SQS_FULL
    assert mine["InstanceProfileList"][0]["InstanceProfileName"] == short
    assert refusal(iam.delete_role, RoleName=short)[0] == "DeleteConflict"
    iam.remove_role_from_instance_profile(InstanceProfileName=short, RoleName=short)
    iam.delete_role_policy(RoleName=short, PolicyName="p")
    iam.detach_role_policy(RoleName=short, PolicyArn=SQS_FULL)
    iam.delete_role(RoleName=short)
    assert refusal(iam.get_role, RoleName=short) == (
        "NoSuchEntity", f"The role with name {short} cannot be found.")


def test_b22_one_bucket(cloud, user, iam, short):
    """A user sees one bucket and cannot list buckets; "arn:aws:s3:::bucket/" is not the bucket."""
    name, of = user
    bucket = short.lower()[:50].strip("-")
    owner, mine = cloud.client("s3"), of("s3")
    owner.create_bucket(Bucket=bucket)
    owner.put_object(Bucket=bucket, Key="k", Body=b"x")
    grant = [allow("s3:ListBucket", f"arn:aws:s3:::{bucket}/"), allow("s3:GetObject", f"arn:aws:s3:::{bucket}/*")]
    iam.put_user_policy(UserName=name, PolicyName="b", PolicyDocument=document(*grant))
    assert mine.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    assert refusal(mine.list_objects_v2, Bucket=bucket)[0] == "AccessDenied"
    grant[0]["Resource"] = f"arn:aws:s3:::{bucket}"
    iam.put_user_policy(UserName=name, PolicyName="b", PolicyDocument=document(*grant))
    assert [o["Key"] for o in mine.list_objects_v2(Bucket=bucket)["Contents"]] == ["k"]
    assert refusal(mine.list_buckets)[0] == "AccessDenied"
    assert refusal(mine.put_object, Bucket=bucket, Key="k", Body=b"y")[0] == "AccessDenied"


def test_simulator_says_what_the_cloud_does(iam, queue, user):
    name, of = user
    arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document(
        allow("sqs:*", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}), deny("sqs:Purge*")))
    results = iam.simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=["sqs:SendMessage", "sqs:PurgeQueue", "s3:ListBucket"],
        ContextEntries=[{"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["127.0.0.1"], "ContextKeyType": "ip"}],
    )["EvaluationResults"]
    assert [r["EvalDecision"] for r in results] == ["allowed", "explicitDeny", "implicitDeny"]
    assert results[0]["MatchedStatements"][0]["SourcePolicyId"] == f"user_{name}_p"
    of("sqs").send_message(QueueUrl=queue, MessageBody="x")
    refusal(of("sqs").purge_queue, QueueUrl=queue)
    missing = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["sqs:SendMessage"])["EvaluationResults"][0]
    assert (missing["EvalDecision"], missing["MissingContextValues"]) == ("implicitDeny", ["aws:SourceIp"])
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=arn)["ContextKeyNames"] == ["aws:SourceIp"]


def test_reports_of_real_use(iam, queue, user):
    name, of = user
    iam.attach_user_policy(UserName=name, PolicyArn=SQS_FULL)
    of("sqs").send_message(QueueUrl=queue, MessageBody="x")
    key = iam.list_access_keys(UserName=name)["AccessKeyMetadata"][0]["AccessKeyId"]
    used = iam.get_access_key_last_used(AccessKeyId=key)
    assert used["UserName"] == name and used["AccessKeyLastUsed"]["ServiceName"] == "sqs"
    job = iam.generate_service_last_accessed_details(Arn=f"arn:aws:iam::{ACCOUNT}:user/{name}")["JobId"]
    (service,) = iam.get_service_last_accessed_details(JobId=job)["ServicesLastAccessed"]
    assert service["ServiceNamespace"] == "sqs" and service["LastAuthenticatedEntity"].endswith("/" + name)
    wait_until(lambda: iam.generate_credential_report()["State"] == "COMPLETE", message="no report")
    report = iam.get_credential_report()
    assert report["ReportFormat"] == "text/csv"
    rows = {row["user"]: row for row in csv.DictReader(io.StringIO(report["Content"].decode()))}
    assert "<root_account>" in rows and len(rows["<root_account>"]) == 22
    assert rows[name]["access_key_1_last_used_service"] == "sqs" and rows[name]["password_enabled"] == "false"


def test_password_and_account(own):
    iam = own.client("iam")
    iam.create_account_alias(AccountAlias="my-cloud")
    assert iam.list_account_aliases()["AccountAliases"] == ["my-cloud"]
    iam.create_user(UserName="u")
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireNumbers=True)
    assert refusal(iam.create_login_profile, UserName="u", Password="short-1") == (
        "PasswordPolicyViolation", "Password should have a minimum length of 12")
    iam.create_login_profile(UserName="u", Password="long-enough-1")
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["UsersQuota"], summary["AccessKeysPerUserQuota"]) == (1, 5000, 2)
    assert refusal(iam.delete_user, UserName="u")[0] == "DeleteConflict"
    own.kill()
    own.start()
    assert own.client("iam").get_login_profile(UserName="u")["LoginProfile"]["UserName"] == "u"


def test_b12_through_the_cli(cloud, queue, short):
    """Users, a group, a policy from a file, by hand as people do it; the caller's identity says who it is."""
    aws = str(pathlib.Path(sys.executable).parent / "aws")
    if not os.access(aws, os.X_OK):
        pytest.skip("the AWS CLI is not installed")

    def run(*arguments, environment=None, fails=False):
        done = subprocess.run([aws, "--endpoint-url", cloud.endpoint, "--output", "json", *arguments],
                              env={**cloud.client_environment(), **(environment or {})}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        assert fails == (done.returncode != 0), done.stdout + done.stderr
        return done.stderr if fails else json.loads(done.stdout or "{}")

    run("iam", "create-user", "--user-name", short)
    run("iam", "create-group", "--group-name", short)
    run("iam", "add-user-to-group", "--user-name", short, "--group-name", short)
    run("iam", "put-group-policy", "--group-name", short, "--policy-name", "send", "--policy-document",
        document(allow("sqs:SendMessage")))
    key = run("iam", "create-access-key", "--user-name", short)["AccessKey"]
    mine = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    assert run("sts", "get-caller-identity", environment=mine)["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/{short}"
    run("sqs", "send-message", "--queue-url", queue, "--message-body", "x", environment=mine)
    assert "is not authorized to perform: iam:ListUsers" in run("iam", "list-users", environment=mine, fails=True)
    details = run("iam", "get-account-authorization-details", "--filter", "Group")
    assert short in [g["GroupName"] for g in details["GroupDetailList"]]
    report = run("iam", "list-attached-group-policies", "--group-name", short)
    assert report["AttachedPolicies"] == []
