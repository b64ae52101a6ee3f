"""Multi-region access points, through an unmodified boto3."""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import time

import pytest
from botocore.exceptions import ClientError

OWNER = "000000000000"


def fails(code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    assert caught.value.response["Error"]["Code"] == code


@pytest.fixture
def control(own):
    client = own.client("s3control")

    def without_prefix(params, **_):
        params["url"] = re.sub(r"//\d{12}\.", "//", params["url"])

    client.meta.events.register("before-call.s3-control", without_prefix)
    return client


def finished(control, arn):
    for _ in range(1000):
        found = control.describe_multi_region_access_point_operation(
            AccountId=OWNER, RequestTokenARN=arn)["AsyncOperation"]
        if found["RequestStatus"] != "INPROGRESS":
            return found
        time.sleep(0.05)
    raise AssertionError("still in progress")


def test_life_of_a_multi_region_access_point(own, control):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="east")
    s3.create_bucket(Bucket="west", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    details = {"Name": "both", "Regions": [{"Bucket": "east"}, {"Bucket": "west"}]}
    arn = control.create_multi_region_access_point(
        AccountId=OWNER, ClientToken="one", Details=details)["RequestTokenARN"]
    assert arn == control.create_multi_region_access_point(
        AccountId=OWNER, ClientToken="one", Details=details)["RequestTokenARN"]
    done = finished(control, arn)
    assert done["RequestStatus"] == "SUCCEEDED" and done["Operation"] == "CreateMultiRegionAccessPoint"
    assert {r["Name"] for r in done["ResponseDetails"]["MultiRegionAccessPointDetails"]["Regions"]} == {
        "us-east-1", "us-west-2"}
    found = control.get_multi_region_access_point(AccountId=OWNER, Name="both")["AccessPoint"]
    assert found["Status"] == "READY" and re.fullmatch(r"[a-z][a-z0-9]*\.mrap", found["Alias"])
    assert [one["Name"] for one in control.list_multi_region_access_points(
        AccountId=OWNER)["AccessPoints"]] == ["both"]
    fails("MultiRegionAccessPointAlreadyOwnedByYou", control.create_multi_region_access_point,
          AccountId=OWNER, ClientToken="two", Details=details)

    point = f"arn:aws:s3::{OWNER}:accesspoint/{found['Alias']}"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"},
        "Action": "s3:GetObject", "Resource": f"{point}/object/*"}]})
    arn = control.put_multi_region_access_point_policy(
        AccountId=OWNER, ClientToken="three",
        Details={"Name": "both", "Policy": policy})["RequestTokenARN"]
    assert finished(control, arn)["RequestStatus"] == "SUCCEEDED"
    shown = control.get_multi_region_access_point_policy(AccountId=OWNER, Name="both")["Policy"]
    assert shown["Established"]["Policy"] == policy
    assert control.get_multi_region_access_point_policy_status(
        AccountId=OWNER, Name="both")["Established"] == {"IsPublic": False}

    control.submit_multi_region_access_point_routes(AccountId=OWNER, Mrap=point, RouteUpdates=[
        {"Region": "us-west-2", "TrafficDialPercentage": 0}])
    routes = control.get_multi_region_access_point_routes(AccountId=OWNER, Mrap=point)["Routes"]
    assert {r["Region"]: r["TrafficDialPercentage"] for r in routes} == {"us-east-1": 100, "us-west-2": 0}
    fails("InvalidRequest", control.submit_multi_region_access_point_routes, AccountId=OWNER,
          Mrap=point, RouteUpdates=[{"Bucket": "east", "TrafficDialPercentage": 0}])
    arn = control.delete_multi_region_access_point(
        AccountId=OWNER, ClientToken="four", Details={"Name": "both"})["RequestTokenARN"]
    assert finished(control, arn)["RequestStatus"] == "SUCCEEDED"
    fails("NoSuchMultiRegionAccessPoint", control.get_multi_region_access_point,
          AccountId=OWNER, Name="both")
    fails("NoSuchAsyncRequest", control.describe_multi_region_access_point_operation,
          AccountId=OWNER, RequestTokenARN=arn + "x")


