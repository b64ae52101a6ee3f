"""Requests made by hand: signed with botocore's signer, sent over a plain socket, read back byte for byte."""

import datetime
import hashlib
import hmac
import http.client
import json
import socket
import time
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials

REGION = "us-east-1"


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body!r}>"


def sign(cloud, service, method="POST", path="/", headers=None, body=b"", key="test", secret="test",
         token=None, region=REGION, at=None):
    """The headers of a request, signature included. `at`: the moment of the signature, now if not given."""
    request = botocore.awsrequest.AWSRequest(
        method=method, url=cloud.endpoint + path, data=body, headers=dict(headers or {})
    )
    request.headers["Host"] = f"127.0.0.1:{cloud.port}"
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(key, secret, token), service, region)
    if at is None:
        signer.add_auth(request)
    else:
        with frozen(at):
            signer.add_auth(request)
    return dict(request.headers.items())


class frozen:
    """botocore's idea of the time."""

    def __init__(self, moment):
        self.moment = moment

    def __enter__(self):
        moment = self.moment
        self.old = botocore.auth.get_current_datetime
        botocore.auth.get_current_datetime = lambda remove_tzinfo=True: moment.replace(
            tzinfo=None if remove_tzinfo else datetime.timezone.utc
        )

    def __exit__(self, *_):
        botocore.auth.get_current_datetime = self.old


def send(cloud, service, body=b"", headers=None, method="POST", path="/", **signing):
    """One signed request, one connection."""
    signed = sign(cloud, service, method, path, headers, body, **signing)
    return send_raw(cloud, method, path, signed, body)


def send_raw(cloud, method, path, headers, body=b""):
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=30)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if not any(name.lower() == "host" for name in headers):
            connection.putheader("Host", f"127.0.0.1:{cloud.port}")
        for name, value in headers.items():
            connection.putheader(name, value)
        if isinstance(body, bytes):
            if body or method != "GET":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body if body else None)
        else:
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders(body, encode_chunked=True)
        reply = connection.getresponse()
        return Reply(reply.status, reply.getheaders(), reply.read())
    finally:
        connection.close()


def json_call(cloud, operation, members, key="test", secret="test", **more):
    """An SQS operation in its own JSON protocol."""
    headers = {"X-Amz-Target": f"AmazonSQS.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    headers.update(more.pop("headers", {}))
    return send(cloud, "sqs", json.dumps(members).encode(), headers, key=key, secret=secret, **more)


def query_call(cloud, operation, members, service="sqs", version="2012-11-05", **more):
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    headers.update(more.pop("headers", {}))
    form = {"Action": operation, "Version": version, **members}
    return send(cloud, service, urllib.parse.urlencode(form).encode(), headers, **more)


class Fast:
    """One keep-alive connection that sends operations of SQS (or of another service of JSON 1.0) with a signing key made
    once a day: for load. Every request is signed, its body too; with hmac directly, which costs 30 microseconds."""

    def __init__(self, cloud, key="test", secret="test", timeout=20, service="sqs", target="AmazonSQS"):
        self.host = f"127.0.0.1:{cloud.port}"
        self.key, self.secret = key, secret
        self.service, self.target = service, target
        self.socket = socket.create_connection(("127.0.0.1", cloud.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.day = self.signing_key = None

    def close(self):
        self.socket.close()

    def _derive(self, day):
        if day != self.day:
            made = ("AWS4" + self.secret).encode()
            for part in (day, REGION, self.service, "aws4_request"):
                made = hmac.digest(made, part.encode(), "sha256")
            self.day, self.signing_key = day, made
        return self.signing_key

    def request(self, operation, members):
        body = json.dumps(members).encode()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        scope = f"{stamp[:8]}/{REGION}/{self.service}/aws4_request"
        target = f"{self.target}.{operation}"
        canonical = (
            "POST\n/\n\ncontent-type:application/x-amz-json-1.0\n"
            f"host:{self.host}\nx-amz-date:{stamp}\nx-amz-target:{target}\n\n"
            f"content-type;host;x-amz-date;x-amz-target\n{hashlib.sha256(body).hexdigest()}"
        )
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = hmac.digest(self._derive(stamp[:8]), text.encode(), "sha256").hex()
        return (
            f"POST / HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"X-Amz-Date: {stamp}\r\nX-Amz-Target: {target}\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential={self.key}/{scope}, "
            f"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def call(self, operation, **members):
        """(status, members of the reply). OSError when the connection breaks, also in the midst of a reply."""
        self.socket.sendall(self.request(operation, members))
        return self.reply()

    def reply(self):
        while b"\r\n\r\n" not in self.pending:
            self._more()
        head, _, rest = self.pending.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        length = 0
        for line in lines[1:]:
            if line[:15].lower() == b"content-length:":
                length = int(line[15:])
        self.pending = rest
        while len(self.pending) < length:
            self._more()
        body, self.pending = self.pending[:length], self.pending[length:]
        return int(lines[0][9:12]), json.loads(body) if body else {}

    def _more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionResetError("closed by the server")
        self.pending += piece


def exchange(cloud, data, timeout=30, pieces=None, half_close=False):
    """Whatever comes back for these bytes until the server closes or `timeout` passes without a byte."""
    with socket.create_connection(("127.0.0.1", cloud.port), timeout) as connection:
        got = b""
        try:
            for piece in pieces or [data]:
                connection.sendall(piece)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while True:
                piece = connection.recv(65536)
                if not piece:
                    return got
                got += piece
        except OSError:  # a timeout, or the server has closed
            return got
