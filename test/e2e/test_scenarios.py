"""What people did, as test scenarios name it, as far as what is implemented carries it."""

import concurrent.futures
import threading
import time

import botocore.exceptions

from kumoniwa import SLOWNESS

PRODUCTS = 10_000
WORKERS = 4


def test_e6_ten_thousand_products_none_lost(own):
    """The queue in the middle of the shop: unmodified boto3 with its own retries on both sides, and the program killed
    three times meanwhile. None is lost; what comes twice was sent twice by a retry, or was received and not deleted."""
    retries = {"retries": {"mode": "standard", "total_max_attempts": 10}}
    url = own.client("sqs").create_queue(QueueName="products", Attributes={"VisibilityTimeout": "2"})["QueueUrl"]
    products = [f"product-{i}" for i in range(PRODUCTS)]
    done, seen, lock = threading.Event(), {}, threading.Lock()

    def produce(part):
        sqs = own.client("sqs", **retries)
        for i in range(part * 10, PRODUCTS, WORKERS * 10):
            entries = [{"Id": str(j), "MessageBody": body} for j, body in enumerate(products[i : i + 10])]
            while entries:
                try:
                    reply = sqs.send_message_batch(QueueUrl=url, Entries=entries)
                except (botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError):
                    continue
                failed = {entry["Id"] for entry in reply.get("Failed", [])}
                entries = [entry for entry in entries if entry["Id"] in failed]

    def consume():
        sqs = own.client("sqs", **retries)
        while not done.is_set():
            try:
                got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
                if not got:
                    continue
                entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)]
                assert not sqs.delete_message_batch(QueueUrl=url, Entries=entries).get("Failed")
            except (botocore.exceptions.ClientError, botocore.exceptions.HTTPClientError):
                continue
            with lock:
                for message in got:
                    seen[message["Body"]] = seen.get(message["Body"], 0) + 1
                if len(seen) == PRODUCTS:
                    done.set()

    with concurrent.futures.ThreadPoolExecutor(2 * WORKERS) as pool:
        working = [pool.submit(produce, part) for part in range(WORKERS)] + [pool.submit(consume) for _ in range(WORKERS)]
        for _ in range(3):
            time.sleep(1)
            own.kill()
            own.start()
        done.wait(180 * SLOWNESS)
        done.set()
        for one in working:
            one.result()
    # What was sent twice may come once more.
    sqs = own.client("sqs")
    while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=3).get("Messages"):
        for message in got:
            seen[message["Body"]] += 1
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert sorted(seen) == sorted(products)
    assert sum(seen.values()) - PRODUCTS < 200, "only retries may deliver twice"
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"][
        "ApproximateNumberOfMessages"] == "0"
