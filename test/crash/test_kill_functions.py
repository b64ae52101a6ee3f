"""kill -9 while functions run: every event that was accepted is run, no process of a sandbox outlives the server,
provisioned environments and event source mappings go on.

KUMONIWA_FUNCTION_ROUNDS and KUMONIWA_SEED change how often, and when, the kill comes."""

import json
import os
import pathlib
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from kumoniwa import SLOWNESS, Cloud, rounds_until, wait_until
from lambda_functions import TELLS, Place

ROUNDS = int(os.environ.get("KUMONIWA_FUNCTION_ROUNDS", "10"))
SEED = int(os.environ.get("KUMONIWA_SEED", "20261121"))
BROKEN = (BotoCoreError, ClientError, OSError)


@pytest.fixture
def own(tmp_path):
    with Cloud(tmp_path / "own") as made:
        yield made


@pytest.fixture
def place(own):
    return Place(own, "killed")


def began(pid):
    """When a process began; None: it is no more, or nobody but its parent cares."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def family(pid):
    """A process and all that come from it: {(pid, when it began)}"""
    found = {(pid, began(pid))}
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            for child in children.read_text().split():
                found |= family(int(child))
        except OSError:
            pass
    return {one for one in found if one[1] is not None}


def named(word, begins=False):
    """Processes with the word in their command line or environment; or whose command line begins with it."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        for file in ("cmdline", "environ"):
            try:
                text = (entry / file).read_bytes()
                if text.split(b"\0")[0] == word.encode() if begins else word.encode() in text:
                    found.add(int(entry.name))
            except OSError:
                pass
    return found


def gather(place, url, seen, wanted, message):
    """Takes what is heard until all that is wanted was."""

    def all_came():
        answer = place.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        messages = answer.get("Messages", [])
        for one in messages:
            seen(json.loads(one["Body"]))
        if messages:
            place.sqs.delete_message_batch(
                QueueUrl=url,
                Entries=[{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)],
            )
        return not wanted()

    wait_until(all_came, 60, message)


class Sender(threading.Thread):
    """Does the same thing with one number after another until the program is gone."""

    def __init__(self, first, step, send):
        super().__init__()
        self.next, self.step, self.send_one = first, step, send
        self.accepted = []

    def run(self):
        while True:
            try:
                self.send_one(self.next)
            except BROKEN:
                self.next += self.step
                return
            self.accepted.append(self.next)
            self.next += self.step


def kill_while(cloud, senders, seconds):
    for one in senders:
        one.start()
    time.sleep(seconds * SLOWNESS)
    cloud.kill()
    for one in senders:
        one.join()
    cloud.start()


def test_accepted_events_are_run(place):
    """Three clients invoke; ten times the program is killed, and started on what it left; more often where little is accepted."""
    print(f"seed {SEED}, {ROUNDS} rounds")
    chance = random.Random(SEED)
    heard = place.queue("heard")
    function = place.function("tells", TELLS, Timeout=30, Environment={"Variables": {"QUEUE": heard}})
    place.client.invoke(FunctionName=function, Payload=b"-1")
    accepted, first = set(), 0
    for _ in rounds_until(ROUNDS, lambda: len(accepted) >= 30 * ROUNDS):
        clients = [place.cloud.client("lambda") for _ in range(3)]

        def send(client):
            return lambda n: client.invoke(FunctionName=function, InvocationType="Event", Payload=str(n))

        senders = [Sender(first + n, 3, send(client)) for n, client in enumerate(clients)]
        kill_while(place.cloud, senders, chance.uniform(0.1, 1))
        first = max(one.next for one in senders) + 3
        for one in senders:
            accepted.update(one.accepted)
    seen = set()
    gather(place, heard, seen.add, lambda: accepted - seen, "all events that were accepted")
    print(f"{len(accepted)} events were accepted, {len(seen)} were run")


