"""kill -9 in the midst of writes to a table with a global index and a stream: what was acknowledged is there, what was not is
there whole or not at all, and the index and the stream say the same as the table. Items are of sizes that stand in the store's
tree, and of sizes that stand apart from it."""

import os
import random
import threading
import time

import pytest
from kumoniwa import SLOWNESS, Cloud, rounds_until
from wire import Fast

ROUNDS = max(3, int(os.environ.get("KUMONIWA_CRASH_ROUNDS", "500")) // 10)
SEED = int(os.environ.get("KUMONIWA_SEED", "20261121"))
WORKERS, KEYS = 3, 24
SIZES = (0, 20, 200, 300, 1000, 1000, 5000, 30000)


def connect(cloud):
    return Fast(cloud, service="dynamodb", target="DynamoDB_20120810")


def item_of(key, state):
    version, size = state
    return {"k": {"S": key}, "v": {"N": str(version)}, "g": {"S": str(version % 3)},
            "filler": {"S": chr(97 + version % 26) * size}}


def state_of(item):
    """What an item says, if it is whole."""
    version, pad = int(item["v"]["N"]), item["filler"]["S"]
    assert pad == chr(97 + version % 26) * len(pad) and item["g"]["S"] == str(version % 3), item
    return version, len(pad)


class Worker(threading.Thread):
    """Writes keys that are its own, until the connection breaks."""

    def __init__(self, cloud, number, states, seed):
        super().__init__()
        self.cloud, self.number, self.random = cloud, number, random.Random(seed)
        self.states = states  # of its keys; None: there is no item
        self.unsure = {}      # what the last, unanswered request makes of keys
        self.whole = False    # all of it or nothing
        self.acknowledged, self.wrong = 0, []

    def run(self):
        try:
            connection = connect(self.cloud)
            try:
                while True:
                    self.step(connection)
            finally:
                connection.close()
        except OSError:
            pass  # the kill
        except Exception as error:  # noqa: BLE001: told by the main thread
            self.wrong.append(repr(error))

    def new_state(self):
        return self.random.randrange(10**9), self.random.choice(SIZES)

    def ask(self, connection, operation, changes, whole, **members):
        self.unsure, self.whole = changes, whole
        status, reply = connection.call(operation, **members)
        if status != 200 or reply.get("UnprocessedItems"):
            raise AssertionError((operation, status, reply))
        self.states.update(changes)
        self.unsure = {}
        self.acknowledged += 1

    def step(self, connection):
        keys = self.random.sample(sorted(self.states), 5)
        key, choice = keys[0], self.random.random()
        if choice < 0.4:
            state = self.new_state()
            self.ask(connection, "PutItem", {key: state}, True, TableName="items", Item=item_of(key, state))
        elif choice < 0.6 and self.states[key]:
            version, size = self.new_state()
            new = item_of(key, (version, size))
            self.ask(connection, "UpdateItem", {key: (version, size)}, True, TableName="items", Key={"k": {"S": key}},
                     UpdateExpression="SET v = :v, g = :g, filler = :p", ConditionExpression="v = :old",
                     ExpressionAttributeValues={":v": new["v"], ":g": new["g"], ":p": new["filler"],
                                                ":old": {"N": str(self.states[key][0])}})
        elif choice < 0.7:
            self.ask(connection, "DeleteItem", {key: None}, True, TableName="items", Key={"k": {"S": key}})
        elif choice < 0.85:
            changes = {one: self.random.choice((None, self.new_state())) for one in keys}
            self.ask(connection, "TransactWriteItems", changes, True, TransactItems=[
                {"Put": {"TableName": "items", "Item": item_of(one, state)}} if state else
                {"Delete": {"TableName": "items", "Key": {"k": {"S": one}}}} for one, state in changes.items()])
        else:
            changes = {one: self.random.choice((None, self.new_state())) for one in keys}
            self.ask(connection, "BatchWriteItem", changes, False, RequestItems={"items": [
                {"PutRequest": {"Item": item_of(one, state)}} if state else
                {"DeleteRequest": {"Key": {"k": {"S": one}}}} for one, state in changes.items()]})


def scan(connection, **more):
    items, start = [], {}
    while True:
        status, reply = connection.call("Scan", TableName="items", **more, **start)
        assert status == 200, reply
        items += reply["Items"]
        if "LastEvaluatedKey" not in reply:
            return items
        start = {"ExclusiveStartKey": reply["LastEvaluatedKey"]}


class Stream:
    """The table as its stream tells it."""

    def __init__(self, arn):
        self.arn, self.read, self.states = arn, {}, {}

    def catch_up(self, cloud):
        connection = Fast(cloud, service="dynamodb", target="DynamoDBStreams_20120810")
        status, reply = connection.call("DescribeStream", StreamArn=self.arn)
        assert status == 200, reply
        for shard in (one["ShardId"] for one in reply["StreamDescription"]["Shards"]):
            at = ({"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self.read[shard]}
                  if shard in self.read else {"ShardIteratorType": "TRIM_HORIZON"})
            status, reply = connection.call("GetShardIterator", StreamArn=self.arn, ShardId=shard, **at)
            assert status == 200, reply
            iterator, records = reply["ShardIterator"], True
            while iterator and records:
                status, reply = connection.call("GetRecords", ShardIterator=iterator)
                assert status == 200, reply
                iterator, records = reply.get("NextShardIterator"), reply["Records"]
                for record in records:
                    self.read[shard] = self.apply(record["dynamodb"])
        connection.close()

    def apply(self, record):
        key = record["Keys"]["k"]["S"]
        old = state_of(record["OldImage"]) if "OldImage" in record else None
        assert old == self.states.get(key), f"{key}: the stream's {old} follows on {self.states.get(key)}"
        self.states[key] = state_of(record["NewImage"]) if "NewImage" in record else None
        return record["SequenceNumber"]


def verify(cloud, workers, stream):
    connection = connect(cloud)
    there = {item["k"]["S"]: state_of(item) for item in scan(connection, ConsistentRead=True)}
    for worker in workers:
        assert not worker.wrong, worker.wrong
        differs = [key for key, new in worker.unsure.items() if new != worker.states[key]]
        changed = [key for key in differs if there.get(key) == worker.unsure[key]]
        assert not worker.whole or changed in ([], differs), f"of {differs} were changed {changed}"
        for key, state in worker.states.items():
            assert there.get(key) == state or key in changed, f"{key}: {there.get(key)} and not {state}"
            worker.states[key] = there.get(key)
    known = {key for worker in workers for key in worker.states}
    assert there.keys() <= known, there.keys() - known
    indexed = {item["k"]["S"]: int(item["v"]["N"]) for item in scan(connection, IndexName="by-g")}
    assert indexed == {key: version for key, (version, _) in there.items()}
    stream.catch_up(cloud)
    assert {key: state for key, state in stream.states.items() if state} == there
    connection.close()


def run_rounds(tmp_path, rounds, *flags):
    print(f"seed {SEED}")
    choose = random.Random(SEED)
    cloud = Cloud(tmp_path / "cloud", *flags).start()
    table = cloud.client("dynamodb").create_table(
        TableName="items", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in (("k", "S"), ("g", "S"), ("v", "N"))],
        GlobalSecondaryIndexes=[{"IndexName": "by-g", "Projection": {"ProjectionType": "ALL"}, "KeySchema": [
            {"AttributeName": "g", "KeyType": "HASH"}, {"AttributeName": "v", "KeyType": "RANGE"}]}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})["TableDescription"]
    cloud.client("dynamodb").get_waiter("table_exists").wait(TableName="items", WaiterConfig={"Delay": 1})
    stream = Stream(table["LatestStreamArn"])
    states = [{f"{number}-{i}": None for i in range(KEYS)} for number in range(WORKERS)]
    done = 0
    try:
        for _ in rounds_until(rounds, lambda: done > 5 * rounds):
            workers = [Worker(cloud, i, states[i], choose.random()) for i in range(WORKERS)]
            for worker in workers:
                worker.start()
            time.sleep(choose.choice((0.01, 0.05, 0.2)) * choose.random() * SLOWNESS)
            cloud.kill()
            for worker in workers:
                worker.join()
                done += worker.acknowledged
            cloud.start()
            verify(cloud, workers, stream)
        print(f"{done} writes were acknowledged")
        cloud.stop()
    except BaseException:
        print(cloud.log_text()[-4000:])
        cloud.process and cloud.kill()
        raise


@pytest.mark.parametrize("durability", ["process", "power"])
def test_tables_indexes_and_streams_agree(tmp_path, durability):
    run_rounds(tmp_path, ROUNDS if durability == "process" else max(2, ROUNDS // 5), "--durability", durability)
