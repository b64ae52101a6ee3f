"""Malformed, oversized, truncated, slow and duplicated requests, over raw sockets: each gets its error or a closed
connection, the server stays, its memory is bounded, the state does not change."""

import json
import random
import socket
import threading

import pytest

import wire
from kumoniwa import SLOWNESS, wait_until, within

LIST = b'{}'
TARGET = "X-Amz-Target: AmazonSQS.ListQueues\r\nContent-Type: application/x-amz-json-1.0\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    from kumoniwa import Cloud

    with Cloud(tmp_path_factory.mktemp("bad")) as made:
        yield made


@pytest.fixture(autouse=True)
def still_there(server):
    yield
    assert server.process.poll() is None, server.log_text()
    with within(1 * SLOWNESS):
        assert wire.json_call(server, "ListQueues", {}).status == 200


def status_of(reply):
    assert reply[:9] in (b"HTTP/1.1 ", b"HTTP/1.0 "), reply[:200]
    return int(reply[9:12])


def head(*lines, start="POST / HTTP/1.1", host="Host: localhost"):
    return "\r\n".join([start, *([host] if host else []), *lines, "", ""]).encode("latin-1")


REFUSED = {
    "nonsense": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "version of the future": head(start="GET / HTTP/9.9"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
    "version that is none": head(start="GET / HTTQ/1.1"),
    "no host": head(start="GET / HTTP/1.1", host=None),
    "two hosts": head("Host: other", "Content-Length: 0"),
    "two lengths": head("Content-Length: 2", "Content-Length: 3") + LIST,
    "two equal lengths": head("Content-Length: 2", "Content-Length: 2") + LIST,
    "length and chunked": head("Content-Length: 2", "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n\r\n",
    "negative length": head("Content-Length: -1"),
    "length that is no number": head("Content-Length: ten"),
    "length with a sign": head("Content-Length: +2") + LIST,
    "length that is empty": head("Content-Length:") + LIST,
    "two lengths, one good": head("Content-Length: x", "Content-Length: 2") + LIST,
    "length past 64 bits": head("Content-Length: 99999999999999999999999"),
    "space before the colon": head("Content-Length : 2") + LIST,
    "space in a name": head("X Y: 1", "Content-Length: 0"),
    "folded line": head("X-A: 1\r\n  folded", "Content-Length: 0"),
    "no colon": head("nonsense", "Content-Length: 0"),
    "no name": head(": value", "Content-Length: 0"),
    "NUL in a value": head("X-A: a\0b", "Content-Length: 0"),
    "NUL in a name": head("X-\0A: b", "Content-Length: 0"),
    "NUL in the target": head(start="GET /a\0b HTTP/1.1"),
    "control character": head("X-A: a\x01b", "Content-Length: 0"),
    "space in the target": head(start="GET /a b HTTP/1.1"),
    "encoding of the unknown kind": head("Transfer-Encoding: whatever") + b"{}",
    "chunked twice": head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "chunk size that is none": head("Transfer-Encoding: chunked", TARGET.strip()) + b"xyz\r\n{}\r\n0\r\n\r\n",
    "chunk size past 64 bits": head("Transfer-Encoding: chunked", TARGET.strip()) + b"f" * 20 + b"\r\n{}\r\n0\r\n\r\n",
    "header of 100 KiB": head("X-A: " + "a" * 100_000, "Content-Length: 0"),
    "1000 headers": head(*(f"X-{i}: {i}" for i in range(1000)), "Content-Length: 0"),
    "target of 100 KiB": head(start=f"GET /{'a' * 100_000} HTTP/1.1"),
    "method of 1 KiB": head(start=f"{'G' * 1000} / HTTP/1.1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(server, what):
    reply = wire.exchange(server, REFUSED[what], timeout=3, half_close=True)
    if reply:
        assert 400 <= status_of(reply) < 600, reply[:300]
        assert status_of(reply) != 500, reply[:300]
        assert reply.count(b"HTTP/1.1 ") == 1, reply
    # Nothing that follows on a connection that was refused may be taken for a request.
    smuggled = REFUSED[what] + head("Content-Length: 0", start="GET /_localstack/health HTTP/1.1")
    assert b'"services"' not in wire.exchange(server, smuggled, timeout=3, half_close=True)


def test_sizes_have_their_own_statuses(server):
    # Refused before all of it is read; where the rest comes after the end, the connection's reset may overtake the reply.
    for name, statuses in (("header of 100 KiB", (431,)), ("target of 100 KiB", (414, 431))):
        replies = []

        def ten_are_answered():
            replies.append(wire.exchange(server, REFUSED[name], half_close=True))  # noqa: B023
            return sum(map(bool, replies)) > 10  # noqa: B023

        wait_until(ten_are_answered, message=f"{name}: no answers")
        assert all(status_of(reply) in statuses for reply in replies if reply)
    assert status_of(wire.exchange(server, REFUSED["1000 headers"], half_close=True)) == 431
    assert status_of(wire.exchange(server, REFUSED["two lengths"], half_close=True)) == 400


def test_a_body_that_is_too_large(server):
    """Declared or chunked: refused, and not held in memory."""
    before = server.resident_bytes()
    headers = wire.sign(server, "sqs", headers={"X-Amz-Target": "AmazonSQS.SendMessage"}, body=b"")
    lines = [f"{name}: {value}" for name, value in headers.items() if name.lower() != "host"]
    declared = wire.exchange(server, head(*lines, f"Content-Length: {1 << 40}"))
    assert status_of(declared) == 413
    piece = b"100000\r\n" + b"x" * (1 << 20) + b"\r\n"
    chunked = wire.exchange(server, b"", pieces=[head(*lines, "Transfer-Encoding: chunked"), *[piece] * 64])
    assert not chunked or status_of(chunked) == 413
    if SLOWNESS == 1:
        assert server.resident_bytes() - before < 48 << 20


def test_truncated(server, ):
    """Clients that vanish at any byte of a good request leave nothing behind."""
    name = "truncated-queue"
    body = json.dumps({"QueueName": name}).encode()
    headers = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
    signed = wire.sign(server, "sqs", headers=headers, body=body)
    lines = [f"{key}: {value}" for key, value in signed.items() if key.lower() != "host"]
    whole = head(*lines, f"Content-Length: {len(body)}", "Connection: close", host=f"Host: {signed['Host']}") + body
    for cut in {*range(0, len(whole), 23), len(whole) - 1}:
        with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
            connection.sendall(whole[:cut])
    assert wire.json_call(server, "GetQueueUrl", {"QueueName": name}).status == 400
    assert status_of(wire.exchange(server, whole, timeout=60)) == 200
    assert wire.json_call(server, "GetQueueUrl", {"QueueName": name}).status == 200


def test_one_byte_at_a_time(server):
    signed = wire.sign(server, "sqs", headers={"X-Amz-Target": "AmazonSQS.ListQueues",
                                               "Content-Type": "application/x-amz-json-1.0"}, body=LIST)
    lines = [f"{key}: {value}" for key, value in signed.items() if key.lower() != "host"]
    whole = head(*lines, "Content-Length: 2", "Connection: close", host=f"Host: {signed['Host']}") + LIST
    reply = wire.exchange(server, b"", pieces=[whole[i : i + 1] for i in range(len(whole))])
    assert status_of(reply) == 200


def test_pipelined(server):
    """Several requests in one segment are answered in order."""
    request = head("Content-Length: 0", start="GET /_localstack/health HTTP/1.1")
    last = head("Content-Length: 0", "Connection: close", start="GET /_localstack/info HTTP/1.1")
    reply = wire.exchange(server, request * 5 + last)
    assert reply.count(b"HTTP/1.1 200 ") == 6
    assert reply.rindex(b'"services"') < reply.index(b'"uptime"')


def test_slow_clients_take_no_worker(server):
    """Hundreds that have sent half a head do not keep one that is quick waiting."""
    before = server.resident_bytes()
    slow = []
    for _ in range(400):
        connection = socket.create_connection(("127.0.0.1", server.port), 5)
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        slow.append(connection)
    for _ in range(20):
        with within(0.2 * SLOWNESS):
            assert wire.json_call(server, "ListQueues", {}).status == 200
    if SLOWNESS == 1:
        assert server.resident_bytes() - before < 400 * 128 * 1024
    for connection in slow:
        connection.close()
    wait_until(lambda: server.get("/_kumoniwa/status")[1]["connections"] < 20)


def test_slow_readers_take_no_worker(server):
    """Clients that ask and never read."""
    request = head("Content-Length: 0", start="GET /_kumoniwa/services HTTP/1.1")
    slow = []
    for _ in range(50):
        connection = socket.create_connection(("127.0.0.1", server.port), 5)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request)
        slow.append(connection)
    for _ in range(10):
        with within(0.5 * SLOWNESS):
            assert wire.json_call(server, "ListQueues", {}).status == 200
    for connection in slow:
        connection.close()


def test_noise(server):
    """Random bytes, and good requests with random bytes changed."""
    seed = 20261121
    print(f"seed {seed}")
    choose = random.Random(seed)
    signed = wire.sign(server, "sqs", headers={"X-Amz-Target": "AmazonSQS.ListQueues",
                                               "Content-Type": "application/x-amz-json-1.0"}, body=LIST)
    good = head(*(f"{k}: {v}" for k, v in signed.items()), "Content-Length: 2", host=None) + LIST
    for round_number in range(300):
        if round_number % 3 == 0:
            data = choose.randbytes(choose.randrange(1, 2000))
        else:
            data = bytearray(good)
            for _ in range(choose.randrange(1, 6)):
                data[choose.randrange(len(data))] = choose.randrange(256)
        reply = wire.exchange(server, bytes(data), timeout=0.2 * SLOWNESS, half_close=True)
        if reply:
            assert status_of(reply) != 500, (bytes(data), reply)


def test_memory_comes_back(server):
    """After all of that, load of the ordinary kind leaves memory where it was."""
    def load():
        connection = wire.Fast(server)
        for _ in range(500):
            assert connection.call("ListQueues")[0] == 200
        connection.close()

    def loads():
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return server.resident_bytes()

    first = loads()
    for _ in range(3):
        last = loads()
    if SLOWNESS == 1:
        assert last - first < 2 << 20
        assert last < 64 << 20


def test_s3_style_heads_in_abundance(server):
    """Paths, escapes and queries that mean nothing are errors in some AWS form, never a 500."""
    for path in ("/%", "/%zz", "/%00", "/..%2f..%2fetc/passwd", "/../../etc/passwd", "//", "/?", "/?&&&=", "/?Action",
                 "/?Action=", "/?X-Amz-Algorithm=AWS4-HMAC-SHA256", "/service/AmazonSQS/operation/",
                 "/service//operation/x", "/_aws/", "/_localstack/", "/_kumoniwa/none", "/\xff\xfe",
                 "/_aws/sqs/messages?QueueUrl=%", "/_aws/sqs/messages"):
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW"):
            reply = wire.exchange(server, head("Content-Length: 0", "Connection: close", start=f"{method} {path} HTTP/1.1"))
            assert reply and (400 <= status_of(reply) < 500 or status_of(reply) in (200, 501)), (method, path, reply)
