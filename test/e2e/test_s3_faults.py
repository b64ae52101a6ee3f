"""S3 and what goes wrong on the way in: AWS's code, no object, and no file that is left over. Small bodies, and large ones, on
which several threads work."""

import base64
import datetime
import hashlib
import os
import re
import socket
import time
import zlib

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from kumoniwa import Cloud, wait_until
from test_boto3_s3 import fails, pattern
from test_s3_requests import raw  # noqa: F401 (a fixture)

MIB = 1 << 20
SIZES = [100, 100_000, 3 * MIB]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A cloud with one bucket and nothing in it: whatever is found in its folder of blobs is left over."""
    with Cloud(tmp_path_factory.mktemp("faults")) as made:
        made.client("s3").create_bucket(Bucket="bucket")
        made.key = made.issue()
        yield made


def files(cloud):
    return [os.path.join(folder, name) for folder, _, names in os.walk(cloud.data / "blobs") for name in names]


@pytest.fixture(autouse=True)
def nothing_is_left(place):
    yield
    assert "Contents" not in place.client("s3").list_objects_v2(Bucket="bucket")
    wait_until(lambda: not files(place), 60, "files are left over")


def signed(cloud, method, path, headers, payload_hash, skew=0):
    """Head lines of a request that a key of the cloud's own signed."""
    url = f"http://127.0.0.1:{cloud.port}{path}"
    request = AWSRequest(method, url, headers={**headers, "X-Amz-Content-SHA256": payload_hash})
    signer = S3SigV4Auth(Credentials(*cloud.key), "s3", "us-east-1")
    signer.payload = lambda request: payload_hash  # the body is not known here, or another is meant
    if skew:
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=skew)
        original = botocore.auth.get_current_datetime
        botocore.auth.get_current_datetime = lambda *a, **k: now.replace(tzinfo=None)
        try:
            signer.add_auth(request)
        finally:
            botocore.auth.get_current_datetime = original
    else:
        signer.add_auth(request)
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{cloud.port}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "host"]
    return "\r\n".join(lines + ["Connection: close", "", ""]).encode()


def exchange(cloud, data, end=False):
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=30) as connection:
        connection.sendall(data)
        if end:
            return b""
        answer = b""
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                break
            if not piece:
                break
            answer += piece
    return answer


def refused(answer, status, code):
    found = re.search(b"<Code>(.*)</Code><Message>(.*)</Message>", answer)
    assert (int(answer[9:12]), found[1].decode()) == (status, code), found[2].decode()


@pytest.mark.parametrize("size", SIZES)
def test_wrong_hash(place, size):
    body, other = pattern(size), hashlib.sha256(b"other").hexdigest()
    head = signed(place, "PUT", "/bucket/k", {"Content-Length": str(size)}, other)
    refused(exchange(place, head + body), 400, "XAmzContentSHA256Mismatch")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("header", ["content-md5", "x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-checksum-crc64nvme"])
def test_wrong_digest(place, size, header):
    digest = {"content-md5": 16, "x-amz-checksum-crc32": 4, "x-amz-checksum-sha256": 32, "x-amz-checksum-crc64nvme": 8}[header]
    wrong = base64.b64encode(b"\1" * digest).decode()
    head = signed(place, "PUT", "/bucket/k", {"Content-Length": str(size), header: wrong}, "UNSIGNED-PAYLOAD")
    refused(exchange(place, head + pattern(size)), 400, "BadDigest")


@pytest.mark.parametrize("size", SIZES)
def test_right_digests(place, size):
    """The same requests with the truth in them: or the tests above would prove nothing."""
    body = pattern(size)
    right = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode(),
             "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(body).digest()).decode()}
    head = signed(place, "PUT", "/bucket/k", {"Content-Length": str(size), **right}, hashlib.sha256(body).hexdigest())
    assert exchange(place, head + body).startswith(b"HTTP/1.1 200")
    s3 = place.client("s3")
    assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == body
    s3.delete_object(Bucket="bucket", Key="k")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_connection_that_drops(place, size, part):
    head = signed(place, "PUT", "/bucket/k", {"Content-Length": str(size)}, "UNSIGNED-PAYLOAD")
    exchange(place, head + pattern(size)[:int(size * part)], end=True)
    time.sleep(0.05)


@pytest.mark.parametrize("size", SIZES)
def test_upload_part_that_drops(place, size):
    s3 = place.client("s3", key=place.key[0], secret=place.key[1])
    upload = s3.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
    head = signed(place, "PUT", f"/bucket/k?partNumber=1&uploadId={upload}", {"Content-Length": str(size)}, "UNSIGNED-PAYLOAD")
    exchange(place, head + pattern(size)[:size // 2], end=True)
    assert "Parts" not in s3.list_parts(Bucket="bucket", Key="k", UploadId=upload)
    s3.abort_multipart_upload(Bucket="bucket", Key="k", UploadId=upload)


def chunked(body, step=65536, trailer=None):
    out = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + step]), body[i:i + step]) for i in range(0, len(body), step))
    return out + b"0\r\n" + (trailer or b"") + b"\r\n"


