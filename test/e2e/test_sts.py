"""STS through unmodified clients: boto3's sessions, the AWS CLI's profiles, MFA codes, web identities."""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import pty
import re
import select
import shutil
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import botocore.exceptions
import pytest

ACCOUNT = "000000000000"
AWS = str(pathlib.Path(sys.executable).parent / "aws")


def refusal(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def statement(action, resource=None, effect="Allow", **more):
    made = {"Effect": effect, "Action": action, **more}
    if resource is not None:
        made["Resource"] = resource
    return {"Version": "2012-10-17", "Statement": [made]}


def trust(principal, action="sts:AssumeRole", **more):
    return json.dumps(statement(action, Principal=principal, **more))


@pytest.fixture
def iam(cloud):
    return cloud.client("iam")


@pytest.fixture
def user(cloud, iam, name):
    """A user's name and key, allowed to assume roles."""
    return make_user(iam, name, statement(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], "*"))


def make_user(iam, name, policy=None):
    name = name[-60:]
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return name, (key["AccessKeyId"], key["SecretAccessKey"])


def make_role(iam, name, document, policy=None, **more):
    name = ("r-" + name)[-60:]
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)["Role"]["Arn"]
    if policy:
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
    return arn


def of(credentials):
    return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]


def arn_of(user_name):
    return f"arn:aws:iam::{ACCOUNT}:user/{user_name}"


# --- roles ---


def test_a_role_is_assumed(cloud, iam, user, queue, name):
    role = make_role(iam, name, trust({"AWS": arn_of(user[0])}), statement("sqs:SendMessage", "*"), Path="/team/")
    sts = cloud.client("sts", *user[1])
    made = sts.assume_role(RoleArn=role, RoleSessionName="work", DurationSeconds=900)
    assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.split('/')[-1]}/work"
    assert re.fullmatch(r"AROA[A-Z2-7]{17}:work", made["AssumedRoleUser"]["AssumedRoleId"])
    assert made["Credentials"]["AccessKeyId"].startswith("ASIA") and len(made["Credentials"]["AccessKeyId"]) == 20
    assert "PackedPolicySize" not in made
    mine = of(made["Credentials"])
    who = cloud.client("sts", *mine).get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (made["AssumedRoleUser"]["Arn"], made["AssumedRoleUser"]["AssumedRoleId"])
    sqs = cloud.client("sqs", *mine)
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    code, message = refusal(sqs.purge_queue, QueueUrl=queue)
    assert message == (f"User: {who['Arn']} is not authorized to perform: sqs:PurgeQueue on resource: "
                       f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue.split('/')[-1]} because no identity-based policy "
                       "allows the sqs:PurgeQueue action")
    assert cloud.client("sts").get_access_key_info(AccessKeyId=mine[0])["Account"] == ACCOUNT
    iam.put_role_policy(RoleName=role.split("/")[-1], PolicyName="more",
                        PolicyDocument=json.dumps(statement("sqs:PurgeQueue", "*")))
    sqs.purge_queue(QueueUrl=queue)
    # What a session may ends with its role.
    for policy in ("own", "more"):
        iam.delete_role_policy(RoleName=role.split("/")[-1], PolicyName=policy)
    iam.delete_role(RoleName=role.split("/")[-1])
    assert refusal(sqs.send_message, QueueUrl=queue, MessageBody="x")[0] in (
        "InvalidClientTokenId", "UnrecognizedClientException")


def test_who_may_not_assume(cloud, iam, user, name):
    role = make_role(iam, name, trust({"Service": "lambda.amazonaws.com"}))
    denied = (f"User: {arn_of(user[0])} is not authorized to perform: sts:AssumeRole on resource: {{}}")
    sts = cloud.client("sts", *user[1])
    assert refusal(sts.assume_role, RoleArn=role, RoleSessionName="ss") == ("AccessDenied", denied.format(role))
    other = f"arn:aws:iam::{ACCOUNT}:role/nobody-knows"
    assert refusal(sts.assume_role, RoleArn=other, RoleSessionName="ss") == ("AccessDenied", denied.format(other))
    assert refusal(sts.assume_role, RoleArn="arn:aws:s3:::bucket/that/is/none", RoleSessionName="ss") == (
        "ValidationError", "arn:aws:s3:::bucket/that/is/none is invalid")
    root = cloud.client("sts", *cloud.issue(ACCOUNT))
    assert refusal(root.assume_role, RoleArn=role, RoleSessionName="ss") == (
        "AccessDenied", "Roles may not be assumed by root accounts.")
    # The role trusts the account: then the user's own policy decides.
    poor = make_user(iam, "p" + name)
    open_role = make_role(iam, "o" + name, trust({"AWS": ACCOUNT}))
    assert refusal(cloud.client("sts", *poor[1]).assume_role, RoleArn=open_role, RoleSessionName="ss") == (
        "AccessDenied", f"User: {arn_of(poor[0])} is not authorized to perform: sts:AssumeRole on resource: {open_role} "
        "because no identity-based policy allows the sts:AssumeRole action")
    sts.assume_role(RoleArn=open_role, RoleSessionName="ss")


