"""What a data protection policy hides stays hidden wherever events leave: Live Tail, exports, the AWS CLI."""

import gzip
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from kumoniwa import wait_until
from test_boto3_logs_export import allow, ended

AWS = str(Path(sys.executable).parent / "aws")
EMAIL = "arn:aws:dataprotection::aws:data-identifier/EmailAddress"
POLICY = json.dumps({"Name": "mail", "Version": "2021-06-01", "Statement": [
    {"Sid": "audit", "DataIdentifier": [EMAIL], "Operation": {"Audit": {"FindingsDestination": {}}}},
    {"Sid": "mask", "DataIdentifier": [EMAIL], "Operation": {"Deidentify": {"MaskConfig": {}}}}]})


@pytest.fixture
def logs(cloud):
    return cloud.client("logs", inject_host_prefix=False)


@pytest.fixture
def group(logs, name):
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="s")
    logs.put_data_protection_policy(logGroupIdentifier=name, policyDocument=POLICY)
    yield name
    logs.delete_log_group(logGroupName=name)


def put(logs, group, message="from jane@example.com"):
    logs.put_log_events(logGroupName=group, logStreamName="s",
                        logEvents=[{"timestamp": int(time.time() * 1000), "message": message}])


def test_policy_of_a_group(logs, group):
    found = logs.get_data_protection_policy(logGroupIdentifier=group)
    assert found["policyDocument"] == POLICY and found["lastUpdatedTime"] > 0
    assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["dataProtectionStatus"] == "ACTIVATED"
    put(logs, group)
    (event,) = logs.filter_log_events(logGroupName=group)["events"]
    assert event["message"] == "from ****************"
    (event,) = logs.get_log_events(logGroupName=group, logStreamName="s", unmask=True)["events"]
    assert event["message"] == "from jane@example.com"
    logs.delete_data_protection_policy(logGroupIdentifier=group)
    assert "policyDocument" not in logs.get_data_protection_policy(logGroupIdentifier=group)
    with pytest.raises(ClientError) as caught:
        logs.put_data_protection_policy(logGroupIdentifier=group, policyDocument="{}")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


def test_live_tail(logs, group):
    arn = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["logGroupArn"]
    stream = logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]
    threading.Timer(0.5, put, (logs, group)).start()
    for event in stream:
        results = event.get("sessionUpdate", {}).get("sessionResults", [])
        if results:
            assert results[0]["message"] == "from ****************"
            break
    stream.close()


def test_export(cloud, logs, group, name):
    s3, bucket = cloud.client("s3"), name.lower()
    s3.create_bucket(Bucket=bucket)
    allow(cloud, bucket)
    put(logs, group)
    now = int(time.time() * 1000)
    made = {}

    def begun():  # one at a time in an account
        try:
            made.update(logs.create_export_task(logGroupName=group, fromTime=now - 60000, to=now + 60000, destination=bucket))
        except logs.exceptions.LimitExceededException:
            return False
        return True
    wait_until(begun, 30, "an export to begin")
    assert ended(logs, made["taskId"])["status"]["code"] == "COMPLETED"
    (key,) = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket, Prefix=f"exportedlogs/{made['taskId']}/")["Contents"]]
    line = gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    assert line.endswith(b"Z from ****************\n")


def test_unmask_in_a_query(cloud, logs, group):
    put(logs, group)
    done = subprocess.run([AWS, "--endpoint-url", cloud.endpoint, "logs", "start-query", "--log-group-name", group,
                           "--start-time", "0", "--end-time", str(int(time.time()) + 60), "--query-string",
                           "fields @message, unmask(@message) as plain"], env=cloud.client_environment(),
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60)
    query = json.loads(done.stdout)["queryId"]
    wait_until(lambda: logs.get_query_results(queryId=query)["status"] == "Complete", 30, "the query")
    (row,) = logs.get_query_results(queryId=query)["results"]
    assert [field["value"] for field in row[:2]] == ["from ****************", "from jane@example.com"]
