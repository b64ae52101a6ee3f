"""Forms that browsers post: signed by boto3, sent as bytes."""

import base64
import email.header
import hashlib
import http.client
import json
import re
import urllib.parse

import pytest


@pytest.fixture(params=["s3", "s3v4"])
def signer(cloud, request):
    key, secret = cloud.issue()
    return cloud.client("s3", key, secret, signature_version=request.param)


@pytest.fixture
def bucket(s3, name):
    plain = re.sub("[^a-z0-9-]", "-", name.lower())[:63].strip("-")
    s3.create_bucket(Bucket=plain)
    return plain


BOUNDARY = "----form7MA4YWxkTrZu0gW"


def form_of(fields, data, filename="C:\\dir\\photo 1.jpg", boundary=BOUNDARY, end=True):
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
    parts.append(head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + data)
    if end:
        parts.append(f"\r\n--{boundary}--\r\n".encode())
    return b"".join(parts)


class Answer:
    def __init__(self, answer):
        self.status, self.headers, self.body = answer.status, answer.headers, answer.read().decode()

    def error(self):
        code, message = (re.search(f"<{e}>(.*?)</{e}>", self.body, re.S)[1] for e in ("Code", "Message"))
        return self.status, code, message.replace("&quot;", '"').replace("&apos;", "'")


def send(cloud, bucket, body, host=None, kind=f"multipart/form-data; boundary={BOUNDARY}"):
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    headers = {"Content-Type": kind, **({"Host": host} if host else {})}
    connection.request("POST", "/" if host else f"/{bucket}", body, headers)
    return Answer(connection.getresponse())


def post(cloud, made, bucket, data=b"data", host=None, **more):
    return send(cloud, bucket, form_of({**made["fields"], **more}, data), host)


def test_post(cloud, s3, signer, bucket):
    made = signer.generate_presigned_post(bucket, "dir/${filename}")
    data = bytes(range(256)) * 1000
    answer = post(cloud, made, bucket, data)
    assert (answer.status, answer.body) == (204, "")
    etag = '"' + hashlib.md5(data).hexdigest() + '"'
    assert answer.headers["etag"] == etag
    assert answer.headers["location"].endswith(f"/{bucket}/dir%2Fphoto%201.jpg")
    got = s3.get_object(Bucket=bucket, Key="dir/photo 1.jpg")
    assert got["Body"].read() == data and got["ETag"] == etag


def test_fields(cloud, s3, signer, bucket):
    tags = "<Tagging><TagSet><Tag><Key>a b</Key><Value>c/d</Value></Tag></TagSet></Tagging>"
    fields = {"Content-Type": "image/png", "x-amz-meta-who": "me", "tagging": tags, "success_action_status": "201",
              "x-amz-storage-class": "STANDARD_IA", "acl": "bucket-owner-full-control"}
    conditions = [{name: value} for name, value in fields.items()] + [["starts-with", "$key", "in/"]]
    made = signer.generate_presigned_post(bucket, "in/k", Fields=fields, Conditions=conditions)
    answer = post(cloud, made, bucket, b"")
    assert answer.status == 201
    assert "<PostResponse" in answer.body and f"<Bucket>{bucket}</Bucket><Key>in/k</Key>" in answer.body
    head = s3.head_object(Bucket=bucket, Key="in/k")
    assert head["ContentType"] == "image/png" and head["Metadata"] == {"who": "me"}
    assert head["StorageClass"] == "STANDARD_IA" and head["ContentLength"] == 0
    assert s3.get_object_tagging(Bucket=bucket, Key="in/k")["TagSet"] == [{"Key": "a b", "Value": "c/d"}]
    assert post(cloud, made, bucket, b"x", host=f"{bucket}.s3.localhost:{cloud.port}").status == 201


def test_metadata_is_unicode(cloud, s3, signer, bucket):
    """Headers are bytes; forms are UTF-8."""
    fields = {"x-amz-meta-name": "Jürgen 日"}
    made = signer.generate_presigned_post(bucket, "k", Fields=fields, Conditions=[fields])
    assert post(cloud, made, bucket, b"x").status == 204
    word = s3.head_object(Bucket=bucket, Key="k")["Metadata"]["name"]
    assert str(email.header.make_header(email.header.decode_header(word))) == "Jürgen 日"


def test_redirect(cloud, signer, bucket):
    url = "http://example.com/done?x=1"
    made = signer.generate_presigned_post(
        bucket, "k", Fields={"success_action_redirect": url}, Conditions=[{"success_action_redirect": url}]
    )
    answer = post(cloud, made, bucket, b"x")
    assert answer.status == 303
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(answer.headers["location"]).query)
    assert query["x"] == ["1"] and query["bucket"] == [bucket] and query["key"] == ["k"]