def test_conditions_of_the_trust(cloud, iam, user, name):
    conditions = {"StringEquals": {"sts:ExternalId": "secret-1", "sts:RoleSessionName": "${aws:username}",
                                   "aws:RequestTag/team": "blue"},
                  "ForAllValues:StringEquals": {"aws:TagKeys": ["team"], "sts:TransitiveTagKeys": ["team"]}}
    both = ["sts:AssumeRole", "sts:TagSession"]
    role = make_role(iam, name, trust({"AWS": ACCOUNT}, both, Condition=conditions))
    sts = cloud.client("sts", *user[1])
    good = {"RoleArn": role, "RoleSessionName": user[0], "ExternalId": "secret-1",
            "Tags": [{"Key": "team", "Value": "blue"}], "TransitiveTagKeys": ["team"]}
    made = sts.assume_role(**good)
    assert 0 < made["PackedPolicySize"] <= 5
    for change in ({"ExternalId": "other"}, {"RoleSessionName": "other"}, {"Tags": [{"Key": "team", "Value": "red"}]},
                   {"Tags": [{"Key": "team", "Value": "blue"}, {"Key": "more", "Value": "x"}]}):
        assert refusal(sts.assume_role, **{**good, **change})[0] == "AccessDenied", change
    assert refusal(sts.assume_role, **{**good, "TransitiveTagKeys": ["other"]})[1] == (
        "The specified transitive tag key must be included in the requested tags.")
    assert refusal(sts.assume_role, **{**good, "Tags": [{"Key": "team", "Value": "1"}, {"Key": "Team", "Value": "2"}]})[1] == (
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.")


def test_tags_and_source_identity_go_along(cloud, iam, user, queue, name):
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    first = make_role(iam, name, trust({"AWS": ACCOUNT}, actions), statement(actions, "*"),
                      Tags=[{"Key": "team", "Value": "of the role"}, {"Key": "floor", "Value": "2"}])
    allowed = statement("sqs:*", "*", Condition={"StringEquals": {
        "aws:PrincipalTag/team": "blue", "aws:SourceIdentity": "alice", "aws:PrincipalArn": "${aws:PrincipalArn}"}})
    second = make_role(iam, "s" + name, trust({"AWS": first}, actions), allowed)
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "left", "Value": "behind"}]
    one = cloud.client("sts", *user[1]).assume_role(
        RoleArn=first, RoleSessionName="one", Tags=tags, TransitiveTagKeys=["team"], SourceIdentity="alice")
    assert one["SourceIdentity"] == "alice"
    chain = cloud.client("sts", *of(one["Credentials"]))
    two = chain.assume_role(RoleArn=second, RoleSessionName="two")
    assert two["SourceIdentity"] == "alice"
    cloud.client("sqs", *of(two["Credentials"])).send_message(QueueUrl=queue, MessageBody="x")
    assert refusal(chain.assume_role, RoleArn=second, RoleSessionName="two", SourceIdentity="bob")[0] == "AccessDenied"
    assert refusal(chain.assume_role, RoleArn=second, RoleSessionName="two",
                   Tags=[{"Key": "team", "Value": "red"}])[0] == "InvalidParameterValue"
    assert refusal(chain.assume_role, RoleArn=second, RoleSessionName="two", DurationSeconds=3601) == (
        "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")


