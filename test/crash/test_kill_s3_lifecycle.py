"""kill -9 in the midst of a lifecycle's walk, of replication and of notifications: everything happens, once, and no
file is left over."""

import json
import os
import random
import time

from kumoniwa import Cloud, wait_until

COUNT = 1500


def content(n):
    return (f"{n:05}".encode()) * (3 if n % 4 else 3000)


def queue_for(cloud, bucket, events):
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn}]})})
    cloud.client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "QueueConfigurations": [{"QueueArn": arn, "Events": events}]})
    return url


def told(cloud, url, count):
    """The keys of all messages, the test event aside; each message is deleted."""
    sqs, keys, end = cloud.client("sqs"), [], time.monotonic() + 180
    while len(keys) < count and time.monotonic() < end:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        keys += [r["s3"]["object"]["key"] for m in messages for r in json.loads(m["Body"]).get("Records", [])]
        if messages:
            sqs.delete_message_batch(QueueUrl=url, Entries=[
                {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)])
    return keys + [m["Body"] for m in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])]


def listed(cloud, bucket):
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {o["Key"] for page in pages for o in page.get("Contents", [])}


def blobs(cloud):
    return sum(len(files) for _, _, files in os.walk(cloud.data / "blobs"))


def test_lifecycle(tmp_path):
    own = Cloud(tmp_path / "own").start()
    s3 = own.client("s3")
    s3.create_bucket(Bucket="bucket")
    for n in range(COUNT):
        s3.put_object(Bucket="bucket", Key=f"{'gone' if n % 3 else 'kept'}/{n:05}", Body=content(n))
    url = queue_for(own, "bucket", ["s3:LifecycleExpiration:Delete"])
    s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [
        {"Status": "Enabled", "Filter": {"Prefix": "gone/"}, "Expiration": {"Days": 1}}]})
    gone = {f"gone/{n:05}" for n in range(COUNT) if n % 3}
    kept = {f"kept/{n:05}" for n in range(0, COUNT, 3)}
    own.run("clock", "advance", "2d")
    kills = 0
    random.seed(7)
    while listed(own, "bucket") & gone or kills < 5:
        time.sleep(random.random() / 100)
        own.kill()
        own.start()
        kills += 1
    print(f"killed {kills} times")
    assert listed(own, "bucket") == kept
    keys = told(own, url, len(gone))
    assert len(keys) == len(gone) and set(keys) == gone
    for n in range(0, COUNT, 30):
        assert own.client("s3").get_object(Bucket="bucket", Key=f"kept/{n:05}")["Body"].read() == content(n)
    large = sum(1 for n in range(0, COUNT, 3) if len(content(n)) > 8192)
    wait_until(lambda: blobs(own) == large, message="files are left over")
    own.stop()


def test_replication(tmp_path):
    own = Cloud(tmp_path / "own", "--iam", "off").start()
    s3 = own.client("s3")
    for bucket in ("source", "target"):
        s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_replication(Bucket="source", ReplicationConfiguration={
        "Role": "arn:aws:iam::000000000000:role/r", "Rules": [
            {"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::target"}}]})
    acknowledged = {}
    random.seed(8)
    for turn in range(6):
        s3, end = own.client("s3"), time.monotonic() + 0.3 + random.random() / 5
        while time.monotonic() < end or len(acknowledged) < 5 * (turn + 1):
            n = len(acknowledged)
            answer = s3.put_object(Bucket="source", Key=f"k{n % 40}", Body=content(n))
            acknowledged[answer["VersionId"]] = (f"k{n % 40}", n)
        own.kill()
        own.start()
    s3 = own.client("s3")

    def versions(bucket):
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        return [(v["Key"], v["VersionId"], v["IsLatest"]) for page in pages for v in page.get("Versions", [])]

    wait_until(lambda: len(versions("target")) >= len(acknowledged), message="versions are missing")
    assert versions("target") == versions("source")
    for version, (key, n) in list(acknowledged.items())[::10]:
        one = s3.get_object(Bucket="target", Key=key, VersionId=version)
        assert one["Body"].read() == content(n) and one["ReplicationStatus"] == "REPLICA"
        assert s3.head_object(Bucket="source", Key=key, VersionId=version)["ReplicationStatus"] == "COMPLETED"
    own.stop()
