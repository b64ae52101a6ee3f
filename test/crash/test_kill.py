"""kill -9 under load, again and again on the same data: what was acknowledged is there exactly once, what was deleted does
not return, FIFO groups keep their order, jobs go on.

A round is: load from several connections, kill -9 at a random moment, start on the same data, verify everything.
KUMONIWA_CRASH_ROUNDS rounds, 500 if it is not set, are shared among the tests here (under a minute on two cores). The seed
decides what is sent and when the kill comes, as far as a scheduler lets it; KUMONIWA_SEED sets another."""

import collections
import datetime
import json
import os
import random
import subprocess
import threading
import time

import pytest

import wire
from kumoniwa import SLOWNESS, Cloud, rounds_until, wait_until
from wire import Fast

ROUNDS = int(os.environ.get("KUMONIWA_CRASH_ROUNDS", "500"))
SEED = int(os.environ.get("KUMONIWA_SEED", "20261121"))
WORKERS = 4
VISIBILITY = 30
DELAY = 20
ORDERED = "ordered"


def share(part):
    return max(1, round(ROUNDS * part))


class Ledger:
    """What one connection knows: what was answered, and what was asked without an answer."""

    def __init__(self):
        self.sent, self.sent_unsure = set(), set()
        self.deleted, self.deleted_unsure = set(), set()
        self.received = []
        self.queues, self.queues_unsure = set(), set()
        self.dropped, self.dropped_unsure = set(), set()
        self.wrong = []

    def add(self, other):
        for name, mine in vars(self).items():
            if isinstance(mine, set):
                mine.update(getattr(other, name))
            else:
                mine.extend(getattr(other, name))


class Worker(threading.Thread):
    """Sends, receives, deletes, makes and drops queues until the connection breaks."""

    def __init__(self, cloud, urls, number, round_number, seed):
        super().__init__()
        self.cloud, self.urls, self.name = cloud, urls, f"{round_number}-{number}"
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.count = 0
        self.delete_one = number % 2 == 0

    def run(self):
        try:
            connection = Fast(self.cloud, timeout=10 * SLOWNESS)
            try:
                while True:
                    self.step(connection)
            finally:
                connection.close()
        except OSError:
            pass  # the kill
        except Exception as error:  # noqa: BLE001: told by the main thread
            self.ledger.wrong.append(repr(error))

    def call(self, connection, operation, **members):
        status, reply = connection.call(operation, **members)
        if status != 200:
            self.ledger.wrong.append(f"{operation}: {status} {reply}")
        return reply

    def body(self, fifo):
        self.count += 1
        # Mostly small; some long enough to be kept apart from the records.
        size = 0 if self.random.random() < 0.95 else self.random.randrange(60_000)
        return f"{self.name}-{self.count}:{ORDERED if fifo else ''}" + "x" * size

    def step(self, connection):
        choice = self.random.random()
        fifo = self.random.random() < 0.5
        if choice < 0.45:
            self.send(connection, fifo)
        elif choice < 0.6:
            self.send_batch(connection, fifo)
        elif choice < 0.97:
            self.consume(connection, fifo)
        else:
            self.queue(connection)

    def entry(self, body, fifo):
        if fifo:
            return {"MessageBody": body, "MessageGroupId": self.name, "MessageDeduplicationId": key(body)}
        return {"MessageBody": body, **({"DelaySeconds": DELAY} if self.random.random() < 0.2 else {})}

    def send(self, connection, fifo):
        body = self.body(fifo)
        self.ledger.sent_unsure.add(body)
        self.call(connection, "SendMessage", QueueUrl=self.urls[fifo], **self.entry(body, fifo))
        self.ledger.sent_unsure.discard(body)
        self.ledger.sent.add(body)

    def send_batch(self, connection, fifo):
        bodies = [self.body(fifo) for _ in range(self.random.randint(1, 10))]
        entries = [{"Id": str(i), **self.entry(body, fifo)} for i, body in enumerate(bodies)]
        self.ledger.sent_unsure.update(bodies)
        reply = self.call(connection, "SendMessageBatch", QueueUrl=self.urls[fifo], Entries=entries)
        for entry in reply.get("Successful", []):
            self.ledger.sent_unsure.discard(bodies[int(entry["Id"])])
            self.ledger.sent.add(bodies[int(entry["Id"])])

    def consume(self, connection, fifo):
        got = self.call(connection, "ReceiveMessage", QueueUrl=self.urls[fifo], MaxNumberOfMessages=10).get("Messages", [])
        bodies = [message["Body"] for message in got]
        self.ledger.received.extend(bodies)
        if self.delete_one:
            for message in got:
                self.deleting(connection, "DeleteMessage", [message["Body"]], QueueUrl=self.urls[fifo],
                              ReceiptHandle=message["ReceiptHandle"])
        elif got:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)]
            self.deleting(connection, "DeleteMessageBatch", bodies, QueueUrl=self.urls[fifo], Entries=entries)

    def deleting(self, connection, operation, bodies, **members):
        self.ledger.deleted_unsure.update(bodies)
        reply = self.call(connection, operation, **members)
        if reply.get("Failed"):
            self.ledger.wrong.append(f"{operation}: {reply}")
        self.ledger.deleted_unsure.difference_update(bodies)
        self.ledger.deleted.update(bodies)

    def queue(self, connection):
        alive = sorted(self.ledger.queues - self.ledger.dropped)
        if alive and self.random.random() < 0.5:
            name = alive[0]
            self.ledger.dropped_unsure.add(name)
            self.call(connection, "DeleteQueue", QueueUrl=f"{self.cloud.endpoint}/000000000000/{name}")
            self.ledger.dropped_unsure.discard(name)
            self.ledger.dropped.add(name)
        else:
            self.count += 1
            name = f"made-{self.name}-{self.count}"
            self.ledger.queues_unsure.add(name)
            self.call(connection, "CreateQueue", QueueName=name, tags={"round": self.name})
            self.ledger.queues_unsure.discard(name)
            self.ledger.queues.add(name)


