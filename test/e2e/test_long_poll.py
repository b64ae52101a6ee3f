"""Long polls park: they cost no thread, and a message wakes one at once."""

import concurrent.futures
import socket
import threading
import time

import pytest

import wire
from kumoniwa import SLOWNESS, wait_until, within

SOON = 0.1 * SLOWNESS


@pytest.fixture
def url(cloud, name):
    status, reply = wire.Fast(cloud).call("CreateQueue", QueueName=name)
    assert status == 200
    return reply["QueueUrl"]


def parked(cloud):
    return cloud.get("/_kumoniwa/status")[1]["parked"]


def poll(cloud, url, **members):
    """A connection that has asked and waits."""
    connection = wire.Fast(cloud, timeout=30)
    connection.socket.sendall(connection.request("ReceiveMessage", {"QueueUrl": url, "WaitTimeSeconds": 20, **members}))
    return connection


def test_a_message_wakes_a_poll_at_once(cloud, url):
    sender = wire.Fast(cloud)
    for i in range(10):
        before = parked(cloud)
        connection = poll(cloud, url)
        wait_until(lambda: parked(cloud) > before)
        with within(SOON):
            assert sender.call("SendMessage", QueueUrl=url, MessageBody=str(i))[0] == 200
            status, reply = connection.reply()
        assert status == 200 and reply["Messages"][0]["Body"] == str(i)
        connection.close()


def test_boto3_waits_and_is_woken(cloud, sqs, queue):
    before = parked(cloud)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(sqs.receive_message, QueueUrl=queue, WaitTimeSeconds=20)
        wait_until(lambda: parked(cloud) > before)
        sender = cloud.client("sqs")
        with within(1 * SLOWNESS):
            sender.send_message(QueueUrl=queue, MessageBody="wake")
            assert waiting.result(30)["Messages"][0]["Body"] == "wake"


def test_an_empty_poll_ends_when_it_should(cloud, url):
    begin = time.monotonic()
    with within(1 + 2 * SOON):
        status, reply = wire.Fast(cloud).call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1)
    assert status == 200 and not reply.get("Messages")
    assert time.monotonic() - begin > 0.95


def test_the_queue_s_own_wait_time(cloud, url):
    connection = wire.Fast(cloud)
    connection.call("SetQueueAttributes", QueueUrl=url, Attributes={"ReceiveMessageWaitTimeSeconds": "1"})
    begin = time.monotonic()
    with within(1 + 2 * SOON):
        connection.call("ReceiveMessage", QueueUrl=url)
    assert time.monotonic() - begin > 0.95
    with within(SOON):
        connection.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=0)


def test_what_comes_due_wakes_a_poll(cloud, url):
    """A delayed message, and one whose visibility timeout ends."""
    connection = wire.Fast(cloud)
    begin = time.monotonic()
    with within(1 + 2 * SOON):
        connection.call("SendMessage", QueueUrl=url, MessageBody="later", DelaySeconds=1)
        status, reply = connection.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=10, VisibilityTimeout=1)
    assert reply["Messages"][0]["Body"] == "later"
    assert time.monotonic() - begin > 0.9
    with within(1 + 2 * SOON):
        status, reply = connection.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=10)
    assert reply["Messages"][0]["Body"] == "later"
    assert time.monotonic() - begin > 1.9


