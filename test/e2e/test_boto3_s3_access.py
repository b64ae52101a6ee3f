"""Who may what in S3: policies of buckets and users, lists, ownership, block public access; through an unmodified boto3."""

import base64
import hashlib
import hmac
import json
import struct
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

OWNER, OTHER = "000000000000", "111111111111"
ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"


def fails(status, code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    return answer["Error"].get("Message")


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(resource, *actions, **more):
    return {"Effect": "Allow", "Principal": "*", "Action": list(actions), "Resource": resource, **more}


@pytest.fixture
def open_bucket(s3, bucket):
    """One that may be made public, with lists enabled."""
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_ownership_controls(
        Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    return bucket


@pytest.fixture
def user(cloud, name):
    """Makes users of the account with one inline policy; an S3 client of each."""
    iam = cloud.client("iam")
    made = []

    def make(*statements):
        plain = f"{name[:50]}-{len(made)}"
        iam.create_user(UserName=plain)
        made.append(plain)
        if statements:
            iam.put_user_policy(UserName=plain, PolicyName="p", PolicyDocument=policy(*statements))
        key = iam.create_access_key(UserName=plain)["AccessKey"]
        client = cloud.client("s3", key["AccessKeyId"], key["SecretAccessKey"])
        client.user_arn, client.user_name = f"arn:aws:iam::{OWNER}:user/{plain}", plain
        return client

    return make


def anonymous(cloud, path, method="GET", body=None, headers=None):
    request = urllib.request.Request(cloud.endpoint + path, method=method, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_policy_is_kept(s3, bucket):
    arn = f"arn:aws:s3:::{bucket}"
    assert fails(404, "NoSuchBucketPolicy", s3.get_bucket_policy, Bucket=bucket) == "The bucket policy does not exist"
    text = policy(allow(arn + "/*", "s3:GetObject", Principal={"AWS": f"arn:aws:iam::{OTHER}:root"}))
    answer = s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"] == text
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"] == {"IsPublic": False}
    assert s3.delete_bucket_policy(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    s3.delete_bucket_policy(Bucket=bucket)
    fails(404, "NoSuchBucketPolicy", s3.get_bucket_policy_status, Bucket=bucket)


def test_policy_is_checked(s3, bucket):
    arn = f"arn:aws:s3:::{bucket}"
    me = {"AWS": OWNER}

    def refused(text):
        return fails(400, "MalformedPolicy", s3.put_bucket_policy, Bucket=bucket, Policy=text)

    assert refused("no JSON") == "Policies must be valid JSON and the first byte must be '{'"
    assert refused("{}") == "Missing required field Statement"
    assert refused(policy()) == "Could not parse the policy: Statement is empty!"
    assert refused(policy(allow("arn:aws:s3:::another/*", "s3:GetObject", Principal=me))) == "Policy has invalid resource"
    assert refused(policy(allow("*", "s3:GetObject", Principal=me))) == "Policy has invalid resource"
    assert refused(policy(allow(arn + "/*", "s3:Nothing", Principal=me))) == "Policy has invalid action"
    assert refused(policy(allow(arn + "/*", "sqs:SendMessage", Principal=me))) == "Policy has invalid action"
    text = "Action does not apply to any resource(s) in statement"
    assert refused(policy(allow(arn + "/*", "s3:ListBucket", Principal=me))) == text
    assert refused(policy(allow(arn, "s3:GetObject", Principal=me))) == text
    for wrong in ("arn:aws:iam::1:user/x", f"arn:aws:iam::{OWNER}:user/not-there", f"arn:aws:iam::{OWNER}:role/none", "me"):
        assert refused(policy(allow(arn + "/*", "s3:*", Principal={"AWS": wrong}))) == "Invalid principal in policy"
    assert refused(policy({"Effect": "Allow", "Action": "s3:*", "Resource": arn})) == "Missing required field Principal"
    assert refused(policy({"Effect": "Allow", "Principal": me, "Action": "s3:*"})) == "Missing required field Resource"
    assert refused(policy(allow(arn, "s3:*", Principal=me, Effect="Perhaps"))).startswith("Invalid effect")
    assert refused(policy(allow(arn, "s3:*", Principal=me, Extra=1))) == "Unknown field Extra"
    assert refused(policy(allow(arn, "s3:ListBucket", Principal=me, Condition={"StringEquals": {"s3:none": "a"}}))) == (
        "Policy has an invalid condition key"
    )
    assert refused(policy(allow(arn + "/" + "x" * 20480, "s3:*", Principal=me)))
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow([arn, arn + "/*"], "s3:Get*", "s3:List*", Principal=me)))


def test_one_user_sees_one_bucket(s3, bucket, user):
    """Scenario B22: and the trap, a resource that ends with a slash."""
    arn = f"arn:aws:s3:::{bucket}"
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    rows = [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": arn + "/*"},
    ]
    client = user(*rows)
    assert [o["Key"] for o in client.list_objects_v2(Bucket=bucket)["Contents"]] == ["a/b"]
    assert client.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"x"
    client.put_object(Bucket=bucket, Key="c", Body=b"y")
    message = fails(403, "AccessDenied", client.delete_object, Bucket=bucket, Key="c")
    assert message == (
        f'User: {client.user_arn} is not authorized to perform: s3:DeleteObject on resource: "{arn}/c" '
        "because no identity-based policy allows the s3:DeleteObject action"
    )
    fails(404, "NoSuchKey", client.get_object, Bucket=bucket, Key="none")
    message = fails(403, "AccessDenied", client.list_buckets)
    assert message.endswith("because no identity-based policy allows the s3:ListAllMyBuckets action")
    s3.create_bucket(Bucket=bucket[:60] + "-2")
    fails(403, "AccessDenied", client.list_objects_v2, Bucket=bucket[:60] + "-2")

    trapped = user({"Effect": "Allow", "Action": "s3:*", "Resource": arn + "/"})
    fails(403, "AccessDenied", trapped.list_objects_v2, Bucket=bucket)
    fails(403, "AccessDenied", trapped.get_object, Bucket=bucket, Key="a/b")

    # Who may not list is not told what is not there.
    blind = user({"Effect": "Allow", "Action": "s3:GetObject", "Resource": arn + "/*"})
    assert blind.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"x"
    message = fails(403, "AccessDenied", blind.get_object, Bucket=bucket, Key="none")
    assert "s3:ListBucket" in message
    fails(403, "403", blind.head_object, Bucket=bucket, Key="none")
    fails(404, "NoSuchBucket", blind.get_object, Bucket="no-such-bucket-anywhere", Key="k")


def test_conditions(s3, bucket, user):
    arn = f"arn:aws:s3:::{bucket}"
    for key in ("home/ann/1", "home/bob/1"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x", Tagging="kind=open")
    s3.put_object(Bucket=bucket, Key="home/ann/2", Body=b"x")
    prefix = user(
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn, "Condition": {"StringLike": {"s3:prefix": "home/ann/*"}}}
    )
    assert prefix.list_objects_v2(Bucket=bucket, Prefix="home/ann/")["KeyCount"] == 2
    fails(403, "AccessDenied", prefix.list_objects_v2, Bucket=bucket, Prefix="home/bob/")
    fails(403, "AccessDenied", prefix.list_objects_v2, Bucket=bucket)
    few = user(
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn, "Condition": {"NumericLessThanEquals": {"s3:max-keys": "10"}}}
    )
    few.list_objects_v2(Bucket=bucket, MaxKeys=10)
    fails(403, "AccessDenied", few.list_objects_v2, Bucket=bucket, MaxKeys=11)
    tagged = user(
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": arn + "/*",
         "Condition": {"StringEquals": {"s3:ExistingObjectTag/kind": "open"}}},
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:PutObjectTagging"], "Resource": arn + "/*",
         "Condition": {"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["kind"]}}},
    )
    tagged.get_object(Bucket=bucket, Key="home/ann/1")
    fails(403, "AccessDenied", tagged.get_object, Bucket=bucket, Key="home/ann/2")
    tagged.put_object(Bucket=bucket, Key="t", Body=b"", Tagging="kind=a")
    fails(403, "AccessDenied", tagged.put_object, Bucket=bucket, Key="t", Body=b"", Tagging="kind=a&other=b")
    cold = user(
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": arn + "/*",
         "Condition": {"StringEquals": {"s3:x-amz-storage-class": "STANDARD_IA"}}}
    )
    cold.put_object(Bucket=bucket, Key="t", Body=b"", StorageClass="STANDARD_IA")
    fails(403, "AccessDenied", cold.put_object, Bucket=bucket, Key="t", Body=b"")
    presigned = user(
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": arn + "/*",
         "Condition": {"StringEquals": {"s3:authType": "REST-HEADER"}}}
    )
    presigned.get_object(Bucket=bucket, Key="home/ann/1")


def test_what_operations_need(s3, bucket, user):
    arn = f"arn:aws:s3:::{bucket}"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", Tagging="a=b")
    reader = user({"Effect": "Allow", "Action": "s3:GetObject", "Resource": arn + "/*"})
    reader.get_object(Bucket=bucket, Key="k")
    message = fails(403, "AccessDenied", reader.get_object, Bucket=bucket, Key="k", VersionId=version)
    assert "s3:GetObjectVersion " in message
    writer = user({"Effect": "Allow", "Action": "s3:PutObject", "Resource": arn + "/*"})
    source = {"Bucket": bucket, "Key": "k"}
    assert "s3:GetObject " in fails(403, "AccessDenied", writer.copy_object, Bucket=bucket, Key="c", CopySource=source)
    both = user({"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject"], "Resource": arn + "/*"})
    assert "s3:GetObjectTagging " in fails(403, "AccessDenied", both.copy_object, Bucket=bucket, Key="c", CopySource=source)
    both.copy_object(Bucket=bucket, Key="c", CopySource=source, TaggingDirective="REPLACE")
    assert "s3:PutObjectTagging " in fails(403, "AccessDenied", writer.put_object, Bucket=bucket, Key="n", Tagging="a=b")
    assert "s3:PutObjectAcl " in fails(403, "AccessDenied", writer.put_object, Bucket=bucket, Key="n", ACL="private")
    half = user({"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": arn + "/mine/*"})
    for key in ("mine/1", "yours/1"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    answer = half.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "mine/1"}, {"Key": "yours/1"}]})
    assert [d["Key"] for d in answer["Deleted"]] == ["mine/1"]
    assert [(e["Key"], e["Code"]) for e in answer["Errors"]] == [("yours/1", "AccessDenied")]


def test_other_accounts(s3, cloud, bucket, user):
    arn = f"arn:aws:s3:::{bucket}"
    other = cloud.client("s3", OTHER, "any")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert fails(403, "AccessDenied", other.get_object, Bucket=bucket, Key="k") == "Access Denied"
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=policy(allow(arn + "/*", "s3:GetObject", Principal={"AWS": OTHER}), allow(arn, "s3:PutBucketPolicy", Principal={"AWS": OTHER})),
    )
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    fails(403, "AccessDenied", other.put_object, Bucket=bucket, Key="k", Body=b"")
    fails(405, "MethodNotAllowed", other.put_bucket_policy, Bucket=bucket, Policy=policy())
    # A policy that locks out everybody is mended by the owner's root.
    everything = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, arn + "/*"]}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(everything))
    message = fails(403, "AccessDenied", s3.get_object, Bucket=bucket, Key="k")
    assert message.endswith("with an explicit deny in a resource-based policy")
    s3.delete_bucket_policy(Bucket=bucket)
    admin = user({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    fails(403, "AccessDenied", admin.put_bucket_policy, Bucket=bucket, Policy=policy(everything))
    admin.put_bucket_policy(Bucket=bucket, Policy=policy(everything), ConfirmRemoveSelfBucketAccess=True)
    fails(403, "AccessDenied", admin.delete_bucket_policy, Bucket=bucket)
    s3.delete_bucket_policy(Bucket=bucket)


def test_a_canonical_user_is_an_account(s3, cloud, bucket):
    """"CanonicalUser" names an account as its root ARN does ("AWS JSON policy elements: Principal")."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    guest, stranger = cloud.client("s3", key="222222222222"), cloud.client("s3", key="333333333333")
    own = guest.create_bucket(Bucket=f"{bucket}-guest") and guest.list_buckets()["Owner"]["ID"]
    statement = {"Effect": "Allow", "Principal": {"CanonicalUser": own}, "Action": "s3:GetObject",
                 "Resource": f"arn:aws:s3:::{bucket}/*"}  # fmt: skip
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert guest.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    with pytest.raises(ClientError) as caught:
        stranger.get_object(Bucket=bucket, Key="k")
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    statement["Effect"] = "Deny"
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        statement, {**statement, "Effect": "Allow", "Principal": {"AWS": "222222222222"}}]}))  # fmt: skip
    with pytest.raises(ClientError):
        guest.get_object(Bucket=bucket, Key="k")


def test_block_public_access(s3, cloud, bucket):
    arn = f"arn:aws:s3:::{bucket}"
    public = policy(allow(arn + "/*", "s3:GetObject"))
    all_four = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == all_four
    message = fails(403, "AccessDenied", s3.put_bucket_policy, Bucket=bucket, Policy=public)
    assert message == (
        f'User: arn:aws:iam::{OWNER}:root is not authorized to perform: s3:PutBucketPolicy on resource: "{arn}" because '
        "public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
    )
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert anonymous(cloud, f"/{bucket}/k")[0] == 403
    s3.delete_public_access_block(Bucket=bucket)
    fails(404, "NoSuchPublicAccessBlockConfiguration", s3.get_public_access_block, Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert anonymous(cloud, f"/{bucket}/k") == (200, b"x")
    status, body = anonymous(cloud, f"/{bucket}/none")
    assert status == 403 and b"<Message>Access Denied</Message>" in body
    assert anonymous(cloud, f"/{bucket}")[0] == 403
    other = cloud.client("s3", OTHER, "any")
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert anonymous(cloud, f"/{bucket}/k")[0] == 403
    fails(403, "AccessDenied", other.get_object, Bucket=bucket, Key="k")
    s3.get_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize(
    "condition, public",
    [
        (None, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/7"}}, False),
        ({"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}, True),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, False),
        ({"StringLike": {"aws:SourceVpc": "vpc-*"}}, True),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}, True),
        ({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}, True),
        ({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-1"}}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": ["o-1", "o-2"]}}, False),
        ({"StringLike": {"aws:UserAgent": "x"}}, True),
        ({"Null": {"aws:SourceVpc": "false"}}, True),
        ({"ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:us-east-1:111122223333:accesspoint/*"}}, False),
        ({"ArnLike": {"s3:DataAccessPointArn": "arn:aws:s3:us-east-1:*:accesspoint/*"}}, True),
    ],
)
def test_meaning_of_public(s3, bucket, condition, public):
    s3.delete_public_access_block(Bucket=bucket)
    more = {"Condition": condition} if condition else {}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow(f"arn:aws:s3:::{bucket}/*", "s3:GetObject", **more)))
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is public


def test_lists_are_disabled(s3, bucket):
    ownership = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]
    assert ownership == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    text = "The bucket does not allow ACLs"
    assert fails(400, "AccessControlListNotSupported", s3.put_bucket_acl, Bucket=bucket, ACL="private") == text
    assert fails(400, "AccessControlListNotSupported", s3.put_object, Bucket=bucket, Key="k", ACL="public-read") == text
    s3.put_object(Bucket=bucket, Key="k", ACL="bucket-owner-full-control")
    fails(400, "AccessControlListNotSupported", s3.put_object_acl, Bucket=bucket, Key="k", ACL="private")
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert [g["Permission"] for g in grants] == ["FULL_CONTROL"]


def test_lists_of_objects(s3, cloud, open_bucket):
    bucket = open_bucket
    other = cloud.client("s3", OTHER, "any")
    other_id = other.list_buckets()["Owner"]["ID"]
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", ACL="public-read")
    assert anonymous(cloud, f"/{bucket}/open") == (200, b"x")
    grants = s3.get_object_acl(Bucket=bucket, Key="open")["Grants"]
    assert [(g["Grantee"].get("URI"), g["Permission"]) for g in grants] == [(None, "FULL_CONTROL"), (ALL_USERS, "READ")]
    s3.put_object_acl(Bucket=bucket, Key="open", ACL="private")
    assert anonymous(cloud, f"/{bucket}/open")[0] == 403
    fails(403, "AccessDenied", other.get_object, Bucket=bucket, Key="open")
    s3.put_object_acl(Bucket=bucket, Key="open", ACL="authenticated-read")
    assert anonymous(cloud, f"/{bucket}/open")[0] == 403
    assert other.get_object(Bucket=bucket, Key="open")["Body"].read() == b"x"
    s3.put_object(Bucket=bucket, Key="given", Body=b"y", GrantRead=f'id="{other_id}"')
    assert other.get_object(Bucket=bucket, Key="given")["Body"].read() == b"y"
    fails(403, "AccessDenied", other.get_object_acl, Bucket=bucket, Key="given")
    fails(400, "InvalidArgument", s3.put_object, Bucket=bucket, Key="x", GrantRead='id="short"')
    fails(400, "InvalidArgument", s3.put_object, Bucket=bucket, Key="x", GrantRead='uri="http://a/b"')
    fails(400, "InvalidArgument", s3.put_object, Bucket=bucket, Key="x", ACL="nobody")
    fails(400, "InvalidRequest", s3.put_object, Bucket=bucket, Key="x", ACL="private", GrantRead=f"id={other_id}")
    fails(405, "MethodNotAllowed", s3.put_object, Bucket=bucket, Key="x", GrantRead='emailAddress="a@example.com"')
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"BlockPublicAcls": True, "IgnorePublicAcls": False})
    message = fails(403, "AccessDenied", s3.put_object, Bucket=bucket, Key="x", ACL="public-read")
    assert "BlockPublicAcls" in message
    s3.put_object_acl(Bucket=bucket, Key="open", ACL="private")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_object_acl(Bucket=bucket, Key="open", ACL="public-read")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"IgnorePublicAcls": True})
    assert anonymous(cloud, f"/{bucket}/open")[0] == 403


def test_lists_of_buckets(s3, cloud, open_bucket):
    bucket = open_bucket
    other = cloud.client("s3", OTHER, "any")
    fails(403, "AccessDenied", other.list_objects_v2, Bucket=bucket)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    other.list_objects_v2(Bucket=bucket)
    assert anonymous(cloud, f"/{bucket}")[0] == 200
    other.put_object(Bucket=bucket, Key="theirs", Body=b"t")
    assert anonymous(cloud, f"/{bucket}/nobodys", "PUT", b"n")[0] == 200
    # Whoever writes an object owns it: even the bucket's owner may not read it.
    assert fails(403, "AccessDenied", s3.get_object, Bucket=bucket, Key="theirs")
    assert other.get_object(Bucket=bucket, Key="theirs")["Body"].read() == b"t"
    s3.delete_object(Bucket=bucket, Key="theirs")
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert [g["Permission"] for g in acl["Grants"]] == ["FULL_CONTROL", "READ", "WRITE"]
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": acl["Owner"], "Grants": acl["Grants"][:2]})
    fails(403, "AccessDenied", other.put_object, Bucket=bucket, Key="k", Body=b"")
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    fails(400, "InvalidBucketAclWithObjectOwnership", s3.put_bucket_ownership_controls, Bucket=bucket, OwnershipControls=rules)
    s3.put_bucket_acl(Bucket=bucket, ACL="public-read-write")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    other.put_object(Bucket=bucket, Key="given", Body=b"g", ACL="bucket-owner-full-control")
    assert s3.get_object(Bucket=bucket, Key="given")["Body"].read() == b"g"
    fails(400, "MissingSecurityHeader", s3.put_bucket_acl, Bucket=bucket)
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    fails(404, "OwnershipControlsNotFoundError", s3.get_bucket_ownership_controls, Bucket=bucket)


def test_create_with_list(s3, cloud, name):
    plain = name.lower().replace("_", "-")
    fails(400, "InvalidBucketAclWithObjectOwnership", s3.create_bucket, Bucket=plain, ACL="public-read")
    # Lists for objects are ignored; but a list beside a canned one is an error, whichever it is.
    for ownership in ("BucketOwnerEnforced", "ObjectWriter"):
        s3.create_bucket(Bucket=plain, ACL="bucket-owner-full-control", ObjectOwnership=ownership)
        assert [g["Permission"] for g in s3.get_bucket_acl(Bucket=plain)["Grants"]] == ["FULL_CONTROL"]
        s3.delete_bucket(Bucket=plain)
        owner = s3.list_buckets()["Owner"]["ID"]
        with pytest.raises(ClientError):
            s3.create_bucket(Bucket=plain, ACL="private", ObjectOwnership=ownership, GrantRead=f'id="{owner}"')
    # Block public access is on from the first moment.
    fails(403, "AccessDenied", s3.create_bucket, Bucket=plain, ACL="public-read", ObjectOwnership="ObjectWriter")
    s3.create_bucket(Bucket=plain, ACL="log-delivery-write", ObjectOwnership="BucketOwnerPreferred")
    assert len(s3.get_bucket_acl(Bucket=plain)["Grants"]) == 3


def test_who_pays(s3, cloud, bucket):
    other = cloud.client("s3", OTHER, "any")
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow(f"arn:aws:s3:::{bucket}/*", "s3:GetObject", Principal={"AWS": OTHER})))
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "Requester"})
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "Requester"
    fails(403, "AccessDenied", other.get_object, Bucket=bucket, Key="k")
    assert other.get_object(Bucket=bucket, Key="k", RequestPayer="requester")["RequestCharged"] == "requester"
    s3.get_object(Bucket=bucket, Key="k")
    s3.put_bucket_request_payment(Bucket=bucket, RequestPaymentConfiguration={"Payer": "BucketOwner"})
    other.get_object(Bucket=bucket, Key="k")


def test_acceleration_and_abac(s3, bucket):
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_accelerate_configuration(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_abac(Bucket=bucket)["AbacStatus"] == {"Status": "Disabled"}


def test_attributes_in_policies(s3, bucket, user):
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "team", "Value": "red"}]})
    red = user({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/team": "red"}}})
    fails(403, "AccessDenied", red.list_objects_v2, Bucket=bucket)
    s3.put_bucket_abac(Bucket=bucket, AbacStatus={"Status": "Enabled"})
    red.list_objects_v2(Bucket=bucket)


def code_at(seed, seconds):
    """RFC 6238."""
    mac = hmac.new(base64.b32decode(seed), struct.pack(">Q", int(seconds) // 30), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at:at + 4])[0] & 0x7fffffff) % 1000000:06d}"


def test_codes_to_delete(own):
    """MFA delete: each code serves once, so that the cloud's clock goes on between them."""
    iam, s3 = own.client("iam"), own.client("s3")
    iam.create_user(UserName="ann")
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    iam.put_user_policy(UserName="ann", PolicyName="p", PolicyDocument=policy(everything))
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    ann = own.client("s3", key["AccessKeyId"], key["SecretAccessKey"])
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="d")["VirtualMFADevice"]
    serial, seed, now = device["SerialNumber"], device["Base32StringSeed"], time.time()
    codes = [code_at(seed, now + 30 * step) for step in (-2, -1, 0, 1)]
    iam.enable_mfa_device(UserName="ann", SerialNumber=serial, AuthenticationCode1=codes[0], AuthenticationCode2=codes[1])
    s3.create_bucket(Bucket="guarded")
    both = {"Status": "Enabled", "MFADelete": "Enabled"}
    put = {"Bucket": "guarded", "VersioningConfiguration": both}
    text = "Mfa Authentication must be used for this request"
    assert fails(403, "AccessDenied", ann.put_bucket_versioning, **put) == text
    fails(403, "AccessDenied", ann.put_bucket_versioning, MFA=f"{serial} 000000", **put)
    fails(403, "AccessDenied", s3.put_bucket_versioning, MFA=f"{serial} {codes[2]}", **put)
    ann.put_bucket_versioning(MFA=f"{serial} {codes[2]}", **put)
    assert s3.get_bucket_versioning(Bucket="guarded")["MFADelete"] == "Enabled"
    version = ann.put_object(Bucket="guarded", Key="k", Body=b"x")["VersionId"]
    ann.delete_object(Bucket="guarded", Key="k")  # a marker takes nothing away
    of_version = {"Bucket": "guarded", "Key": "k", "VersionId": version}
    assert fails(403, "AccessDenied", ann.delete_object, **of_version) == text
    fails(403, "AccessDenied", ann.delete_object, MFA=f"{serial} {codes[2]}", **of_version)
    fails(403, "AccessDenied", ann.delete_objects, Bucket="guarded", Delete={"Objects": [{"Key": "k", "VersionId": version}]})
    ann.delete_object(MFA=f"{serial} {codes[3]}", **of_version)