LEAVES = """
import os, signal, subprocess, sys, time
def daemon():
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    os.closerange(0, 64)
    os.execv("/bin/sleep", [os.environ["WORD"], "300"])
def handler(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    daemon()
    subprocess.Popen(["/bin/sh", "-c", "trap '' TERM HUP INT; exec sleep 300"], start_new_session=True)
    time.sleep(0.2)
    if event == "stay":
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        while True:
            pass
    return os.getpid()
"""


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_nobody_is_left_behind(place, end):
    """Daemons that no signal but one ends, one that is busy, and some that are just starting."""
    word = f"left-behind-{os.getpid()}-{end}"
    function = place.function("leaves", LEAVES, Timeout=60, Environment={"Variables": {"WORD": word}})
    for _ in range(2):
        place.client.invoke(FunctionName=function, Payload=b'"go"')
    place.send(function, "stay")
    wait_until(lambda: len(named(word, begins=True)) >= 3, 20, "the daemons")
    for _ in range(6):
        place.send(function, "stay")
    time.sleep(0.01)
    everybody = family(place.cloud.process.pid)
    assert len(everybody) >= 1 + 1 + 2 + 3  # server, host, two sandboxes, those inside
    getattr(place.cloud, end)()
    wait_until(lambda: not {one for one in everybody if began(one[0]) == one[1]} and not named(word), 5,
               "processes outlive the server")


def test_provisioned_environments_come_back(place):
    function = place.function("kept", "import os\ndef handler(event, context):\n    return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']\n")
    version = place.client.publish_version(FunctionName=function)["Version"]
    place.client.put_provisioned_concurrency_config(FunctionName=function, Qualifier=version, ProvisionedConcurrentExecutions=3)

    def ready():
        got = place.client.get_provisioned_concurrency_config(FunctionName=function, Qualifier=version)
        return got["Status"] == "READY" and got["AvailableProvisionedConcurrentExecutions"] == 3

    for _ in range(3):
        wait_until(ready, 20, "three environments are ready")
        answer = place.client.invoke(FunctionName=function, Qualifier=version)
        assert json.load(answer["Payload"]) == "provisioned-concurrency"
        place.cloud.kill()
        place.cloud.start()


def test_mappings_go_on(place):
    """A queue's messages and a table's changes come all."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    heard = place.queue("heard")
    function = place.function("tells", TELLS, Timeout=30, Environment={"Variables": {"QUEUE": heard}})
    source = place.sqs.create_queue(
        QueueName="killed.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "30"}
    )["QueueUrl"]
    tables = place.cloud.client("dynamodb")
    stream = tables.create_table(
        TableName="killed",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )["TableDescription"]["LatestStreamArn"]
    place.map(function, place.arn(source))
    place.map(function, stream, StartingPosition="TRIM_HORIZON", BatchSize=7)
    sent, put, first = [], [], 0
    for _ in rounds_until(5, lambda: len(sent) > 50 and len(put) > 50):
        sqs, table = place.cloud.client("sqs"), place.cloud.client("dynamodb")
        senders = [
            Sender(first, 1, lambda n, sqs=sqs: sqs.send_message(
                QueueUrl=source, MessageBody=str(n), MessageGroupId=f"g{n % 3}", MessageDeduplicationId=str(n))),
            Sender(first, 1, lambda n, table=table: table.put_item(
                TableName="killed", Item={"k": {"S": f"k{n % 3}"}, "n": {"N": str(n)}})),
        ]  # fmt: skip
        kill_while(place.cloud, senders, chance.uniform(0.2, 1))
        sent += senders[0].accepted
        put += senders[1].accepted
        first = max(one.next for one in senders) + 1
        place.advance("31s")  # what was in flight is visible
    messages, changes = [], []

    def take(event):
        for record in event["Records"]:
            if record["eventSource"] == "aws:sqs":
                messages.append(int(record["body"]))
            else:
                changes.append(int(record["dynamodb"]["NewImage"]["n"]["N"]))

    gather(place, heard, take, lambda: (set(sent) - set(messages)) or (set(put) - set(changes)), "all that was sent")
    print(f"{len(sent)} messages, {len(put)} changes")
