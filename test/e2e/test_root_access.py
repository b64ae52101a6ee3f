"""Centralized root access: privileged sessions in member accounts (B12 beyond roles)."""

import json
import time

import pytest
from botocore.exceptions import ClientError

from accounts import new_account
from kumoniwa import wait_until

MASTER = "100000000001"
TASK = "arn:aws:iam::aws:policy/root-task/"


def refused(code, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    return error["Message"]


@pytest.fixture
def member(own):
    """An organization with one member; own.admin makes clients of an administrator of the management account."""
    org = own.client("organizations", key=MASTER)
    org.create_organization()
    iam = own.client("iam", key=MASTER)
    iam.create_user(UserName="admin")
    iam.attach_user_policy(UserName="admin", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="admin")["AccessKey"]
    own.admin = lambda service: own.client(service, key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    return new_account(org, "member")["AccountId"]


@pytest.fixture
def enabled(own, member):
    own.client("organizations", key=MASTER).enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    iam = own.admin("iam")
    iam.enable_organizations_root_credentials_management()
    iam.enable_organizations_root_sessions()
    return member


def inside(own, account, task, service, **more):
    made = own.admin("sts").assume_root(TargetPrincipal=account, TaskPolicyArn={"arn": TASK + task}, **more)
    session = made["Credentials"]
    return own.client(service, key=session["AccessKeyId"], secret=session["SecretAccessKey"],
                      token=session["SessionToken"])  # fmt: skip


def test_features_are_turned_on_and_off(own, member):
    iam = own.admin("iam")
    alone = own.client("iam", key="900000000009")
    refused("OrganizationNotFoundException", alone.list_organizations_features)
    refused("ServiceAccessNotEnabledException", iam.list_organizations_features)
    refused("ServiceAccessNotEnabledException", iam.enable_organizations_root_sessions)
    own.client("organizations", key=MASTER).enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    refused("AccountNotManagementOrDelegatedAdministratorException",
            own.client("iam", key=member).list_organizations_features)  # fmt: skip
    assert iam.list_organizations_features()["EnabledFeatures"] == []
    shown = iam.enable_organizations_root_credentials_management()
    assert shown["EnabledFeatures"] == ["RootCredentialsManagement"] and shown["OrganizationId"].startswith("o-")
    shown = iam.enable_organizations_root_sessions()
    assert shown["EnabledFeatures"] == ["RootCredentialsManagement", "RootSessions"]
    own.client("organizations", key=MASTER).register_delegated_administrator(
        AccountId=member, ServicePrincipal="iam.amazonaws.com")  # fmt: skip
    delegate = own.client("iam", key=member)
    assert len(delegate.list_organizations_features()["EnabledFeatures"]) == 2
    refused("CallerIsNotManagementAccountException", delegate.enable_organizations_root_sessions)
    assert delegate.disable_organizations_root_credentials_management()["EnabledFeatures"] == ["RootSessions"]
    assert iam.disable_organizations_root_sessions()["EnabledFeatures"] == []


def test_who_may_assume_root(own, member):
    sts = own.admin("sts")
    ask = {"TargetPrincipal": member, "TaskPolicyArn": {"arn": TASK + "S3UnlockBucketPolicy"}}
    denied = f"User: arn:aws:iam::{MASTER}:user/admin is not authorized to perform: sts:AssumeRoot on resource: "
    assert refused("AccessDenied", sts.assume_root, **ask) == denied + f"arn:aws:iam::{member}:root"
    own.client("organizations", key=MASTER).enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    own.admin("iam").enable_organizations_root_sessions()
    made = sts.assume_root(**ask)["Credentials"]
    left = made["Expiration"].timestamp() - time.time()
    assert 880 < left <= 900
    who = own.client("sts", key=made["AccessKeyId"], secret=made["SecretAccessKey"], token=made["SessionToken"])
    assert who.get_caller_identity()["Arn"] == f"arn:aws:iam::{member}:root"
    # The other feature is not on.
    refused("AccessDenied", sts.assume_root, TargetPrincipal=member,
            TaskPolicyArn={"arn": TASK + "IAMAuditRootUserCredentials"})  # fmt: skip
    refused("ValidationError", sts.assume_root, TargetPrincipal=member, TaskPolicyArn={"arn": TASK + "Anything"})
    refused("ValidationError", sts.assume_root, TargetPrincipal=member,
            TaskPolicyArn={"arn": "arn:aws:iam::aws:policy/AdministratorAccess"})  # fmt: skip
    refused("ValidationError", sts.assume_root, DurationSeconds=901, **ask)
    for target in (MASTER, "999999999999"):
        refused("AccessDenied", sts.assume_root, TargetPrincipal=target, TaskPolicyArn=ask["TaskPolicyArn"])
    # Neither members nor who lacks the permission, which may name the task.
    refused("AccessDenied", own.client("sts", key=member).assume_root, **ask)
    iam = own.admin("iam")
    iam.create_user(UserName="limited")
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": "*",
                 "Condition": {"ArnEquals": {"sts:TaskPolicyArn": TASK + "SQSUnlockQueuePolicy"}}}  # fmt: skip
    iam.put_user_policy(UserName="limited", PolicyName="p",
                        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))  # fmt: skip
    key = iam.create_access_key(UserName="limited")["AccessKey"]
    limited = own.client("sts", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert "because no identity-based policy allows" in refused("AccessDenied", limited.assume_root, **ask)
    arn = f"arn:aws:iam::{member}:root"
    limited.assume_root(TargetPrincipal=arn, TaskPolicyArn={"arn": TASK + "SQSUnlockQueuePolicy"}, DurationSeconds=60)


DENY = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]}


