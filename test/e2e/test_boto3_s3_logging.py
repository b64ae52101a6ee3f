"""Server access logs through boto3: lines of every field, delivered as objects by the cloud's clock."""

import json
import re
import time
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

FIELD = re.compile(r'\[[^\]]*\]|"[^"]*"|\S+')
NAMES = ("owner bucket time ip requester request operation key uri status error sent size total turnaround referer agent "
         "version host signature cipher authentication header tls access_point acl").split()


def read(text):
    lines = []
    for line in text.decode().splitlines():
        fields = FIELD.findall(line)
        assert len(fields) == len(NAMES), line
        lines.append(dict(zip(NAMES, fields)))
    return lines


def allow(s3, target):
    """The service that delivers logs must be let in."""
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{target}/*"}]}
    s3.put_bucket_policy(Bucket=target, Policy=json.dumps(policy))


def logs(own, s3, target, prefix, seconds=60):
    own.run("clock", "advance", "6m")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = s3.list_objects_v2(Bucket=target, Prefix=prefix).get("Contents", [])
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(own.log_text())


def test_delivery(own):
    s3 = own.client("s3")
    for bucket in ("source", "target"):
        s3.create_bucket(Bucket=bucket)
    allow(s3, "target")
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="source")
    enabled = {"TargetBucket": "target", "TargetPrefix": "logs/"}
    s3.put_bucket_logging(Bucket="source", BucketLoggingStatus={"LoggingEnabled": enabled})
    assert s3.get_bucket_logging(Bucket="source")["LoggingEnabled"] == enabled
    put = s3.put_object(Bucket="source", Key="a b", Body=b"12345")
    s3.get_object(Bucket="source", Key="a b", Range="bytes=1-2")["Body"].read()
    with pytest.raises(ClientError):
        s3.get_object(Bucket="source", Key="none")
    s3.get_bucket_versioning(Bucket="source")
    s3.copy_object(Bucket="source", Key="c", CopySource="source/a b")
    s3.delete_object(Bucket="source", Key="c")
    s3.list_objects_v2(Bucket="source")
    (one,) = logs(own, s3, "target", "logs/")
    assert re.fullmatch(r"logs/\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-[0-9a-fA-F]{16}", one["Key"])
    lines = read(s3.get_object(Bucket="target", Key=one["Key"])["Body"].read())
    assert [line["operation"] for line in lines if line["operation"] != "REST.GET.LOGGING_STATUS"] == [
        "REST.PUT.OBJECT", "REST.GET.OBJECT", "REST.GET.OBJECT", "REST.GET.VERSIONING", "REST.COPY.OBJECT",
        "REST.COPY.OBJECT_GET", "REST.DELETE.OBJECT", "REST.GET.BUCKET"]
    lines = [line for line in lines if line["operation"] != "REST.GET.LOGGING_STATUS"]
    first, ranged, missing = lines[:3]
    owner = s3.list_buckets()["Owner"]["ID"]
    assert first["owner"] == first["requester"] == owner and first["bucket"] == "source"
    assert re.fullmatch(r"\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d \+0000\]", first["time"])
    assert first["ip"] == "127.0.0.1" and first["key"] == "a%20b" and first["status"] == "200"
    assert first["uri"].startswith('"PUT /source/a%20b') and first["uri"].endswith(' HTTP/1.1"')
    assert first["request"] == put["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    assert first["host"] == put["ResponseMetadata"]["HTTPHeaders"]["x-amz-id-2"]
    assert first["error"] == first["sent"] == "-" and first["size"] == "5"
    assert first["signature"] == "SigV4" and first["authentication"] == "AuthHeader" and "Boto3" in first["agent"]
    assert (ranged["status"], ranged["sent"], ranged["size"]) == ("206", "2", "5")
    assert (missing["status"], missing["error"], missing["key"]) == ("404", "NoSuchKey", "none")
    s3.put_bucket_logging(Bucket="source", BucketLoggingStatus={})
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket="source")


def test_partitions(own):
    s3 = own.client("s3")
    for bucket in ("source", "target"):
        s3.create_bucket(Bucket=bucket)
    allow(s3, "target")
    s3.put_bucket_logging(Bucket="source", BucketLoggingStatus={"LoggingEnabled": {
        "TargetBucket": "target", "TargetPrefix": "p/",
        "TargetObjectKeyFormat": {"PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}})
    for _ in range(20):
        s3.head_bucket(Bucket="source")
    (one,) = logs(own, s3, "target", "p/")
    assert re.fullmatch(r"p/000000000000/us-east-1/source/(\d{4})/(\d\d)/(\d\d)/\1-\2-\3-00-00-00-[0-9a-fA-F]{16}",
                        one["Key"])
    lines = read(s3.get_object(Bucket="target", Key=one["Key"])["Body"].read())
    assert [line["operation"] for line in lines].count("REST.HEAD.BUCKET") == 20


def test_further_lines(own):
    """A copy's source, the keys of a batch, and who was refused."""
    s3 = own.client("s3")
    for bucket in ("from", "into", "target"):
        s3.create_bucket(Bucket=bucket)
    allow(s3, "target")
    for bucket in ("from", "into"):
        s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": {
            "TargetBucket": "target", "TargetPrefix": bucket + "/"}})
    s3.put_object(Bucket="from", Key="a ä", Body=b"1")
    s3.copy_object(Bucket="into", Key="copy", CopySource={"Bucket": "from", "Key": "a ä"})
    s3.delete_objects(Bucket="into", Delete={"Objects": [{"Key": "copy"}, {"Key": "x", "VersionId": "none"}]})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{own.endpoint}/into/secret")
    upload = {"Bucket": "into", "Key": "m", "UploadId": s3.create_multipart_upload(Bucket="into", Key="m")["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=b"1")
    s3.list_parts(**upload)
    s3.abort_multipart_upload(**upload)

    def told(bucket):
        (one,) = logs(own, s3, "target", bucket + "/")
        return [line for line in read(s3.get_object(Bucket="target", Key=one["Key"])["Body"].read())
                if not line["operation"].endswith("LOGGING_STATUS")]

    source = told("from")
    assert [(line["operation"], line["key"], line["status"]) for line in source] == [
        ("REST.PUT.OBJECT", "a%20%C3%A4", "200"), ("REST.COPY.OBJECT_GET", "a%20%C3%A4", "200")]
    lines = told("into")
    assert [(line["operation"], line["key"], line["status"], line["error"]) for line in lines] == [
        ("REST.COPY.OBJECT", "copy", "200", "-"), ("REST.POST.MULTI_OBJECT_DELETE", "-", "200", "-"),
        ("BATCH.DELETE.OBJECT", "copy", "204", "-"), ("BATCH.DELETE.OBJECT", "x", "404", "NoSuchVersion"),
        ("REST.GET.OBJECT", "secret", "403", "AccessDenied"), ("REST.POST.UPLOADS", "m", "200", "-"),
        ("REST.PUT.PART", "m", "200", "-"), ("REST.GET.UPLOAD", "m", "200", "-"),
        ("REST.DELETE.UPLOAD", "m", "204", "-")]
    assert lines[4]["requester"] == lines[4]["signature"] == "-"
    assert lines[0]["request"] == source[1]["request"]


def test_lifecycle_is_told(own):
    s3 = own.client("s3")
    for bucket in ("source", "target"):
        s3.create_bucket(Bucket=bucket)
    allow(s3, "target")
    for key, size in (("old/ä", 5), ("kept", 200000)):
        s3.put_object(Bucket="source", Key=key, Body=b"x" * size)
    s3.create_multipart_upload(Bucket="source", Key="up")
    s3.put_bucket_lifecycle_configuration(Bucket="source", LifecycleConfiguration={"Rules": [
        {"Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 1}},
        {"Status": "Enabled", "Filter": {"Prefix": ""}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER_IR"}],
         "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}]})
    s3.put_bucket_logging(Bucket="source", BucketLoggingStatus={"LoggingEnabled": {
        "TargetBucket": "target", "TargetPrefix": ""}})
    own.run("clock", "advance", "48h")
    end = time.monotonic() + 60
    while len(s3.list_objects_v2(Bucket="source")["Contents"]) > 1:
        assert time.monotonic() < end
        time.sleep(0.05)
    lines = []
    for one in logs(own, s3, "target", ""):
        lines += read(s3.get_object(Bucket="target", Key=one["Key"])["Body"].read())
    own_lines = {line["operation"]: line for line in lines if line["operation"].startswith("S3.")}
    assert sorted(own_lines) == ["S3.DELETE.UPLOAD", "S3.EXPIRE.OBJECT", "S3.TRANSITION_GIR.OBJECT"]
    expired = own_lines["S3.EXPIRE.OBJECT"]
    assert (expired["requester"], expired["key"], expired["size"]) == ("AmazonS3", "old/%C3%A4", "5")


def test_nobody_lets_it_in(own):
    s3 = own.client("s3")
    for bucket in ("source", "target"):
        s3.create_bucket(Bucket=bucket)
    s3.put_bucket_logging(Bucket="source", BucketLoggingStatus={"LoggingEnabled": {
        "TargetBucket": "target", "TargetPrefix": "logs/"}})
    s3.head_bucket(Bucket="source")
    with pytest.raises(AssertionError, match="the access log of source is not delivered to target"):
        logs(own, s3, "target", "logs/", seconds=2)


def test_refused(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="source")
    own.client("s3", key="111122223333").create_bucket(Bucket="theirs")
    own.client("s3", region="eu-west-1").create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for target, code in (("none", "InvalidTargetBucketForLogging"), ("theirs", "InvalidTargetBucketForLogging"),
                         ("far", "CrossLocationLoggingProhibited")):
        with pytest.raises(ClientError) as caught:
            s3.put_bucket_logging(Bucket="source", BucketLoggingStatus={"LoggingEnabled": {
                "TargetBucket": target, "TargetPrefix": ""}})
        assert caught.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_logging(Bucket="source", BucketLoggingStatus={"LoggingEnabled": {
            "TargetBucket": "source", "TargetPrefix": "", "TargetGrants": [
                {"Grantee": {"Type": "CanonicalUser", "ID": "x"}, "Permission": "READ"}]}})
    assert caught.value.response["Error"]["Code"] == "AccessControlListNotSupported"
