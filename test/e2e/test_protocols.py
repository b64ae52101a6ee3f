"""The same operations in SQS's three protocols on the wire, and the forms that bodies take."""

import base64
import gzip
import hashlib
import json
import struct
import urllib.parse
import xml.etree.ElementTree as ElementTree

import pytest

import wire
from kumoniwa import SLOWNESS

SQS = {"sqs": "http://queue.amazonaws.com/doc/2012-11-05/"}


# --- CBOR, as little of it as the tests need ------------------------------------------------------------------------


def cbor(value):
    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        for extra, form in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
            if number < 1 << 8 * struct.calcsize(form):
                return bytes([major << 5 | extra]) + struct.pack(form, number)
        raise OverflowError(number)

    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


def uncbor(data):
    def read(at):
        major, low = data[at] >> 5, data[at] & 31
        at += 1
        if major == 7:
            simple = {20: False, 21: True, 22: None, 31: StopIteration}
            if low in simple:
                return simple[low], at
            form = {25: ">e", 26: ">f", 27: ">d"}[low]
            return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
        if low < 24:
            number = low
        elif low == 31:
            number = None
        else:
            form = {24: ">B", 25: ">H", 26: ">I", 27: ">Q"}[low]
            number, at = struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
        if major == 0:
            return number, at
        if major == 1:
            return -1 - number, at
        if major == 6:
            return read(at)
        if major in (2, 3) and number is not None:
            piece = data[at : at + number]
            return (piece if major == 2 else piece.decode()), at + number
        items = []
        while number is None or len(items) < number * (2 if major == 5 else 1):
            item, at = read(at)
            if item is StopIteration:
                break
            items.append(item)
        if major == 4:
            return items, at
        if major == 5:
            return dict(zip(items[::2], items[1::2])), at
        return (b"" if major == 2 else "").join(items), at

    value, end = read(0)
    assert end == len(data)
    return value


# --- each protocol: call(operation, members) -> (status, members of the reply) -----------------------------------------


def call_json(cloud, operation, members, **more):
    reply = wire.json_call(cloud, operation, members, **more)
    assert reply.headers["content-type"] == "application/x-amz-json-1.0"
    return reply.status, reply.json if reply.body else {}, reply


def call_cbor(cloud, operation, members, **more):
    headers = {
        "smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor", "Accept": "application/cbor",
        **more.pop("headers", {}),
    }
    reply = wire.send(cloud, "sqs", cbor(members), headers, path=f"/service/AmazonSQS/operation/{operation}", **more)
    assert reply.headers["smithy-protocol"] == "rpc-v2-cbor"
    assert reply.headers.get("content-type", "application/cbor") == "application/cbor"
    return reply.status, uncbor(reply.body) if reply.body else {}, reply


def flat(members):
    """Members in the query protocol's flattened form."""
    form = {}
    for name, value in members.items():
        if name == "AttributeNames":
            form.update({f"AttributeName.{i}": v for i, v in enumerate(value, 1)})
        elif name == "Attributes":
            for i, (k, v) in enumerate(value.items(), 1):
                form.update({f"Attribute.{i}.Name": k, f"Attribute.{i}.Value": v})
        else:
            form[name] = value
    return form


def call_query(cloud, operation, members, **more):
    reply = wire.query_call(cloud, operation, flat(members), **more)
    assert reply.headers["content-type"].startswith("text/xml")
    root = ElementTree.fromstring(reply.body)
    if reply.status >= 400:
        error = root.find("sqs:Error", SQS)
        return reply.status, {child.tag.split("}")[1]: child.text for child in error}, reply
    result = root.find(f"sqs:{operation}Result", SQS)
    members = {}
    for child in result if result is not None else ():
        tag = child.tag.split("}")[1]
        if tag == "Attribute":
            members.setdefault("Attributes", {})[child[0].text] = child[1].text
        elif tag == "Message":
            members.setdefault("Messages", []).append({part.tag.split("}")[1]: part.text for part in child})
        else:
            members[tag] = child.text
    return reply.status, members, reply


PROTOCOLS = {"json": call_json, "query": call_query, "cbor": call_cbor}


@pytest.fixture(params=PROTOCOLS)
def call(request, cloud):
    def made(operation, members, **more):
        return PROTOCOLS[request.param](cloud, operation, members, **more)

    made.protocol = request.param
    return made


