"""S3 through an unmodified boto3: buckets, objects, listings, versions, tags."""

import base64
import hashlib
import io
import urllib.request
import zlib

import pytest
from botocore.exceptions import ClientError


def pattern(size):
    """Bytes that are not the same everywhere."""
    return (bytes(range(251)) * (size // 251 + 1))[:size]


def fails(status, code, call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (status, code)
    return answer["Error"]


def test_buckets(s3, cloud):
    assert s3.create_bucket(Bucket="one.bucket")["Location"] == "/one.bucket"
    s3.create_bucket(Bucket="one.bucket")  # us-east-1 does not mind
    head = s3.head_bucket(Bucket="one.bucket")
    assert head["BucketRegion"] == "us-east-1"
    assert "one.bucket" in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket="one.bucket")["LocationConstraint"] is None
    for bad in ("ab", "Upper-case", "-starts", "a..b", "1.2.3.4", "xn--a", "x-s3alias", "under_score"):
        with pytest.raises(Exception):
            s3.create_bucket(Bucket=bad)
    other = cloud.client("s3", key="111111111111")
    fails(409, "BucketAlreadyExists", other.create_bucket, Bucket="one.bucket")
    fails(403, "AccessDenied", other.list_objects_v2, Bucket="one.bucket")
    s3.put_object(Bucket="one.bucket", Key="a", Body=b"")
    assert fails(409, "BucketNotEmpty", s3.delete_bucket, Bucket="one.bucket")["BucketName"] == "one.bucket"
    s3.delete_object(Bucket="one.bucket", Key="a")
    s3.delete_bucket(Bucket="one.bucket")
    fails(404, "404", s3.head_bucket, Bucket="one.bucket")
    assert fails(404, "NoSuchBucket", s3.list_objects, Bucket="one.bucket")["BucketName"] == "one.bucket"


def test_regions(s3, cloud):
    west = cloud.client("s3", region="eu-west-1")
    fails(400, "IllegalLocationConstraintException", west.create_bucket, Bucket="in-the-west")
    place = {"LocationConstraint": "eu-west-1"}
    west.create_bucket(Bucket="in-the-west", CreateBucketConfiguration=place)
    fails(409, "BucketAlreadyOwnedByYou", west.create_bucket, Bucket="in-the-west", CreateBucketConfiguration=place)
    assert s3.get_bucket_location(Bucket="in-the-west")["LocationConstraint"] == "eu-west-1"
    west.put_object(Bucket="in-the-west", Key="k", Body=b"x")
    # boto3 reads the right region out of the refusal and tries again.
    assert s3.get_object(Bucket="in-the-west", Key="k")["Body"].read() == b"x"
    assert s3.head_bucket(Bucket="in-the-west")["BucketRegion"] == "eu-west-1"


@pytest.mark.parametrize("size", [0, 1, 1000, 8192, 8193, 1 << 20])
def test_put_and_get(s3, bucket, size):
    body = pattern(size)
    put = s3.put_object(Bucket=bucket, Key="dir/ключ +&=?.txt", Body=body, Metadata={"Color": "blue"}, ContentType="text/x",
                        CacheControl="no-cache", ContentDisposition="inline", ContentLanguage="de")
    md5 = hashlib.md5(body).hexdigest()
    assert put["ETag"] == f'"{md5}"'
    assert put["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    got = s3.get_object(Bucket=bucket, Key="dir/ключ +&=?.txt")
    assert got["Body"].read() == body
    assert got["ContentLength"] == size and got["ETag"] == put["ETag"] and got["Metadata"] == {"color": "blue"}
    assert (got["ContentType"], got["CacheControl"], got["ContentDisposition"], got["ContentLanguage"]) == (
        "text/x", "no-cache", "inline", "de")
    assert "ContentEncoding" not in got and "VersionId" not in got
    head = s3.head_object(Bucket=bucket, Key="dir/ключ +&=?.txt", ChecksumMode="ENABLED")
    assert head["ContentLength"] == size and head["ChecksumCRC32"] == put["ChecksumCRC32"]
    assert head["ChecksumType"] == "FULL_OBJECT"


@pytest.mark.parametrize("size", [1000, 100000])
def test_ranges(s3, bucket, size):
    body = pattern(size)
    s3.put_object(Bucket=bucket, Key="k", Body=body)

    def get(text):
        return s3.get_object(Bucket=bucket, Key="k", Range=text)

    for text, part in (("bytes=0-0", body[:1]), ("bytes=10-99", body[10:100]), ("bytes=990-", body[990:]),
                       ("bytes=-7", body[-7:]), (f"bytes=5-{size * 2}", body[5:]), (f"bytes=-{size * 2}", body)):
        got = get(text)
        assert got["Body"].read() == part and got["ResponseMetadata"]["HTTPStatusCode"] == 206, text
        assert got["ContentRange"].endswith(f"/{size}")
    assert get("bytes=0-1,5-6")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert get("lines=0-1")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert fails(416, "InvalidRange", get, text=f"bytes={size}-")["ActualObjectSize"] == str(size)
    assert s3.head_object(Bucket=bucket, Key="k", Range="bytes=1-3")["ContentLength"] == 3


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    one = {"Bucket": bucket, "Key": "k"}
    when = s3.head_object(**one)["LastModified"]
    assert s3.get_object(**one, IfMatch=etag)["Body"].read() == b"1"
    fails(412, "PreconditionFailed", s3.get_object, **one, IfMatch='"no"')
    fails(304, "304", s3.get_object, **one, IfNoneMatch=etag)
    fails(304, "304", s3.head_object, **one, IfModifiedSince=when)
    fails(412, "412", s3.head_object, **one, IfUnmodifiedSince="2001-01-01T00:00:00Z")
    fails(412, "PreconditionFailed", s3.put_object, **one, Body=b"2", IfNoneMatch="*")
    fails(412, "PreconditionFailed", s3.put_object, **one, Body=b"2", IfMatch='"no"')
    s3.put_object(**one, Body=b"2", IfMatch=etag)
    s3.put_object(Bucket=bucket, Key="new", Body=b"2", IfNoneMatch="*")
    fails(404, "NoSuchKey", s3.put_object, Bucket=bucket, Key="none", Body=b"2", IfMatch=etag)
    fails(412, "PreconditionFailed", s3.delete_object, **one, IfMatch=etag)
    assert s3.get_object(**one)["Body"].read() == b"2"


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums(s3, bucket, algorithm):
    if algorithm in ("SHA1", "SHA256", "CRC32"):
        put = s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(pattern(20000)), ChecksumAlgorithm=algorithm)
        got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]
        assert got["Body"].read() == pattern(20000)
    known = {"CRC32C": "4waSgw==", "CRC64NVME": "rosUhgp5mIg="}  # of 123456789
    if algorithm in known:
        s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", **{f"Checksum{algorithm}": known[algorithm]})
    wrong = {"CRC32": "AAAAAA==", "CRC32C": "AAAAAA==", "CRC64NVME": "AAAAAAAAAAA=", "SHA1": "A" * 27 + "=",
             "SHA256": "A" * 43 + "="}
    fails(400, "BadDigest", s3.put_object, Bucket=bucket, Key="bad", Body=pattern(20000),
          **{f"Checksum{algorithm}": wrong[algorithm]})
    fails(400, "InvalidRequest", s3.put_object, Bucket=bucket, Key="bad", Body=b"1", **{f"Checksum{algorithm}": "!"})
    fails(404, "404", s3.head_object, Bucket=bucket, Key="bad")


def test_md5(s3, bucket):
    good = base64.b64encode(hashlib.md5(b"1").digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", ContentMD5=good)
    fails(400, "BadDigest", s3.put_object, Bucket=bucket, Key="bad", Body=b"2", ContentMD5=good)
    fails(400, "InvalidDigest", s3.put_object, Bucket=bucket, Key="bad", Body=b"2", ContentMD5="xyz")


def test_refusals(s3, bucket, cloud):
    fails(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="none")
    fails(404, "404", s3.head_object, Bucket=bucket, Key="none")
    fails(400, "KeyTooLongError", s3.put_object, Bucket=bucket, Key="k" * 1025, Body=b"")
    s3.put_object(Bucket=bucket, Key="k" * 1024, Body=b"1")
    fails(400, "MetadataTooLarge", s3.put_object, Bucket=bucket, Key="k", Body=b"", Metadata={"a": "b" * 2048})
    fails(400, "AccessControlListNotSupported", s3.put_object, Bucket=bucket, Key="k", Body=b"", ACL="public-read")
    fails(400, "InvalidStorageClass", s3.put_object, Bucket=bucket, Key="k", Body=b"", StorageClass="FAST")
    status, text = cloud.get(f"/{bucket}/{'k' * 1024}")
    assert status == 403 and "<Code>AccessDenied</Code>" in text


def test_listing(s3, bucket):
    keys = ["asdf", "boo/bar", "boo/baz/xyzzy", "cquux/thud", "cquux/bla", "zz top", "ä/ö"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    every = sorted(keys, key=lambda k: k.encode())

    def listed(reply):
        return [o["Key"] for o in reply.get("Contents", [])], [p["Prefix"] for p in reply.get("CommonPrefixes", [])]

    assert listed(s3.list_objects_v2(Bucket=bucket)) == (every, [])
    assert listed(s3.list_objects_v2(Bucket=bucket, Delimiter="/")) == (["asdf", "zz top"], ["boo/", "cquux/", "ä/"])
    assert listed(s3.list_objects_v2(Bucket=bucket, Prefix="boo/", Delimiter="/")) == (["boo/bar"], ["boo/baz/"])
    assert listed(s3.list_objects_v2(Bucket=bucket, StartAfter="boo/bar")) == (every[2:], [])
    assert listed(s3.list_objects_v2(Bucket=bucket, Prefix="boo/", StartAfter="zz")) == ([], [])
    for size in range(1, 8):
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": size})
        both = [listed(page) for page in pages]
        assert sum((k for k, _ in both), []) == ["asdf", "zz top"]
        assert sum((p for _, p in both), []) == ["boo/", "cquux/", "ä/"]
        pages = s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        assert [o["Key"] for page in pages for o in page["Contents"]] == every
    first = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert first["NextMarker"] == "boo/" and first["IsTruncated"]
    assert s3.list_objects_v2(Bucket=bucket, MaxKeys=0)["IsTruncated"] is False
    fails(400, "InvalidArgument", s3.list_objects_v2, Bucket=bucket, ContinuationToken="nonsense")


def test_versions(s3, bucket):
    one = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**one, Body=b"before")
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(**one, Body=b"first")["VersionId"]
    second = s3.put_object(**one, Body=b"second" * 5000)["VersionId"]
    assert s3.get_object(**one)["VersionId"] == second
    assert s3.get_object(**one, VersionId=first)["Body"].read() == b"first"
    assert s3.get_object(**one, VersionId="null")["Body"].read() == b"before"
    gone = s3.delete_object(**one)
    assert gone["DeleteMarker"] and gone["VersionId"]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    fails(404, "NoSuchKey", s3.get_object, **one)
    fails(405, "MethodNotAllowed", s3.get_object, **one, VersionId=gone["VersionId"])
    s3.put_object(Bucket=bucket, Key="l", Body=b"")
    for size in range(1, 7):
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, PaginationConfig={"PageSize": size})
        versions, markers = [], []
        for page in pages:
            versions += [(v["Key"], v["VersionId"], v["IsLatest"]) for v in page.get("Versions", [])]
            markers += [(v["Key"], v["VersionId"], v["IsLatest"]) for v in page.get("DeleteMarkers", [])]
        assert versions[:3] == [("k", second, False), ("k", first, False), ("k", "null", False)], size
        assert versions[3][0] == "l" and versions[3][2] and len(versions) == 4
        assert markers == [("k", gone["VersionId"], True)]
    s3.delete_object(**one, VersionId=gone["VersionId"])
    assert s3.get_object(**one)["VersionId"] == second
    s3.delete_object(**one, VersionId=second)
    assert s3.get_object(**one)["Body"].read() == b"first"
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(**one, Body=b"null again")["VersionId"] == "null"
    assert s3.get_object(**one, VersionId="null")["Body"].read() == b"null again"
    assert s3.delete_object(**one)["VersionId"] == "null"
    fails(404, "NoSuchKey", s3.get_object, **one)
    assert s3.get_object(**one, VersionId=first)["Body"].read() == b"first"
    left = s3.list_object_versions(Bucket=bucket)
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": v["Key"], "VersionId": v["VersionId"]} for v in left["Versions"] + left["DeleteMarkers"]]})
    s3.delete_bucket(Bucket=bucket)


def test_delete_objects(s3, bucket):
    for key in "abc":
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": "a"}, {"Key": "none"}, {"Key": "k" * 1025}, {"Key": "b", "ETag": '"other"'}]})
    assert [d["Key"] for d in reply["Deleted"]] == ["a", "none"]
    assert [e["Code"] for e in reply["Errors"]] == ["KeyTooLongError", "PreconditionFailed"]
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]


