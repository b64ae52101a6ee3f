"""Function URLs: who may, what the function sees, what comes back, streams, other origins."""
import http.client
import json
import time
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

from lambda_kit import kit, needs, needs_sandboxes  # noqa: F401

pytestmark = needs_sandboxes

ECHO = "import json\ndef handler(event, context):\n    return {'statusCode': 200, 'body': json.dumps(event)}\n"


class Url:
    def __init__(self, kit, auth="NONE", open_to_all=True, **more):
        made = kit.client.create_function_url_config(FunctionName=kit.name, AuthType=auth, **more)
        self.url = made["FunctionUrl"]
        self.host = urllib.parse.urlsplit(self.url).hostname
        self.port = kit.cloud.port
        if open_to_all:
            grant(kit, auth)

    def ask(self, method="GET", path="/", body=None, headers=None, host=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.request(method, path, body, {"Host": host or f"{self.host}:{self.port}", **(headers or {})})
        answer = connection.getresponse()
        answer.data = answer.read()
        connection.close()
        return answer


def grant(kit, auth, principal="*"):
    kit.client.add_permission(
        FunctionName=kit.name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal=principal, FunctionUrlAuthType=auth
    )
    kit.client.add_permission(
        FunctionName=kit.name, StatementId="call", Action="lambda:InvokeFunction", Principal=principal, InvokedViaFunctionUrl=True
    )


def test_event(kit):
    kit.make(ECHO)
    url = Url(kit)
    assert url.host.endswith(".lambda-url.us-east-1.localhost")
    answer = url.ask(
        "POST", "/a%20b/c?x=1&x=2&y=%C3%BC&z", json.dumps({"k": "v"}),
        {"Content-Type": "application/json", "Cookie": "a=1; b=2", "X-Mine": "one", "User-Agent": "tests"},
    )  # fmt: skip
    assert (answer.status, answer.getheader("Content-Type")) == (200, "application/json")
    event = json.loads(answer.data)
    assert {key: event[key] for key in ("version", "routeKey", "rawPath", "rawQueryString", "cookies", "body", "isBase64Encoded")} == {
        "version": "2.0", "routeKey": "$default", "rawPath": "/a%20b/c", "rawQueryString": "x=1&x=2&y=%C3%BC&z",
        "cookies": ["a=1", "b=2"], "body": '{"k": "v"}', "isBase64Encoded": False,
    }  # fmt: skip
    assert event["queryStringParameters"] == {"x": "1,2", "y": "ü", "z": ""}
    assert event["headers"]["x-mine"] == "one" and event["headers"]["x-forwarded-proto"] == "http"
    context = event["requestContext"]
    assert context["accountId"] == "anonymous" and context["domainName"] == url.host
    assert context["apiId"] == context["domainPrefix"] == url.host.split(".")[0]
    assert context["http"] == {"method": "POST", "path": "/a%20b/c", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "tests"}
    trace = event["headers"]["x-amzn-trace-id"]
    assert trace.startswith("Root=1-") and answer.getheader("X-Amzn-Trace-Id") == trace
    assert url.ask(headers={"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"}).getheader(
        "X-Amzn-Trace-Id") == "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    assert context["stage"] == "$default" and abs(context["timeEpoch"] / 1000 - time.time()) < 60


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_and_hosts(kit, method):
    kit.make("def handler(e, c):\n    return {'statusCode': 201, 'headers': {'x-method': e['requestContext']['http']['method']}}\n")
    url = Url(kit)
    for host in (None, url.host.replace("localhost", "on.aws")):
        answer = url.ask(method, host=host)
        assert (answer.status, answer.getheader("x-method")) == (201, method)


def test_bodies(kit):
    kit.make(
        "import base64\n"
        "def handler(e, c):\n"
        "    got = base64.b64decode(e['body']) if e['isBase64Encoded'] else e.get('body', '').encode()\n"
        "    return {'statusCode': 200, 'headers': {'Content-Type': 'image/x', 'X-B': str(e['isBase64Encoded'])},\n"
        "            'cookies': ['a=1; Secure', 'b=2'], 'isBase64Encoded': True, 'body': base64.b64encode(got).decode()}\n"
    )
    url = Url(kit)
    for body, kind, encoded in (
        (b"\0\xff" * 1000, "application/octet-stream", "True"), ("text ü".encode(), "text/plain; charset=utf-8", "False"),
        (b"a=1&b=2", "application/x-www-form-urlencoded", "True"), (b"\xff", "text/plain", "True"), (b"", "text/plain", "False"),
    ):  # fmt: skip
        answer = url.ask("POST", "/", body, {"Content-Type": kind})
        assert (answer.data, answer.getheader("x-b"), answer.getheader("content-type")) == (body, encoded, "image/x")
        assert answer.headers.get_all("set-cookie") == ["a=1; Secure", "b=2"]
    packed = url.ask("POST", "/", b"\x1f\x8bno", {"Content-Type": "application/json", "Content-Encoding": "gzip"})
    assert packed.data == b"\x1f\x8bno"  # what comes is not looked into


@pytest.mark.parametrize(
    "result, status, body",
    [
        ("'Hello, world!'", 200, b'"Hello, world!"'),
        ("{'message': 'hi'}", 200, b'{"message": "hi"}'),
        ("None", 200, b"null"),
        ("{'statusCode': 404, 'body': 'no'}", 404, b"no"),
        ("{'statusCode': 204}", 204, b""),
        ("{'statusCode': 'x'}", 502, b"Internal Server Error"),
        ("{'statusCode': 200, 'isBase64Encoded': True, 'body': '!'}", 502, b"Internal Server Error"),
        ("{'statusCode': 200, 'headers': {'a': 'b\\r\\nc: d'}}", 502, b"Internal Server Error"),
        ("{'statusCode': 200, 'headers': {'a: b': 'c'}}", 502, b"Internal Server Error"),
        ("{'statusCode': 200, 'headers': {'': 'c'}}", 502, b"Internal Server Error"),
        ("{'statusCode': 200, 'headers': {'a': ['c']}}", 502, b"Internal Server Error"),
        ("{'statusCode': 200, 'cookies': 'c=1'}", 502, b"Internal Server Error"),
        ("{'statusCode': 99}", 502, b"Internal Server Error"),
        ("{'statusCode': 200, 'headers': None, 'body': None, 'cookies': None}", 200, b""),
        ("{'statusCode': 200, 'body': {'k': 1}}", 200, b'{"k": 1}'),
        ("1 / 0", 502, b"Internal Server Error"),
        ("__import__('os')._exit(1)", 502, b"Internal Server Error"),
    ],
)
def test_answers(kit, result, status, body):
    kit.make(f"def handler(e, c):\n    return {result}\n")
    answer = Url(kit).ask()
    assert (answer.status, answer.data) == (status, body)
    assert answer.getheader("c") is None


def test_forbidden_without_a_policy(kit):
    kit.make(ECHO)
    url = Url(kit, open_to_all=False)
    answer = url.ask()
    assert answer.status == 403 and json.loads(answer.data)["Message"].startswith("Forbidden.")
    # One of the two permissions is not enough.
    kit.client.add_permission(
        FunctionName=kit.name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
    )
    assert url.ask().status == 403
    kit.client.add_permission(
        FunctionName=kit.name, StatementId="call", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True
    )
    assert url.ask().status == 200
    assert url.ask(headers={"Authorization": "Bearer mine"}).status == 200
    assert url.ask(headers={"Authorization": "AWS4-HMAC-SHA256 nonsense"}).status == 200


def test_unknown_host(kit):
    kit.make(ECHO)
    url = Url(kit)
    assert url.ask(host="a" * 32 + ".lambda-url.us-east-1.on.aws").status == 404
    kit.client.delete_function_url_config(FunctionName=kit.name)
    assert url.ask().status == 404


def signed(url, credentials, method="GET", path="/", body=b""):
    request = botocore.awsrequest.AWSRequest(method, f"http://{url.host}:{url.port}{path}", data=body)
    botocore.auth.SigV4Auth(credentials, "lambda", "us-east-1").add_auth(request)
    return url.ask(method, path, body, dict(request.headers))


def test_iam(kit):
    kit.make(ECHO)
    url = Url(kit, auth="AWS_IAM", open_to_all=False)
    assert url.ask().status == 403
    iam = kit.cloud.client("iam")
    user = kit.name[-40:].strip("-")
    arn = iam.create_user(UserName=user)["User"]["Arn"]
    key = iam.create_access_key(UserName=user)["AccessKey"]
    credentials = botocore.credentials.Credentials(key["AccessKeyId"], key["SecretAccessKey"])
    assert signed(url, credentials).status == 403
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "lambda:InvokeFunctionUrl", "Resource": "*", "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "AWS_IAM"}}},
            {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": "*", "Condition": {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}},
        ],
    }  # fmt: skip
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(policy))
    answer = signed(url, credentials, "POST", "/x?b=2&a=1", b"body")
    assert answer.status == 200, answer.data
    context = json.loads(answer.data)["requestContext"]
    assert context["accountId"] == "000000000000" and context["authorizer"]["iam"]["userArn"] == arn
    assert context["authorizer"]["iam"]["accessKey"] == key["AccessKeyId"]
    wrong = botocore.credentials.Credentials(key["AccessKeyId"], "wrong")
    answer = signed(url, wrong)
    assert answer.status == 403 and b"signature we calculated does not match" in answer.data
    # The same permission does not let the user invoke the function by the API.
    own = kit.cloud.client("lambda", key["AccessKeyId"], key["SecretAccessKey"])
    with pytest.raises(own.exceptions.ClientError) as error:
        own.invoke(FunctionName=kit.name)
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"