def by_crt(cloud, key, *steps, secret=None):
    """The answers that boto3 with awscrt gets; each tells how the request was signed."""
    told = {"endpoint": cloud.endpoint, "key": key["AccessKeyId"], "secret": secret or key["SecretAccessKey"],
            "steps": steps}
    environment = {name: value for name, value in os.environ.items()
                   if name != "BOTO_DISABLE_CRT" and not name.startswith("AWS_")}
    done = subprocess.run([sys.executable, str(pathlib.Path(__file__).with_name("mrap_client.py"))],
                          input=json.dumps(told), capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_objects_through_a_multi_region_access_point(own, control):
    s3, iam = own.client("s3"), own.client("iam")
    s3.create_bucket(Bucket="east")
    s3.create_bucket(Bucket="west", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    iam.create_user(UserName="ann")
    iam.put_user_policy(UserName="ann", PolicyName="all", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    finished(control, control.create_multi_region_access_point(
        AccountId=OWNER, ClientToken="one",
        Details={"Name": "both", "Regions": [{"Bucket": "east"}, {"Bucket": "west"}]})["RequestTokenARN"])
    alias = control.get_multi_region_access_point(AccountId=OWNER, Name="both")["AccessPoint"]["Alias"]
    point = f"arn:aws:s3::{OWNER}:accesspoint/{alias}"
    where = {"Bucket": point, "Key": "a b/ü"}

    put, got, listed, presigned, wrong = by_crt(
        own, key, ["put_object", {**where, "Body": base64.b64encode(b"hello").decode()}], ["get_object", where],
        ["list_objects_v2", {"Bucket": point}], ["presigned", where],
        ["presigned", {**where, "_": "&X-Amz-Expires=3599"}])
    assert put["seen"] == ["AWS4-ECDSA-P256-SHA256", "*"]
    assert got["Body"] == presigned["Body"] == "hello"
    assert [one["Key"] for one in listed["Contents"]] == ["a b/ü"]
    assert wrong["Error"] == "SignatureDoesNotMatch"
    assert s3.get_object(Bucket="east", Key="a b/ü")["Body"].read() == b"hello"
    other, = by_crt(own, key, ["get_object", where], secret="x" * 40)
    assert other["Error"] == "SignatureDoesNotMatch"

    # Failed over to the other bucket.
    control.submit_multi_region_access_point_routes(AccountId=OWNER, Mrap=point, RouteUpdates=[
        {"Bucket": "east", "TrafficDialPercentage": 0}])
    missing, put, not_for_it = by_crt(
        own, key, ["get_object", where], ["put_object", {"Bucket": point, "Key": "k", "Body": ""}],
        ["get_bucket_versioning", {"Bucket": point}])
    assert missing["Error"] == "NoSuchKey" and "Error" not in put
    assert not_for_it["Error"] == "MethodNotAllowed"
    assert own.client("s3", region="us-west-2").head_object(Bucket="west", Key="k")
    # By the alias, in the path, and signed for a region, as clients without awscrt can.
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=alias)["Contents"]] == ["k"]

    # Its policy counts beside the bucket's.
    finished(control, control.put_multi_region_access_point_policy(
        AccountId=OWNER, ClientToken="two", Details={"Name": "both", "Policy": json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Deny", "Principal": {"AWS": f"arn:aws:iam::{OWNER}:user/ann"}, "Action": "s3:GetObject",
                "Resource": f"{point}/object/*"}]})})["RequestTokenARN"])
    denied, listed = by_crt(own, key, ["get_object", {"Bucket": point, "Key": "k"}],
                            ["list_objects_v2", {"Bucket": point}])
    assert denied["Error"] == "AccessDenied" and "Error" not in listed

    finished(control, control.delete_multi_region_access_point(
        AccountId=OWNER, ClientToken="three", Details={"Name": "both"})["RequestTokenARN"])
    gone, = by_crt(own, key, ["list_objects_v2", {"Bucket": point}])
    assert gone["Error"] == "NoSuchMultiRegionAccessPoint"