def test_conditions(cloud, s3, signer, bucket):
    made = signer.generate_presigned_post(bucket, "${filename}", Conditions=[["content-length-range", 2, 4]])
    assert post(cloud, made, bucket, b"x").error() == (
        400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"
    )
    assert post(cloud, made, bucket, b"12345").error()[:2] == (400, "EntityTooLarge")
    assert post(cloud, made, bucket, b"1234").status == 204
    made = signer.generate_presigned_post(bucket, "a/k")
    status, code, message = post(cloud, made, bucket, key="b/k").error()
    assert (status, code) == (403, "AccessDenied")
    assert message == 'Invalid according to Policy: Policy Condition failed: ["eq", "$key", "a/k"]'
    assert post(cloud, made, bucket, b"", **{"x-amz-meta-z": "1"}).error() == (
        403, "AccessDenied", "Invalid according to Policy: Extra input fields: x-amz-meta-z"
    )
    assert post(cloud, made, bucket, b"", **{"x-ignore-this": "1"}).status == 204
    s3.create_bucket(Bucket=bucket[:60] + "-2")
    assert post(cloud, made, bucket[:60] + "-2").error()[1] == "AccessDenied"
    expired = signer.generate_presigned_post(bucket, "k", ExpiresIn=-1)
    assert post(cloud, expired, bucket).error() == (403, "AccessDenied", "Invalid according to Policy: Policy expired.")


def test_signatures(cloud, signer, bucket):
    made = signer.generate_presigned_post(bucket, "k")
    fields = made["fields"]
    name = "signature" if "signature" in fields else "x-amz-signature"
    wrong = fields[name][:-4] + "AAA="
    assert post(cloud, made, bucket, **{name: wrong}).error()[:2] == (403, "SignatureDoesNotMatch")
    other = base64.b64encode(json.dumps({"expiration": "2099-01-01T00:00:00Z", "conditions": []}).encode()).decode()
    assert post(cloud, made, bucket, policy=other).error()[:2] == (403, "SignatureDoesNotMatch")
    del fields[name]
    status, code, message = post(cloud, made, bucket).error()
    assert (status, code) == (400, "InvalidArgument") and message.startswith("Bucket POST must contain a field named")


def test_bad_forms(cloud, signer, bucket):
    fields = signer.generate_presigned_post(bucket, "k")["fields"]

    malformed = (400, "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
    assert send(cloud, bucket, b"no form at all").error() == malformed
    assert send(cloud, bucket, form_of(fields, b"x", end=False)).error() == malformed
    assert send(cloud, bucket, form_of(fields, b"x", boundary="other")).error() == malformed
    only_fields = form_of(fields, b"").split(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"'.encode())[0]
    status, code, message = send(cloud, bucket, only_fields + f"--{BOUNDARY}--\r\n".encode()).error()
    assert (status, code, message) == (400, "InvalidArgument", "POST requires exactly one file upload per request.")
    big = form_of({**fields, "x-amz-meta-big": "x" * 30000}, b"x")
    assert send(cloud, bucket, big).error()[:2] == (400, "MaxPostPreDataLengthExceeded")
    assert send(cloud, bucket, b"a=b", kind="application/x-www-form-urlencoded").error()[:2] == (412, "PreconditionFailed")
    assert "named 'key'" in send(cloud, bucket, form_of({}, b"x")).error()[2]



def test_anonymous(cloud, s3, bucket):
    """Who signs nothing may what everybody may."""
    assert send(cloud, bucket, form_of({"key": "k"}, b"x")).error() == (403, "AccessDenied", "Access Denied")
    s3.delete_public_access_block(Bucket=bucket)
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/in/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert send(cloud, bucket, form_of({"key": "in/k"}, b"x")).status == 204
    assert send(cloud, bucket, form_of({"key": "k"}, b"x")).status == 403
    assert s3.get_object(Bucket=bucket, Key="in/k")["Body"].read() == b"x"


def test_cut_anywhere(cloud, s3, signer, bucket):
    """Boundaries fall between any two reads; what looks like one is none."""
    made = signer.generate_presigned_post(bucket, "k")
    data = (b"\r\n--" + BOUNDARY.encode()[:-1] + b"-" + b"\r\n-") * 3000
    body = form_of(made["fields"], data)
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    connection.putrequest("POST", f"/{bucket}")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    at = 0
    for step in [1, 2, 3, 5, 7, 11, 64, 1000, 4099, 16384, 20000] * 10:
        connection.send(body[at : at + step])
        at += step
    connection.send(body[at:])
    assert connection.getresponse().status == 204
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == data