def test_tags(s3, bucket):
    one = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**one, Body=b"1", Tagging="a=b%20c&d=")
    assert s3.get_object_tagging(**one)["TagSet"] == [{"Key": "a", "Value": "b c"}, {"Key": "d", "Value": ""}]
    assert s3.head_object(**one)["TagCount"] == 2
    s3.put_object_tagging(**one, Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
    assert s3.get_object(**one)["TagCount"] == 1
    fails(400, "InvalidTag", s3.put_object_tagging, **one, Tagging={"TagSet": [{"Key": "aws:x", "Value": "y"}]})
    s3.delete_object_tagging(**one)
    assert s3.get_object_tagging(**one)["TagSet"] == []
    fails(404, "NoSuchTagSet", s3.get_bucket_tagging, Bucket=bucket)
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "x", "Value": "y"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "x", "Value": "y"}]
    s3.delete_bucket_tagging(Bucket=bucket)
    fails(404, "NoSuchTagSet", s3.get_bucket_tagging, Bucket=bucket)


def test_acl(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert acl["Grants"] == [{"Grantee": {"ID": acl["Owner"]["ID"], "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Grants"] == acl["Grants"]
    fails(400, "AccessControlListNotSupported", s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read")


def test_presigned(cloud, bucket):
    s3 = cloud.client("s3", signature_version="s3v4")

    def fetch(url, method="GET", body=None):
        request = urllib.request.Request(url, data=body, method=method)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
            return reply.status, reply.headers, reply.read()

    one = {"Bucket": bucket, "Key": "a b/ü"}
    fetch(s3.generate_presigned_url("put_object", Params=one), "PUT", b"hello")
    url = s3.generate_presigned_url("get_object", Params={**one, "ResponseContentType": "text/x"})
    status, headers, body = fetch(url)
    assert (status, headers["Content-Type"], body) == (200, "text/x", b"hello")
    fetch(s3.generate_presigned_url("delete_object", Params=one), "DELETE")
    fails(404, "404", s3.head_object, **one)


def test_virtual_host(cloud, bucket):
    s3 = cloud.client("s3", host="s3.localhost.localstack.cloud", s3={"addressing_style": "virtual"})
    try:
        s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    except Exception as error:  # no resolver for the name
        if "resolve" in str(error) or "Could not connect" in str(error):
            pytest.skip("the host's name does not resolve here")
        raise
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


def test_restart(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="kept")
    for size in (100, 100000):
        s3.put_object(Bucket="kept", Key=str(size), Body=pattern(size))
    own.kill()
    own.start()
    s3 = own.client("s3")
    for size in (100, 100000):
        assert s3.get_object(Bucket="kept", Key=str(size))["Body"].read() == pattern(size)
