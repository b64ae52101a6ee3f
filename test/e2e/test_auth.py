"""Signatures: issued keys are verified, what is wrong gets AWS's code and words ("Common Errors" of the API references;
"Troubleshoot Signature Version 4 signing", IAM User Guide)."""

import datetime
import hashlib
import hmac
import re

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest

import wire

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
INVALID_TOKEN = "The security token included in the request is invalid."
JSON = {"X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0"}


@pytest.fixture(scope="module")
def key(cloud):
    return cloud.issue()


def failure(call, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**members)
    reply = caught.value.response
    return reply["Error"]["Code"], reply["Error"]["Message"], reply["ResponseMetadata"]["HTTPStatusCode"]


def test_issued_key(cloud, key):
    assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key[0]) and re.fullmatch(r"[A-Za-z0-9/+]{40}", key[1])
    assert cloud.client("sts", *key).get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"
    cloud.client("sqs", *key).list_queues()


def test_issued_key_of_a_user(cloud):
    identity = cloud.client("sts", *cloud.issue("210987654321", "alice")).get_caller_identity()
    assert identity["Account"] == "210987654321"
    assert identity["Arn"] == "arn:aws:iam::210987654321:user/alice"
    assert re.fullmatch(r"AIDA[A-Z0-9]{17}", identity["UserId"])


def test_access_key_info(cloud, key):
    assert cloud.client("sts").get_access_key_info(AccessKeyId=key[0])["Account"] == "000000000000"


def test_revoked_key(cloud):
    made = cloud.issue()
    cloud.client("sts", *made).get_caller_identity()
    cloud.run("credentials", "revoke", made[0])
    assert cloud.run("credentials", "revoke", made[0], check=False).returncode == 1


def test_issued_key_outlives_a_restart(own):
    made = own.issue("123123123123")
    own.kill()
    own.start()
    assert own.client("sts", *made).get_caller_identity()["Account"] == "123123123123"
    assert failure(own.client("sts", made[0], "wrong").get_caller_identity)[0] == "SignatureDoesNotMatch"


def test_wrong_secret(cloud, key):
    code, message, status = failure(cloud.client("sts", key[0], "wrong").get_caller_identity)
    assert (code, status) == ("SignatureDoesNotMatch", 403) and message.startswith(MISMATCH)
    assert "The Canonical String for this request should have been\n'POST\n/\n" in message
    assert "The String-to-Sign should have been\n'AWS4-HMAC-SHA256\n" in message
    code, message, status = failure(cloud.client("sqs", key[0], "wrong").list_queues)
    assert (code, status) == ("SignatureDoesNotMatch", 403) and message.startswith(MISMATCH)
    reply = wire.json_call(cloud, "ListQueues", {}, key=key[0], secret="wrong")
    assert reply.status == 403 and reply.json["__type"].endswith("#InvalidSignatureException")
    reply = wire.query_call(cloud, "ListQueues", {}, key=key[0], secret="wrong")
    assert reply.status == 403 and "<Code>SignatureDoesNotMatch</Code>" in reply.text


def test_wrong_secret_by_protocol(cloud, key):
    """Each family of services names it in its own way."""
    wrong = (key[0], "wrong")
    assert failure(cloud.client("dynamodb", *wrong).list_tables)[::2] == ("InvalidSignatureException", 400)
    assert failure(cloud.client("lambda", *wrong).list_functions)[::2] == ("InvalidSignatureException", 403)
    assert failure(cloud.client("ec2", *wrong).describe_instances)[::2] == ("AuthFailure", 401)
    code, message, status = failure(cloud.client("s3", *wrong).list_buckets)
    assert (code, status) == ("SignatureDoesNotMatch", 403)
    assert message == ("The request signature we calculated does not match the signature you provided. "
                       "Check your key and signing method.")