def test_durations(cloud, iam, user, name):
    role = make_role(iam, name, trust({"AWS": ACCOUNT}), MaxSessionDuration=7200)
    sts = cloud.client("sts", *user[1])
    made = sts.assume_role(RoleArn=role, RoleSessionName="ss", DurationSeconds=7200)
    assert abs(made["Credentials"]["Expiration"].timestamp() - time.time() - 7200) < 60
    assert refusal(sts.assume_role, RoleArn=role, RoleSessionName="ss", DurationSeconds=7201) == (
        "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


def test_session_policies(cloud, iam, user, queue, name):
    role = make_role(iam, name, trust({"AWS": ACCOUNT}), statement("sqs:*", "*"))
    own = iam.create_policy(PolicyName=("p" + name)[-60:],
                            PolicyDocument=json.dumps(statement("sqs:SendMessage", "*")))["Policy"]["Arn"]
    sts = cloud.client("sts", *user[1])
    for parts in ({"Policy": json.dumps(statement("sqs:SendMessage", "*"))}, {"PolicyArns": [{"arn": own}]}):
        made = sts.assume_role(RoleArn=role, RoleSessionName="ss", **parts)
        assert made["PackedPolicySize"] > 0
        sqs = cloud.client("sqs", *of(made["Credentials"]))
        sqs.send_message(QueueUrl=queue, MessageBody="x")
        assert refusal(sqs.purge_queue, QueueUrl=queue)[1].endswith(
            "because no session policy allows the sqs:PurgeQueue action")
    assert refusal(sts.assume_role, RoleArn=role, RoleSessionName="ss", Policy="{}")[0] == "MalformedPolicyDocument"
    assert refusal(sts.assume_role, RoleArn=role, RoleSessionName="ss", PolicyArns=[{"arn": own + "x"}])[0] == "ValidationError"
    tags = [{"Key": os.urandom(50).hex(), "Value": os.urandom(100).hex()} for _ in range(50)]
    code, message = refusal(sts.assume_role, RoleArn=role, RoleSessionName="ss", Tags=tags)
    assert code == "PackedPolicyTooLarge"
    assert re.fullmatch(r"Packed size of session tags consumes \d+% of allotted space\.", message)


def test_other_accounts(cloud, name):
    other = "111122223333"
    theirs, mine = cloud.client("iam", key=other), cloud.client("iam")
    user = make_user(mine, name)
    role = make_role(theirs, name, trust({"AWS": arn_of(user[0])}), statement("sqs:*", "*"))
    sts = cloud.client("sts", *user[1])
    assert refusal(sts.assume_role, RoleArn=role, RoleSessionName="ss")[0] == "AccessDenied"
    mine.put_user_policy(UserName=user[0], PolicyName="own", PolicyDocument=json.dumps(statement("sts:AssumeRole", role)))
    made = sts.assume_role(RoleArn=role, RoleSessionName="ss")
    there = of(made["Credentials"])
    assert cloud.client("sts", *there).get_caller_identity()["Account"] == other
    assert f"/{other}/" in cloud.client("sqs", *there).create_queue(QueueName=name)["QueueUrl"]


# --- tokens ---


def test_tokens_that_are_not_good(own):
    iam = own.client("iam")
    user = make_user(iam, "alice", statement("*", "*"))
    session = of(own.client("sts", *user[1]).get_session_token(DurationSeconds=900)["Credentials"])
    own.client("sqs", *session).list_queues()
    other = of(own.client("sts", *user[1]).get_session_token()["Credentials"])
    half = session[2][:len(session[2]) // 8 * 4]
    bent = session[2][:100] + ("A" if session[2][100] != "A" else "B") + session[2][101:]
    for token in (None, "nonsense", half, bent, other[2], session[2] + "AAAA"):
        pair = session[:2]
        assert refusal(own.client("sts", *pair, token=token).get_caller_identity) == (
            "InvalidClientTokenId", "The security token included in the request is invalid.")
        assert refusal(own.client("dynamodb", *pair, token=token).list_tables)[0] == "UnrecognizedClientException"
        code = refusal(own.client("s3", *pair, token=token).list_buckets)[0]
        assert code == ("InvalidAccessKeyId" if token is None else "InvalidToken")
    assert refusal(own.client("sts", session[0], other[1], token=session[2]).get_caller_identity)[0] == "SignatureDoesNotMatch"
    assert refusal(own.client("sts", *user[1], token=session[2]).get_caller_identity)[0] == "InvalidClientTokenId"
    # They outlive the process, and not their time.
    own.restart()
    own.client("sqs", *session).list_queues()
    own.run("clock", "advance", "15m")
    assert refusal(own.client("sts", *session).get_caller_identity) == (
        "ExpiredToken", "The security token included in the request is expired")
    assert refusal(own.client("dynamodb", *session).list_tables) == (
        "ExpiredTokenException", "The security token included in the request is expired")
    assert refusal(own.client("s3", *session).list_buckets) == ("ExpiredToken", "The provided token has expired.")
    own.client("sqs", *other).list_queues()
    iam.delete_access_key(UserName="alice", AccessKeyId=user[1][0])
    iam.delete_user_policy(UserName="alice", PolicyName="own")
    iam.delete_user(UserName="alice")
    assert refusal(own.client("sts", *other).get_caller_identity)[0] == "InvalidClientTokenId"


def test_what_session_tokens_do_not_open(cloud, iam, name):
    user = make_user(iam, name, statement("*", "*"))
    sts = cloud.client("sts", *user[1])
    session = of(sts.get_session_token()["Credentials"])
    who = cloud.client("sts", *session)
    assert who.get_caller_identity()["Arn"] == arn_of(user[0])
    assert refusal(who.get_session_token) == ("AccessDenied", "Cannot call GetSessionToken with session credentials")
    assert refusal(who.get_federation_token, Name="bob") == (
        "AccessDenied", "Cannot call GetFederationToken with session credentials")
    assert refusal(cloud.client("iam", *session).list_users)[0] == "InvalidClientTokenId"
    role = make_role(iam, name, trust({"AWS": ACCOUNT}))
    who.assume_role(RoleArn=role, RoleSessionName="ss")
    root = of(cloud.client("sts", *cloud.issue()).get_session_token(DurationSeconds=129600)["Credentials"])
    assert cloud.client("sts", *root).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_federation(cloud, iam, queue, name):
    user = make_user(iam, name, statement(["sts:GetFederationToken", "sts:TagSession", "sqs:SendMessage"], "*"))
    sts = cloud.client("sts", *user[1])
    made = sts.get_federation_token(Name="bob", Policy=json.dumps(statement("sqs:*", "*")),
                                    Tags=[{"Key": "team", "Value": "blue"}])
    assert made["FederatedUser"] == {"FederatedUserId": f"{ACCOUNT}:bob",
                                     "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob"}
    assert made["PackedPolicySize"] > 0
    sqs = cloud.client("sqs", *of(made["Credentials"]))
    sqs.send_message(QueueUrl=queue, MessageBody="x")  # allowed by both
    assert "because no identity-based policy allows" in refusal(sqs.purge_queue, QueueUrl=queue)[1]
    none = of(sts.get_federation_token(Name="eve")["Credentials"])
    assert "because no session policy allows" in refusal(
        cloud.client("sqs", *none).send_message, QueueUrl=queue, MessageBody="x")[1]
    assert refusal(cloud.client("iam", *none).list_users)[0] == "InvalidClientTokenId"
    assert refusal(cloud.client("sts", *none).get_session_token)[0] == "AccessDenied"
    poor = make_user(iam, "p" + name)
    assert refusal(cloud.client("sts", *poor[1]).get_federation_token, Name="bob")[1] == (
        f"User: {arn_of(poor[0])} is not authorized to perform: sts:GetFederationToken on resource: "
        f"arn:aws:sts::{ACCOUNT}:federated-user/bob because no identity-based policy allows the "
        "sts:GetFederationToken action")


def test_size_of_tokens(cloud, name):
    sts = cloud.client("sts")
    made = sts.get_session_token(MinimumSessionTokenSize=4000)
    assert len(made["Credentials"]["SessionToken"]) >= 4000
    assert made["SessionTokenSize"] == len(made["Credentials"]["SessionToken"])
    assert cloud.client("sts", *of(made["Credentials"])).get_caller_identity()["Account"] == ACCOUNT


def test_messages_to_decode(cloud):
    assert refusal(cloud.client("sts").decode_authorization_message, EncodedMessage="nonsense")[0] == (
        "InvalidAuthorizationMessageException")


def test_every_table_is_asked_about(cloud, iam, name):
    """Operations that name several resources need all of them, and no more."""
    tables = [f"{name[-40:]}-{letter}" for letter in "ab"]
    dynamodb = cloud.client("dynamodb")
    for table in tables:
        dynamodb.create_table(TableName=table, BillingMode="PAY_PER_REQUEST",
                              AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
                              KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}])
    arns = [f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}" for table in tables]
    user = make_user(iam, name, statement("dynamodb:*", arns[0]))
    mine = cloud.client("dynamodb", *user[1])
    key = {"k": {"S": "1"}}
    mine.batch_get_item(RequestItems={tables[0]: {"Keys": [key]}})
    mine.batch_get_item(RequestItems={arns[0]: {"Keys": [key]}})
    mine.batch_write_item(RequestItems={tables[0]: [{"PutRequest": {"Item": key}}]})
    mine.transact_write_items(TransactItems=[{"Put": {"TableName": tables[0], "Item": key}}])
    mine.transact_get_items(TransactItems=[{"Get": {"TableName": tables[0], "Key": key}}])
    denied = f"User: {arn_of(user[0])} is not authorized to perform: {{}} on resource: {arns[1]} because"
    for operation, action, request in (
        (mine.batch_get_item, "dynamodb:BatchGetItem",
         {"RequestItems": {table: {"Keys": [key]} for table in tables}}),
        (mine.batch_write_item, "dynamodb:BatchWriteItem",
         {"RequestItems": {table: [{"PutRequest": {"Item": key}}] for table in tables}}),
        (mine.transact_write_items, "dynamodb:DeleteItem",
         {"TransactItems": [{"Put": {"TableName": tables[0], "Item": key}}, {"Delete": {"TableName": tables[1], "Key": key}}]}),
        (mine.transact_get_items, "dynamodb:GetItem",
         {"TransactItems": [{"Get": {"TableName": table, "Key": key}} for table in tables]}),
    ):
        code, message = refusal(operation, **request)
        assert code == "AccessDeniedException" and message.startswith(denied.format(action)), message


