"""Multi-region access points, through an unmodified boto3."""

import json
import re
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
    for _ in range(100):
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
    fails("NotImplemented", s3.list_objects_v2, Bucket=found["Alias"])

    arn = control.delete_multi_region_access_point(
        AccountId=OWNER, ClientToken="four", Details={"Name": "both"})["RequestTokenARN"]
    assert finished(control, arn)["RequestStatus"] == "SUCCEEDED"
    fails("NoSuchMultiRegionAccessPoint", control.get_multi_region_access_point,
          AccountId=OWNER, Name="both")
    fails("NoSuchAsyncRequest", control.describe_multi_region_access_point_operation,
          AccountId=OWNER, RequestTokenARN=arn + "x")
