"""Access points and block public access of accounts, through an unmodified boto3 (scenario B9)."""

import http.client
import json
import re

import pytest
from botocore.exceptions import ClientError

OWNER, OTHER = "000000000000", "111111111111"
ALL = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}
NONE = {name: False for name in ALL}


def fails(status, code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    return answer["Error"].get("Message")


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def control_of(cloud, account):
    """boto3 puts the account before the host, which is an address here."""
    client = cloud.client("s3control", account, "x")

    def without_prefix(params, **_):
        params["url"] = re.sub(r"//\d{12}\.", "//", params["url"])

    client.meta.events.register("before-call.s3-control", without_prefix)
    return client


@pytest.fixture
def control(cloud):
    return control_of(cloud, OWNER)


@pytest.fixture
def point(control, bucket):
    made = control.create_access_point(AccountId=OWNER, Name="ap-" + bucket[:40].rstrip("-"), Bucket=bucket)
    return {"Name": "ap-" + bucket[:40].rstrip("-"), **made}


def test_making(control, s3, bucket, point):
    assert point["AccessPointArn"] == f"arn:aws:s3:us-east-1:{OWNER}:accesspoint/{point['Name']}"
    assert point["Alias"].endswith("-s3alias") and len(point["Alias"]) <= 63
    got = control.get_access_point(AccountId=OWNER, Name=point["Name"])
    assert got["Bucket"] == bucket and got["NetworkOrigin"] == "Internet" and got["BucketAccountId"] == OWNER
    assert got["PublicAccessBlockConfiguration"] == ALL
    assert got["Endpoints"]["ipv4"] == "s3-accesspoint.us-east-1.amazonaws.com"
    assert [p["Name"] for p in control.list_access_points(AccountId=OWNER, Bucket=bucket)["AccessPointList"]] == [point["Name"]]
    fails(409, "AccessPointAlreadyOwnedByYou", control.create_access_point, AccountId=OWNER, Name=point["Name"], Bucket=bucket)
    fails(400, "InvalidRequest", control.create_access_point, AccountId=OWNER, Name="Capital", Bucket=bucket)
    fails(400, "InvalidRequest", control.create_access_point, AccountId=OWNER, Name="none", Bucket="no-such-bucket-there")
    control.delete_access_point(AccountId=OWNER, Name=point["Name"])
    fails(404, "NoSuchAccessPoint", control.get_access_point, AccountId=OWNER, Name=point["Name"])
    fails(404, "NoSuchAccessPoint", s3.list_objects_v2, Bucket=point["Alias"])


def test_listing(control, bucket):
    names = sorted(f"page-{n}-{bucket[:20]}".rstrip("-") for n in range(5))
    for plain in names:
        control.create_access_point(AccountId=OWNER, Name=plain, Bucket=bucket)
    seen, more = [], {}
    while True:
        page = control.list_access_points(AccountId=OWNER, Bucket=bucket, MaxResults=2, **more)
        assert len(page["AccessPointList"]) <= 2
        seen += [p["Name"] for p in page["AccessPointList"]]
        if "NextToken" not in page:
            break
        more = {"NextToken": page["NextToken"]}
    assert seen == names


def test_use(cloud, s3, bucket, point):
    alias = point["Alias"]
    s3.put_object(Bucket=alias, Key="a/b", Body=b"x")
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"x"
    assert s3.get_object(Bucket=alias, Key="a/b")["Body"].read() == b"x"
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=alias)["Contents"]] == ["a/b"]
    s3.copy_object(Bucket=alias, Key="c", CopySource=f"{point['AccessPointArn']}/object/a/b")
    s3.delete_object(Bucket=alias, Key="a/b")
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]


def test_hosts(cloud, s3, bucket, point):
    s3.put_object(Bucket=bucket, Key="k", Body=b"host")
    for host in (
        f"{point['Name']}-{OWNER}.s3-accesspoint.us-east-1.amazonaws.com",
        f"{point['Name']}-{OWNER}.localhost",
        f"{point['Alias']}.s3.us-east-1.amazonaws.com",
    ):
        connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
        scope = "Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" + "0" * 64
        headers = {"Host": host, "Authorization": "AWS4-HMAC-SHA256 " + scope, "x-amz-date": "20260101T000000Z",
                   "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
        connection.request("GET", "/k", headers=headers)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"host"), host


