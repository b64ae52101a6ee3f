"""S3's notifications to SQS through boto3 and the AWS CLI: the test event, the records, filters, refusals."""

import json
import pathlib
import re
import subprocess
import sys
import time

import pytest
from botocore.exceptions import ClientError

AWS = str(pathlib.Path(sys.executable).parent / "aws")


def allow(sqs, queue, bucket):
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
        "Resource": arn, "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:s3:*:*:{bucket}"},
                                       "StringEquals": {"aws:SourceAccount": "000000000000"}}}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    return arn


def drain(sqs, queue, count, seconds=60):
    """`count` message bodies, and no more."""
    found = []
    end = time.monotonic() + seconds
    while len(found) < count and time.monotonic() < end:
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            found.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    found += [json.loads(m["Body"]) for m in sqs.receive_message(QueueUrl=queue).get("Messages", [])]
    assert len(found) == count, found
    return found


def configure(s3, bucket, *queues):
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [
        {"QueueArn": arn, "Events": events, **more} for arn, events, more in queues]})


def test_records(s3, sqs, bucket, queue):
    arn = allow(sqs, queue, bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    configure(s3, bucket, (arn, ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"], {"Id": "all"}))
    (test,) = drain(sqs, queue, 1)
    assert test["Service"] == "Amazon S3" and test["Event"] == "s3:TestEvent" and test["Bucket"] == bucket
    assert sorted(test) == ["Bucket", "Event", "HostId", "RequestId", "Service", "Time"]

    put = s3.put_object(Bucket=bucket, Key="red flower/Ä.jpg", Body=b"hello")
    (message,) = drain(sqs, queue, 1)
    (record,) = message["Records"]
    headers = put["ResponseMetadata"]["HTTPHeaders"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("eventTime"))
    sequencer = record["s3"]["object"].pop("sequencer")
    assert re.fullmatch(r"[0-9A-F]{16,}", sequencer)
    owner = record["s3"]["bucket"]["ownerIdentity"]["principalId"]
    assert re.fullmatch(r"A[A-Z0-9]{13}", owner)
    assert record == {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1", "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": owner}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": headers["x-amz-request-id"], "x-amz-id-2": headers["x-amz-id-2"]},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "all",
               "bucket": {"name": bucket, "ownerIdentity": {"principalId": owner}, "arn": f"arn:aws:s3:::{bucket}"},
               "object": {"key": "red+flower/%C3%84.jpg", "size": 5, "eTag": "5d41402abc4b2a76b9719d911017c592",
                          "versionId": put["VersionId"]}}}

    s3.copy_object(Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "red flower/Ä.jpg"})
    upload = s3.create_multipart_upload(Bucket=bucket, Key="b")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="b", UploadId=upload, PartNumber=1, Body=b"x" * 9000)
    s3.complete_multipart_upload(Bucket=bucket, Key="b", UploadId=upload,
                                 MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]})
    s3.put_object_tagging(Bucket=bucket, Key="b", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_object_tagging(Bucket=bucket, Key="b")
    marker = s3.delete_object(Bucket=bucket, Key="b")["VersionId"]
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b", "VersionId": marker}]})
    records = [m["Records"][0] for m in drain(sqs, queue, 6)]
    records.sort(key=lambda r: r["s3"]["object"]["sequencer"])
    assert [(r["eventName"], r["eventVersion"]) for r in records] == [
        ("ObjectCreated:Copy", "2.1"), ("ObjectCreated:CompleteMultipartUpload", "2.1"), ("ObjectTagging:Put", "2.3"),
        ("ObjectTagging:Delete", "2.3"), ("ObjectRemoved:DeleteMarkerCreated", "2.1"), ("ObjectRemoved:Delete", "2.1")]
    assert records[4]["s3"]["object"]["eTag"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert records[4]["s3"]["object"]["versionId"] == records[5]["s3"]["object"]["versionId"] == marker
    assert "size" not in records[5]["s3"]["object"] and "eTag" not in records[5]["s3"]["object"]

    # What does not happen is not told.
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="b", Body=b"x", IfMatch='"no"')
    drain(sqs, queue, 0, 0)


def test_cli_copy_is_told(cloud, s3, sqs, bucket, queue, tmp_path):
    """The first link of a pipeline: `aws s3 cp` of a file, a message in the queue."""
    configure(s3, bucket, (allow(sqs, queue, bucket), ["s3:ObjectCreated:*"], {
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "incoming/"}]}}}))
    drain(sqs, queue, 1)
    (tmp_path / "small.csv").write_text("a,b\n1,2\n")
    with (tmp_path / "large.bin").open("wb") as large:
        large.write(bytes(range(256)) * 4 * 9000)
    for name in ("small.csv", "large.bin"):
        subprocess.run([AWS, "s3", "cp", str(tmp_path / name), f"s3://{bucket}/incoming/{name}"], check=True,
                       env=cloud.client_environment(), capture_output=True)
    subprocess.run([AWS, "s3", "cp", str(tmp_path / "small.csv"), f"s3://{bucket}/else/small.csv"], check=True,
                   env=cloud.client_environment(), capture_output=True)
    told = {r["s3"]["object"]["key"]: r for m in drain(sqs, queue, 2) for r in m["Records"]}
    assert told["incoming/small.csv"]["eventName"] == "ObjectCreated:Put"
    assert told["incoming/small.csv"]["s3"]["object"]["size"] == 8
    assert told["incoming/large.bin"]["eventName"] == "ObjectCreated:CompleteMultipartUpload"
    assert told["incoming/large.bin"]["s3"]["object"]["size"] == 256 * 4 * 9000


