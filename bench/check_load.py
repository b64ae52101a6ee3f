#!/usr/bin/env python3
"""Checks the load generator itself: every request that it sends must carry the signature that botocore
computes for it, every right answer must be counted and every wrong one noticed.

    python3 bench/check_load.py            (needs build/bench/load and the botocore package)

The peer is a small recording server that speaks just enough of SQS and STS to be spoken to. It answers by
Content-Length, chunked and in pieces in turn, so that the reply parser meets each form."""
import asyncio
import collections
import hashlib
import itertools
import json
import re
import sys
import unittest
from pathlib import Path

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

LOAD = Path(__file__).resolve().parent.parent / "build" / "bench" / "load"
ACCESS_KEY, SECRET, REGION = "AKIAEXAMPLE", "a/secret+with=signs", "ap-northeast-1"


def expected_signature(method, path, headers, body, authorization):
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})", authorization)
    assert match, authorization
    key, day, region, service, names, signature = match.groups()
    assert (key, region) == (ACCESS_KEY, REGION), authorization
    assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
    signed = {name: headers[name] for name in names.split(";")}
    assert {"host", "x-amz-date", "content-type"} <= set(signed)
    request = AWSRequest(method, "http://" + headers["host"] + path, data=body, headers=signed)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET), service, region)
    canonical = signer.canonical_request(request)
    assert canonical.split("\n")[-2] == names, canonical
    assert headers["x-amz-date"].startswith(day)
    return signature, signer.signature(signer.string_to_sign(request, canonical), request)