def test_when_keys_and_roles_were_used(cloud, iam, user, name):
    role = make_role(iam, name, trust({"AWS": ACCOUNT}), statement("sqs:*", "*"))
    made = cloud.client("sts", *user[1]).assume_role(RoleArn=role, RoleSessionName="ss")
    used = iam.get_access_key_last_used(AccessKeyId=user[1][0])
    assert (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"], used["AccessKeyLastUsed"]["Region"]) == (
        user[0], "sts", "us-east-1")
    cloud.client("sqs", *of(made["Credentials"]), region="eu-west-1").list_queues()
    assert iam.get_role(RoleName=role.split("/")[-1])["Role"]["RoleLastUsed"]["Region"] == "eu-west-1"


def test_sessions_with_s3(cloud, iam, user, name):
    """Headers, and URLs that carry the token."""
    bucket = "b-" + "".join(c if c.isalnum() else "-" for c in name.lower())[-50:]
    role = make_role(iam, name, trust({"AWS": ACCOUNT}), statement("s3:*", "*"))
    made = cloud.client("sts", *user[1]).assume_role(RoleArn=role, RoleSessionName="ss")
    for version in ("s3v4", "s3"):
        s3 = cloud.client("s3", *of(made["Credentials"]), signature_version=version, s3={"addressing_style": "path"})
        if version == "s3v4":
            s3.create_bucket(Bucket=bucket)
            s3.put_object(Bucket=bucket, Key="k", Body=b"hello")
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(url).read() == b"hello"
        with pytest.raises(urllib.error.HTTPError) as caught:
            opener.open(re.sub("(?i)(security-token=)", r"\1A", url))
        assert b"<Code>InvalidToken</Code>" in caught.value.read()