def test_a_bucket_is_unlocked(own, enabled):
    s3 = own.client("s3", key=enabled)
    s3.create_bucket(Bucket="locked-bucket")
    policy = json.dumps(DENY | {"Statement": [{**DENY["Statement"][0], "Action": "s3:*",
        "Resource": ["arn:aws:s3:::locked-bucket", "arn:aws:s3:::locked-bucket/*"]}]})  # fmt: skip
    s3.put_bucket_policy(Bucket="locked-bucket", Policy=policy)
    refused("AccessDenied", s3.list_objects_v2, Bucket="locked-bucket")
    root = inside(own, enabled, "S3UnlockBucketPolicy", "s3")
    assert [b["Name"] for b in root.list_buckets()["Buckets"]] == ["locked-bucket"]
    refused("AccessDenied", root.list_objects_v2, Bucket="locked-bucket")
    refused("AccessDenied", root.create_bucket, Bucket="one-more-bucket")
    other = inside(own, enabled, "IAMAuditRootUserCredentials", "s3")
    refused("AccessDenied", other.delete_bucket_policy, Bucket="locked-bucket")
    assert json.loads(root.get_bucket_policy(Bucket="locked-bucket")["Policy"])["Statement"]
    root.delete_bucket_policy(Bucket="locked-bucket")
    s3.list_objects_v2(Bucket="locked-bucket")
    trail = own.client("cloudtrail", key=enabled)

    def allowed():
        time.sleep(0.6)  # two questions a second are answered
        found = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DeleteBucketPolicy"}])["Events"]
        events = [json.loads(event["CloudTrailEvent"]) for event in found]
        return [event for event in events if "errorCode" not in event]

    context = wait_until(allowed, message="no event came")[0]["userIdentity"]["sessionContext"]
    assert context["assumedRoot"] == "true" and "sessionIssuer" not in context


def test_a_queue_is_unlocked(own, enabled):
    sqs = own.client("sqs", key=enabled)
    url = sqs.create_queue(QueueName="locked")["QueueUrl"]
    arn = f"arn:aws:sqs:us-east-1:{enabled}:locked"
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sqs:*",
                                                      "Resource": arn}]}  # fmt: skip
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    refused("AccessDenied", sqs.send_message, QueueUrl=url, MessageBody="x")
    root = inside(own, enabled, "SQSUnlockQueuePolicy", "sqs")
    assert root.list_queues()["QueueUrls"] == [url]
    assert "Policy" in root.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    refused("AccessDenied", root.send_message, QueueUrl=url, MessageBody="x")
    other = inside(own, enabled, "S3UnlockBucketPolicy", "sqs")
    refused("AccessDenied", other.set_queue_attributes, QueueUrl=url, Attributes={"Policy": ""})
    root.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    sqs.send_message(QueueUrl=url, MessageBody="x")


def test_credentials_of_root_are_audited_made_and_removed(own, enabled):
    root = own.client("iam", key=enabled)
    key = root.create_access_key()["AccessKey"]["AccessKeyId"]
    root.create_user(UserName="u")
    audit = inside(own, enabled, "IAMAuditRootUserCredentials", "iam")
    assert [k["AccessKeyId"] for k in audit.list_access_keys()["AccessKeyMetadata"]] == [key]
    assert audit.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
    assert audit.get_user()["User"]["Arn"] == f"arn:aws:iam::{enabled}:root"
    audit.get_access_key_last_used(AccessKeyId=key)
    assert audit.list_mfa_devices()["MFADevices"] == [] and audit.list_signing_certificates()["Certificates"] == []
    refused("NoSuchEntity", audit.get_login_profile)
    refused("AccessDenied", audit.list_access_keys, UserName="u")
    refused("AccessDenied", audit.delete_access_key, AccessKeyId=key)
    refused("AccessDenied", audit.list_users)
    recover = inside(own, enabled, "IAMCreateRootUserPassword", "iam")
    recover.create_login_profile()
    refused("EntityAlreadyExists", recover.create_login_profile)
    refused("AccessDenied", recover.create_login_profile, UserName="u", Password="Aa1!aaaaaaaa")
    assert audit.get_account_summary()["SummaryMap"]["AccountPasswordPresent"] == 1
    remove = inside(own, enabled, "IAMDeleteRootUserCredentials", "iam")
    remove.delete_login_profile()
    remove.delete_access_key(AccessKeyId=key)
    refused("AccessDenied", remove.delete_user, UserName="u")
    summary = audit.get_account_summary()["SummaryMap"]
    assert (summary["AccountPasswordPresent"], summary["AccountAccessKeysPresent"]) == (0, 0)


def test_a_service_control_policy_binds_root_sessions(own, enabled):
    org = own.client("organizations", key=MASTER)
    place = org.list_roots()["Roots"][0]["Id"]
    org.enable_policy_type(RootId=place, PolicyType="SERVICE_CONTROL_POLICY")
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:ListAccessKeys", "Resource": "*"}]}
    made = org.create_policy(Name="p", Description="", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(deny))
    org.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=enabled)
    audit = inside(own, enabled, "IAMAuditRootUserCredentials", "iam")
    assert "service control policy" in refused("AccessDenied", audit.list_access_keys)


def test_the_task_policies_are_for_nobody_else(own, member):
    iam = own.admin("iam")
    refused("PolicyNotAttachable", iam.attach_user_policy, UserName="admin", PolicyArn=TASK + "S3UnlockBucketPolicy")
    assert iam.get_policy(PolicyArn=TASK + "SQSUnlockQueuePolicy")["Policy"]["Path"] == "/root-task/"