def test_filters(s3, sqs, bucket, queue, name):
    other = sqs.create_queue(QueueName=name + "-2")["QueueUrl"]
    one, two = allow(sqs, queue, bucket), allow(sqs, other, bucket)

    def rules(**both):
        return {"Filter": {"Key": {"FilterRules": [{"Name": n, "Value": v} for n, v in both.items()]}}}

    configure(s3, bucket, (one, ["s3:ObjectCreated:Put"], rules(prefix="in/", suffix=".jpg")),
              (two, ["s3:ObjectCreated:*"], rules(prefix="out/")), (two, ["s3:ObjectRemoved:Delete"], {}))
    drain(sqs, queue, 1)
    drain(sqs, other, 1)
    got = s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"]
    assert len({c["Id"] for c in got}) == 3
    assert got[0]["Filter"]["Key"]["FilterRules"] == [{"Name": "Prefix", "Value": "in/"},
                                                      {"Name": "Suffix", "Value": ".jpg"}]
    for key in ("in/a.jpg", "in/a.png", "out/a", "a.jpg"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert drain(sqs, queue, 1)[0]["Records"][0]["s3"]["object"]["key"] == "in/a.jpg"
    assert drain(sqs, other, 1)[0]["Records"][0]["s3"]["object"]["key"] == "out/a"
    s3.delete_object(Bucket=bucket, Key="a.jpg")
    assert drain(sqs, other, 1)[0]["Records"][0]["eventName"] == "ObjectRemoved:Delete"
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    got = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert "QueueConfigurations" not in got
    s3.put_object(Bucket=bucket, Key="in/b.jpg", Body=b"")
    drain(sqs, queue, 0, 0)


def test_who(cloud, s3, sqs, bucket, queue):
    """A user's record names it by its id."""
    configure(s3, bucket, (allow(sqs, queue, bucket), ["s3:ObjectCreated:Put"], {}))
    drain(sqs, queue, 1)
    iam = cloud.client("iam")
    user = iam.create_user(UserName=bucket)["User"]
    iam.put_user_policy(UserName=bucket, PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}]}))
    key = iam.create_access_key(UserName=bucket)["AccessKey"]
    cloud.client("s3", key["AccessKeyId"], key["SecretAccessKey"]).put_object(Bucket=bucket, Key="k", Body=b"")
    (message,) = drain(sqs, queue, 1)
    assert message["Records"][0]["userIdentity"]["principalId"] == "AWS:" + user["UserId"]