def test_each_protocol_there_and_back(call, name):
    status, created, reply = call("CreateQueue", {"QueueName": name, "Attributes": {"VisibilityTimeout": "7"}})
    assert status == 200 and reply.headers["x-amzn-requestid"]
    url = created["QueueUrl"]
    status, sent, _ = call("SendMessage", {"QueueUrl": url, "MessageBody": "<&>\"' 雲"})
    assert status == 200 and sent["MD5OfMessageBody"] == hashlib.md5("<&>\"' 雲".encode()).hexdigest()
    status, got, _ = call("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 1})
    (message,) = got["Messages"]
    assert message["Body"] == "<&>\"' 雲" and message["MessageId"] == sent["MessageId"]
    status, attributes, _ = call("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["All"]})
    assert attributes["Attributes"]["VisibilityTimeout"] == "7"
    assert attributes["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "1"
    status, _, _ = call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]})
    assert status == 200


@pytest.mark.parametrize("sender", PROTOCOLS)
@pytest.mark.parametrize("receiver", PROTOCOLS)
def test_protocols_share_one_queue(cloud, name, sender, receiver):
    url = PROTOCOLS[sender](cloud, "CreateQueue", {"QueueName": name})[1]["QueueUrl"]
    PROTOCOLS[sender](cloud, "SendMessage", {"QueueUrl": url, "MessageBody": f"from {sender}"})
    _, got, _ = PROTOCOLS[receiver](cloud, "ReceiveMessage", {"QueueUrl": url})
    assert got["Messages"][0]["Body"] == f"from {sender}"


def test_errors_in_each_protocol(cloud):
    status, error, reply = call_json(cloud, "GetQueueUrl", {"QueueName": "not-there"})
    assert status == 400
    assert error["__type"] == "com.amazonaws.sqs#QueueDoesNotExist"
    assert error["message"] == "The specified queue does not exist."
    assert reply.headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    status, error, reply = call_query(cloud, "GetQueueUrl", {"QueueName": "not-there"})
    assert status == 400
    assert error["Code"] == "AWS.SimpleQueueService.NonExistentQueue" and error["Type"] == "Sender"
    status, error, reply = call_cbor(cloud, "GetQueueUrl", {"QueueName": "not-there"})
    assert status == 400
    assert error["__type"] == "com.amazonaws.sqs#QueueDoesNotExist"
    assert reply.headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"


def test_unknown_operation_in_each_protocol(cloud):
    reply = wire.json_call(cloud, "MakeTea", {})
    assert reply.status == 400 and reply.json["__type"].endswith("UnknownOperationException")
    reply = wire.query_call(cloud, "MakeTea", {})
    assert reply.status == 400 and "<Code>InvalidAction</Code>" in reply.text
    headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    reply = wire.send(cloud, "sqs", cbor({}), headers, path="/service/AmazonSQS/operation/MakeTea")
    assert 400 <= reply.status < 500 and uncbor(reply.body)["__type"]


def test_query_by_get(cloud, name):
    path = "/?" + urllib.parse.urlencode({"Action": "CreateQueue", "Version": "2012-11-05", "QueueName": name})
    reply = wire.send(cloud, "sqs", method="GET", path=path)
    assert reply.status == 200 and f"/000000000000/{name}</QueueUrl>" in reply.text
    path = f"/000000000000/{name}?" + urllib.parse.urlencode({"Action": "SendMessage", "MessageBody": "by GET"})
    reply = wire.send(cloud, "sqs", method="GET", path=path)
    assert reply.status == 200, reply
    assert "<MD5OfMessageBody>" in reply.text


def test_queue_url_forms(cloud, name):
    """Clients send the URL that they were once given, whatever host it names."""
    call_json(cloud, "CreateQueue", {"QueueName": name})
    for url in (
        f"http://localhost:{cloud.port}/000000000000/{name}",
        f"https://sqs.us-east-1.amazonaws.com/000000000000/{name}",
        f"https://queue.amazonaws.com/000000000000/{name}",
        f"http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/{name}",
        f"http://us-east-1.queue.localhost.localstack.cloud:4566/000000000000/{name}",
        f"http://cloud.internal:9999/queue/us-east-1/000000000000/{name}",
    ):
        status, reply, _ = call_json(cloud, "SendMessage", {"QueueUrl": url, "MessageBody": url})
        assert status == 200, (url, reply)