def test_a_fifo_group_that_is_freed_wakes_a_poll(cloud, name):
    connection = wire.Fast(cloud)
    url = connection.call("CreateQueue", QueueName=name + ".fifo", Attributes={"FifoQueue": "true"})[1]["QueueUrl"]
    for body in "ab":
        connection.call("SendMessage", QueueUrl=url, MessageBody=body, MessageGroupId="g", MessageDeduplicationId=body)
    first = connection.call("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=1)[1]["Messages"][0]
    before = parked(cloud)
    waiting = poll(cloud, url)
    wait_until(lambda: parked(cloud) > before)
    with within(SOON):
        connection.call("DeleteMessage", QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
        assert waiting.reply()[1]["Messages"][0]["Body"] == "b"


def test_the_clock_moved_on_wakes_what_comes_due(own, name):
    connection = wire.Fast(own)
    url = connection.call("CreateQueue", QueueName=name)[1]["QueueUrl"]
    connection.call("SendMessage", QueueUrl=url, MessageBody="in ten minutes", DelaySeconds=600)
    waiting = poll(own, url)
    wait_until(lambda: parked(own) == 1)
    with within(1 * SLOWNESS):
        own.run("clock", "advance", "10m")
        assert waiting.reply()[1]["Messages"][0]["Body"] == "in ten minutes"


def test_200_parked(cloud, url):
    """All wait at once and none keeps another from being served; each message goes to one of them."""
    before = parked(cloud)
    memory = cloud.resident_bytes()
    waiting = [poll(cloud, url) for _ in range(200)]
    wait_until(lambda: parked(cloud) == before + 200)
    if SLOWNESS == 1:
        assert cloud.resident_bytes() - memory < 200 * 64 * 1024
    sender = wire.Fast(cloud)
    with within(1 * SLOWNESS):
        for i in range(0, 200, 10):
            entries = [{"Id": str(j), "MessageBody": str(i + j)} for j in range(10)]
            assert not sender.call("SendMessageBatch", QueueUrl=url, Entries=entries)[1].get("Failed")
        bodies = [connection.reply()[1]["Messages"][0]["Body"] for connection in waiting]
    assert sorted(map(int, bodies)) == list(range(200))
    for connection in waiting:
        connection.close()
    wait_until(lambda: parked(cloud) == before)


def test_a_client_that_hangs_up_takes_no_message(cloud, url):
    before = parked(cloud)
    gone = [poll(cloud, url) for _ in range(20)]
    wait_until(lambda: parked(cloud) == before + 20)
    for connection in gone:
        connection.close()
    wait_until(lambda: parked(cloud) == before)
    sender = wire.Fast(cloud)
    sender.call("SendMessage", QueueUrl=url, MessageBody="for whoever is left")
    assert sender.call("ReceiveMessage", QueueUrl=url)[1]["Messages"]


def test_hanging_up_while_messages_come(cloud, url):
    """Half of the waiting hang up in the very moment of sending. None is lost: what went to a dead connection comes
    back after its visibility timeout."""
    waiting = [poll(cloud, url, VisibilityTimeout=1) for _ in range(40)]
    leave = threading.Thread(target=lambda: [c.socket.shutdown(socket.SHUT_RDWR) for c in waiting[::2]])
    sender = wire.Fast(cloud)
    leave.start()
    for i in range(40):
        sender.call("SendMessage", QueueUrl=url, MessageBody=str(i))
    leave.join()
    seen = set()
    for connection in waiting[1::2]:
        for message in connection.reply()[1].get("Messages", []):
            seen.add(message["Body"])
            sender.call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def all_came():
        for message in sender.call("ReceiveMessage", QueueUrl=url, WaitTimeSeconds=1)[1].get("Messages", []):
            seen.add(message["Body"])
            sender.call("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(seen) == 40

    wait_until(all_came, message="all messages")


def test_a_deleted_queue_ends_its_polls(cloud, url):
    before = parked(cloud)
    waiting = poll(cloud, url)
    wait_until(lambda: parked(cloud) > before)
    wire.Fast(cloud).call("DeleteQueue", QueueUrl=url)
    status, reply = waiting.reply()
    assert status == 400 and reply["__type"].endswith("QueueDoesNotExist")


def test_shutdown_does_not_wait_for_polls(own, name):
    connection = wire.Fast(own)
    url = connection.call("CreateQueue", QueueName=name)[1]["QueueUrl"]
    waiting = [poll(own, url) for _ in range(50)]
    wait_until(lambda: parked(own) == 50)
    own.stop()  # asserts that it takes less than a second
    for one in waiting:
        one.close()