@pytest.mark.parametrize("minutes, words", [(-16, "Signature expired: "), (16, "Signature not yet current: ")])
def test_skewed_clock(cloud, key, minutes, words):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    reply = wire.query_call(cloud, "GetCallerIdentity", {}, service="sts", version="2011-06-15",
                            key=key[0], secret=key[1], at=at)
    assert reply.status == 403 and "<Code>SignatureDoesNotMatch</Code>" in reply.text
    pattern = r"now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 15 min\.\)" if minutes < 0 else (
        r"still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 15 min\.\)")
    assert re.search(f"<Message>{words}{at:%Y%m%dT%H%M%SZ} is {pattern}</Message>", reply.text), reply.text
    reply = wire.send(cloud, "s3", method="GET", key=key[0], secret=key[1], at=at,
                      headers={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert reply.status == 403 and "<Code>RequestTimeTooSkewed</Code>" in reply.text
    assert "The difference between the request time and the current time is too large." in reply.text


@pytest.mark.parametrize("minutes", [-14, 14])
def test_clock_within_bounds(cloud, key, minutes):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    assert wire.json_call(cloud, "ListQueues", {}, key=key[0], secret=key[1], at=at).status == 200


def test_signatures_outlive_an_advance_of_the_cloud_s_clock(make_cloud):
    """Clients sign by the machine's clock, or by the cloud's if they follow its answers; nobody by one in between."""
    cloud = make_cloud().start()
    made = cloud.issue()
    cloud.run("clock", "advance", "3h")
    assert cloud.client("sts", *made).get_caller_identity()
    now = datetime.datetime.now(datetime.timezone.utc)
    for hours, minutes, status in ((0, -14, 200), (3, 0, 200), (3, 14, 200), (1, 0, 403), (3, 16, 403), (0, -16, 403)):
        at = now + datetime.timedelta(hours=hours, minutes=minutes)
        reply = wire.json_call(cloud, "ListQueues", {}, key=made[0], secret=made[1], at=at)
        assert reply.status == status, (hours, minutes)


def presign(cloud, key, service, path, expires, at):
    request = botocore.awsrequest.AWSRequest(method="GET", url=cloud.endpoint + path)
    credentials = botocore.credentials.Credentials(*key)
    with wire.frozen(at):
        kind = botocore.auth.S3SigV4QueryAuth if service == "s3" else botocore.auth.SigV4QueryAuth
        kind(credentials, service, "us-east-1", expires=expires).add_auth(request)
    return request.url[len(cloud.endpoint):]


def test_presigned(cloud, key):
    now = datetime.datetime.now(datetime.timezone.utc)
    path = "/?Action=GetCallerIdentity&Version=2011-06-15"
    good = presign(cloud, key, "sts", path, 300, now)
    reply = wire.send_raw(cloud, "GET", good, {})
    assert reply.status == 200 and "<Account>000000000000</Account>" in reply.text
    old = presign(cloud, key, "sts", path, 60, now - datetime.timedelta(minutes=5))
    reply = wire.send_raw(cloud, "GET", old, {})
    assert reply.status == 400 and "<Code>RequestExpired</Code>" in reply.text
    bent = good.replace("Version=2011-06-15", "Version=2011-06-15&Extra=1")
    reply = wire.send_raw(cloud, "GET", bent, {})
    assert reply.status == 403 and "<Code>SignatureDoesNotMatch</Code>" in reply.text


def test_presigned_by_boto3(cloud, key):
    url = cloud.client("sts", *key).generate_presigned_url(
        "get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    reply = wire.send_raw(cloud, "GET", url[len(cloud.endpoint):], {})
    assert reply.status == 200, reply


def test_presigned_s3_expired(cloud, key):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=5)
    reply = wire.send_raw(cloud, "GET", presign(cloud, key, "s3", "/bucket/key", 60, at), {})
    assert reply.status == 403
    assert "<Code>AccessDenied</Code><Message>Request has expired</Message>" in reply.text


def test_parts_missing(cloud, key):
    good = wire.sign(cloud, "sqs", headers=JSON, body=b"{}", key=key[0], secret=key[1])
    for part in ("Credential", "Signature", "SignedHeaders"):
        bent = dict(good, Authorization=re.sub(part + "=[^,]*(, )?", "", good["Authorization"]))
        reply = wire.send_raw(cloud, "POST", "/", bent, b"{}")
        assert reply.status == 400 and reply.json["__type"].endswith("#IncompleteSignatureException")
        assert reply.json["message"].startswith(f"Authorization header requires '{part}' parameter. Authorization=")
        assert reply.headers["x-amzn-query-error"] == "IncompleteSignature;Sender"
    bent = dict(good)
    del bent["X-Amz-Date"]
    reply = wire.send_raw(cloud, "POST", "/", bent, b"{}")
    assert reply.status == 400
    assert reply.json["message"].startswith(
        "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=")
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": "AWS4-HMAC-SHA256 Credential=x"}
    reply = wire.send_raw(cloud, "POST", "/", headers, b"Action=GetCallerIdentity&Version=2011-06-15")
    assert reply.status == 400 and "<Code>IncompleteSignature</Code>" in reply.text


def test_unsigned(cloud):
    reply = wire.send_raw(cloud, "POST", "/", JSON, b"{}")
    assert reply.status == 403 and reply.headers["x-amzn-query-error"] == "MissingAuthenticationToken;Sender"
    reply = wire.send_raw(cloud, "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", {})
    assert reply.status == 403 and "<Code>MissingAuthenticationToken</Code>" in reply.text


def test_body_header_path_or_scope_that_was_not_signed(cloud, key):
    good = wire.sign(cloud, "sqs", headers=JSON, body=b"{}", key=key[0], secret=key[1])
    assert wire.send_raw(cloud, "POST", "/", good, b"{}").status == 200
    bents = {
        "body": (good, "/", b"{ }"),
        "target": (dict(good, **{"X-Amz-Target": "AmazonSQS.CreateQueue"}), "/", b"{}"),
        "path": (good, "/other", b"{}"),
        "query": (good, "/?a=b", b"{}"),
        "host": (dict(good, Host="elsewhere"), "/", b"{}"),
        "region": (dict(good, Authorization=good["Authorization"].replace("us-east-1", "eu-west-1")), "/", b"{}"),
        "unsigned": (dict(good, **{"X-Amz-Extra": "1"}), "/", b"{}"),
    }
    for what, (headers, path, body) in bents.items():
        reply = wire.send_raw(cloud, "POST", path, headers, body)
        assert reply.status == 403, (what, reply)


def test_session_token_that_is_not_the_key_s(cloud, key):
    code, message, status = failure(cloud.client("sts", *key, token="nonsense").get_caller_identity)
    assert (code, message, status) == ("InvalidClientTokenId", INVALID_TOKEN, 403)
    code, message, status = failure(cloud.client("s3", *key, token="nonsense").list_buckets)
    assert (code, message, status) == ("InvalidToken", "The provided token is malformed or otherwise invalid.", 400)


def test_scope_of_another_service(cloud, key):
    reply = wire.send(cloud, "sns", b"{}", JSON, key=key[0], secret=key[1])
    assert reply.status == 403 and reply.json["__type"].endswith("#InvalidSignatureException")
    assert reply.json["message"].startswith("Credential should be scoped to correct service: 'sqs'.")


def test_strict_refuses_unknown_keys(strict):
    code, message, status = failure(strict.client("sts").get_caller_identity)
    assert (code, message, status) == ("InvalidClientTokenId", INVALID_TOKEN, 403)
    code, message, status = failure(strict.client("sts", key="123456789012").get_caller_identity)
    assert code == "InvalidClientTokenId"
    code, message, status = failure(strict.client("dynamodb").list_tables)
    assert (code, message, status) == ("UnrecognizedClientException", INVALID_TOKEN, 400)
    code, message, status = failure(strict.client("s3").list_buckets)
    assert (code, status) == ("InvalidAccessKeyId", 403)
    assert message == "The AWS Access Key Id you provided does not exist in our records."
    code, message, status = failure(strict.client("ec2").describe_instances)
    assert code == "AuthFailure"


def test_strict_serves_issued_keys(strict, name):
    made = strict.issue()
    sqs = strict.client("sqs", *made)
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert sqs.receive_message(QueueUrl=url)["Messages"]
    strict.run("credentials", "revoke", made[0])
    assert failure(sqs.list_queues)[0] == "InvalidClientTokenId"
    assert failure(strict.client("sqs", made[0], "wrong").list_queues)[0] == "InvalidClientTokenId"


def test_a_failed_signature_changes_nothing(cloud, key, name):
    reply = wire.json_call(cloud, "CreateQueue", {"QueueName": name}, key=key[0], secret="wrong")
    assert reply.status == 403
    assert wire.json_call(cloud, "GetQueueUrl", {"QueueName": name}).status == 400


def test_secret_is_not_logged(cloud, key):
    assert key[1] not in cloud.log_text()
    assert key[1] not in str(cloud.get("/_kumoniwa/logs"))


# --- bodies signed chunk by chunk ("Signature calculations for the authorization header: transferring payload in
# multiple chunks", Amazon S3 API Reference): what the signature says is judged before the operation, which may be
# missing yet: then a good one answers 501.


def chunked(cloud, key, data, spoil=None, size=64 * 1024, length=None):
    streaming = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    headers = {
        "x-amz-content-sha256": streaming, "x-amz-decoded-content-length": str(length or len(data)),
        "Content-Encoding": "aws-chunked",
    }
    request = botocore.awsrequest.AWSRequest(method="PUT", url=f"{cloud.endpoint}/bucket/key", headers=headers)
    request.context["payload_signing_enabled"] = True
    signer = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(*key), "s3", "us-east-1")
    signer.payload = lambda request: streaming
    request.headers["Host"] = f"127.0.0.1:{cloud.port}"
    signer.add_auth(request)
    signed = dict(request.headers.items())
    assert signed["X-Amz-Content-SHA256"] == streaming
    stamp, previous = signed["X-Amz-Date"], signed["Authorization"].rpartition("=")[2]
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    secret = ("AWS4" + key[1]).encode()
    for part in scope.split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    body = b""
    pieces = [data[i : i + size] for i in range(0, len(data), size)] + [b""]
    for number, piece in enumerate(pieces):
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, hashlib.sha256(b"").hexdigest(),
                          hashlib.sha256(piece).hexdigest()])
        previous = hmac.digest(secret, text.encode(), "sha256").hex()
        if number == spoil:
            previous = previous[:-1] + ("0" if previous[-1] != "0" else "1")
        body += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + b"\r\n"
    return signed, body


