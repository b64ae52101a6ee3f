"""S3 Access Grants, through an unmodified boto3: from the instance to the objects."""

import json
import re

import pytest
from botocore.exceptions import ClientError

OWNER = "000000000000"
INSTANCE = f"arn:aws:s3:us-east-1:{OWNER}:access-grants/default"


def fails(code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response


def control_client(cloud, **keys):
    client = cloud.client("s3control", **keys)

    def without_prefix(params, **_):
        params["url"] = re.sub(r"//\d{12}\.", "//", params["url"])

    client.meta.events.register("before-call.s3-control", without_prefix)
    return client


@pytest.fixture
def world(own):
    """A bucket, the role of the default location, and a user who may ask."""
    s3, iam, control = own.client("s3"), own.client("iam"), control_client(own)
    s3.create_bucket(Bucket="data")
    for key in ("bob/one", "bob/two", "eve/one"):
        s3.put_object(Bucket="data", Key=key, Body=key.encode())
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "access-grants.s3.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:SetSourceIdentity", "sts:SetContext"],
        "Condition": {"StringEquals": {"aws:SourceAccount": OWNER, "aws:SourceArn": INSTANCE}}}]}
    role = iam.create_role(RoleName="grants", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="grants", PolicyName="all", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {
                "StringEquals": {"aws:ResourceAccount": OWNER},
                "ArnEquals": {"s3:AccessGrantsInstanceArn": [INSTANCE]}}}]}))
    user = iam.create_user(UserName="bob")["User"]["Arn"]
    iam.put_user_policy(UserName="bob", PolicyName="ask", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:GetDataAccess", "s3:ListCallerAccessGrants"],
            "Resource": INSTANCE}]}))
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    control.create_access_grants_instance(AccountId=OWNER, Tags=[{"Key": "team", "Value": "blue"}])
    control.create_access_grants_location(AccountId=OWNER, LocationScope="s3://", IAMRoleArn=role)
    return {"control": control, "user": user, "iam": iam,
            "bob": control_client(own, key=key["AccessKeyId"], secret=key["SecretAccessKey"]),
            "bob_s3": own.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])}


def as_given(cloud, given):
    keys = given["Credentials"]
    return cloud.client("s3", key=keys["AccessKeyId"], secret=keys["SecretAccessKey"],
                        token=keys["SessionToken"])


def test_from_a_grant_to_the_objects(own, world):
    control, bob = world["control"], world["bob"]
    denied = fails("AccessDenied", bob.get_data_access, AccountId=OWNER, Target="s3://data/bob/*",
                   Permission="READ")
    assert denied["ResponseMetadata"]["HTTPStatusCode"] == 403
    made = control.create_access_grant(
        AccountId=OWNER, AccessGrantsLocationId="default", Permission="READWRITE",
        AccessGrantsLocationConfiguration={"S3SubPrefix": "data/bob/*"},
        Grantee={"GranteeType": "IAM", "GranteeIdentifier": world["user"]})
    assert made["GrantScope"] == "s3://data/bob/*"
    assert made["AccessGrantArn"] == f"{INSTANCE}/grant/{made['AccessGrantId']}"
    found = control.get_access_grant(AccountId=OWNER, AccessGrantId=made["AccessGrantId"])
    assert found["Grantee"]["GranteeIdentifier"] == world["user"]
    fails("AccessDenied", world["bob_s3"].get_object, Bucket="data", Key="bob/one")
    assert bob.list_caller_access_grants(AccountId=OWNER)["CallerAccessGrantsList"] == [{
        "Permission": "READWRITE", "GrantScope": "s3://data/bob/*", "ApplicationArn": "NA",
        "AccessGrantsInstanceArn": INSTANCE}]

    given = bob.get_data_access(AccountId=OWNER, Target="s3://data/bob/one", Permission="READ",
                                AuditContext="job 7")
    assert given["MatchedGrantTarget"] == "s3://data/bob/*"
    assert given["MatchedInstanceArn"] == INSTANCE
    s3 = as_given(own, given)
    assert s3.get_object(Bucket="data", Key="bob/two")["Body"].read() == b"bob/two"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket="data", Prefix="bob/")["Contents"]] == [
        "bob/one", "bob/two"]
    fails("AccessDenied", s3.get_object, Bucket="data", Key="eve/one")
    fails("AccessDenied", s3.put_object, Bucket="data", Key="bob/three")

    given = bob.get_data_access(AccountId=OWNER, Target="s3://data/bob/three", Permission="WRITE",
                                Privilege="Minimal", TargetType="Object", DurationSeconds=900)
    assert given["MatchedGrantTarget"] == "s3://data/bob/three"
    s3 = as_given(own, given)
    s3.put_object(Bucket="data", Key="bob/three", Body=b"x")
    fails("AccessDenied", s3.put_object, Bucket="data", Key="bob/four")
    fails("StsValidationError", bob.get_data_access, AccountId=OWNER, Target="s3://data/bob/*",
          Permission="READ", DurationSeconds=43200)

    control.delete_access_grant(AccountId=OWNER, AccessGrantId=made["AccessGrantId"])
    fails("AccessDenied", bob.get_data_access, AccountId=OWNER, Target="s3://data/bob/*",
          Permission="READ")
    fails("NoSuchAccessGrantError", control.get_access_grant, AccountId=OWNER,
          AccessGrantId=made["AccessGrantId"])


def test_life_of_an_instance(world):
    control = world["control"]
    assert control.list_tags_for_resource(AccountId=OWNER, ResourceArn=INSTANCE)["Tags"] == [
        {"Key": "team", "Value": "blue"}]
    assert control.get_access_grants_instance_for_prefix(
        AccountId=OWNER, S3Prefix="s3://data/bob")["AccessGrantsInstanceArn"] == INSTANCE
    fails("AccessGrantsInstanceAlreadyExists", control.create_access_grants_instance, AccountId=OWNER)
    control.associate_access_grants_identity_center(
        AccountId=OWNER, IdentityCenterArn="arn:aws:sso:::instance/ssoins-1234567890abcdef")
    shown = control.get_access_grants_instance(AccountId=OWNER)
    assert shown["IdentityCenterInstanceArn"].endswith("ssoins-1234567890abcdef")
    control.dissociate_access_grants_identity_center(AccountId=OWNER)
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "s3:GetDataAccess",
        "Resource": INSTANCE}]})
    control.put_access_grants_instance_resource_policy(AccountId=OWNER, Policy=policy)
    assert control.get_access_grants_instance_resource_policy(AccountId=OWNER)["Policy"] == policy
    control.delete_access_grants_instance_resource_policy(AccountId=OWNER)
    gone = fails("AccessGrantsInstanceResourcePolicyNotExists",
                 control.get_access_grants_instance_resource_policy, AccountId=OWNER)
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 404
    fails("AccessGrantsInstanceNotEmptyError", control.delete_access_grants_instance, AccountId=OWNER)
    location, = control.list_access_grants_locations(AccountId=OWNER)["AccessGrantsLocationsList"]
    assert location["LocationScope"] == "s3://" and location["AccessGrantsLocationId"] == "default"
    control.delete_access_grants_location(AccountId=OWNER, AccessGrantsLocationId="default")
    control.delete_access_grants_instance(AccountId=OWNER)
    assert control.list_access_grants_instances(AccountId=OWNER).get("AccessGrantsInstancesList", []) == []