def test_refused(s3, sqs, bucket, queue, fifo):
    plain = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def refused(configuration, code="InvalidArgument", status=400, **more):
        with pytest.raises(ClientError) as caught:
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration, **more)
        answer = caught.value.response
        assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
        return answer["Error"]

    def queues(*arns, events=("s3:ObjectCreated:*",), **more):
        return {"QueueConfigurations": [{"QueueArn": arn, "Events": list(events), **more} for arn in arns]}

    where = "Unable to validate the following destination configurations"
    error = refused(queues(plain))
    assert error["Message"] == where
    assert error["ArgumentName1"] == plain + ", null"
    assert error["ArgumentValue1"] == ("Permissions on the destination queue do not allow S3 to publish "
                                       "notifications from this bucket")
    assert refused(queues(plain + "-not"))["ArgumentValue1"] == "The destination queue does not exist"
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=queues(plain + "-not"),
                                             SkipDestinationValidation=True)
    s3.put_object(Bucket=bucket, Key="lost", Body=b"")  # nobody there to tell
    arn = allow(sqs, queue, bucket)
    assert "ambiguously defined" in refused(queues(arn, arn))["Message"]
    assert "IDs must be unique" in refused({"QueueConfigurations": [
        {"Id": "a", "QueueArn": arn, "Events": [e]} for e in ("s3:ObjectCreated:Put", "s3:ObjectCreated:Copy")]
    })["Message"]
    assert refused(queues(arn, events=["s3:Everything"]))["Message"] == \
        "A specified event is not supported for notifications."
    assert refused(queues("arn:aws:sqs:us-east-1:1:q"))["Message"] == "The ARN is not well formed"
    assert "region" in refused(queues(arn.replace("us-east-1", "eu-west-1")))["Message"]
    assert "prefix or suffix" in refused(queues(arn, Filter={"Key": {"FilterRules": [
        {"Name": "infix", "Value": "x"}]}}))["Message"]
    fifo_arn = sqs.get_queue_attributes(QueueUrl=fifo, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert refused(queues(fifo_arn))["Message"] == where
    function = {"LambdaFunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f"}
    assert refused({"LambdaFunctionConfigurations": [{**function, "Events": ["s3:ObjectCreated:*"]}]})["Message"] == where
    many = [{"QueueArn": plain, "Events": ["s3:ObjectCreated:*"],
             "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": f"{n:03}/"}]}}} for n in range(101)]
    refused({"QueueConfigurations": many})
    topic = {"TopicArn": "arn:aws:sns:us-east-1:000000000000:t"}
    refused({"TopicConfigurations": [{**topic, "Events": ["s3:ObjectCreated:*"]}]}, "NotImplemented", 501)
    refused({"EventBridgeConfiguration": {}}, "NotImplemented", 501)
    # A refusal changes nothing, and sends nothing.
    assert s3.get_bucket_notification_configuration(Bucket=bucket)["QueueConfigurations"][0]["QueueArn"] == \
        plain + "-not"
    drain(sqs, queue, 0, 0)


def test_first_generation(s3, sqs, bucket, queue):
    """The operations that others have superseded are the same requests."""
    arn = allow(sqs, queue, bucket)
    s3.put_bucket_notification(Bucket=bucket, NotificationConfiguration={
        "QueueConfiguration": {"Id": "old", "Queue": arn, "Events": ["s3:ObjectCreated:*"]}})
    drain(sqs, queue, 1)
    got = s3.get_bucket_notification(Bucket=bucket)["QueueConfiguration"]
    assert (got["Id"], got["Queue"], got["Events"]) == ("old", arn, ["s3:ObjectCreated:*"])
    rule = {"ID": "r", "Prefix": "a", "Status": "Enabled", "Expiration": {"Days": 3}}
    s3.put_bucket_lifecycle(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    assert s3.get_bucket_lifecycle(Bucket=bucket)["Rules"] == [rule]
