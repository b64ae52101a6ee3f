"""kill -9 while calls become events: of every acknowledged call CloudTrail's history has its event, once."""

import collections
import json
import os
import random
import threading
import time

from botocore.exceptions import ClientError
from kumoniwa import SLOWNESS, Cloud, rounds_until
from wire import Fast

ROUNDS = max(2, int(os.environ.get("KUMONIWA_CRASH_ROUNDS", "500")) // 25)
SEED = int(os.environ.get("KUMONIWA_SEED", "20261121"))


def ask(cloud, name, sure, unsure, wrong):
    """URLs of queues that are not there, each asked for once: a management call that is refused, and cheap."""
    number = 0
    try:
        connection = Fast(cloud)
        while True:
            number += 1
            queue = f"{name}-{number}"
            unsure.add(queue)
            status, reply = connection.call("GetQueueUrl", QueueName=queue)
            if status != 400:
                wrong.append((status, reply))
            unsure.discard(queue)
            sure.add(queue)
    except OSError:
        pass  # the kill


def history(cloud):
    """Names of the queues that the events tell of."""
    trail = cloud.client("cloudtrail", retries={"mode": "standard", "total_max_attempts": 10})
    names, token = collections.Counter(), {}
    by = [{"AttributeKey": "EventName", "AttributeValue": "GetQueueUrl"}]
    while True:
        cloud.run("clock", "advance", "1s")
        try:
            page = trail.lookup_events(LookupAttributes=by, **token)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ThrottlingException", error
            continue
        names.update(json.loads(event["CloudTrailEvent"])["requestParameters"]["queueName"] for event in page["Events"])
        if "NextToken" not in page:
            return names
        token = {"NextToken": page["NextToken"]}


def test_events(tmp_path):
    choose = random.Random(SEED)
    print(f"seed {SEED}, {ROUNDS} rounds")
    cloud = Cloud(tmp_path / "cloud").start()
    sure, unsure, wrong = set(), set(), []
    try:
        for number in rounds_until(ROUNDS, lambda: len(sure) > 20 * ROUNDS):
            threads = [threading.Thread(target=ask, args=(cloud, f"{number}-{i}", sure, unsure, wrong)) for i in range(2)]
            for thread in threads:
                thread.start()
            # Events are taken into the store after a tenth of a second: before, in the midst of it, after.
            time.sleep(choose.choice((0.01, 0.1, 0.12, 0.25)) * SLOWNESS)
            cloud.kill()
            for thread in threads:
                thread.join()
            assert not wrong, wrong
            cloud.start()
            if choose.random() < 0.3:
                time.sleep(choose.uniform(0, 0.01))
                cloud.kill()
                cloud.start()
        end = time.monotonic() + 60 * SLOWNESS
        names = history(cloud)
        while not sure <= names.keys() and time.monotonic() < end:
            names = history(cloud)
        assert not sure - names.keys(), f"{len(sure - names.keys())} of {len(sure)} are missing"
        assert not names.keys() - sure - unsure
        twice = [name for name, count in names.items() if count > 1]
        assert not twice, f"{len(twice)} stand twice: {twice[:5]}"
        cloud.stop()
        assert not list((tmp_path / "cloud").rglob("events-*.spool"))
    except BaseException:
        print(cloud.log_text()[-4000:])
        cloud.process and cloud.kill()
        raise
