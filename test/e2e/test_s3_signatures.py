"""What S3 says of signatures that are wrong, by the letter ("Error responses", Amazon S3 API Reference), and how long
URLs and forms signed in advance live when the cloud's clock is moved."""

import datetime
import json
import re
import urllib.parse

import boto3
import botocore.config
import http.client
import pytest
import wire
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from test_s3_requests import Answer


@pytest.fixture(scope="module")
def place(cloud):
    """A bucket with an object, of a key whose signatures are verified."""
    key = cloud.issue()
    client = cloud.client("s3", *key)
    client.create_bucket(Bucket="signatures")
    client.put_object(Bucket="signatures", Key="k", Body=b"x")
    return cloud, key


def send(cloud, method, path, headers, body=b""):
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=30)
    try:
        connection.request(method, path, body=body, headers=headers)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def signed(place, method="GET", path="/signatures/k", body=b"", **change):
    cloud, key = place
    request = AWSRequest(method, cloud.endpoint + path, headers={"Host": f"127.0.0.1:{cloud.port}"}, data=body)
    request.context["payload_signing_enabled"] = True
    S3SigV4Auth(Credentials(*key), change.pop("service", "s3"), "us-east-1").add_auth(request)
    headers = dict(request.headers)
    for name, value in change.items():
        name = name.replace("_", "-")
        if value is None:
            del headers[name]
        else:
            headers[name] = value(headers.get(name)) if callable(value) else value
    return send(cloud, method, path, headers, body)


def element(answer, name):
    found = re.search(f"<{name}>(.*?)</{name}>", answer.text, re.DOTALL)
    return found and found[1].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def refused(answer, status, code, message=None, **elements):
    assert (answer.status, answer.code) == (status, code), answer.text
    if message:
        assert element(answer, "Message") == message
    for name, value in elements.items():
        assert element(answer, name) == value, answer.text


def octets(text):
    return " ".join(f"{byte:02x}" for byte in text.encode())


def test_mismatch(place):
    answer = signed(place, Authorization=lambda text: text[:-4] + "0000")
    refused(answer, 403, "SignatureDoesNotMatch", AWSAccessKeyId=place[1][0])
    text, canonical = element(answer, "StringToSign"), element(answer, "CanonicalRequest")
    assert canonical.startswith("GET\n/signatures/k\n") and element(answer, "SignatureProvided").endswith("0000")
    assert element(answer, "StringToSignBytes") == octets(text)
    assert element(answer, "CanonicalRequestBytes") == octets(canonical)


