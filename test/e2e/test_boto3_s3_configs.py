"""Analytics, metrics, Intelligent-Tiering and inventory configurations through boto3; inventories are really delivered."""

import csv
import gzip
import hashlib
import io
import json
import time

import pytest
from botocore.exceptions import ClientError


def fails(code, call, status=400, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


def inventory(bucket, **more):
    return {"Id": "i", "IsEnabled": True, "IncludedObjectVersions": "Current", "Schedule": {"Frequency": "Daily"},
            "Destination": {"S3BucketDestination": {"Bucket": f"arn:aws:s3:::{bucket}", "Format": "CSV"}}, **more}


KINDS = {
    "analytics": lambda bucket: {"Id": "i", "StorageClassAnalysis": {}, "Filter": {"Prefix": "a"}},
    "metrics": lambda bucket: {"Id": "i", "Filter": {"Tag": {"Key": "a", "Value": "b"}}},
    "intelligent_tiering": lambda bucket: {"Id": "i", "Status": "Enabled", "Tierings": [
        {"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}, {"Days": 180, "AccessTier": "DEEP_ARCHIVE_ACCESS"}]},
    "inventory": inventory,
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(s3, bucket, kind):
    """Put, get, list by pages, delete; what is not there."""
    words = "".join(w.capitalize() for w in kind.split("_"))
    member, listed = words + "Configuration", words + "ConfigurationList"
    put, get, delete = (getattr(s3, f"{verb}_bucket_{kind}_configuration") for verb in ("put", "get", "delete"))
    lists = getattr(s3, f"list_bucket_{kind}_configurations")
    assert lists(Bucket=bucket)["IsTruncated"] is False
    fails("NoSuchConfiguration", get, 404, Bucket=bucket, Id="i")
    fails("NoSuchConfiguration", delete, 404, Bucket=bucket, Id="i")
    made = KINDS[kind](bucket)
    put(Bucket=bucket, Id="i", **{member: made})
    got = get(Bucket=bucket, Id="i")[member]
    assert {k: v for k, v in got.items() if k in made and v != {}} == {k: v for k, v in made.items() if v != {}}
    fails("InvalidArgument", put, Bucket=bucket, Id="other", **{member: made})
    fails("InvalidArgument", put, Bucket=bucket, Id="a/b", **{member: {**made, "Id": "a/b"}})
    for n in range(110):
        put(Bucket=bucket, Id=f"n{n:03}", **{member: {**made, "Id": f"n{n:03}"}})
    first = lists(Bucket=bucket)
    assert len(first[listed]) == 100 and first["IsTruncated"]
    second = lists(Bucket=bucket, ContinuationToken=first["NextContinuationToken"])
    assert len(second[listed]) == 11 and not second["IsTruncated"]
    assert [c["Id"] for c in first[listed] + second[listed]] == ["i"] + [f"n{n:03}" for n in range(110)]
    assert delete(Bucket=bucket, Id="i")["ResponseMetadata"]["HTTPStatusCode"] == 204
    fails("NoSuchConfiguration", get, 404, Bucket=bucket, Id="i")


def test_refused(s3, bucket):
    def put(**more):
        s3.put_bucket_inventory_configuration(Bucket=bucket, Id="i", InventoryConfiguration=inventory(bucket, **more))

    for form in ("ORC", "Parquet"):
        to = {"S3BucketDestination": {"Bucket": f"arn:aws:s3:::{bucket}", "Format": form}}
        fails("NotImplemented", put, 501, Destination=to)
    fails("InvalidS3DestinationBucket", put,
          Destination={"S3BucketDestination": {"Bucket": "arn:aws:s3:::not-" + bucket[:50], "Format": "CSV"}})
    fails("MalformedXML", put, Schedule={"Frequency": "Hourly"})
    fails("MalformedXML", put, IncludedObjectVersions="Some")
    fails("MalformedXML", put, OptionalFields=["Size", "Weight"])
    fails("NotImplemented", put, 501, OptionalFields=["ObjectAccessControlList"])

    def tier(days, kind):
        s3.put_bucket_intelligent_tiering_configuration(Bucket=bucket, Id="i", IntelligentTieringConfiguration={
            "Id": "i", "Status": "Enabled", "Tierings": [{"Days": days, "AccessTier": kind}]})

    fails("InvalidArgument", tier, days=89, kind="ARCHIVE_ACCESS")
    fails("InvalidArgument", tier, days=179, kind="DEEP_ARCHIVE_ACCESS")
    fails("MalformedXML", tier, days=200, kind="COLD")


def report(own, s3, folder, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        keys = [o["Key"] for o in s3.list_objects_v2(Bucket="target", Prefix=folder).get("Contents", [])]
        manifests = [key for key in keys if key.endswith("manifest.json")]
        if manifests:
            return manifests
        time.sleep(0.05)
    raise AssertionError(own.log_text())


def test_inventory(own):
    s3 = own.client("s3")
    for bucket in ("source", "target"):
        s3.create_bucket(Bucket=bucket)
    policy = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::target/*",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::source"},
                      "StringEquals": {"aws:SourceAccount": "000000000000"}}}]}
    s3.put_bucket_policy(Bucket="target", Policy=json.dumps(policy))
    s3.put_bucket_versioning(Bucket="source", VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket="source", Key="in/a b", Body=b"1")["VersionId"]
    new = s3.put_object(Bucket="source", Key="in/a b", Body=b"22")["VersionId"]
    gone = s3.put_object(Bucket="source", Key="in/gone", Body=b"333", StorageClass="STANDARD_IA")["VersionId"]
    marker = s3.delete_object(Bucket="source", Key="in/gone")["VersionId"]
    s3.put_object(Bucket="source", Key="out", Body=b"")
    to = {"S3BucketDestination": {"Bucket": "arn:aws:s3:::target", "Format": "CSV", "Prefix": "inv"}}
    all_of = inventory("target", Destination=to, IncludedObjectVersions="All", Filter={"Prefix": "in/"},
                       OptionalFields=["ETag", "Size", "StorageClass", "EncryptionStatus", "IsMultipartUploaded"])
    current = {**inventory("target", Destination=to), "Id": "c"}
    for made in (all_of, current):
        s3.put_bucket_inventory_configuration(Bucket="source", Id=made["Id"], InventoryConfiguration=made)
    own.run("clock", "advance", "24h")
    (name,) = report(own, s3, "inv/source/i/")
    body = s3.get_object(Bucket="target", Key=name)["Body"].read()
    checksum = s3.get_object(Bucket="target", Key=name.replace(".json", ".checksum"))["Body"].read().decode()
    assert checksum.strip() == hashlib.md5(body).hexdigest()
    manifest = json.loads(body)
    assert manifest["sourceBucket"] == "source" and manifest["destinationBucket"] == "arn:aws:s3:::target"
    assert manifest["version"] == "2016-11-30" and manifest["fileFormat"] == "CSV"
    assert manifest["fileSchema"] == ("Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, ETag, StorageClass, "
                                      "IsMultipartUploaded, EncryptionStatus")
    rows = []
    for entry in manifest["files"]:
        assert entry["key"].startswith("inv/source/i/data/") and entry["key"].endswith(".csv.gz")
        data = s3.get_object(Bucket="target", Key=entry["key"])["Body"].read()
        assert len(data) == entry["size"] and hashlib.md5(data).hexdigest() == entry["MD5checksum"]
        rows += csv.reader(io.StringIO(gzip.decompress(data).decode()))

    def md5(data):
        return hashlib.md5(data).hexdigest()

    assert sorted(rows) == sorted([
        ["source", "in/a%20b", new, "true", "false", "2", md5(b"22"), "STANDARD", "false", "SSE-S3"],
        ["source", "in/a%20b", old, "false", "false", "1", md5(b"1"), "STANDARD", "false", "SSE-S3"],
        ["source", "in/gone", marker, "true", "true", "", "", "", "", ""],
        ["source", "in/gone", gone, "false", "false", "3", md5(b"333"), "STANDARD_IA", "false", "SSE-S3"]])
    (name,) = report(own, s3, "inv/source/c/")
    manifest = json.loads(s3.get_object(Bucket="target", Key=name)["Body"].read())
    assert manifest["fileSchema"] == "Bucket, Key"
    (entry,) = manifest["files"]
    data = s3.get_object(Bucket="target", Key=entry["key"])["Body"].read()
    assert gzip.decompress(data).decode() == '"source","in/a%20b"\n"source","out"\n'
    (links,) = [o["Key"] for o in s3.list_objects_v2(Bucket="target", Prefix="inv/source/c/hive/")["Contents"]]
    assert s3.get_object(Bucket="target", Key=links)["Body"].read().decode() == f"s3://target/{entry['key']}"
    # The next day brings the next one; none when it is deleted.
    s3.delete_bucket_inventory_configuration(Bucket="source", Id="i")
    own.run("clock", "advance", "24h")
    end = time.monotonic() + 60
    while len(report(own, s3, "inv/source/c/")) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert len(report(own, s3, "inv/source/i/")) == 1
