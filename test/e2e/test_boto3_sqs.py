"""SQS through the newest boto3, which speaks JSON: what applications do."""

import hashlib
import json
import subprocess
import sys
import threading
import time

import botocore.exceptions
import pytest

from kumoniwa import SLOWNESS, within


def receive_all(sqs, url, wait=0, **more):
    """Receives and deletes until nothing comes."""
    bodies = []
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, **more).get("Messages", [])
        if not got:
            return bodies
        for message in got:
            bodies.append(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def error_of(call, *arguments, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(*arguments, **members)
    return caught.value.response


def test_environment_is_all_a_client_needs(cloud, name):
    script = (
        "import boto3, sys\n"
        "sqs = boto3.client('sqs')\n"
        "url = sqs.create_queue(QueueName=sys.argv[1])['QueueUrl']\n"
        "sqs.send_message(QueueUrl=url, MessageBody='hello')\n"
        "print(sqs.receive_message(QueueUrl=url)['Messages'][0]['Body'])\n"
        "queue = boto3.resource('sqs').get_queue_by_name(QueueName=sys.argv[1])\n"
        "print(queue.attributes['QueueArn'])\n"
    )
    done = subprocess.run([sys.executable, "-c", script, name], env=cloud.client_environment(),
                          capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["hello", f"arn:aws:sqs:us-east-1:000000000000:{name}"]


def test_send_receive_delete(sqs, queue):
    sent = sqs.send_message(QueueUrl=queue, MessageBody="こんにちは, 雲庭")
    assert sent["MD5OfMessageBody"] == hashlib.md5("こんにちは, 雲庭".encode()).hexdigest()
    (got,) = sqs.receive_message(QueueUrl=queue, MessageSystemAttributeNames=["All"])["Messages"]
    assert got["MessageId"] == sent["MessageId"]
    assert got["Body"] == "こんにちは, 雲庭"
    assert got["Attributes"]["ApproximateReceiveCount"] == "1"
    assert abs(int(got["Attributes"]["SentTimestamp"]) / 1000 - time.time()) < 60
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got["ReceiptHandle"])
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessages"] == "0"
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_resource_interface(cloud, name):
    import boto3

    resource = boto3.resource("sqs", endpoint_url=cloud.endpoint, region_name="us-east-1",
                              aws_access_key_id="test", aws_secret_access_key="test")
    queue = resource.create_queue(QueueName=name)
    queue.send_messages(Entries=[{"Id": str(i), "MessageBody": f"m{i}"} for i in range(10)])
    got = []
    while len(got) < 10:
        for message in queue.receive_messages(MaxNumberOfMessages=10):
            got.append(message.body)
            message.delete()
    assert sorted(got) == sorted(f"m{i}" for i in range(10))
    assert any(q.url == queue.url for q in resource.queues.filter(QueueNamePrefix=name))


def test_message_attributes(sqs, queue):
    attributes = {
        "text": {"DataType": "String", "StringValue": "ä\t\"<&>"},
        "number": {"DataType": "Number.int", "StringValue": "42"},
        "bytes": {"DataType": "Binary.gif", "BinaryValue": bytes(range(256))},
    }
    # boto3 checks MD5OfMessageAttributes and MD5OfMessageBody by itself and raises when they differ.
    sqs.send_message(QueueUrl=queue, MessageBody="b", MessageAttributes=attributes)
    (got,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert got["MessageAttributes"] == attributes


def test_batch_with_partial_failure(sqs, queue):
    reply = sqs.send_message_batch(QueueUrl=queue, Entries=[
        {"Id": "good", "MessageBody": "x"},
        {"Id": "late", "MessageBody": "y", "DelaySeconds": 9999},
    ])
    assert [entry["Id"] for entry in reply["Successful"]] == ["good"]
    (failed,) = reply["Failed"]
    assert failed["Id"] == "late" and failed["SenderFault"] and failed["Code"] == "InvalidParameterValue"
    assert receive_all(sqs, queue) == ["x"]


def test_batch_errors(sqs, queue):
    entry = {"Id": "a", "MessageBody": "x"}
    twice = error_of(sqs.send_message_batch, QueueUrl=queue, Entries=[entry, entry])
    assert twice["Error"]["Code"] == "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"
    assert twice["ResponseMetadata"]["HTTPStatusCode"] == 400
    many = error_of(sqs.send_message_batch, QueueUrl=queue,
                    Entries=[{"Id": str(i), "MessageBody": "x"} for i in range(11)])
    assert many["Error"]["Code"] == "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
    none = error_of(sqs.send_message_batch, QueueUrl=queue, Entries=[])
    assert none["Error"]["Code"] == "AWS.SimpleQueueService.EmptyBatchRequest"


def test_missing_queue(sqs):
    reply = error_of(sqs.get_queue_url, QueueName="nobody-made-this-one")
    assert reply["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert reply["Error"]["QueryErrorCode"] == "QueueDoesNotExist"
    assert reply["Error"]["Message"] == "The specified queue does not exist."
    assert reply["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="nobody-made-this-one")


def test_visibility_timeout(sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    (first,) = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=3)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    (second,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20,
                                    MessageSystemAttributeNames=["ApproximateReceiveCount"])["Messages"]
    assert second["MessageId"] == first["MessageId"]
    assert second["Attributes"]["ApproximateReceiveCount"] == "2"
    sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=second["ReceiptHandle"], VisibilityTimeout=0)
    (third,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert third["MessageId"] == first["MessageId"]


def test_delay(sqs, queue):
    begin = time.monotonic()
    with within(4 * SLOWNESS):
        sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=3)
        assert "Messages" not in sqs.receive_message(QueueUrl=queue)
        (got,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    assert got["Body"] == "later"
    assert time.monotonic() - begin > 2.9


def test_fifo_order_and_groups(sqs, fifo):
    for i in range(5):
        for group in ("a", "b"):
            sqs.send_message(QueueUrl=fifo, MessageBody=f"{group}{i}", MessageGroupId=group,
                             MessageDeduplicationId=f"{group}{i}")
    order = receive_all(sqs, fifo)
    assert [body for body in order if body[0] == "a"] == [f"a{i}" for i in range(5)]
    assert [body for body in order if body[0] == "b"] == [f"b{i}" for i in range(5)]


def test_fifo_group_is_blocked_while_one_is_in_flight(sqs, fifo):
    for i in range(2):
        sqs.send_message(QueueUrl=fifo, MessageBody=str(i), MessageGroupId="g", MessageDeduplicationId=str(i))
    (first,) = sqs.receive_message(QueueUrl=fifo)["Messages"]
    assert first["Body"] == "0"
    assert "Messages" not in sqs.receive_message(QueueUrl=fifo)
    sqs.delete_message(QueueUrl=fifo, ReceiptHandle=first["ReceiptHandle"])
    (second,) = sqs.receive_message(QueueUrl=fifo)["Messages"]
    assert second["Body"] == "1"


def test_fifo_deduplication(sqs, fifo):
    first = sqs.send_message(QueueUrl=fifo, MessageBody="x", MessageGroupId="g", MessageDeduplicationId="same")
    again = sqs.send_message(QueueUrl=fifo, MessageBody="y", MessageGroupId="g", MessageDeduplicationId="same")
    assert again["MessageId"] == first["MessageId"]
    assert again["SequenceNumber"] == first["SequenceNumber"]
    assert receive_all(sqs, fifo) == ["x"]


def test_b9_dead_letter_queue_and_redrive(sqs, name):
    dead = sqs.create_queue(QueueName=name + "-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = sqs.create_queue(QueueName=name, Attributes={
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2}), "VisibilityTimeout": "0",
    })["QueueUrl"]
    sent = sqs.send_message(QueueUrl=url, MessageBody="poison")
    for _ in range(2):
        assert sqs.receive_message(QueueUrl=url)["Messages"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    (got,) = sqs.receive_message(QueueUrl=dead)["Messages"]
    assert got["MessageId"] == sent["MessageId"]
    sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=got["ReceiptHandle"], VisibilityTimeout=0)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    task = sqs.start_message_move_task(SourceArn=arn)
    assert task["TaskHandle"]
    (back,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    assert back["Body"] == "poison"
    (told,) = sqs.list_message_move_tasks(SourceArn=arn)["Results"]
    assert told["Status"] in ("RUNNING", "COMPLETED")


def test_paging_of_queues(sqs, name):
    made = sorted(sqs.create_queue(QueueName=f"{name}-{i}")["QueueUrl"] for i in range(7))
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=name + "-", PaginationConfig={"PageSize": 3})
    sizes, found = [], []
    for page in pages:
        sizes.append(len(page["QueueUrls"]))
        found += page["QueueUrls"]
    assert sizes == [3, 3, 1]
    assert sorted(found) == made


def test_tags_attributes_permissions_purge_delete(sqs, queue):
    sqs.tag_queue(QueueUrl=queue, Tags={"team": "garden", "空": "雲"})
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"team": "garden", "空": "雲"}
    sqs.untag_queue(QueueUrl=queue, TagKeys=["team"])
    assert sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"空": "雲"}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "77"})
    sqs.add_permission(QueueUrl=queue, Label="l", AWSAccountIds=["111122223333"], Actions=["SendMessage"])
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "77"
    assert json.loads(attributes["Policy"])["Statement"][0]["Sid"] == "l"
    sqs.remove_permission(QueueUrl=queue, Label="l")
    sqs.send_message(QueueUrl=queue, MessageBody="x")
    sqs.purge_queue(QueueUrl=queue)
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    sqs.delete_queue(QueueUrl=queue)
    assert error_of(sqs.get_queue_attributes, QueueUrl=queue)["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_accounts_and_regions_are_apart(cloud, name):
    here = cloud.client("sqs")
    here.create_queue(QueueName=name)
    other_region = cloud.client("sqs", region="eu-west-1")
    other_account = cloud.client("sqs", key="123456789012")
    for client in (other_region, other_account):
        assert error_of(client.get_queue_url, QueueName=name)["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
    assert "/123456789012/" in other_account.create_queue(QueueName=name)["QueueUrl"]
    identity = cloud.client("sts", key="123456789012").get_caller_identity()
    assert identity["Account"] == "123456789012"
    assert identity["Arn"] == "arn:aws:iam::123456789012:root"


def test_large_message(sqs, queue):
    # "Amazon SQS message quotas", SQS Developer Guide: 1 MiB since August 2025.
    body = "x" * (1024 * 1024)
    sqs.send_message(QueueUrl=queue, MessageBody=body)
    (got,) = sqs.receive_message(QueueUrl=queue)["Messages"]
    assert got["Body"] == body
    reply = error_of(sqs.send_message, QueueUrl=queue, MessageBody=body + "x")
    assert reply["Error"]["Code"] == "InvalidParameterValue"
    assert reply["Error"]["Message"].startswith("One or more parameters are invalid. Reason: Message must be shorter than")


def test_survives_kill_and_restart(own, name):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="keep me")
    own.kill()
    own.start()
    sqs = own.client("sqs")
    assert receive_all(sqs, sqs.get_queue_url(QueueName=name)["QueueUrl"]) == ["keep me"]
    own.restart()
    sqs = own.client("sqs")
    assert receive_all(sqs, sqs.get_queue_url(QueueName=name)["QueueUrl"]) == []


def test_tls(secure, name):
    sqs = secure.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    assert url.startswith("https://")
    sqs.send_message(QueueUrl=url, MessageBody="over TLS")
    assert receive_all(sqs, url) == ["over TLS"]


def test_many_threads(cloud, queue):
    def work(number):
        sqs = cloud.client("sqs")
        for i in range(25):
            sqs.send_message(QueueUrl=queue, MessageBody=f"{number}-{i}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receive_all(cloud.client("sqs"), queue)) == sorted(f"{n}-{i}" for n in range(8) for i in range(25))


def test_move_task_takes_what_is_due_again(sqs, name):
    """A message received with VisibilityTimeout 0 is visible at once, so a move task that starts then takes it."""
    dead = sqs.create_queue(QueueName=name + "-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    url = sqs.create_queue(QueueName=name, Attributes={
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1}), "VisibilityTimeout": "0",
    })["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="poison")
    sqs.receive_message(QueueUrl=url)
    sqs.receive_message(QueueUrl=url)
    assert sqs.receive_message(QueueUrl=dead, VisibilityTimeout=0)["Messages"]
    sqs.start_message_move_task(SourceArn=arn)
    (back,) = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=3)["Messages"]
    assert back["Body"] == "poison"