# --- MFA ---


def code_at(seed, seconds):
    """RFC 6238."""
    key = base64.b32decode(seed)
    mac = hmac.new(key, struct.pack(">Q", int(seconds) // 30), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"


def make_device(iam, user_name, name):
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName=name[-60:])["VirtualMFADevice"]
    seed = made["Base32StringSeed"]
    assert made["QRCodePNG"].startswith(b"\x89PNG\r\n\x1a\n")
    now = time.time()
    iam.enable_mfa_device(UserName=user_name, SerialNumber=made["SerialNumber"],
                          AuthenticationCode1=code_at(seed, now - 60), AuthenticationCode2=code_at(seed, now - 30))
    return made["SerialNumber"], seed


def test_mfa(cloud, iam, user, queue, name):
    serial, seed = make_device(iam, user[0], name)
    assert serial == f"arn:aws:iam::{ACCOUNT}:mfa/{name[-60:]}"
    assert [d["SerialNumber"] for d in iam.list_mfa_devices(UserName=user[0])["MFADevices"]] == [serial]
    assert iam.get_mfa_device(SerialNumber=serial)["UserName"] == user[0]
    needs = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "600"}}
    iam.put_user_policy(UserName=user[0], PolicyName="mfa",
                        PolicyDocument=json.dumps(statement("sqs:*", "*", Condition=needs)))
    role = make_role(iam, name, trust({"AWS": ACCOUNT}, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    sts = cloud.client("sts", *user[1])
    assert refusal(sts.assume_role, RoleArn=role, RoleSessionName="ss")[0] == "AccessDenied"
    assert refusal(sts.assume_role, RoleArn=role, RoleSessionName="ss", SerialNumber=serial, TokenCode="000000") == (
        "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ")
    assert refusal(sts.get_session_token, SerialNumber=serial + "x", TokenCode="000000") == (
        "AccessDenied", "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial "
        "number is valid and associated with this user.")
    assert refusal(sts.get_session_token, SerialNumber=serial)[1] == (
        "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.")
    now = time.time()
    sts.assume_role(RoleArn=role, RoleSessionName="ss", SerialNumber=serial, TokenCode=code_at(seed, now))
    # A code serves once; the next one serves, too.
    assert refusal(sts.get_session_token, SerialNumber=serial, TokenCode=code_at(seed, now))[0] == "AccessDenied"
    made = sts.get_session_token(SerialNumber=serial, TokenCode=code_at(seed, now + 30))
    cloud.client("sqs", *of(made["Credentials"])).send_message(QueueUrl=queue, MessageBody="x")
    plain = sts.get_session_token()
    for without in (user[1], of(plain["Credentials"])):
        assert refusal(cloud.client("sqs", *without).send_message, QueueUrl=queue, MessageBody="x")[1].endswith(
            "because no identity-based policy allows the sqs:SendMessage action")
    iam.deactivate_mfa_device(UserName=user[0], SerialNumber=serial)
    iam.delete_virtual_mfa_device(SerialNumber=serial)


# --- the AWS CLI's profiles ---


def at_terminal(command, environment, prompt, typed):
    """What a command prints that asks at its terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, environment)
    text, patience = "", 0.3
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while True:
            # What is typed before it listens is thrown away: nothing more is said, and it is typed again.
            if select.select([terminal], [], [], patience if prompt in text else None)[0]:
                chunk = os.read(terminal, 4096)
                if not chunk:
                    break
                text += chunk.decode()
            else:
                os.write(terminal, typed.encode() + b"\n")
                patience = 20
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, text
    return text


def test_profiles_of_the_cli(cloud, iam, user, name, tmp_path):
    """Scenario B3, B24: a role by source_profile, one with MFA whose code is typed in, and a chain of two."""
    serial, seed = make_device(iam, user[0], name)
    first = make_role(iam, name, trust({"AWS": ACCOUNT}), statement(["sts:AssumeRole", "sqs:ListQueues"], "*"))
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    careful = make_role(iam, "m" + name, trust({"AWS": ACCOUNT}, Condition=mfa), statement("sqs:*", "*"))
    second = make_role(iam, "s" + name, trust({"AWS": first}), statement("sqs:*", "*"))
    config = tmp_path / "config"
    config.write_text(
        f"[profile base]\naws_access_key_id={user[1][0]}\naws_secret_access_key={user[1][1]}\n"
        f"[profile role]\nrole_arn={first}\nsource_profile=base\nrole_session_name=cli\nduration_seconds=900\n"
        f"[profile chain]\nrole_arn={second}\nsource_profile=role\nrole_session_name=two\n"
        f"[profile careful]\nrole_arn={careful}\nsource_profile=base\nmfa_serial={serial}\n")
    environment = {k: v for k, v in cloud.client_environment(AWS_CONFIG_FILE=str(config)).items()
                   if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}

    def aws(profile, *arguments, typed=None):
        command = [AWS, "--profile", profile, "--output", "json", *arguments]
        if typed is None:
            done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=120, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            text = done.stdout
        else:
            text = at_terminal(command, environment, "Enter MFA code", typed)
        return json.JSONDecoder().raw_decode(text[text.index("{"):])[0]

    assert aws("role", "sts", "get-caller-identity")["Arn"].endswith(f":assumed-role/{first.split('/')[-1]}/cli")
    assert aws("chain", "sts", "get-caller-identity")["Arn"].endswith(f":assumed-role/{second.split('/')[-1]}/two")
    arn = aws("careful", "sts", "get-caller-identity", typed=code_at(seed, time.time()))["Arn"]
    assert f":assumed-role/{careful.split('/')[-1]}/botocore-session-" in arn


def test_many_accounts(own):
    """Scenario B24: one user, with MFA, in twenty accounts; production's policy is narrower; what is not trusted stays shut."""
    iam = own.client("iam")
    user = make_user(iam, "admin", statement("sts:AssumeRole", "arn:aws:iam::*:role/Deploy"))
    serial, seed = make_device(iam, user[0], "phone")
    accounts = [f"{number:012d}" for number in range(100000000001, 100000000021)]
    fresh = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "600"}}
    for index, account in enumerate(accounts):
        production = index % 2 == 0
        theirs = own.client("iam", key=account)
        theirs.create_role(RoleName="Deploy", AssumeRolePolicyDocument=trust(
            {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, Condition=fresh))
        theirs.put_role_policy(RoleName="Deploy", PolicyName="own", PolicyDocument=json.dumps(
            statement("sqs:ListQueues" if production else "sqs:*", "*")))
        theirs.create_role(RoleName="Other", AssumeRolePolicyDocument=trust({"AWS": account}))
    session = of(own.client("sts", *user[1]).get_session_token(
        SerialNumber=serial, TokenCode=code_at(seed, time.time()))["Credentials"])
    sts, plain = own.client("sts", *session), own.client("sts", *user[1])
    for index, account in enumerate(accounts):
        arn = f"arn:aws:iam::{account}:role/Deploy"
        assert refusal(plain.assume_role, RoleArn=arn, RoleSessionName="admin")[0] == "AccessDenied"
        mine = of(sts.assume_role(RoleArn=arn, RoleSessionName="admin")["Credentials"])
        assert own.client("sts", *mine).get_caller_identity()["Arn"] == f"arn:aws:sts::{account}:assumed-role/Deploy/admin"
        sqs = own.client("sqs", *mine)
        sqs.list_queues()
        if index % 2 == 0:
            assert refusal(sqs.create_queue, QueueName="q")[0] == "AccessDenied"
        else:
            assert f"/{account}/q" in sqs.create_queue(QueueName="q")["QueueUrl"]
        assert refusal(sts.assume_role, RoleArn=f"arn:aws:iam::{account}:role/Other", RoleSessionName="admin")[0] == "AccessDenied"
    own.run("clock", "advance", "11m")
    assert refusal(sts.assume_role, RoleArn=f"arn:aws:iam::{accounts[0]}:role/Deploy", RoleSessionName="admin")[0] == "AccessDenied"


def test_strict_takes_sessions(strict):
    """A session is one of this cloud's own keys."""
    root = strict.issue(ACCOUNT)
    session = of(strict.client("sts", *root).get_session_token()["Credentials"])
    assert strict.client("sts", *session).get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert refusal(strict.client("sts", *session[:2], token="AAAA").get_caller_identity)[0] == "InvalidClientTokenId"


# --- web identities ---


def plain64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


class Provider:
    """An identity provider with a certificate of its own: discovery, keys, tokens."""

    def __init__(self, folder):
        self.folder = folder
        self.key, self.certificate = folder / "tls.key", folder / "tls.pem"
        self.rsa, self.ec = folder / "rsa.pem", folder / "ec.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(self.key), "-out", str(self.certificate),
                "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        openssl("genrsa", "-out", str(self.rsa), "2048")
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(self.ec))
        der = openssl("x509", "-in", str(self.certificate), "-outform", "DER")
        self.thumbprint = hashlib.sha1(der).hexdigest()
        self.broken = False
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = provider.page(self.path)
                self.send_response(200 if body else 404)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"https://localhost:{self.server.server_port}"
        self.host = self.url.removeprefix("https://")

    def page(self, path):
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": self.url + "/keys"}
        return {"keys": self.keys()} if path == "/keys" and not self.broken else None

    def keys(self):
        modulus = openssl("rsa", "-in", str(self.rsa), "-noout", "-modulus").decode().strip().partition("=")[2]
        point = openssl("ec", "-in", str(self.ec), "-pubout", "-outform", "DER")[-64:]
        return [
            {"kty": "RSA", "kid": "r1", "use": "sig", "alg": "RS256", "e": "AQAB", "n": plain64(bytes.fromhex(modulus))},
            {"kty": "EC", "kid": "e1", "crv": "P-256", "x": plain64(point[:32]), "y": plain64(point[32:])},
        ]

    def token(self, algorithm="RS256", kid=None, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "sub": "repo:kumo:ref", "aud": "sts.amazonaws.com", "iat": now, "exp": now + 300, **claims}
        claims = {k: v for k, v in claims.items() if v is not None}
        header = {"alg": algorithm, "kid": kid or {"RS256": "r1", "ES256": "e1"}[algorithm], "typ": "JWT"}
        text = plain64(json.dumps(header).encode()) + "." + plain64(json.dumps(claims).encode())
        key = self.rsa if algorithm == "RS256" else self.ec
        signature = openssl("dgst", "-sha256", "-sign", str(key), data=text.encode())
        if algorithm == "ES256":
            signature = raw_signature(signature)
        return text + "." + plain64(signature)


