"""S3: the hosts by which clients reach it, and URLs signed in advance."""

import hashlib
import http.client
import re
import socket
import time
import urllib.parse

import boto3
import pytest
from botocore.config import Config
from test_boto3_s3 import fails, pattern
from test_s3_requests import Answer, raw  # noqa: F401 (fixtures)

HOSTS = ["{b}.localhost:{p}", "{b}.localhost", "{b}.s3.localhost:{p}", "{b}.s3.localhost.localstack.cloud:{p}",
         "{b}.s3.us-east-1.localhost.localstack.cloud:{p}", "{b}.s3.amazonaws.com", "{b}.s3.us-east-1.amazonaws.com",
         "{b}.s3-us-west-2.amazonaws.com", "{b}.s3.dualstack.us-east-1.amazonaws.com", "{b}.s3-fips.us-east-1.amazonaws.com",
         "{b}.s3-fips.dualstack.us-east-1.amazonaws.com", "{b}.s3-accelerate.amazonaws.com",
         "{b}.s3-accelerate.dualstack.amazonaws.com", "{b}.s3-external-1.amazonaws.com"]
PATHS = ["localhost:{p}", "127.0.0.1:{p}", "s3.localhost:{p}", "s3.localhost.localstack.cloud:{p}", "localhost.localstack.cloud:{p}",
         "s3.us-east-1.localhost.localstack.cloud:{p}", "s3.amazonaws.com", "s3.us-east-1.amazonaws.com", "s3-us-west-2.amazonaws.com",
         "s3.dualstack.us-east-1.amazonaws.com", "s3-fips.us-east-1.amazonaws.com", "an.own.name:{p}", "[::1]:{p}"]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("dotted", [False, True])
def test_virtual_host(s3, bucket, raw, cloud, host, dotted):
    if dotted:
        bucket = ("a.b." if host.startswith("{b}.localhost") else "a.s3.b.") + bucket[-40:].strip("-.")
        s3.create_bucket(Bucket=bucket)
    host = host.format(b=bucket, p=cloud.port)
    assert raw("PUT", "/dir/k%20y", {}, b"1", host=host).status == 200
    assert raw("GET", "/dir/k%20y", host=host).body == b"1"
    listed = raw("GET", "/?list-type=2&prefix=dir%2F", host=host)
    assert f"<Name>{bucket}</Name>" in listed.text and "<Key>dir/k y</Key>" in listed.text
    assert s3.get_object(Bucket=bucket, Key="dir/k y")["Body"].read() == b"1"
    assert raw("HEAD", "/", host=host).status == 200


@pytest.mark.parametrize("host", PATHS)
def test_path_style(s3, bucket, raw, cloud, host):
    host = host.format(p=cloud.port)
    assert raw("PUT", f"/{bucket}/k", {}, b"1", host=host).status == 200
    assert raw("GET", f"/{bucket}/k", host=host).body == b"1"
    assert f"<Name>{bucket}</Name>" in raw("GET", "/", host=host).text


def test_host_of_another_region(cloud, raw, name, monkeypatch):
    """The bucket is elsewhere: 301 with the endpoint, which SDKs follow ("Error responses", PermanentRedirect)."""
    bucket = name.replace("_", "-").lower()[-50:].strip("-")
    west = cloud.client("s3", region="eu-west-1")
    west.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    west.put_object(Bucket=bucket, Key="k", Body=b"1")
    for host, there, path in ((f"s3.us-east-1.localhost:{cloud.port}", f"s3.eu-west-1.localhost:{cloud.port}", f"/{bucket}/k"),
                              ("s3-us-east-1.amazonaws.com", "s3-eu-west-1.amazonaws.com", f"/{bucket}/k"),
                              (f"{bucket}.s3.dualstack.us-east-1.amazonaws.com",
                               f"{bucket}.s3.dualstack.eu-west-1.amazonaws.com", "/k")):
        answer = raw("GET", path, host=host)
        assert answer.status == 301 and answer.headers["x-amz-bucket-region"] == "eu-west-1", answer.text
        assert "<Code>PermanentRedirect</Code>" in answer.text and f"<Bucket>{bucket}</Bucket>" in answer.text
        assert f"<Endpoint>{there}</Endpoint>" in answer.text
        assert raw("HEAD", path, host=host).status == 301
    # Where the host names no region, or the bucket's, it is the signature that is wrong.
    for host in ("s3.localhost", "s3.eu-west-1.localhost"):
        assert "AuthorizationHeaderMalformed" in raw("GET", f"/{bucket}/k", host=f"{host}:{cloud.port}").text
    # boto3 signs again for the region that it was told; the host is the one that it was given.
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: resolve(
        "127.0.0.1" if host.endswith(".localhost") else host, *more, **named))
    lost = boto3.client("s3", region_name="us-east-1", endpoint_url=f"http://s3.us-east-1.localhost:{cloud.port}",
                        aws_access_key_id="test", aws_secret_access_key="test", config=Config(s3={"addressing_style": "path"}))
    assert lost.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    assert lost.head_bucket(Bucket=bucket)["BucketRegion"] == "eu-west-1"


