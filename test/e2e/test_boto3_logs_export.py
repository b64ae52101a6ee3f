"""Exports to S3 and resource policies through boto3."""

import gzip
import json
import time

import pytest

from kumoniwa import wait_until


@pytest.fixture
def logs(cloud):
    return cloud.client("logs")


@pytest.fixture
def bucket(cloud, name):
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name.lower())
    return name.lower()


def allow(cloud, bucket, account="000000000000"):
    service = {"Service": "logs.us-east-1.amazonaws.com"}
    when = {"StringEquals": {"aws:SourceAccount": [account]},
            "ArnLike": {"aws:SourceArn": [f"arn:aws:logs:us-east-1:{account}:log-group:*"]}}
    cloud.client("s3").put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl", "Resource": f"arn:aws:s3:::{bucket}",
         "Condition": when},
        {"Effect": "Allow", "Principal": service, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*",
         "Condition": {**when, "StringEquals": {**when["StringEquals"], "s3:x-amz-acl": "bucket-owner-full-control"}}},
    ]}))


def fill(logs, group, stream, count, size, base):
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    for start in range(0, count, 500):
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[
            {"timestamp": base + i, "message": f"{i:06} " + "x" * size} for i in range(start, min(count, start + 500))])


def ended(logs, task):
    def come():
        (found,) = logs.describe_export_tasks(taskId=task)["exportTasks"]
        return found["status"]["code"] not in ("PENDING", "RUNNING", "PENDING_CANCEL") and found

    return wait_until(come, message="the export does not end")


def test_export(cloud, logs, name, bucket):
    base = int(time.time() * 1000) - 600000
    logs.create_log_group(logGroupName=name)
    fill(logs, name, "app/one", 6000, 1500, base)
    fill(logs, name, "app/two", 10, 5, base)
    fill(logs, name, "other", 10, 5, base)
    wanted = {"logGroupName": name, "fromTime": base + 5, "to": base + 5000, "destination": bucket,
              "destinationPrefix": "out", "logStreamNamePrefix": "app/", "taskName": "mine"}
    with pytest.raises(logs.exceptions.InvalidParameterException, match="GetBucketAcl call on the given bucket failed"):
        logs.create_export_task(**wanted)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.create_export_task(**{**wanted, "destination": bucket + "-not"})
    allow(cloud, bucket)
    task = logs.create_export_task(**wanted)["taskId"]
    found = ended(logs, task)
    assert found["status"] == {"code": "COMPLETED", "message": "Completed successfully"}
    s3 = cloud.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert "out/aws-logs-write-test" in keys
    files = [key for key in keys if task in key]
    assert files == [f"out/{task}/app-one/000000.gz", f"out/{task}/app-one/000001.gz", f"out/{task}/app-two/000000.gz"]
    lines = b"".join(gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
                     for key in files[:2]).decode().splitlines()
    assert [int(line.split(" ")[1]) for line in lines] == list(range(5, 5000))
    assert lines[0][:24] == time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((base + 5) / 1000)) + f".{(base + 5) % 1000:03}Z"
    with pytest.raises(logs.exceptions.InvalidOperationException):
        logs.cancel_export_task(taskId=task)


def test_export_survives_and_is_cancelled(own, name):
    logs, s3 = own.client("logs"), own.client("s3")
    base = int(time.time() * 1000) - 600000
    logs.create_log_group(logGroupName="g")
    for i in range(12):
        fill(logs, "g", f"s{i}", 1000, 2000, base)
    s3.create_bucket(Bucket="exports")
    allow(own, "exports")
    task = logs.create_export_task(logGroupName="g", fromTime=base, to=base + 10000, destination="exports")["taskId"]
    with pytest.raises(logs.exceptions.LimitExceededException):
        logs.create_export_task(logGroupName="g", fromTime=base, to=base + 10000, destination="exports")
    own.kill()
    own.start()
    logs, s3 = own.client("logs"), own.client("s3")
    assert ended(logs, task)["status"]["code"] == "COMPLETED"
    total = 0
    for one in s3.list_objects_v2(Bucket="exports", Prefix=f"exportedlogs/{task}/")["Contents"]:
        total += gzip.decompress(s3.get_object(Bucket="exports", Key=one["Key"])["Body"].read()).count(b"\n")
    assert total == 12000
    task = logs.create_export_task(logGroupName="g", fromTime=base, to=base + 10000, destination="exports")["taskId"]
    logs.cancel_export_task(taskId=task)
    assert ended(logs, task)["status"]["code"] == "CANCELLED"


def test_resource_policies(own):
    logs = own.client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")

    def policy(effect="Allow", account="111122223333"):
        return json.dumps({"Version": "2012-10-17", "Statement": {
            "Effect": effect, "Principal": {"AWS": account}, "Action": "logs:PutLogEvents", "Resource": "*"}})
    made = logs.put_resource_policy(policyName="one", policyDocument=policy())
    assert made["resourcePolicy"]["policyName"] == "one" and made["resourcePolicy"]["policyScope"] == "ACCOUNT"
    again = logs.put_resource_policy(policyName="one", policyDocument=policy(), expectedRevisionId=made["revisionId"])
    assert again["revisionId"] != made["revisionId"]
    with pytest.raises(logs.exceptions.OperationAbortedException):
        logs.put_resource_policy(policyName="one", policyDocument=policy(), expectedRevisionId=made["revisionId"])
    for i in range(9):
        logs.put_resource_policy(policyName=f"more-{i}", policyDocument=policy())
    with pytest.raises(logs.exceptions.LimitExceededException):
        logs.put_resource_policy(policyName="too-many", policyDocument=policy())
    assert len(logs.describe_resource_policies()["resourcePolicies"]) == 10
    assert len(logs.describe_resource_policies(limit=4)["resourcePolicies"]) == 4
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.put_resource_policy(policyName="one", policyDocument="{}")
    # One that denies is enforced.
    now = int(time.time() * 1000)
    event = {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": now, "message": "x"}]}
    logs.put_log_events(**event)
    logs.put_resource_policy(policyName="one", policyDocument=policy("Deny", "*"))
    with pytest.raises(logs.exceptions.ClientError, match="AccessDenied"):
        logs.put_log_events(**event)
    logs.delete_resource_policy(policyName="one")
    logs.put_log_events(**event)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.delete_resource_policy(policyName="one")
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    logs.put_resource_policy(resourceArn=arn, policyDocument=policy("Deny", "*"))
    with pytest.raises(logs.exceptions.ClientError, match="AccessDenied"):
        logs.put_log_events(**event)
    (found,) = logs.describe_resource_policies(resourceArn=arn)["resourcePolicies"]
    assert found["policyScope"] == "RESOURCE"