def test_signed_chunks(cloud, key):
    data = bytes(range(256)) * 1000
    signed, body = chunked(cloud, key, data)
    reply = wire.send_raw(cloud, "PUT", "/bucket/key", signed, body)
    assert reply.status in (200, 404, 501), reply
    for spoil in (0, 1, 4):
        signed, body = chunked(cloud, key, data, spoil=spoil)
        reply = wire.send_raw(cloud, "PUT", "/bucket/key", signed, body)
        assert reply.status == 403 and "<Code>SignatureDoesNotMatch</Code>" in reply.text, (spoil, reply)
    signed, body = chunked(cloud, key, data)
    for bent in (body.replace(b"\x01\x02\x03", b"\x01\x02\x04", 1), body[:-40], body[:100]):
        reply = wire.send_raw(cloud, "PUT", "/bucket/key", signed, bent)
        assert reply.status in (400, 403), (len(bent), reply)
    signed, body = chunked(cloud, key, data, length=len(data) + 1)
    reply = wire.send_raw(cloud, "PUT", "/bucket/key", signed, body)
    assert reply.status == 400 and "<Code>IncompleteBody</Code>" in reply.text
    files = [path for path in cloud.data.rglob("*") if path.is_file() and path.stat().st_size == len(data)]
    assert len(files) <= 1, "what was refused is not kept"


def test_payload_hash_that_is_not_the_body_s(cloud, key):
    headers = {"x-amz-content-sha256": hashlib.sha256(b"one").hexdigest()}
    signer = botocore.auth.S3SigV4Auth(botocore.credentials.Credentials(*key), "s3", "us-east-1")
    request = botocore.awsrequest.AWSRequest(method="PUT", url=f"{cloud.endpoint}/bucket/key", data=b"one", headers=headers)
    request.context["payload_signing_enabled"] = True
    request.headers["Host"] = f"127.0.0.1:{cloud.port}"
    signer.add_auth(request)
    reply = wire.send_raw(cloud, "PUT", "/bucket/key", dict(request.headers.items()), b"two")
    assert reply.status == 400 and "<Code>XAmzContentSHA256Mismatch</Code>" in reply.text