def test_policies(cloud, s3, control, bucket, point):
    """B9: an application of another account reaches its prefix through its access point, and nothing else."""
    arn, alias = point["AccessPointArn"], point["Alias"]
    other = cloud.client("s3", OTHER, "x")
    for key in ("app/1", "secret/1"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    mine = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": ["s3:GetObject"], "Resource": f"{arn}/object/app/*"}
    fails(404, "NoSuchAccessPointPolicy", control.get_access_point_policy, AccountId=OWNER, Name=point["Name"])
    control.put_access_point_policy(AccountId=OWNER, Name=point["Name"], Policy=policy(mine))
    assert json.loads(control.get_access_point_policy(AccountId=OWNER, Name=point["Name"])["Policy"])["Statement"] == [mine]
    status = control.get_access_point_policy_status(AccountId=OWNER, Name=point["Name"])["PolicyStatus"]
    assert status == {"IsPublic": False}
    # The bucket must agree: here it leaves all to the access points of its account.
    fails(403, "AccessDenied", other.get_object, Bucket=alias, Key="app/1")
    delegate = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "*",
                "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
                "Condition": {"StringEquals": {"s3:DataAccessPointAccount": OWNER}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(delegate))
    assert other.get_object(Bucket=alias, Key="app/1")["Body"].read() == b"x"
    fails(403, "AccessDenied", other.get_object, Bucket=alias, Key="secret/1")
    fails(403, "AccessDenied", other.get_object, Bucket=bucket, Key="app/1")
    wrong = {**mine, "Resource": "arn:aws:s3:us-east-1:000000000000:accesspoint/other/object/*"}
    fails(400, "MalformedPolicy", control.put_access_point_policy, AccountId=OWNER, Name=point["Name"], Policy=policy(wrong))
    public = {**mine, "Principal": "*"}
    fails(403, "AccessDenied", control.put_access_point_policy, AccountId=OWNER, Name=point["Name"], Policy=policy(public))
    control.delete_access_point_policy(AccountId=OWNER, Name=point["Name"])
    fails(403, "AccessDenied", other.get_object, Bucket=alias, Key="app/1")


def test_private_network(s3, control, bucket):
    made = control.create_access_point(AccountId=OWNER, Name="vpc-" + bucket[:30].rstrip("-"), Bucket=bucket, VpcConfiguration={"VpcId": "vpc-1a2b"})
    got = control.get_access_point(AccountId=OWNER, Name="vpc-" + bucket[:30].rstrip("-"))
    assert got["NetworkOrigin"] == "VPC" and got["VpcConfiguration"] == {"VpcId": "vpc-1a2b"}
    fails(403, "AccessDenied", s3.list_objects_v2, Bucket=made["Alias"])


def test_account(cloud):
    account = "222222222222"
    s3, control = cloud.client("s3", account, "x"), control_of(cloud, account)
    s3.create_bucket(Bucket="of-the-second-account")
    s3.delete_public_access_block(Bucket="of-the-second-account")
    everybody = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::of-the-second-account/*"})
    s3.put_bucket_policy(Bucket="of-the-second-account", Policy=everybody)
    s3.put_object(Bucket="of-the-second-account", Key="k", Body=b"x")
    anyone = cloud.client("s3", "333333333333", "x")
    anyone.get_object(Bucket="of-the-second-account", Key="k")
    fails(404, "NoSuchPublicAccessBlockConfiguration", control.get_public_access_block, AccountId=account)
    control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=ALL)
    assert control.get_public_access_block(AccountId=account)["PublicAccessBlockConfiguration"] == ALL
    fails(403, "AccessDenied", anyone.get_object, Bucket="of-the-second-account", Key="k")
    fails(403, "AccessDenied", s3.put_bucket_policy, Bucket="of-the-second-account", Policy=everybody)
    control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration=NONE)
    anyone.get_object(Bucket="of-the-second-account", Key="k")
    control.delete_public_access_block(AccountId=account)
    fails(403, "AccessDenied", control.get_public_access_block, AccountId=OWNER)


def test_tags(s3, control, bucket, point):
    for arn in (point["AccessPointArn"], f"arn:aws:s3:::{bucket}"):
        assert control.list_tags_for_resource(AccountId=OWNER, ResourceArn=arn)["Tags"] == []
        control.tag_resource(AccountId=OWNER, ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
        control.tag_resource(AccountId=OWNER, ResourceArn=arn, Tags=[{"Key": "a", "Value": "3"}])
        control.untag_resource(AccountId=OWNER, ResourceArn=arn, TagKeys=["b"])
        assert control.list_tags_for_resource(AccountId=OWNER, ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "3"}]
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "3"}]


def test_buckets_themselves_are_out_of_reach(cloud, s3, control, name):
    """Access point compatibility: objects, and a few things that a bucket tells of itself."""
    bucket = f"reach-{name}".lower()[:60].strip("-")
    s3.create_bucket(Bucket=bucket)
    made = control.create_access_point(AccountId=OWNER, Name="reach", Bucket=bucket)
    place = made["Alias"]
    fails(405, "MethodNotAllowed", s3.delete_bucket, Bucket=place)
    fails(405, "MethodNotAllowed", s3.get_bucket_versioning, Bucket=place)
    fails(405, "MethodNotAllowed", s3.put_bucket_tagging, Bucket=place, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.head_bucket(Bucket=place)["AccessPointAlias"] is True
    assert s3.get_bucket_location(Bucket=place)["LocationConstraint"] is None
    s3.put_object(Bucket=place, Key="k", Body=b"x")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=place)["Contents"]] == ["k"]
    assert s3.head_bucket(Bucket=bucket)["AccessPointAlias"] is False