def key(body):
    return body.partition(":")[0]


def is_ordered(body):
    """Whether it was sent to the FIFO queue."""
    return body.partition(":")[2].startswith(ORDERED)


def drain(connection, url, expected):
    """All that is in the queue, in the order of receipt, and deleted. Waits for what is expected, not for more; gives up
    when nothing has come for long."""
    bodies, missing = [], set(expected)
    end = time.monotonic() + 30 * SLOWNESS
    while True:
        status, reply = connection.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
        assert status == 200, reply
        got = reply.get("Messages", [])
        if not got:
            if not missing or time.monotonic() > end:
                return bodies
            time.sleep(0.005)
            continue
        end = time.monotonic() + 30 * SLOWNESS
        entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)]
        status, reply = connection.call("DeleteMessageBatch", QueueUrl=url, Entries=entries)
        assert status == 200 and not reply.get("Failed"), reply
        bodies.extend(message["Body"] for message in got)
        missing.difference_update(bodies)
    return bodies


def start_after_crashes(cloud, choose):
    """Now and then the start itself is killed, at a moment of its own."""
    while choose.random() < 0.15:
        command = cloud.command()
        with open(cloud.log, "ab") as log:
            started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, stdin=subprocess.DEVNULL)
        time.sleep(choose.uniform(0, 0.02))
        started.kill()
        started.wait()
    cloud.start()


def check_messages(fifo, got, ledger, gone):
    counts = collections.Counter(got)
    twice = [key(body) for body, count in counts.items() if count > 1]
    assert not twice, f"delivered more than once: {twice}"
    returned = [key(body) for body in counts if body in ledger.deleted or body in gone]
    assert not returned, f"delivered after DeleteMessage was acknowledged: {returned}"
    strange = [key(body) for body in counts
               if is_ordered(body) != fifo or body not in ledger.sent and body not in ledger.sent_unsure]
    assert not strange, f"never sent to this queue: {strange}"
    if fifo:
        last = {}
        for body in got:
            group, _, number = key(body).rpartition("-")
            assert int(number) > last.get(group, 0), f"group {group}: {number} after {last[group]}"
            last[group] = int(number)