@pytest.mark.parametrize("size", SIZES)
def test_trailers(place, size):
    body = pattern(size)
    crc = base64.b64encode(zlib.crc32(body).to_bytes(4, "big"))
    for trailer, said, status, code in (
            (b"x-amz-checksum-crc32:AAAAAA==\r\n", size, 400, "BadDigest"), (b"", size, 400, "MalformedTrailerError"),
            (b"x-amz-checksum-crc32:" + crc + b"\r\n", size + 1, 400, "IncompleteBody")):
        sent = chunked(body, trailer=trailer)
        head = signed(place, "PUT", "/bucket/k", {
            "Content-Length": str(len(sent)), "x-amz-decoded-content-length": str(said), "Content-Encoding": "aws-chunked",
            "x-amz-trailer": "x-amz-checksum-crc32"}, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        refused(exchange(place, head + sent), status, code)


@pytest.mark.parametrize("size", SIZES)
def test_broken_chunks(place, size):
    body = pattern(size)
    sent = chunked(body)
    for wrong in (sent.replace(b"\r\n0\r\n", b"\r\nzz\r\n"), sent[:-5] + b"1\r\n\r\n"):
        head = signed(place, "PUT", "/bucket/k", {
            "Content-Length": str(len(wrong)), "x-amz-decoded-content-length": str(size), "Content-Encoding": "aws-chunked"},
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        answer = exchange(place, head + wrong)
        assert answer.startswith(b"HTTP/1.1 400 "), answer[-500:]
        assert re.search(b"<Code>(IncompleteBody|InvalidChunkSizeError|MalformedTrailerError)</Code>", answer), answer
    head = signed(place, "PUT", "/bucket/k", {"Content-Length": str(len(sent)), "Content-Encoding": "aws-chunked"},
                  "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    refused(exchange(place, head + sent), 411, "MissingContentLength")


@pytest.mark.parametrize("skew", [-1000, 1000])
@pytest.mark.parametrize("size", SIZES)
def test_clock_skew(place, skew, size):
    head = signed(place, "PUT", "/bucket/k", {"Content-Length": str(size)}, "UNSIGNED-PAYLOAD", skew)
    answer = exchange(place, head + pattern(size))
    refused(answer, 403, "RequestTimeTooSkewed")
    assert b"The difference between the request time and the current time is too large." in answer
    assert b"<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>" in answer and b"<ServerTime>" in answer


def test_parts_in_the_wrong_order(place):
    s3 = place.client("s3")
    one = {"Bucket": "bucket", "Key": "k"}
    upload = s3.create_multipart_upload(**one)["UploadId"]
    etags = [s3.upload_part(**one, UploadId=upload, PartNumber=n, Body=pattern(size))["ETag"]
             for n, size in ((1, 5 * MIB), (2, 100), (3, 5 * MIB))]

    def complete(*numbers):
        parts = [{"PartNumber": n, "ETag": etags[n - 1]} for n in numbers]
        return s3.complete_multipart_upload(**one, UploadId=upload, MultipartUpload={"Parts": parts})

    def attempt(code, *numbers):
        with pytest.raises(Exception) as caught:
            complete(*numbers)
        assert caught.value.response["Error"]["Code"] == code

    attempt("InvalidPartOrder", 2, 1)
    attempt("InvalidPartOrder", 1, 1)
    attempt("EntityTooSmall", 1, 2, 3)
    assert [p["PartNumber"] for p in s3.list_parts(**one, UploadId=upload)["Parts"]] == [1, 2, 3]  # nothing was taken away
    complete(1, 3)  # what the list leaves out goes
    assert s3.head_object(**one)["ContentLength"] == 10 * MIB
    fails(404, "NoSuchUpload", s3.abort_multipart_upload, **one, UploadId=upload)
    s3.delete_object(**one)


@pytest.mark.parametrize("body", [b"", b"<", b"<CompleteMultipartUpload>", b"<CompleteMultipartUpload/>", b"{}", b"\xff\xfe",
                                  b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
                                  b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
                                  b"<!DOCTYPE x [<!ENTITY a \"a\">]><CompleteMultipartUpload>&a;</CompleteMultipartUpload>"])
def test_bad_xml(place, body):
    s3 = place.client("s3")
    one = {"Bucket": "bucket", "Key": "k"}
    upload = s3.create_multipart_upload(**one)["UploadId"]
    s3.upload_part(**one, UploadId=upload, PartNumber=1, Body=b"1")
    head = signed(place, "POST", f"/bucket/k?uploadId={upload}", {"Content-Length": str(len(body))},
                  hashlib.sha256(body).hexdigest())
    answer = exchange(place, head + body)
    code = re.search(b"<Code>(.*)</Code>", answer)
    assert int(answer[9:12]) == 400 and code[1].decode() in ("MalformedXML", "InvalidPart", "InvalidRequest"), answer[-900:]
    assert len(s3.list_parts(**one, UploadId=upload)["Parts"]) == 1
    s3.abort_multipart_upload(**one, UploadId=upload)


def test_a_body_that_is_too_long(place):
    head = signed(place, "PUT", "/bucket/k", {"Content-Length": str(5 * 1024 * MIB + 1)}, "UNSIGNED-PAYLOAD")
    refused(exchange(place, head), 400, "EntityTooLarge")


def test_a_message_that_is_too_long(place):
    """Of a configuration: nothing is taken of it."""
    head = signed(place, "PUT", "/bucket?cors", {"Content-Length": str(17 * MIB)}, "UNSIGNED-PAYLOAD")
    answer = exchange(place, head)
    refused(answer, 400, "MaxMessageLengthExceeded")
    assert b"<MaxMessageLengthBytes>16777216</MaxMessageLengthBytes>" in answer


def test_a_length_is_needed(place):
    head = signed(place, "PUT", "/bucket/k", {"Transfer-Encoding": "chunked"}, "UNSIGNED-PAYLOAD")
    answer = exchange(place, head + b"3\r\nabc\r\n0\r\n\r\n")
    refused(answer, 501, "NotImplemented")


def test_reset_takes_the_blobs_along(own):
    s3 = own.client("s3")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=pattern(MIB))
    assert files(own)
    own.get("/_localstack/state/reset", "POST")
    wait_until(lambda: not files(own), 60, "files are left over")
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=pattern(MIB))
    assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == pattern(MIB)