def raw_signature(der):
    numbers = []
    rest = der[2:]
    for _ in range(2):
        length = rest[1]
        numbers.append(int.from_bytes(rest[2:2 + length], "big"))
        rest = rest[2 + length:]
    return b"".join(n.to_bytes(32, "big") for n in numbers)


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    made = Provider(tmp_path_factory.mktemp("provider"))
    yield made
    made.server.shutdown()


@pytest.fixture
def federated(cloud, iam, provider, name):
    """A role for the provider's tokens."""
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider.host}"
    if arn not in [p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]]:
        assert iam.create_open_id_connect_provider(
            Url=provider.url, ClientIDList=["sts.amazonaws.com"], ThumbprintList=[provider.thumbprint],
        )["OpenIDConnectProviderArn"] == arn
    condition = {"StringEquals": {f"{provider.host}:aud": "sts.amazonaws.com"},
                 "StringLike": {f"{provider.host}:sub": "repo:kumo:*"}}
    return make_role(iam, name, trust({"Federated": arn}, ["sts:AssumeRoleWithWebIdentity", "sts:TagSession",
                                                           "sts:SetSourceIdentity"], Condition=condition),
                     statement("sqs:*", "*", Condition={"StringEquals": {f"{provider.host}:sub": "repo:kumo:ref"}}))


