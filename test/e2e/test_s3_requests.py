"""S3: what a single request may say: conditions, ranges, overrides, metadata, digests, odd keys. boto3 where it can say it,
signed by botocore over a plain socket where not."""

import base64
import datetime
import email.header
import hashlib
import http.client
import json
import re
import urllib.parse

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from test_boto3_s3 import fails, pattern

MIB = 1 << 20


class Answer:
    def __init__(self, reply):
        self.status, self.headers, self.body = reply.status, reply.headers, reply.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def code(self):
        found = re.search(r"<Code>(.*?)</Code>", self.text)
        return found and found[1]


@pytest.fixture
def raw(cloud):
    """Sends exactly this path and these headers; signed unless told otherwise."""

    def send(method, path, headers=None, body=b"", signed=True, host=None, to=None):
        to = to or cloud
        headers = dict(headers or {})
        headers["Host"] = host or f"127.0.0.1:{to.port}"
        if signed:
            request = AWSRequest(method, f"http://{headers['Host']}{path}", headers=headers, data=body)
            S3SigV4Auth(Credentials("test", "test"), "s3", "us-east-1").add_auth(request)
            headers = dict(request.headers)
        connection = http.client.HTTPConnection("127.0.0.1", to.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value if isinstance(value, bytes) else str(value).encode("utf-8"))
            if "Content-Length" not in headers and (body or method in ("PUT", "POST")):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return send


# --- conditions ---------------------------------------------------------------------------------------------------