class Peer:
    """The recording server. fail_every: that many requests apart, one is answered with a 500."""

    def __init__(self, verify=True, fail_every=0):
        self.verify, self.fail_every = verify, fail_every
        self.requests = collections.Counter()
        self.services = set()
        self.bodies = []
        self.messages = collections.deque()
        self.in_flight = {}
        self.waiters = collections.deque()
        self.numbers = itertools.count(1)
        self.problems = []

    def queue(self, body):
        if self.waiters:
            self.waiters.popleft().set_result(body)
        else:
            self.messages.append(body)
        self.bodies.append(body)
        return {"MessageId": "m%d" % next(self.numbers),
                "MD5OfMessageBody": hashlib.md5(body.encode()).hexdigest()}

    async def receive(self, wait):
        if self.messages:
            body = self.messages.popleft()
        elif wait:
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            try:
                body = await asyncio.wait_for(waiter, wait)
            except asyncio.TimeoutError:
                return {}
        else:
            return {}
        handle = "handle\"with\\quotes/%d" % next(self.numbers)
        self.in_flight[handle] = body
        return {"Messages": [{"Body": body, "ReceiptHandle": handle}]}

    async def answer(self, operation, body):
        if operation == "AmazonSQS.CreateQueue":
            name = json.loads(body)["QueueName"]
            return 200, json.dumps({"QueueUrl": "http://localhost/000000000000/" + name})
        if operation == "GetCallerIdentity":
            return 200, "<GetCallerIdentityResponse><Account>000000000000</Account></GetCallerIdentityResponse>"
        if operation == "AmazonSQS.ListQueues":
            return 200, json.dumps({})
        arguments = json.loads(body)
        assert arguments["QueueUrl"].startswith("http://localhost/000000000000/")
        if operation == "AmazonSQS.SendMessage":
            return 200, json.dumps(self.queue(arguments["MessageBody"]))
        if operation == "AmazonSQS.SendMessageBatch":
            return 200, json.dumps({"Successful": [
                dict(self.queue(entry["MessageBody"]), Id=entry["Id"]) for entry in arguments["Entries"]]})
        if operation == "AmazonSQS.ReceiveMessage":
            return 200, json.dumps(await self.receive(arguments["WaitTimeSeconds"]))
        if operation == "AmazonSQS.DeleteMessage":
            del self.in_flight[arguments["ReceiptHandle"]]
            return 200, "{}"
        raise AssertionError("unexpected operation " + operation)

    async def connection(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.rstrip("\r\n").split("\r\n")
                method, path, _ = first.split(" ")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
                body = await reader.readexactly(int(headers["content-length"]))
                operation = headers.get("x-amz-target") or re.search(r"Action=(\w+)", body.decode()).group(1)
                self.requests[operation] += 1
                if self.verify:
                    got, wanted = expected_signature(method, path, headers, body, headers["authorization"])
                    if got != wanted:
                        self.problems.append("signature of " + operation)
                self.services.add(headers["authorization"].split("/")[3])
                number = sum(self.requests.values())
                status, reply = await self.answer(operation, body)
                if self.fail_every and number % self.fail_every == 0 and operation != "AmazonSQS.CreateQueue":
                    status, reply = 500, "{}"
                await self.reply(writer, number % 3 if self.verify else 0, status, reply.encode())
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client has gone, or the test is over
        except Exception as error:  # noqa: BLE001 - whatever it is, the test must hear of it
            self.problems.append(repr(error))
        finally:
            writer.close()

    async def reply(self, writer, form, status, body):
        head = b"HTTP/1.1 %d Whatever\r\nConnection: keep-alive\r\n" % status
        if form == 1:
            half = len(body) // 2
            pieces = [b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part]
            data = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(pieces) + b"0\r\n\r\n"
        else:
            data = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        if form == 2:
            for at in range(0, len(data), 50):
                writer.write(data[at:at + 50])
                await writer.drain()
                await asyncio.sleep(0)
        else:
            writer.write(data)
        await writer.drain()


async def load(peer, *flags):
    server = await asyncio.start_server(peer.connection, "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        str(LOAD), "--endpoint", "http://127.0.0.1:%d" % port, "--access-key", ACCESS_KEY, "--secret", SECRET,
        "--region", REGION, "--json", *flags, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate()
    server.close()
    return process.returncode, json.loads(out) if out else None, err.decode()


class LoadTest(unittest.TestCase):
    def run_load(self, peer, *flags):
        code, report, err = asyncio.run(load(peer, *flags))
        self.assertEqual(peer.problems, [])
        return code, report, err

    def test_send(self):
        peer = Peer()
        code, report, err = self.run_load(peer, "--workload", "sqs-send", "--connections", "4", "--warm-up", "0",
                                          "--requests", "300")
        self.assertEqual((code, err), (0, ""))
        self.assertGreaterEqual(report["requests"], 300)
        self.assertEqual(report["messages"], report["requests"])
        self.assertEqual({len(body) for body in peer.bodies}, {200})
        self.assertEqual(len(set(peer.bodies)), len(peer.bodies))
        self.assertEqual(peer.services, {"sqs"})

    def test_body_sizes(self):
        for size in (1, 15, 17, 300000):
            peer = Peer()
            code, _, err = self.run_load(peer, "--workload", "sqs-send", "--connections", "2", "--warm-up", "0",
                                         "--requests", "40", "--body-bytes", str(size))
            self.assertEqual((code, err), (0, ""))
            self.assertEqual({len(body) for body in peer.bodies}, {size})

    def test_caller_identity(self):
        peer = Peer()
        code, report, err = self.run_load(peer, "--workload", "sts-caller-identity", "--connections", "3",
                                          "--warm-up", "0.1", "--duration", "0.5")
        self.assertEqual((code, err), (0, ""))
        self.assertGreater(report["operations"][0]["answers"], 10)
        self.assertEqual(peer.services, {"sts"})

    def test_fill_then_receive_and_delete(self):
        peer = Peer()
        code, report, err = self.run_load(peer, "--workload", "sqs-fill", "--connections", "4", "--messages", "237")
        self.assertEqual((code, err, report["messages"], len(peer.messages)), (0, "", 237, 237))
        code, report, err = self.run_load(peer, "--workload", "sqs-receive-delete", "--connections", "4",
                                          "--warm-up", "0", "--duration", "30")
        self.assertEqual((code, err, report["messages"]), (0, "", 237))
        self.assertEqual([o["answers"] for o in report["operations"]], [237, 237])
        self.assertLess(report["seconds"], 20)
        self.assertEqual((len(peer.messages), peer.in_flight), (0, {}))

    def test_open_loop(self):
        code, report, err = self.run_load(Peer(), "--workload", "sqs-send", "--connections", "8", "--warm-up", "0",
                                          "--duration", "1", "--rate", "100")
        self.assertEqual((code, err), (0, ""))
        self.assertTrue(90 <= report["requests"] <= 101, report)
        self.assertLess(report["operations"][0]["p50_us"], 20000)

    def test_open_loop_counts_waiting(self):
        code, report, err = self.run_load(Peer(), "--workload", "sqs-send", "--connections", "2", "--warm-up", "0",
                                          "--duration", "1", "--rate", "100000")
        self.assertEqual((code, err), (0, ""))
        self.assertGreater(report["unsent"], 50000)
        self.assertGreater(report["operations"][0]["p99_us"], 500000)

    def test_wrong_answers_are_errors(self):
        code, report, err = self.run_load(Peer(fail_every=10), "--workload", "sqs-send", "--connections", "2",
                                          "--warm-up", "0", "--requests", "100")
        self.assertEqual(code, 1)
        self.assertTrue(9 <= report["errors"] <= 11, report)
        self.assertIn("500 Whatever", err)

    def test_longpoll(self):
        peer = Peer()
        code, report, err = self.run_load(peer, "--workload", "sqs-longpoll", "--connections", "150", "--rounds", "20")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual((report["parked"], report["wakes"], report["surplus"]), (150, 20, 0))
        self.assertEqual((len(peer.messages), peer.in_flight), (0, {}))

    def test_nobody_there(self):
        process = asyncio.run(self.refused())
        self.assertEqual(process, 1)

    async def refused(self):
        process = await asyncio.create_subprocess_exec(
            str(LOAD), "--endpoint", "http://127.0.0.1:1", stderr=asyncio.subprocess.DEVNULL)
        return await process.wait()


if __name__ == "__main__":
    if not LOAD.exists():
        sys.exit("first: make bench-programs")
    unittest.main()