def run_rounds(tmp_path, rounds, *flags):
    choose = random.Random(SEED)
    print(f"seed {SEED}, {rounds} rounds")
    cloud = Cloud(tmp_path / "cloud", *flags).start()
    connection = Fast(cloud)
    urls = []
    for name, attributes in (("standard", {}), ("ordered.fifo", {"FifoQueue": "true"})):
        status, reply = connection.call(
            "CreateQueue", QueueName=name, Attributes={"VisibilityTimeout": str(VISIBILITY), **attributes})
        assert status == 200
        urls.append(reply["QueueUrl"])
    connection.close()
    gone, queues, totals = set(), set(), collections.Counter()
    try:
        for number in rounds_until(rounds, lambda: totals["sent"] > rounds and totals["deleted"] > 0):
            workers = [Worker(cloud, urls, i, number, choose.random()) for i in range(WORKERS)]
            for worker in workers:
                worker.start()
            time.sleep(choose.choice((0.01, 0.05, 0.2)) * choose.random() * SLOWNESS)
            cloud.kill()
            ledger = Ledger()
            for worker in workers:
                worker.join()
                ledger.add(worker.ledger)
            assert not ledger.wrong, ledger.wrong
            received_twice = [key(b) for b, n in collections.Counter(ledger.received).items() if n > 1]
            assert not received_twice, f"received twice before the visibility timeout: {received_twice}"

            start_after_crashes(cloud, choose)
            verify(cloud, urls, ledger, gone, queues)
            totals.update(sent=len(ledger.sent), deleted=len(ledger.deleted), unsure=len(ledger.sent_unsure))
        print(dict(totals))
        cloud.stop()
    except BaseException:
        print(cloud.log_text()[-4000:])
        cloud.process and cloud.kill()
        raise


def verify(cloud, urls, ledger, gone, queues):
    connection = Fast(cloud, timeout=20 * SLOWNESS)
    # A producer that saw no answer sends again: with the same deduplication id, which makes it exactly once.
    resent = sorted(filter(is_ordered, ledger.sent_unsure), key=lambda b: int(key(b).rpartition("-")[2]))
    for body in resent:
        group = key(body).rpartition("-")[0]
        status, reply = connection.call("SendMessage", QueueUrl=urls[1], MessageBody=body, MessageGroupId=group,
                                        MessageDeduplicationId=key(body))
        assert status == 200, reply
    # What was in flight or delayed when the kill came is due now.
    status, _ = cloud.get(f"/_kumoniwa/clock?advance_ms={(max(VISIBILITY, DELAY) + 1) * 1000}", method="POST")
    assert status == 200
    removed = ledger.deleted | ledger.deleted_unsure
    expected = ledger.sent.union(resent) - removed
    ordered = drain(connection, urls[1], filter(is_ordered, expected))
    standard = drain(connection, urls[0], (body for body in expected if not is_ordered(body)))
    check_messages(False, standard, ledger, gone)
    check_messages(True, ordered, ledger, gone)
    lost = [key(body) for body in expected - set(standard) - set(ordered)]
    assert not lost, f"acknowledged by SendMessage and lost: {lost}"
    gone.update(ledger.deleted, standard, ordered)

    status, reply = connection.call("ListQueues", QueueNamePrefix="made-", MaxResults=1000)
    assert status == 200
    there = {url.rpartition("/")[2] for url in reply.get("QueueUrls", [])}
    must = (queues | ledger.queues) - ledger.dropped - ledger.dropped_unsure
    may = must | ledger.queues_unsure | ledger.dropped_unsure
    assert must <= there <= may, f"lost: {must - there}, returned: {there - may}"
    for name in there:
        status, reply = connection.call("ListQueueTags", QueueUrl=f"{cloud.endpoint}/000000000000/{name}")
        assert status == 200 and reply["Tags"]["round"] in name
        status, _ = connection.call("DeleteQueue", QueueUrl=f"{cloud.endpoint}/000000000000/{name}")
        assert status == 200
    queues.clear()
    connection.close()


