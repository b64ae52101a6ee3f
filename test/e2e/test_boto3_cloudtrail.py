"""CloudTrail through boto3: scenario B12 (who did it), E19 (by a resource's name)."""

import gzip
import json

import pytest
from botocore.exceptions import ClientError
from kumoniwa import wait_until

ACCOUNT = "000000000000"


def lookup(client, key, value, count=1):
    found = []

    def come():
        found[:] = client.lookup_events(LookupAttributes=[{"AttributeKey": key, "AttributeValue": value}])["Events"]
        return len(found) >= count

    wait_until(come, message=f"no event with {key}={value}")
    return found


def refused(code, call, **params):
    with pytest.raises(ClientError) as caught:
        call(**params)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response["Error"]["Message"]


def test_who_did_it(own):
    sqs, trail = own.client("sqs"), own.client("cloudtrail")
    sqs.create_queue(QueueName="audited", Attributes={"DelaySeconds": "3"})
    with pytest.raises(ClientError):
        sqs.get_queue_url(QueueName="absent")
    events = lookup(trail, "ResourceName", "audited")
    made = events[-1]
    assert (made["EventName"], made["EventSource"], made["ReadOnly"]) == ("CreateQueue", "sqs.amazonaws.com", "false")
    assert made["Username"] == "root" and made["AccessKeyId"] == "test"
    assert {(r["ResourceType"], r["ResourceName"]) for r in made["Resources"]} >= {("AWS::SQS::Queue", "audited")}
    record = json.loads(made["CloudTrailEvent"])
    assert record["requestParameters"] == {"queueName": "audited", "attributes": {"DelaySeconds": "3"}}
    assert record["responseElements"]["queueUrl"].endswith("/audited")
    assert record["userIdentity"]["type"] == "Root" and record["userIdentity"]["accountId"] == ACCOUNT
    assert record["eventID"] == made["EventId"] and record["managementEvent"] is True
    failed = json.loads(lookup(trail, "EventName", "GetQueueUrl")[0]["CloudTrailEvent"])
    assert failed["errorCode"] == "AWS.SimpleQueueService.NonExistentQueue" and failed["readOnly"] is True
    assert failed["responseElements"] is None
    assert lookup(trail, "EventId", made["EventId"])[0]["EventName"] == "CreateQueue"
    assert lookup(trail, "AccessKeyId", "test") and lookup(trail, "EventSource", "sqs.amazonaws.com")


def test_events_survive_a_kill_and_are_paged(own):
    sqs = own.client("sqs")
    for i in range(60):
        sqs.create_queue(QueueName=f"q{i}")
    own.kill()
    own.start()
    trail = own.client("cloudtrail")
    lookup(trail, "ResourceName", "q59")
    pages = trail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateQueue"}]
    )
    names = [json.loads(e["CloudTrailEvent"])["requestParameters"]["queueName"] for p in pages for e in p["Events"]]
    assert sorted(names) == sorted(f"q{i}" for i in range(60))


def test_data_calls_are_no_history(own):
    sqs, trail = own.client("sqs"), own.client("cloudtrail")
    url = sqs.create_queue(QueueName="busy")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    sqs.delete_queue(QueueUrl=url)
    lookup(trail, "EventName", "DeleteQueue")
    assert trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "SendMessage"}])[
        "Events"
    ] == []


def test_bad_lookups(cloud):
    trail = cloud.client("cloudtrail")
    two = [{"AttributeKey": "EventName", "AttributeValue": "a"}, {"AttributeKey": "EventId", "AttributeValue": "b"}]
    refused("InvalidLookupAttributesException", trail.lookup_events, LookupAttributes=two)
    refused("InvalidTimeRangeException", trail.lookup_events, StartTime=2000000000, EndTime=1000000000)
    refused("InvalidNextTokenException", trail.lookup_events, NextToken="nonsense")


POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:GetBucketAcl",
         "Resource": "arn:aws:s3:::logs"},
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "s3:PutObject",
         "Resource": f"arn:aws:s3:::logs/AWSLogs/{ACCOUNT}/*",
         "Condition": {"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}}},
    ],
}  # fmt: skip


def test_a_trail_delivers_to_a_bucket(own):
    s3, trail, sqs = own.client("s3"), own.client("cloudtrail"), own.client("sqs")
    refused("S3BucketDoesNotExistException", trail.create_trail, Name="all", S3BucketName="logs")
    s3.create_bucket(Bucket="logs")
    refused("InsufficientS3BucketPolicyException", trail.create_trail, Name="all", S3BucketName="logs")
    s3.put_bucket_policy(Bucket="logs", Policy=json.dumps(POLICY))
    made = trail.create_trail(Name="all", S3BucketName="logs", IsMultiRegionTrail=True)
    assert made["TrailARN"] == f"arn:aws:cloudtrail:us-east-1:{ACCOUNT}:trail/all"
    refused("TrailAlreadyExistsException", trail.create_trail, Name="all", S3BucketName="logs")
    refused("TrailNotFoundException", trail.get_trail, Name="other")
    refused("InvalidTrailNameException", trail.get_trail, Name="a")
    assert trail.get_trail_status(Name="all")["IsLogging"] is False
    selectors = trail.get_event_selectors(TrailName="all")["EventSelectors"]
    assert selectors == [{"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [],
                          "ExcludeManagementEventSources": []}]  # fmt: skip
    trail.put_event_selectors(
        TrailName="all",
        EventSelectors=[{"ReadWriteType": "WriteOnly",
                         "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::data/"]}]}],
    )  # fmt: skip
    trail.start_logging(Name="all")
    s3.create_bucket(Bucket="data")
    s3.put_object(Bucket="data", Key="seen", Body=b"1")
    s3.get_object(Bucket="data", Key="seen")
    sqs.create_queue(QueueName="audited")
    lookup(trail, "ResourceName", "audited")
    own.run("clock", "advance", "6m")
    found = []

    def delivered():
        found[:] = [o["Key"] for o in s3.list_objects_v2(Bucket="logs").get("Contents", []) if o["Size"] > 0]
        return bool(found)

    wait_until(delivered, message="no log file came")
    assert found[0].startswith(f"AWSLogs/{ACCOUNT}/CloudTrail/us-east-1/20") and found[0].endswith(".json.gz")
    records = json.loads(gzip.decompress(s3.get_object(Bucket="logs", Key=found[0])["Body"].read()))["Records"]
    names = [record["eventName"] for record in records]
    assert "CreateQueue" in names and "PutObject" in names
    assert "GetObject" not in names and "LookupEvents" not in names
    put = records[names.index("PutObject")]
    assert put["managementEvent"] is False and put["resources"][0]["ARN"] == "arn:aws:s3:::data/seen"
    assert trail.get_trail_status(Name="all")["LatestDeliveryTime"] is not None
    trail.stop_logging(Name="all")
    trail.add_tags(ResourceId=made["TrailARN"], TagsList=[{"Key": "k", "Value": "v"}])
    assert trail.list_tags(ResourceIdList=[made["TrailARN"]])["ResourceTagList"][0]["TagsList"] == [
        {"Key": "k", "Value": "v"}
    ]
    trail.delete_trail(Name="all")
    assert trail.describe_trails()["trailList"] == []