def test_hosts_of_others(raw, cloud):
    """A host that names another service is no bucket."""
    for host in ("sqs.us-east-1.localhost.localstack.cloud", "sqs.localhost", "queue.localhost"):
        answer = raw("POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, b"Action=ListQueues&Version=2012-11-05",
                     host=f"{host}:{cloud.port}", signed=False)
        assert "MissingAuthenticationToken" in answer.text or "ListQueuesResponse" in answer.text, answer.text


# --- signed in advance ---------------------------------------------------------------------------------------------


def fetch(url, method="GET", body=None, headers=None):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, {"Host": parts.netloc, **(headers or {})})
        return Answer(connection.getresponse())
    finally:
        connection.close()


@pytest.fixture(params=["default", "s3v4", "virtual"])
def signer(request, cloud):
    """A boto3 client whose keys the program issued, so that its signatures are verified. By default botocore presigns with
    version 2 for S3, whatever the endpoint."""
    key, secret = cloud.issue()
    config = {"default": {}, "s3v4": {"signature_version": "s3v4"}, "virtual": {"s3": {"addressing_style": "virtual"}}}[request.param]
    host = "s3.localhost.localstack.cloud" if request.param == "virtual" else None
    client = cloud.client("s3", key=key, secret=secret, host=host, **config)
    client.is_v2 = request.param != "s3v4"
    return client


def test_presigned_there_and_back(signer, bucket, s3):
    one = {"Bucket": bucket, "Key": "a b/ü+&?"}
    put = signer.generate_presigned_url("put_object", Params=one)
    assert ("AWSAccessKeyId=" in put) == signer.is_v2
    answer = fetch(put, "PUT", b"hello")
    assert answer.status == 200, put + answer.text
    assert s3.get_object(**one)["Body"].read() == b"hello"
    got = fetch(signer.generate_presigned_url("get_object", Params=one), headers={"Range": "bytes=1-2"})
    assert (got.status, got.body) == (206, b"el")
    head = fetch(signer.generate_presigned_url("head_object", Params=one), "HEAD")
    assert (head.status, head.headers["Content-Length"]) == (200, "5")
    changed = {"ResponseContentType": "text/x", "ResponseContentDisposition": 'attachment; filename="a b"'}
    got = fetch(signer.generate_presigned_url("get_object", Params={**one, **changed}))
    assert (got.headers["Content-Type"], got.headers["Content-Disposition"]) == ("text/x", 'attachment; filename="a b"')
    listed = fetch(signer.generate_presigned_url("list_objects_v2", Params={"Bucket": bucket}))
    assert listed.status == 200 and "<KeyCount>1</KeyCount>" in listed.text
    assert fetch(signer.generate_presigned_url("delete_object", Params=one), "DELETE").status == 204
    fails(404, "NoSuchKey", s3.get_object, **one)


def test_presigned_with_headers(signer, bucket, s3):
    one = {"Bucket": bucket, "Key": "k"}
    url = signer.generate_presigned_url("put_object", Params={
        **one, "ContentType": "text/x", "Metadata": {"who": "me"}, "StorageClass": "STANDARD_IA"})
    sent = {"Content-Type": "text/x", "x-amz-meta-who": "me", "x-amz-storage-class": "STANDARD_IA"}
    assert fetch(url, "PUT", b"1", sent).status == 200
    head = s3.head_object(**one)
    assert (head["ContentType"], head["Metadata"], head["StorageClass"]) == ("text/x", {"who": "me"}, "STANDARD_IA")
    answer = fetch(url, "PUT", b"2", {**sent, "Content-Type": "text/y"})
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    if signer.is_v2:  # the signer moved the headers into the query
        assert fetch(url, "PUT", b"3", {"Content-Type": "text/x"}).status == 200
        assert s3.head_object(**one)["Metadata"] == {"who": "me"}


def test_presigned_multipart(signer, bucket, s3):
    one = {"Bucket": bucket, "Key": "k"}
    begun = fetch(signer.generate_presigned_url("create_multipart_upload", Params=one), "POST")
    upload = re.search("<UploadId>(.*)</UploadId>", begun.text)[1]
    part = fetch(signer.generate_presigned_url("upload_part", Params={**one, "UploadId": upload, "PartNumber": 1}), "PUT", b"part")
    body = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part.headers['ETag']}</ETag></Part>" \
        "</CompleteMultipartUpload>"
    url = signer.generate_presigned_url("complete_multipart_upload", Params={**one, "UploadId": upload})
    assert fetch(url, "POST", body.encode()).status == 200
    assert s3.get_object(**one)["Body"].read() == b"part"