def test_process_durability(tmp_path):
    run_rounds(tmp_path, share(0.7))


def test_power_durability(tmp_path):
    run_rounds(tmp_path, share(0.2), "--durability", "power")


def test_move_task_goes_on(tmp_path):
    """A dead-letter queue's redrive is a job: it ends, once, however often the program is killed meanwhile."""
    choose = random.Random(SEED)
    kills = share(0.1)
    cloud = Cloud(tmp_path / "cloud").start()
    connection = Fast(cloud)

    def call(operation, **members):
        status, reply = connection.call(operation, **members)
        assert status == 200, (operation, reply)
        return reply

    dead = call("CreateQueue", QueueName="dead")["QueueUrl"]
    arn = call("GetQueueAttributes", QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    source = call("CreateQueue", QueueName="source", Attributes={
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}), "VisibilityTimeout": "0",
    })["QueueUrl"]
    bodies = [f"m-{i}" for i in range(40 * kills)]
    for i in range(0, len(bodies), 10):
        call("SendMessageBatch", QueueUrl=source,
             Entries=[{"Id": str(j), "MessageBody": body} for j, body in enumerate(bodies[i : i + 10])])
    for _ in range(2):  # each once, which is enough; the second pass finds them dead
        for _ in range(len(bodies)):
            if not call("ReceiveMessage", QueueUrl=source, MaxNumberOfMessages=10).get("Messages"):
                break
    attributes = call("GetQueueAttributes", QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == str(len(bodies))
    call("SetQueueAttributes", QueueUrl=source, Attributes={"RedrivePolicy": "", "VisibilityTimeout": "30"})
    target = call("CreateQueue", QueueName="target")["QueueUrl"]
    target_arn = arn.replace(":dead", ":target")
    call("SetQueueAttributes", QueueUrl=target, Attributes={
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1000})})
    call("StartMessageMoveTask", SourceArn=arn, DestinationArn=target_arn, MaxNumberOfMessagesPerSecond=500)
    for _ in range(kills):
        time.sleep(0.1 * choose.random())
        cloud.kill()
        start_after_crashes(cloud, choose)
    connection = Fast(cloud)
    got = drain(connection, target, bodies)
    assert sorted(got) == sorted(bodies)

    def ended():
        task = call("ListMessageMoveTasks", SourceArn=arn)["Results"][0]
        return task["Status"] != "RUNNING" and task

    task = wait_until(ended, message="the task does not end")
    assert task["Status"] == "COMPLETED" and task["ApproximateNumberOfMessagesMoved"] == len(bodies)
    attributes = call("GetQueueAttributes", QueueUrl=dead, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "0"
    cloud.stop()


def test_issued_credentials_and_the_clock(tmp_path):
    cloud = Cloud(tmp_path / "cloud", "--auth", "strict").start()
    made = [cloud.issue() for _ in range(5)]
    cloud.run("clock", "advance", "7d")
    before = cloud.get("/_kumoniwa/clock")[1]["offset_ms"]
    cloud.kill()
    cloud.start()
    assert cloud.get("/_kumoniwa/clock")[1]["offset_ms"] == before
    assert before == pytest.approx(7 * 86400 * 1000, abs=1000)
    for access_key, secret in made:
        status = wire_status(cloud, access_key, secret)
        assert status == 200
    assert wire_status(cloud, made[0][0], "wrong") == 403
    cloud.stop()


def wire_status(cloud, access_key, secret):
    now = datetime.datetime.fromisoformat(cloud.get("/_kumoniwa/clock")[1]["now"].replace("Z", "+00:00"))
    return wire.json_call(cloud, "ListQueues", {}, key=access_key, secret=secret, at=now).status