def test_header(place):
    malformed = "The authorization header is malformed; "
    three = malformed + "the authorization header requires three components: Credential, SignedHeaders, and Signature."
    refused(signed(place, Authorization="AWS4-HMAC-SHA256 foo"), 400, "AuthorizationHeaderMalformed", three)
    refused(signed(place, Authorization=lambda text: text.replace("Credential=", "Name=")), 400,
            "AuthorizationHeaderMalformed", three)
    refused(signed(place, Authorization=lambda text: text.replace("aws4_request", "aws5_request")), 400,
            "AuthorizationHeaderMalformed",
            malformed + 'incorrect terminal "aws5_request". This endpoint uses "aws4_request".')
    refused(signed(place, Authorization="Basic dTpw"), 400, "InvalidArgument", "Unsupported Authorization Type",
            ArgumentName="Authorization", ArgumentValue="Basic dTpw")
    refused(signed(place, Authorization=lambda text: text.replace("SHA256", "SHA1")), 400, "InvalidArgument",
            "Unsupported Authorization Type")
    for date in (None, "yesterday"):
        refused(signed(place, X_Amz_Date=date), 403, "AccessDenied",
                "AWS authentication requires a valid Date or x-amz-date header")
    refused(signed(place, x_amz_meta_a="1", X_Amz_Mfa="2"), 403, "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned="x-amz-meta-a, x-amz-mfa")
    refused(signed(place, path="/signatures/k?X-Amz-Algorithm=AWS4-HMAC-SHA256"), 400, "InvalidArgument",
            ArgumentName="Authorization")


def test_payload_hash(place):
    refused(signed(place, X_Amz_Content_SHA256=None), 400, "InvalidRequest",
            "Missing required header for this request: x-amz-content-sha256")
    refused(signed(place, X_Amz_Content_SHA256="short"), 400, "InvalidArgument",
            ArgumentName="x-amz-content-sha256", ArgumentValue="short")
    cloud, key = place
    for size in (1, 1 << 20):  # in memory, and by threads
        body = b"a" * size
        request = AWSRequest("PUT", f"{cloud.endpoint}/signatures/j", data=body,
                             headers={"Host": f"127.0.0.1:{cloud.port}"})
        request.context["payload_signing_enabled"] = True
        S3SigV4Auth(Credentials(*key), "s3", "us-east-1").add_auth(request)
        right = request.headers["X-Amz-Content-SHA256"]
        answer = send(cloud, "PUT", "/signatures/j", dict(request.headers), b"b" * size)
        refused(answer, 400, "XAmzContentSHA256Mismatch", ClientComputedContentSHA256=right)
        assert re.fullmatch("[0-9a-f]{64}", element(answer, "S3ComputedContentSHA256"))


def test_keys_and_tokens(place):
    cloud = place[0]
    foreign = "ASIA" + "A" * 16
    answer = signed((cloud, (foreign, "secret")))
    refused(answer, 403, "InvalidAccessKeyId", AWSAccessKeyId=foreign)
    answer = signed((cloud, (*place[1], "no-token")))
    refused(answer, 400, "InvalidToken", **{"Token-0": "no-token"})


def presign(cloud, key, expires=60, at=None, version="s3v4", region="us-east-1"):
    if version == "s3v4":
        request = AWSRequest("GET", f"{cloud.endpoint}/signatures/k")
        with wire.frozen(at or datetime.datetime.now(datetime.timezone.utc)):
            S3SigV4QueryAuth(Credentials(*key), "s3", region, expires=expires).add_auth(request)
        return request.url[len(cloud.endpoint):]
    client = boto3.client("s3", endpoint_url=cloud.endpoint, region_name=region, aws_access_key_id=key[0],
                          aws_secret_access_key=key[1], config=botocore.config.Config(signature_version=version))
    return client.generate_presigned_url("get_object", Params={"Bucket": "signatures", "Key": "k"},
                                         ExpiresIn=expires)[len(cloud.endpoint):]


def test_query(place):
    cloud, key = place
    url = presign(cloud, key)
    assert send(cloud, "GET", url, {}).status == 200
    needed = ("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
              "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
    for name in ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires"):
        less = re.sub(rf"(\?|&)X-Amz-{name}=[^&]*&?", r"\1", url)
        refused(send(cloud, "GET", less, {}), 400, "AuthorizationQueryParametersError", needed)
    for given, message in (
        ("-1", "X-Amz-Expires must be non-negative"),
        ("soon", "X-Amz-Expires should be a number"),
        ("604801", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less "
                   "than 604800 seconds"),
    ):
        bent = url.replace("X-Amz-Expires=60", "X-Amz-Expires=" + given)
        refused(send(cloud, "GET", bent, {}), 400, "AuthorizationQueryParametersError", message)
    refused(send(cloud, "GET", url.replace("AWS4-HMAC-SHA256", "AWS4"), {}), 400, "AuthorizationQueryParametersError",
            'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
    refused(send(cloud, "GET", presign(cloud, key, region="eu-west-1"), {}), 400, "AuthorizationQueryParametersError",
            "Error parsing the X-Amz-Credential parameter; the region 'eu-west-1' is wrong; expecting 'us-east-1'",
            Region="us-east-1")


def test_ended(place):
    cloud, key = place
    at = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(minutes=5)
    answer = send(cloud, "GET", presign(cloud, key, 60, at), {})
    refused(answer, 403, "AccessDenied", "Request has expired",
            Expires=f"{at + datetime.timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}", **{"X-Amz-Expires": "60"})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", element(answer, "ServerTime"))
    with wire.frozen(at):
        old = presign(cloud, key, 60, version="s3")
    old = re.sub(r"Expires=\d+", f"Expires={int(at.timestamp())}", old)
    answer = send(cloud, "GET", old, {})
    refused(answer, 403, "AccessDenied", "Request has expired", Expires=f"{at:%Y-%m-%dT%H:%M:%SZ}")
    assert element(answer, "X-Amz-Expires") is None


def form(cloud, key):
    client = boto3.client("s3", endpoint_url=cloud.endpoint, region_name="us-east-1", aws_access_key_id=key[0],
                          aws_secret_access_key=key[1], config=botocore.config.Config(signature_version="s3v4"))
    made = client.generate_presigned_post("signatures", "posted", ExpiresIn=3600)
    lines = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
             for name, value in made["fields"].items()]
    lines.append('--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n')
    return urllib.parse.urlsplit(made["url"]).path, "".join(lines).encode()


@pytest.mark.parametrize("known", [True, False])
def test_the_cloud_s_clock_is_moved(make_cloud, known):
    """What was signed before ages by the move; what is signed afterwards, by the machine's clock, is new."""
    cloud = make_cloud().start()
    key = cloud.issue() if known else ("test", "test")
    client = cloud.client("s3", *key)
    client.create_bucket(Bucket="signatures")
    client.put_object(Bucket="signatures", Key="k", Body=b"x")

    def status(url):
        return send(cloud, "GET", url, {}).status

    def post(one):
        return send(cloud, "POST", one[0], {"Content-Type": "multipart/form-data; boundary=b"}, one[1]).status

    old, longer, old_form = presign(cloud, key, 3600), presign(cloud, key, 3 * 3600), form(cloud, key)
    assert (status(old), post(old_form)) == (200, 204)
    cloud.run("clock", "advance", "2h")
    assert (status(old), status(longer), post(old_form)) == (403, 200, 403)
    assert status(presign(cloud, key, 3600)) == 200 and post(form(cloud, key)) == 204
    by_the_cloud = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=2)
    assert status(presign(cloud, key, 60, by_the_cloud)) == 200
    assert status(presign(cloud, key, 60, version="s3")) == 200  # version 2 says when it ends, not when it was signed
    young = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::signatures/*",
        "Condition": {"NumericGreaterThan": {"s3:signatureAge": "600000"}}}]}
    client.put_bucket_policy(Bucket="signatures", Policy=json.dumps(young))
    assert client.get_object(Bucket="signatures", Key="k") and status(presign(cloud, key, 3600)) == 200
    assert status(longer) == 403  # two hours of age are too much now
    client.delete_bucket_policy(Bucket="signatures")
    cloud.kill()
    cloud.start()
    assert (status(old), status(longer)) == (403, 200)
    cloud.run("clock", "advance", "2h")
    assert status(longer) == 403