@pytest.fixture
def nobody(cloud):
    """A client without credentials: the token is all."""
    import boto3
    import botocore.config

    return boto3.session.Session(region_name="us-east-1").client(
        "sts", endpoint_url=cloud.endpoint,
        config=botocore.config.Config(signature_version=botocore.UNSIGNED, proxies={}, retries={"total_max_attempts": 1}))


def test_web_identity(cloud, nobody, provider, federated, queue):
    for algorithm in ("RS256", "ES256"):
        made = nobody.assume_role_with_web_identity(
            RoleArn=federated, RoleSessionName="web", WebIdentityToken=provider.token(algorithm))
        assert (made["Provider"], made["Audience"], made["SubjectFromWebIdentityToken"]) == (
            f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider.host}", "sts.amazonaws.com", "repo:kumo:ref")
        mine = of(made["Credentials"])
        assert cloud.client("sts", *mine).get_caller_identity()["Arn"] == made["AssumedRoleUser"]["Arn"]
        cloud.client("sqs", *mine).send_message(QueueUrl=queue, MessageBody="x")
    several = provider.token(aud=["another", "and-another", "sts.amazonaws.com"])
    made = nobody.assume_role_with_web_identity(RoleArn=federated, RoleSessionName="web", WebIdentityToken=several)
    assert made["Audience"] == "sts.amazonaws.com"
    tags = {"principal_tags": {"team": ["blue"]}, "transitive_tag_keys": ["team"]}
    made = nobody.assume_role_with_web_identity(
        RoleArn=federated, RoleSessionName="web",
        WebIdentityToken=provider.token(**{"https://aws.amazon.com/tags": tags,
                                           "https://aws.amazon.com/source_identity": "alice"}))
    assert made["SourceIdentity"] == "alice" and made["PackedPolicySize"] > 0