def test_dates_that_are_none(s3, bucket, raw):
    """RFC 9110, 13.1.3: they are passed over. What the answer is to say of its expiry goes out as it came."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    for date in ("garbage", "Thu, 01 Dec 2030 16:00:00 GMT"):  # a Sunday
        assert raw("GET", f"/{bucket}/k", {"If-Modified-Since": date}).status == 200
        assert raw("GET", f"/{bucket}/k", {"If-Unmodified-Since": date}).status == 200
    assert raw("GET", f"/{bucket}/k", {"If-Modified-Since": "2038-01-01T00:00:00Z"}).status == 304
    assert raw("GET", f"/{bucket}/k?response-expires=0").headers["expires"] == "0"


def test_post_to_an_object(s3, bucket, raw):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    for body in (b"", b"no XML", b"<CompleteMultipartUpload></CompleteMultipartUpload>"):
        answer = raw("POST", f"/{bucket}/k", {}, body)
        assert answer.status == 405 and "<ResourceType>OBJECT</ResourceType>" in answer.text


def test_complete_on_condition(s3, bucket):
    one = {"Bucket": bucket, "Key": "big"}

    def complete(**condition):
        upload = s3.create_multipart_upload(**one)["UploadId"]
        part = s3.upload_part(**one, UploadId=upload, PartNumber=1, Body=b"x")
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        return s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload=parts, **condition)

    fails(404, "NoSuchKey", complete, IfMatch='"x"')
    etag = complete(IfNoneMatch="*")["ETag"]
    assert fails(412, "PreconditionFailed", complete, IfNoneMatch="*")["Condition"] == "If-None-Match"
    assert fails(412, "PreconditionFailed", complete, IfMatch='"x"')["Condition"] == "If-Match"
    assert complete(IfMatch=etag)["ETag"] == etag
    fails(501, "NotImplemented", complete, IfNoneMatch='"x"')
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(**one)
    fails(404, "NoSuchKey", complete, IfMatch=etag)
    complete(IfNoneMatch="*")  # a delete marker is no object


def test_copy_on_condition(s3, bucket):
    source = s3.put_object(Bucket=bucket, Key="from", Body=b"1")["ETag"]
    when = s3.head_object(Bucket=bucket, Key="from")["LastModified"]
    earlier, hour = when - datetime.timedelta(hours=1), datetime.timedelta(hours=1)

    def copy(key="to", **condition):
        return s3.copy_object(Bucket=bucket, Key=key, CopySource=f"{bucket}/from", **condition)

    copy(CopySourceIfMatch=source)
    copy(CopySourceIfNoneMatch='"x"')
    copy(CopySourceIfModifiedSince=earlier)
    copy(CopySourceIfUnmodifiedSince=when)
    for condition in ({"CopySourceIfMatch": '"x"'}, {"CopySourceIfNoneMatch": source}, {"CopySourceIfModifiedSince": when},
                      {"CopySourceIfUnmodifiedSince": earlier}):
        fails(412, "PreconditionFailed", copy, **condition)
    # "CopyObject": one of a pair decides for both.
    copy(CopySourceIfMatch=source, CopySourceIfUnmodifiedSince=earlier)
    fails(412, "PreconditionFailed", copy, CopySourceIfNoneMatch=source, CopySourceIfModifiedSince=earlier)
    target = s3.head_object(Bucket=bucket, Key="to")["ETag"]
    fails(412, "PreconditionFailed", copy, IfNoneMatch="*")
    fails(412, "PreconditionFailed", copy, IfMatch='"x"')
    copy(IfMatch=target)
    copy(key="new", IfNoneMatch="*")
    fails(404, "NoSuchKey", copy, key="none", IfMatch=target)
    del hour


def test_delete_on_condition(s3, bucket):
    one = {"Bucket": bucket, "Key": "k"}
    etag = s3.put_object(**one, Body=b"1")["ETag"]
    fails(412, "PreconditionFailed", s3.delete_object, **one, IfMatch='"x"')
    assert fails(501, "NotImplemented", s3.delete_object, **one, IfMatchSize=1)["Message"].startswith("A header you provided")
    fails(501, "NotImplemented", s3.delete_object, **one, IfMatchLastModifiedTime=datetime.datetime(2026, 1, 1))
    s3.delete_object(**one, IfMatch=etag)
    fails(404, "NoSuchKey", s3.delete_object, **one, IfMatch=etag)
    fails(404, "NoSuchKey", s3.delete_object, **one, IfMatch="*")
    s3.put_object(**one, Body=b"1")
    s3.delete_object(**one, IfMatch="*")


def test_delete_of_a_version_looks_at_the_current_one(s3, bucket):
    one = {"Bucket": bucket, "Key": "k"}
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(**one, Body=b"1")
    new = s3.put_object(**one, Body=b"2")
    fails(412, "PreconditionFailed", s3.delete_object, **one, VersionId=old["VersionId"], IfMatch=old["ETag"])
    s3.delete_object(**one, VersionId=old["VersionId"], IfMatch=new["ETag"])
    s3.delete_object(**one)
    fails(412, "PreconditionFailed", s3.delete_object, **one, IfMatch="*")  # a delete marker is current


def test_delete_many(s3, bucket, raw):
    etags = {key: s3.put_object(Bucket=bucket, Key=key, Body=key.encode())["ETag"] for key in ("a", "b", "c", "d")}
    reply = s3.delete_objects(Bucket=bucket, Delete={"Objects": [
        {"Key": "a", "ETag": etags["a"]}, {"Key": "b", "ETag": '"x"'}, {"Key": "none"}, {"Key": "gone", "ETag": "*"}]})
    assert sorted(d["Key"] for d in reply["Deleted"]) == ["a", "none"]
    assert {e["Key"]: e["Code"] for e in reply["Errors"]} == {"b": "PreconditionFailed", "gone": "NoSuchKey"}
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Quiet": True, "Objects": [
        {"Key": "b"}, {"Key": "c", "ETag": '"x"'}, {"Key": "d", "VersionId": "nonsense"}]})
    assert "Deleted" not in quiet
    assert sorted((e["Key"], e["Code"]) for e in quiet["Errors"]) == [("c", "PreconditionFailed"), ("d", "NoSuchVersion")]
    assert sorted(o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]) == ["c", "d"]
    many = [{"Key": str(n)} for n in range(1001)]
    fails(400, "MalformedXML", s3.delete_objects, Bucket=bucket, Delete={"Objects": many})
    assert len(s3.delete_objects(Bucket=bucket, Delete={"Objects": many[:1000]})["Deleted"]) == 1000
    for body in (b"", b"<Delete>", b"<Delete></Delete>", b"nothing"):
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        answer = raw("POST", f"/{bucket}?delete=", {"Content-MD5": md5}, body)
        assert (answer.status, answer.code) in ((400, "MalformedXML"), (400, "MissingRequestBodyError")), (body, answer.text)
    answer = raw("POST", f"/{bucket}?delete=", {}, b"<Delete><Object><Key>c</Key></Object></Delete>")
    assert (answer.status, answer.code) == (400, "InvalidRequest"), answer.text
    assert sorted(o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]) == ["c", "d"]


def test_reads_on_conditions(s3, bucket):
    """"GetObject": which of two conditions decides."""
    one = {"Bucket": bucket, "Key": "k"}
    etag = s3.put_object(**one, Body=b"1")["ETag"]
    when = s3.head_object(**one)["LastModified"]
    before, after = when - datetime.timedelta(days=1), when + datetime.timedelta(seconds=1)
    for call in (s3.get_object, s3.head_object):
        assert call(**one, IfMatch=etag, IfUnmodifiedSince=before)["ETag"] == etag
        fails(304, "304", call, **one, IfNoneMatch=etag, IfModifiedSince=before)
        assert call(**one, IfNoneMatch='"x"', IfModifiedSince=after)["ETag"] == etag
        assert call(**one, IfMatch='"x", ' + etag)["ETag"] == etag
        assert call(**one, IfMatch=etag.strip('"'))["ETag"] == etag
        assert call(**one, IfUnmodifiedSince=when)["ETag"] == etag
        fails(304, "304", call, **one, IfModifiedSince=when)
        fails(304, "304", call, **one, IfMatch=etag, IfNoneMatch="*")
    fails(404, "NoSuchKey", s3.get_object, Bucket=bucket, Key="none", IfMatch=etag)


# --- ranges and parts ---------------------------------------------------------------------------------------------


def test_if_range(s3, bucket, raw):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=pattern(100))["ETag"]
    when = raw("HEAD", f"/{bucket}/k").headers["Last-Modified"]
    for condition, status in ((etag, 206), ('"x"', 200), (when, 206), ("Sat, 01 Jan 2000 00:00:00 GMT", 200)):
        answer = raw("GET", f"/{bucket}/k", {"Range": "bytes=10-19", "If-Range": condition})
        assert (answer.status, len(answer.body)) == (status, 10 if status == 206 else 100), condition


@pytest.mark.parametrize("text,status", [
    ("bytes=0-0", 206), ("bytes=99-", 206), ("bytes=-1", 206), ("bytes=-0", 416), ("bytes=100-", 416), ("bytes=5-4", 200),
    ("bytes=", 200), ("bytes=-", 200), ("bytes=a-b", 200), ("bytes 0-1", 200), ("bytes=0-1,3-4", 200), ("Bytes=0-1", 200),
    ("bytes=0-99999999999999999999", 206), ("bytes= 0-1", 206), ("", 200)])
def test_forms_of_ranges(s3, bucket, raw, text, status):
    s3.put_object(Bucket=bucket, Key="k", Body=pattern(100))
    answer = raw("GET", f"/{bucket}/k", {"Range": text})
    assert answer.status == status, answer.text if status > 400 else answer.headers
    if status == 416:
        assert answer.code == "InvalidRange" and "<ActualObjectSize>100</ActualObjectSize>" in answer.text
        assert f"<RangeRequested>{text}</RangeRequested>" in answer.text
    if status == 206:
        assert answer.headers["Content-Range"].endswith("/100")


def test_ranges_of_nothing(s3, bucket, raw):
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    for text in ("bytes=0-0", "bytes=0-", "bytes=-1"):
        answer = raw("GET", f"/{bucket}/k", {"Range": text})
        assert (answer.status, answer.code) == (416, "InvalidRange")


def test_part_numbers(s3, bucket):
    one = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**one, Body=b"whole")
    got = s3.get_object(**one, PartNumber=1)
    assert got["Body"].read() == b"whole" and "PartsCount" not in got
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206 and got["ContentRange"] == "bytes 0-4/5"
    fails(416, "InvalidPartNumber", s3.get_object, **one, PartNumber=2)
    fails(416, "416", s3.head_object, **one, PartNumber=2)
    fails(400, "InvalidArgument", s3.get_object, **one, PartNumber=0)
    fails(400, "InvalidArgument", s3.get_object, **one, PartNumber=10001)
    fails(400, "InvalidRequest", s3.get_object, **one, PartNumber=1, Range="bytes=0-1")


def test_attributes_by_page(s3, bucket):
    one = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**one, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number in (2, 5, 7):
        part = s3.upload_part(**one, UploadId=upload, PartNumber=number, Body=pattern(5 * MIB), ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
    s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": parts})
    first = s3.get_object_attributes(**one, ObjectAttributes=["ObjectParts"], MaxParts=2)["ObjectParts"]
    assert first["IsTruncated"] and first["TotalPartsCount"] == 3 and first["MaxParts"] == 2
    assert len(first["Parts"]) == 2 and first["Parts"][0]["ChecksumSHA256"] == parts[0]["ChecksumSHA256"]
    rest = s3.get_object_attributes(**one, ObjectAttributes=["ObjectParts"], MaxParts=2,
                                    PartNumberMarker=first["NextPartNumberMarker"])["ObjectParts"]
    assert not rest["IsTruncated"] and [p["Size"] for p in rest["Parts"]] == [5 * MIB]
    assert rest["PartNumberMarker"] == first["NextPartNumberMarker"]
    fails(404, "NoSuchKey", s3.get_object_attributes, Bucket=bucket, Key="none", ObjectAttributes=["ETag"])
    s3.put_object(Bucket=bucket, Key="plain", Body=b"1")
    plain = s3.get_object_attributes(Bucket=bucket, Key="plain", ObjectAttributes=["ETag", "ObjectParts", "ObjectSize", "StorageClass"])
    assert plain["ETag"] == hashlib.md5(b"1").hexdigest() and plain["ObjectSize"] == 1 and "ObjectParts" not in plain
    assert plain["StorageClass"] == "STANDARD"


# --- what an answer says ------------------------------------------------------------------------------------------


def test_overrides(s3, bucket, raw):
    one = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**one, Body=b"1", ContentType="a/b")
    got = s3.get_object(**one, ResponseContentType="c/d", ResponseCacheControl="no-store", ResponseContentEncoding="x",
                        ResponseContentDisposition='attachment; filename="ü"', ResponseContentLanguage="de",
                        ResponseExpires=datetime.datetime(2030, 1, 2))
    assert (got["ContentType"], got["CacheControl"], got["ContentEncoding"], got["ContentLanguage"]) == ("c/d", "no-store", "x", "de")
    assert got["ExpiresString"] == "Wed, 02 Jan 2030 00:00:00 GMT"
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
    assert raw("GET", f"/{bucket}/k", signed=False).body == b"1"
    answer = raw("GET", f"/{bucket}/k?response-content-type=text%2Fx", signed=False)
    assert (answer.status, answer.code) == (400, "InvalidRequest"), answer.text
    assert "Request specific response headers cannot be used for anonymous GET requests." in answer.text


def test_expires_stays_as_it_was(s3, bucket, raw):
    for text in ("Thu, 01 Dec 2030 16:00:00 GMT", "0", "-1", "never"):
        assert raw("PUT", f"/{bucket}/k", {"Expires": text}, b"1").status == 200
        assert raw("GET", f"/{bucket}/k").headers["Expires"] == text


def test_metadata(s3, bucket, raw):
    """"Working with object metadata": 2 KB, in one case, joined when repeated, mail-safe when not ASCII."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "b" * 2047})
    fails(400, "MetadataTooLarge", s3.put_object, Bucket=bucket, Key="k", Body=b"", Metadata={"a": "b" * 2048})
    assert raw("PUT", f"/{bucket}/m", {"X-AMZ-Meta-ONE": "Two", "x-amz-meta-empty": ""}, b"1").status == 200
    head = s3.head_object(Bucket=bucket, Key="m")["Metadata"]
    assert head["one"] == "Two" and head.get("empty", "") == ""

    def stored(value):
        assert raw("PUT", f"/{bucket}/m", {"x-amz-meta-v": value}, b"1", signed=isinstance(value, str)).status == 200
        return raw("HEAD", f"/{bucket}/m").headers["x-amz-meta-v"]

    def shown(text):
        return "".join(part if isinstance(part, str) else part.decode(charset or "ascii")
                       for part, charset in email.header.decode_header(text))

    assert stored("AMAZONS3") == "AMAZONS3"
    assert stored("=?UTF-8?Q?plain?=") == "plain"
    for word in ("=?UTF-8?B?w4RNw4Raw5XDkSBTMw==?=", "=?utf-8?q?=C3=84M=C3=84Z=C3=95=C3=91_S3?=",
                 "=?iso-8859-1?Q?=C4M=C4Z=D5=D1_S3?="):
        assert shown(stored(word)) == "ÄMÄZÕÑ S3", word
    assert shown(stored("=?UTF-8?B?5Lqs?= =?UTF-8?B?6YO9?=")) == "京都"
    assert stored("=?UTF-8?B?***?=") == "=?UTF-8?B?***?="
    long = "=?UTF-8?B?" + base64.b64encode(("雲" * 200).encode()).decode() + "?="
    assert shown(stored(long)) == "雲" * 200