@pytest.mark.parametrize("protocol", ["json", "query", "cbor"])
def test_gzip_request_body(cloud, name, protocol):
    """requestCompression: Content-Encoding gzip; the signature is over the compressed bytes."""
    if protocol == "json":
        body = gzip.compress(json.dumps({"QueueName": name}).encode())
        headers = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
        path = "/"
    elif protocol == "query":
        body = gzip.compress(f"Action=CreateQueue&Version=2012-11-05&QueueName={name}".encode())
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        path = "/"
    else:
        body = gzip.compress(cbor({"QueueName": name}))
        headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
        path = "/service/AmazonSQS/operation/CreateQueue"
    reply = wire.send(cloud, "sqs", body, {**headers, "Content-Encoding": "gzip"}, path=path)
    assert reply.status == 200, reply
    assert name.encode() in reply.body


def test_gzip_that_is_none_and_gzip_that_explodes(cloud):
    headers = {
        "X-Amz-Target": "AmazonSQS.ListQueues", "Content-Type": "application/x-amz-json-1.0",
        "Content-Encoding": "gzip",
    }
    reply = wire.send(cloud, "sqs", b"{}", headers)
    assert reply.status == 400 and "SerializationException" in reply.text
    before = cloud.resident_bytes()
    bomb = gzip.compress(bytes(1 << 30), 9)
    reply = wire.send(cloud, "sqs", bomb, headers)
    assert reply.status in (400, 413), reply
    if SLOWNESS == 1:
        assert cloud.resident_bytes() - before < 64 << 20


def test_chunked_upload(cloud, name):
    """Transfer-Encoding: chunked, in pieces that cut the JSON anywhere."""
    body = json.dumps({"QueueName": name}).encode()
    headers = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
    signed = wire.sign(cloud, "sqs", headers=headers, body=body)
    reply = wire.send_raw(cloud, "POST", "/", signed, iter([body[:5], body[5:6], body[6:]]))
    assert reply.status == 200, reply


def test_expect_100_continue(cloud, name):
    body = json.dumps({"QueueName": name}).encode()
    headers = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
    signed = wire.sign(cloud, "sqs", headers=headers, body=body)
    import socket

    with socket.create_connection(("127.0.0.1", cloud.port), 10) as connection:
        head = "POST / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in signed.items())
        connection.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert b"HTTP/1.1 200 " in connection.recv(10000)


def test_json_that_is_wrong(cloud):
    for body in (b"{", b"[]", b'{"QueueName": 5}', b'{"QueueName": "a"} x', b"\xff\xfe", b"", b"null" * 9, b"[" * 100000):
        headers = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
        reply = wire.send(cloud, "sqs", body, headers)
        assert reply.status == 400, (body[:20], reply)
        assert reply.json["__type"].split("#")[-1] in (
            "SerializationException", "ValidationException", "MissingParameter", "MissingRequiredParameterException",
            "InvalidParameterValue",
        ), (body[:20], reply)


def test_cbor_that_is_wrong(cloud):
    headers = {"smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor"}
    for body in (b"\xff", b"\xbf", b"\xa1aQ", b"\x9b" + b"\xff" * 8, b"\x81" * 100000, b"\xa1iQueueName\x05"):
        reply = wire.send(cloud, "sqs", body, headers, path="/service/AmazonSQS/operation/CreateQueue")
        assert reply.status == 400, (body[:20], reply)


def test_a_client_s_base64(cloud, name):
    url = call_json(cloud, "CreateQueue", {"QueueName": name})[1]["QueueUrl"]
    value = bytes(range(256))
    members = {
        "QueueUrl": url, "MessageBody": "b",
        "MessageAttributes": {"x": {"DataType": "Binary", "BinaryValue": base64.b64encode(value).decode()}},
    }
    assert call_json(cloud, "SendMessage", members)[0] == 200
    members["MessageAttributes"]["x"]["BinaryValue"] = value
    assert call_cbor(cloud, "SendMessage", members)[0] == 200
    _, got, _ = call_cbor(cloud, "ReceiveMessage",
                          {"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]})
    while len(got["Messages"]) < 2:
        got["Messages"] += call_cbor(cloud, "ReceiveMessage",
                                     {"QueueUrl": url, "MessageAttributeNames": ["All"]})[1]["Messages"]
    assert [m["MessageAttributes"]["x"]["BinaryValue"] for m in got["Messages"]] == [value, value]
    members["MessageAttributes"]["x"]["BinaryValue"] = "*not base64*"
    status, error, _ = call_json(cloud, "SendMessage", members)
    assert status == 400 and error["__type"].endswith("SerializationException")