def test_presigned_and_changed(signer, bucket, s3):
    one = {"Bucket": bucket, "Key": "k"}
    s3.put_object(**one, Body=b"1")
    url = signer.generate_presigned_url("get_object", Params={**one, "ResponseContentType": "text/x"})
    for wrong in (url.replace("/k?", "/other?"), url.replace("text%2Fx", "text%2Fy"), re.sub("Signature=...", "Signature=abc", url)):
        answer = fetch(wrong)
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch"), answer.text
    assert fetch(url, "DELETE").status == 403
    assert "<StringToSign>" in fetch(url, "DELETE").text and "<SignatureProvided>" in fetch(url, "DELETE").text
    answer = fetch(re.sub(r"(AWSAccessKeyId=|X-Amz-Credential=)\w+", r"\1AKIAIOSFODNN7EXAMPLE", url))
    assert answer.status in (200, 403)  # a stranger's key is root of its account unless --auth=strict
    gone = fetch(signer.generate_presigned_url("get_object", Params=one, ExpiresIn=1))
    assert gone.status == 200
    late = signer.generate_presigned_url("get_object", Params=one, ExpiresIn=1)
    time.sleep(2.1)
    answer = fetch(late)
    assert (answer.status, answer.code) == (403, "AccessDenied") and "Request has expired" in answer.text


def test_version_2_in_a_header_is_refused(bucket, raw):
    answer = raw("GET", f"/{bucket}/k", {"Authorization": "AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=",
                                         "Date": "Tue, 27 Mar 2027 19:36:42 +0000"}, signed=False)
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256." in answer.text


def test_version_2_without_its_parts(bucket, raw):
    answer = raw("GET", f"/{bucket}/k?AWSAccessKeyId=a&Signature=b", signed=False)
    assert (answer.status, answer.code) == (403, "AccessDenied") and "Query-string authentication requires" in answer.text
    answer = raw("GET", f"/{bucket}/k?AWSAccessKeyId=a&Signature=b&Expires=soon", signed=False)
    assert (answer.status, answer.code) == (403, "AccessDenied") and "Invalid date" in answer.text


def test_presigned_in_another_region(cloud):
    key, secret = cloud.issue()
    west = cloud.client("s3", key=key, secret=secret, region="eu-west-1")
    name = f"west-{hashlib.md5(key.encode()).hexdigest()[:8]}"
    west.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    west.put_object(Bucket=name, Key="k", Body=b"1")
    # Version 2 knows no region: what any client made works.
    east = boto3.session.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1").client(
        "s3", endpoint_url=cloud.endpoint, config=Config(proxies={}))
    assert fetch(east.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "k"})).body == b"1"


def test_headers_that_signers_hoist(bucket, raw, s3, cloud):
    """Signers of version 4 put x-amz-* headers into the query; checksums there do not count: there was no body yet."""
    v4 = cloud.client("s3", signature_version="s3v4")
    url = v4.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    # The key "test" is nobody's: what is added is not verified.
    answer = fetch(url + "&x-amz-meta-a=b&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32", "PUT", b"body")
    assert answer.status == 200, answer.text
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "b"}


def test_large_bodies_by_older_urls(signer, bucket, s3):
    body = pattern(3 << 20)
    assert fetch(signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"}), "PUT", body).status == 200
    assert fetch(signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})).body == body


def test_region_for_everyone(bucket, raw, cloud):
    """Managers of SDKs ask for a bucket's region without a signature: the refusal tells."""
    for answer in (raw("HEAD", f"/{bucket}", signed=False), raw("HEAD", "/", signed=False, host=f"{bucket}.s3.amazonaws.com")):
        assert (answer.status, answer.headers["x-amz-bucket-region"]) == (403, "us-east-1")
    assert raw("HEAD", f"/{bucket}").headers["x-amz-bucket-region"] == "us-east-1"
    assert raw("HEAD", "/no-such-bucket-anywhere", signed=False).status == 404
    other = cloud.client("s3", key="111111111111")
    assert fails(403, "403", other.head_bucket, Bucket=bucket)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
@pytest.mark.parametrize("issued", [True, False])
def test_urls_end(cloud, bucket, s3, version, issued):
    """By their own word: with keys that nobody issued, too, though their signatures prove nothing."""
    key, secret = cloud.issue() if issued else ("test", "test")
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    client = cloud.client("s3", key=key, secret=secret, signature_version=version)
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=2)
    assert fetch(url).status == 200
    time.sleep(3.1)
    answer = fetch(url)
    assert (answer.status, answer.code) == (403, "AccessDenied") and "<Message>Request has expired</Message>" in answer.text