def test_metadata_of_copies_and_uploads(s3, bucket):
    word = "=?UTF-8?B?w4RNw4RaIFMz?="
    s3.put_object(Bucket=bucket, Key="a", Body=b"1", Metadata={"v": word})
    first = s3.head_object(Bucket=bucket, Key="a")["Metadata"]["v"]
    s3.copy_object(Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    assert s3.head_object(Bucket=bucket, Key="b")["Metadata"]["v"] == first
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/a", MetadataDirective="REPLACE", Metadata={"v": word, "w": "x"})
    assert s3.head_object(Bucket=bucket, Key="c")["Metadata"] == {"v": first, "w": "x"}
    fails(400, "MetadataTooLarge", s3.create_multipart_upload, Bucket=bucket, Key="d", Metadata={"a": "b" * 2048})


def test_refused_for_general_purpose_buckets(s3, bucket, raw):
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    answer = raw("PUT", f"/{bucket}/k", {"x-amz-write-offset-bytes": "1"}, b"2")
    assert (answer.status, answer.code) == (501, "NotImplemented"), answer.text
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"


# --- keys ---------------------------------------------------------------------------------------------------------

ODD = [".", "..", "a/./b", "a/../b", "/a", "//", "a//b", "a ", " a", "a/", "a\tb", "a\nb", "a\x01b", "a\x7fb", "?", "#", "%", "%41",
       "+", "&", "=", "\"", "'", "<>", "]]>", "\\", "ü", "u\u0308", "\U0001f468\u200d\U0001f469", "\ufffe", "\uffff", "雲" * 341, "*"]


@pytest.mark.parametrize("key", ODD, ids=[ascii(key)[:20] for key in ODD])
def test_odd_keys(s3, bucket, raw, key):
    path = f"/{bucket}/" + urllib.parse.quote(key, safe="/")
    body = key.encode()
    assert raw("PUT", path, {}, body).status == 200
    assert raw("PUT", f"/{bucket}/other", {}, b"x").status == 200
    answer = raw("GET", path)
    assert (answer.status, answer.body) == (200, body)
    # boto3 asks for encoding-type=url by itself and decodes.
    for listing in (s3.list_objects, s3.list_objects_v2):
        assert [o["Key"] for o in listing(Bucket=bucket)["Contents"]] == sorted(["other", key], key=str.encode)
    assert [v["Key"] for v in s3.list_object_versions(Bucket=bucket)["Versions"]] == sorted(["other", key], key=str.encode)
    page = s3.list_objects_v2(Bucket=bucket, StartAfter=key, Prefix=key)
    assert page["KeyCount"] == 0
    copied = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    assert copied["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}]}) if key.isprintable() else None
    if gone is None:
        assert raw("DELETE", path).status == 204
    else:
        assert [d["Key"] for d in gone["Deleted"]] == [key]
    assert raw("GET", path).status == 404


def test_control_characters_in_listings(s3, bucket, raw):
    s3.put_object(Bucket=bucket, Key="a\x01b\r\n<&>", Body=b"1")
    plain = raw("GET", f"/{bucket}?list-type=2").text
    assert "<Key>a&#x1;b&#13;" in plain or "<Key>a&#x1;b&#xD;" in plain, plain
    encoded = raw("GET", f"/{bucket}?list-type=2&encoding-type=url").text
    assert "<Key>a%01b%0D%0A%3C%26%3E</Key>" in encoded
    assert "<EncodingType>url</EncodingType>" in encoded
    answer = raw("GET", f"/{bucket}?list-type=2&encoding-type=utf")
    assert (answer.status, answer.code) == (400, "InvalidArgument") and "Invalid Encoding Method" in answer.text


def test_keys_that_are_refused(s3, bucket, raw):
    answer = raw("PUT", f"/{bucket}/{'k' * 1025}", {}, b"1")
    assert (answer.status, answer.code) == (400, "KeyTooLongError") and "<MaxSizeAllowed>1024</MaxSizeAllowed>" in answer.text
    assert raw("PUT", f"/{bucket}/" + "%E9%9B%B2" * 341 + "k", {}, b"1").status == 200
    assert raw("PUT", f"/{bucket}/" + "%E9%9B%B2" * 342, {}, b"1").status == 400
    answer = raw("PUT", f"/{bucket}/a%zz", {}, b"1")
    assert (answer.status, answer.code) == (400, "InvalidURI"), answer.text
    answer = raw("PUT", f"/{bucket}/a%ff", {}, b"1")
    assert (answer.status, answer.code) == (400, "InvalidURI"), answer.text


def test_next_marker(s3, bucket):
    for key in ("a", "b/1", "b/2", "c", "d"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    plain = s3.list_objects(Bucket=bucket, MaxKeys=2)
    assert plain["IsTruncated"] and "NextMarker" not in plain  # the last key serves
    first = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2)
    assert first["NextMarker"] == "b/" and [p["Prefix"] for p in first["CommonPrefixes"]] == ["b/"]
    second = s3.list_objects(Bucket=bucket, Delimiter="/", MaxKeys=2, Marker=first["NextMarker"])
    assert [o["Key"] for o in second["Contents"]] == ["c", "d"] and not second["IsTruncated"]
    # A marker inside of a common prefix: what is left of it is shown.
    inside = s3.list_objects(Bucket=bucket, Delimiter="/", Marker="b/1")
    assert [p["Prefix"] for p in inside["CommonPrefixes"]] == ["b/"]
    none = s3.list_objects(Bucket=bucket, MaxKeys=0)
    assert not none["IsTruncated"] and "Contents" not in none
    fails(400, "InvalidArgument", s3.list_objects, Bucket=bucket, MaxKeys=-1)


# --- broken requests: nothing is left ------------------------------------------------------------------------------


def test_digests_that_lie(s3, bucket, raw):
    other, right = base64.b64encode(hashlib.md5(b"other").digest()).decode(), hashlib.md5(b"other").hexdigest()
    for headers, code in (({"Content-MD5": other}, "BadDigest"), ({"Content-MD5": "short"}, "InvalidDigest"),
                          ({"Content-MD5": ""}, "InvalidDigest"), ({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"),
                          ({"x-amz-checksum-crc32": "AA=="}, "InvalidRequest"),
                          ({"x-amz-checksum-crc99": "AAAAAA=="}, "InvalidRequest"),
                          ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}, "InvalidRequest")):
        answer = raw("PUT", f"/{bucket}/k", headers, b"body")
        assert (answer.status, answer.code) == (400, code), (headers, answer.text)
        if "Content-MD5" in headers and code == "BadDigest":
            assert "<CalculatedDigest>" in answer.text and f"<ExpectedDigest>{right}</ExpectedDigest>" in answer.text
    assert raw("HEAD", f"/{bucket}/k").status == 404



def test_checksums_of_parts(s3, bucket):
    """By number, or by a range that is one part."""
    one = {"Bucket": bucket, "Key": "k"}
    bodies = [b"a" * (5 * MIB), b"b" * (5 * MIB), b"c"]
    upload = s3.create_multipart_upload(**one, ChecksumAlgorithm="SHA256")["UploadId"]
    parts = []
    for number, body in enumerate(bodies, 1):
        made = s3.upload_part(**one, UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
        parts.append({"PartNumber": number, "ETag": made["ETag"], "ChecksumSHA256": made["ChecksumSHA256"]})
    s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": parts})
    for number, body in enumerate(bodies, 1):
        head = s3.head_object(**one, PartNumber=number, ChecksumMode="ENABLED")
        assert (head["ChecksumSHA256"], head["ChecksumType"]) == (parts[number - 1]["ChecksumSHA256"], "COMPOSITE")
        got = s3.get_object(**one, PartNumber=number, ChecksumMode="ENABLED")  # which botocore verifies
        assert got["ChecksumSHA256"] == head["ChecksumSHA256"] and got["Body"].read() == body
    second = {"Range": f"bytes={5 * MIB}-{10 * MIB - 1}"}
    assert s3.get_object(**one, **second, ChecksumMode="ENABLED")["ChecksumSHA256"] == parts[1]["ChecksumSHA256"]
    assert s3.head_object(**one, Range=f"bytes={10 * MIB}-", ChecksumMode="ENABLED")["ChecksumSHA256"] == parts[2]["ChecksumSHA256"]
    for text in (f"bytes={5 * MIB}-{10 * MIB}", "bytes=0-1", f"bytes={5 * MIB - 1}-{10 * MIB - 1}", f"bytes=0-{10 * MIB - 1}"):
        answer = s3.head_object(**one, Range=text, ChecksumMode="ENABLED")
        assert not {"ChecksumSHA256", "ChecksumType"} & set(answer), text
    assert s3.head_object(**one, ChecksumMode="ENABLED")["ChecksumSHA256"].endswith("-3")
    assert "ChecksumSHA256" not in s3.head_object(**one, PartNumber=1)


# --- nothing that a request says goes unheard ---------------------------------------------------------------------


def one_part(s3, bucket, **more):
    one = {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(**one, **more)["UploadId"]
    return f"/{bucket}/k?uploadId={upload}", s3.upload_part(**one, UploadId=upload, PartNumber=1, Body=b"abc",
                                                            **more)["ETag"]


def parts_of(etag, more=""):
    return f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag>{more}</Part></CompleteMultipartUpload>".encode()


def test_what_a_complete_says_of_checksums(s3, bucket, raw):
    path, etag = one_part(s3, bucket)
    for more, headers, code in [
        ("<ChecksumSHA512>AAAA</ChecksumSHA512>", {}, "InvalidRequest"),
        ("<ChecksumMD5>AAAA</ChecksumMD5>", {}, "InvalidRequest"),
        ("", {"x-amz-checksum-xxhash3": "AAAA"}, "InvalidRequest"),
        ("", {"x-amz-checksum-type": "COMPOSITE"}, "BadDigest"),
        ("", {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, "BadDigest"),
        ("", {"x-amz-mp-object-size": "4"}, "InvalidRequest"),
        ("", {"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}, "BadDigest"),
    ]:
        answer = raw("POST", path, headers, parts_of(etag, more))
        assert (answer.status, answer.code) == (400, code), (more, headers, answer.text)
    done = raw("POST", path, {"x-amz-checksum-type": "FULL_OBJECT", "x-amz-mp-object-size": "3"}, parts_of(etag))
    assert done.status == 200
    path, etag = one_part(s3, bucket, ChecksumAlgorithm="SHA256")
    sha = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    answer = raw("POST", path, {}, parts_of(etag, "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"))
    assert answer.code == "InvalidRequest" and "expected checksum Type: sha256" in answer.text
    assert raw("POST", path, {}, parts_of(etag)).code == "InvalidRequest"
    assert raw("POST", path, {}, parts_of(etag, f"<ChecksumSHA256>{sha}</ChecksumSHA256>")).status == 200


@pytest.mark.parametrize("query, body", [
    ("?tagging", b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
    ("?notification", b"<NotificationConfiguration/>"),
    ("?accelerate", b"<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>"),
    ("?metrics&id=m", b"<MetricsConfiguration><Id>m</Id></MetricsConfiguration>"),
    ("?versioning", b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"),
])
def test_digests_of_configurations(bucket, raw, query, body):
    def put(headers):
        answer = raw("PUT", f"/{bucket}{query}", headers, body)
        return answer.status if answer.status < 300 else answer.code

    right = base64.b64encode(hashlib.md5(body).digest()).decode()
    assert put({"Content-MD5": "AAAAAAAAAAAAAAAAAAAAAA=="}) == "BadDigest"
    assert put({"Content-MD5": "AAAA"}) == "InvalidDigest"
    assert put({"x-amz-checksum-crc32": "AAAAAA=="}) == "BadDigest"
    assert put({"Content-MD5": right, "x-amz-checksum-sha512": "AAAA"}) == "InvalidRequest"
    assert put({"Content-MD5": right, "x-amz-sdk-checksum-algorithm": "SHA1"}) == "InvalidRequest"
    assert put({"Content-MD5": right}) in (200, 204)


def test_blanks_in_encoded_listings(s3, bucket, raw):
    s3.put_object(Bucket=bucket, Key="a b+c/d e")
    text = raw("GET", f"/{bucket}?list-type=2&encoding-type=url&prefix=a%20b&delimiter=/").text
    assert "<CommonPrefixes><Prefix>a+b%2Bc/</Prefix></CommonPrefixes>" in text and "<Prefix>a+b</Prefix>" in text
    assert "<Key>a+b%2Bc/d+e</Key>" in raw("GET", f"/{bucket}?versions&encoding-type=url").text


def test_halves_of_requests(s3, bucket, raw):
    """What names half of an operation is refused, and writes nothing."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"kept")
    for query in ("uploadId=x", "partNumber=1", "x-id=PutObject&partNumber=1"):
        answer = raw("PUT", f"/{bucket}/k?{query}", {}, b"lost")
        assert (answer.status, answer.code) == (400, "InvalidArgument"), answer.text
    assert raw("PUT", f"/{bucket}/other?x-id=PutObject&foo", {}, b"1").status == 200
    for method in ("POST", "PATCH"):
        answer = raw(method, f"/{bucket}/k", {}, b"")
        assert (answer.status, answer.code) == (405, "MethodNotAllowed")
        assert "The specified method is not allowed against this resource." in answer.text
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"kept"


def test_directory_buckets_are_refused(s3, bucket):
    """Their requests look like those of others here, where one host serves all."""
    fails(501, "NotImplemented", s3.list_directory_buckets)
    fails(501, "NotImplemented", s3.list_directory_buckets, MaxDirectoryBuckets=3)
    fails(501, "NotImplemented", s3.create_session, Bucket=bucket)
    fails(501, "NotImplemented", s3.rename_object, Bucket=bucket, Key="a", RenameSource="/b/c")
    assert bucket in [b["Name"] for b in s3.list_buckets()["Buckets"]]


def test_arguments_are_named(bucket, raw):
    for query, name, value in [
        ("max-keys=-1", "maxKeys", "-1"),
        ("list-type=2&continuation-token=zz", "continuation-token", "zz"),
        ("encoding-type=utf", "encoding-type", "utf"),
        ("versions&version-id-marker=x", "version-id-marker", "x"),
        ("versions&version-id-marker=", "version-id-marker", ""),
    ]:
        answer = raw("GET", f"/{bucket}?{query}")
        assert (answer.status, answer.code) == (400, "InvalidArgument"), query
        assert f"<ArgumentName>{name}</ArgumentName>" in answer.text
        assert f"<ArgumentValue>{value}</ArgumentValue>" in answer.text or value == ""
    assert "Version id cannot be the empty string" in raw("GET", f"/{bucket}/k?versionId=").text


def test_not_modified(s3, bucket, raw):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789", ContentType="text/x", Metadata={"a": "b"})["ETag"]
    for method in ("GET", "HEAD"):
        answer = raw(method, f"/{bucket}/k", {"If-None-Match": etag})
        assert (answer.status, answer.headers["ETag"], answer.body) == (304, etag, b"")
        assert answer.headers["Content-Type"] is None and answer.headers["Content-Length"] == "10"
    for _ in range(3):  # one connection goes on
        fails(304, "304", s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"0123456789"


def md5_of(body):
    return {"Content-MD5": base64.b64encode(hashlib.md5(body.encode()).digest()).decode()}


@pytest.mark.parametrize("query,body", [
    ("cors", "<Other/>"),
    ("versioning", "<Other><Status>Enabled</Status></Other>"),
    ("metrics&id=a", "<Other><Id>a</Id></Other>"),
    ("publicAccessBlock", "<PublicAccessBlockConfiguration><BlockPublicAcls>maybe</BlockPublicAcls>"
                          "</PublicAccessBlockConfiguration>"),
    ("lifecycle", "<LifecycleConfiguration><Rule><Status>Enabled</Status><Expiration><Date>then</Date></Expiration>"
                  "</Rule></LifecycleConfiguration>"),
])
def test_xml_that_is_not_the_schema_s(bucket, raw, query, body):
    answer = raw("PUT", f"/{bucket}?{query}", md5_of(body), body.encode())
    assert (answer.status, answer.code) == (400, "MalformedXML")
    assert ("<Message>The XML you provided was not well-formed or did not validate against our published schema"
            "</Message>") in answer.text


def test_a_configuration_needs_a_body(bucket, raw):
    answer = raw("PUT", f"/{bucket}?cors", md5_of(""))
    assert (answer.status, answer.code) == (400, "MissingRequestBodyError")
    assert "<Message>Request Body is empty</Message>" in answer.text


def test_the_root_of_create_bucket_may_be_older(s3, raw, name):
    """boto 2 sends CreateBucketConstraint."""
    body = b"<CreateBucketConstraint><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConstraint>"
    assert raw("PUT", f"/{name.lower()}", body=body).status == 200
    assert s3.get_bucket_location(Bucket=name.lower())["LocationConstraint"] == "eu-west-1"


def test_numbers_that_are_none(s3, bucket, raw):
    for query, argument in (("max-keys=many", "max-keys"), ("list-type=2&max-keys=", "max-keys"),
                            ("uploads&max-uploads=x", "max-uploads")):
        answer = raw("GET", f"/{bucket}?{query}")
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        value = query.rpartition("=")[2]
        assert f"<ArgumentName>{argument}</ArgumentName><ArgumentValue>{value}</ArgumentValue>" in answer.text
    for kind in ("3", ""):
        answer = raw("GET", f"/{bucket}?list-type={kind}")
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        assert "<Message>Invalid List Type specified in Request</Message>" in answer.text


def test_a_length_is_wanted(cloud, bucket):
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=30)
    connection.putrequest("PUT", f"/{bucket}/k")
    connection.endheaders()
    answer = Answer(connection.getresponse())
    connection.close()
    assert (answer.status, answer.code) == (411, "MissingContentLength")
    assert "<Message>You must provide the Content-Length HTTP header.</Message>" in answer.text


def test_an_empty_type_is_none(s3, bucket, raw):
    raw("PUT", f"/{bucket}/k", {"Content-Type": ""}, b"x")
    assert s3.head_object(Bucket=bucket, Key="k")["ContentType"] == "binary/octet-stream"


def test_an_entry_without_a_key_spoils_the_list(s3, bucket, raw):
    s3.put_object(Bucket=bucket, Key="k")
    for entry in ("", "<Key></Key>"):
        body = f"<Delete><Object><Key>k</Key></Object><Object>{entry}</Object></Delete>"
        answer = raw("POST", f"/{bucket}?delete", md5_of(body), body.encode())
        assert (answer.status, answer.code) == (400, "MalformedXML")
    assert s3.head_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize("method,path,code", [
    ("DELETE", "?acl", "MethodNotAllowed"), ("PUT", "?location", "MethodNotAllowed"),
    ("POST", "?policy", "MethodNotAllowed"), ("GET", "?delete", "MethodNotAllowed"),
    ("DELETE", "/k?acl", "MethodNotAllowed"), ("PUT", "/k?torrent", "MethodNotAllowed"),
    ("GET", "/k?restore", "MethodNotAllowed"),
    ("PUT", "/k?lifecycle", "InvalidArgument"), ("DELETE", "/k?policy", "InvalidArgument"),
    ("PUT", "/k?versionId=null", "InvalidArgument"),
])
def test_a_subresource_is_not_taken_for_its_owner(s3, bucket, raw, method, path, code):
    if "/k" in path:
        s3.put_object(Bucket=bucket, Key="k", Body=b"as it was")
    answer = raw(method, f"/{bucket}{path}", {}, b"x" if method in ("PUT", "POST") else b"")
    assert (answer.status, answer.code) == (405 if code == "MethodNotAllowed" else 400, code)
    if code == "MethodNotAllowed":
        assert f"<Method>{method}</Method>" in answer.text
    assert s3.head_bucket(Bucket=bucket)
    if "/k" in path:
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"as it was"


def test_listings_say_where_the_bucket_is(s3, bucket, raw):
    for query in ("", "?list-type=2"):
        assert raw("GET", f"/{bucket}{query}").headers["x-amz-bucket-region"] == "us-east-1"
        answer = raw("GET", f"/{bucket}{query}", signed=False)
        assert (answer.status, answer.code) == (403, "AccessDenied")
        assert answer.headers["x-amz-bucket-region"] == "us-east-1"


@pytest.mark.parametrize("method,path,resource", [
    ("PATCH", "/", "SERVICE"), ("PATCH", "/bucket", "BUCKET"), ("PATCH", "/bucket/", "BUCKET"),
    ("PATCH", "/bucket/k/x", "OBJECT"), ("DELETE", "/", "SERVICE"),
])
def test_methods_that_nobody_has(raw, method, path, resource):
    answer = raw(method, path)
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    assert f"<Method>{method}</Method><ResourceType>{resource}</ResourceType>" in answer.text
    answer = raw(method, path, host="bucket.s3.us-east-1.amazonaws.com")
    if method == "PATCH":
        kind = "BUCKET" if path == "/" else "OBJECT"
        assert f"<ResourceType>{kind}</ResourceType>" in answer.text