def test_web_identities_that_are_refused(nobody, provider, federated, iam, name):
    def refused(token, role=federated):
        return refusal(nobody.assume_role_with_web_identity, RoleArn=role, RoleSessionName="web", WebIdentityToken=token)

    now = int(time.time())
    good = provider.token()
    head, payload, signature = good.split(".")
    forged = plain64(json.dumps({"iss": provider.url, "sub": "repo:kumo:other", "aud": "sts.amazonaws.com", "iat": now,
                                 "exp": now + 300}).encode())
    assert refused("not.a.token")[0] == "InvalidIdentityToken"
    assert refused(good[:-10] + "AAAAAAAAAA")[0] == "InvalidIdentityToken"
    assert refused(f"{head}.{forged}.{signature}")[0] == "InvalidIdentityToken"
    none = plain64(b'{"alg":"none"}')
    assert refused(f"{none}.{payload}.")[0] == "InvalidIdentityToken"
    assert refused(provider.token(aud="other")) == ("InvalidIdentityToken", "Incorrect token audience")
    assert refused(provider.token(iss="https://elsewhere.example")) == (
        "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://elsewhere.example")
    code, message = refused(provider.token(iat=now - 600, exp=now - 300))
    assert code == "ExpiredTokenException" and re.fullmatch(
        rf"Token expired: current date/time \d+ must be before the expiration date/time {now - 300}", message)
    assert refused(provider.token(sub=None)) == ("InvalidIdentityToken", "Missing a required claim: sub")
    assert refused(provider.token(sub="someone:else")) == (
        "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
    assert refused(good, f"arn:aws:iam::{ACCOUNT}:role/nobody-knows")[0] == "AccessDenied"
    assert refused(provider.token(kid="of-nobody"))[1].startswith("Couldn't retrieve verification key")


def test_web_identity_of_strangers(own, provider):
    """Another certificate than that of the list; a provider that is not there."""
    import boto3
    import botocore.config

    iam = own.client("iam")
    arn = iam.create_open_id_connect_provider(Url=provider.url, ClientIDList=["sts.amazonaws.com"],
                                              ThumbprintList=["0" * 40])["OpenIDConnectProviderArn"]
    role = make_role(iam, "web", trust({"Federated": arn}, "sts:AssumeRoleWithWebIdentity"))
    sts = boto3.session.Session(region_name="us-east-1").client(
        "sts", endpoint_url=own.endpoint,
        config=botocore.config.Config(signature_version=botocore.UNSIGNED, proxies={}, retries={"total_max_attempts": 1}))
    request = {"RoleArn": role, "RoleSessionName": "web"}
    assert refusal(sts.assume_role_with_web_identity, WebIdentityToken=provider.token(), **request) == (
        "InvalidIdentityToken", "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint")
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=[provider.thumbprint])
    sts.assume_role_with_web_identity(WebIdentityToken=provider.token(), **request)
    iam.create_open_id_connect_provider(Url="https://localhost:1", ClientIDList=["sts.amazonaws.com"])
    assert refusal(sts.assume_role_with_web_identity, WebIdentityToken=provider.token(iss="https://localhost:1"),
                   **request)[0] == "IDPCommunicationError"


def in_a_pod(cloud, provider, federated, tmp_path):
    """AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, as in a pod or a CI job."""
    file = tmp_path / "token"
    file.write_text(provider.token())
    environment = cloud.client_environment(AWS_WEB_IDENTITY_TOKEN_FILE=str(file), AWS_ROLE_ARN=federated,
                                           AWS_ROLE_SESSION_NAME="pod", AWS_REGION="us-east-1")
    return {k: v for k, v in environment.items() if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}


def said(command, environment):
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_sdk_s_web_identity_provider(cloud, provider, federated, tmp_path):
    environment = in_a_pod(cloud, provider, federated, tmp_path)
    assert json.loads(said([AWS, "sts", "get-caller-identity", "--output", "json"], environment))["Arn"].endswith("/pod")
    lines = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"
    assert said([sys.executable, "-c", lines], environment).strip().endswith("/pod")


def test_javascript_s_web_identity_provider(cloud, provider, federated, tmp_path):
    script = pathlib.Path(__file__).with_name("js") / "identity.mjs"
    if shutil.which("node") is None or not (script.parent / "node_modules").is_dir():
        pytest.skip("node or the SDK is not installed")
    seen = json.loads(said(["node", str(script)], in_a_pod(cloud, provider, federated, tmp_path)))
    assert seen["arn"].endswith("/pod") and seen["status"] == 200


def test_a_vault_s_way(cloud, iam, user, name):
    """What credential helpers do: a session with MFA, its three parts exported, a role assumed with them."""
    serial, seed = make_device(iam, user[0], name)
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    role = make_role(iam, name, trust({"AWS": ACCOUNT}, Condition=mfa), statement("sqs:*", "*"))
    iam.put_user_policy(UserName=user[0], PolicyName="assume", PolicyDocument=json.dumps(statement("sts:AssumeRole", role)))
    debian = "/usr/bin/aws" if os.access("/usr/bin/aws", os.X_OK) else AWS

    def aws(keys, *arguments):
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        environment = cloud.client_environment(**dict(zip(names, keys)))
        return json.loads(said([debian, "--endpoint-url", cloud.endpoint, "--output", "json", *arguments], environment))

    assume = ("sts", "assume-role", "--role-arn", role, "--role-session-name", "vault")
    with pytest.raises(AssertionError, match="not authorized to perform: sts:AssumeRole"):
        aws(user[1], *assume)
    session = of(aws(user[1], "sts", "get-session-token", "--serial-number", serial,
                     "--token-code", code_at(seed, time.time()))["Credentials"])
    mine = of(aws(session, *assume)["Credentials"])
    assert aws(mine, "sts", "get-caller-identity")["Arn"].endswith("/vault")
    aws(mine, "sqs", "create-queue", "--queue-name", name)