def test_other_origins(kit):
    kit.make("def handler(e, c):\n    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'mine'}, 'body': 'b'}\n")
    url = Url(
        kit,
        Cors={
            "AllowOrigins": ["https://shop.example", "https://other.example"], "AllowMethods": ["GET", "POST"], "AllowHeaders": ["x-a", "x-b"],
            "ExposeHeaders": ["x-c"], "AllowCredentials": True, "MaxAge": 60,
        },
    )  # fmt: skip
    pre = url.ask("OPTIONS", headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"})
    assert (pre.status, pre.data) == (200, b"")
    assert {name.lower(): value for name, value in pre.getheaders() if name.lower().startswith("access-control")} == {
        "access-control-allow-origin": "https://shop.example", "access-control-allow-methods": "GET,POST",
        "access-control-allow-headers": "x-a,x-b", "access-control-allow-credentials": "true",
        "access-control-expose-headers": "x-c", "access-control-max-age": "60",
    }  # fmt: skip
    answer = url.ask(headers={"Origin": "https://shop.example"})
    assert answer.data == b"b" and answer.headers.get_all("access-control-allow-origin") == ["https://shop.example"]
    assert answer.getheader("access-control-allow-methods") is None
    none = url.ask("OPTIONS", headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"})
    assert none.getheader("access-control-allow-origin") is None
    assert url.ask(headers={"Origin": "https://evil.example"}).getheader("access-control-allow-origin") is None


def test_alias(kit):
    kit.make("def handler(e, c):\n    return c.function_version + ' ' + c.invoked_function_arn\n")
    version = kit.client.publish_version(FunctionName=kit.name)["Version"]
    kit.client.create_alias(FunctionName=kit.name, Name="live", FunctionVersion=version)
    made = kit.client.create_function_url_config(FunctionName=kit.name, Qualifier="live", AuthType="NONE")
    for statement, action, more in (("u", "lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}), ("c", "lambda:InvokeFunction", {"InvokedViaFunctionUrl": True})):
        kit.client.add_permission(FunctionName=kit.name, Qualifier="live", StatementId=statement, Action=action, Principal="*", **more)
    url = Url.__new__(Url)
    url.host, url.port = urllib.parse.urlsplit(made["FunctionUrl"]).hostname, kit.cloud.port
    assert url.ask().data.decode() == f'"{version} arn:aws:lambda:us-east-1:000000000000:function:{kit.name}:live"'


def test_throttled(kit):
    kit.make(ECHO)
    url = Url(kit)
    kit.client.put_function_concurrency(FunctionName=kit.name, ReservedConcurrentExecutions=0)
    assert url.ask().status == 429


def test_large(kit):
    kit.make("def handler(e, c):\n    return {'statusCode': 200, 'body': 'x' * 5_000_000}\n")
    url = Url(kit)
    assert len(url.ask().data) == 5_000_000
    assert url.ask("POST", "/", b"y" * 7_000_000, {"Content-Type": "text/plain"}).status == 413


STREAM = """
export const handler = awslambda.streamifyResponse(async (event, stream) => {
  if (event.rawPath === '/plain') { stream.setContentType('text/plain'); stream.write('plain'); stream.end(); return; }
  if (event.rawPath === '/fails') throw new Error('before');
  stream = awslambda.HttpResponseStream.from(stream, {statusCode: 203, headers: {'Content-Type': 'text/x', 'x-y': 'z'}, cookies: ['c=1']});
  for (let i = 0; i < 3; i++) { stream.write(`part ${i};`); await new Promise((r) => setTimeout(r, 1000)); }
  stream.end();
});
"""


@needs("node")
def test_streams(kit):
    kit.make({"index.mjs": STREAM}, "nodejs20.x", "index.handler")
    url = Url(kit, InvokeMode="RESPONSE_STREAM")
    url.ask("GET", "/plain")
    connection = http.client.HTTPConnection("127.0.0.1", url.port, timeout=20)
    connection.request("GET", "/", headers={"Host": url.host})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("content-type"), answer.getheader("x-y")) == (203, "text/x", "z")
    assert answer.getheader("set-cookie") == "c=1"
    assert answer.read(7) == b"part 0;"
    begin = time.monotonic()
    assert answer.read() == b"part 1;part 2;"
    assert time.monotonic() - begin > 0.3, "the first part came with the last"
    plain = url.ask("GET", "/plain")
    assert (plain.status, plain.getheader("content-type"), plain.data) == (200, "text/plain", b"plain")


def test_streaming_url_of_a_plain_function(kit):
    kit.make("def handler(e, c):\n    return {'a': 1}\n")
    answer = Url(kit, InvokeMode="RESPONSE_STREAM").ask()
    assert (answer.status, answer.data, answer.getheader("content-type")) == (200, b'{"a": 1}', "application/json")
