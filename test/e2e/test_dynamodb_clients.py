"""What stands on DynamoDB: a counter of two clients, Terraform's lock table, PynamoDB's models."""

import datetime
import hashlib
import json
import multiprocessing
import random
import socket
import threading

import botocore.exceptions
import pytest
import wire

pynamodb = pytest.importorskip("pynamodb")

from pynamodb.attributes import (  # noqa: E402
    JSONAttribute, ListAttribute, MapAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute,
    UTCDateTimeAttribute, VersionAttribute,
)
from pynamodb.connection import Connection  # noqa: E402
from pynamodb.exceptions import DeleteError, DoesNotExist, PutError, TransactWriteError, UpdateError  # noqa: E402
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, LocalSecondaryIndex  # noqa: E402
from pynamodb.models import Model  # noqa: E402
from pynamodb.transactions import TransactGet, TransactWrite  # noqa: E402

INCREMENTS = 100_000


@pytest.fixture
def ddb(cloud):
    return cloud.client("dynamodb")


def table(ddb, name, key="LockID"):
    ddb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
                     AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}])
    ddb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    return name


# --- two clients, one counter -------------------------------------------------------------------------------------


def increment(port, request, times, connections):
    """One client: `connections` requests in flight, until `times` answers came. Exits with the number of wrong ones."""
    left, lock, wrong = [times], threading.Lock(), []

    def work():
        with socket.create_connection(("127.0.0.1", port)) as client:
            while True:
                with lock:
                    if left[0] == 0:
                        return
                    left[0] -= 1
                client.sendall(request)
                answer = client.recv(65536)
                if not answer.startswith(b"HTTP/1.1 200") or not answer.endswith(b"{}"):
                    wrong.append(answer)
                    return

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    raise SystemExit(1 if wrong else 0)


def test_two_clients_count_to_200000(own):
    ddb = own.client("dynamodb")
    table(ddb, "counters", "id")
    body = json.dumps({"TableName": "counters", "Key": {"id": {"S": "one"}}, "UpdateExpression": "ADD n :one",
                       "ExpressionAttributeValues": {":one": {"N": "1"}}}).encode()
    headers = wire.sign(own, "dynamodb", headers={
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.UpdateItem"}, body=body)
    headers["Content-Length"] = str(len(body))
    request = ("POST / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode() + body
    clients = [multiprocessing.get_context("fork").Process(target=increment, args=(own.port, request, INCREMENTS, 4))
               for _ in range(2)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert [client.exitcode for client in clients] == [0, 0]
    item = ddb.get_item(TableName="counters", Key={"id": {"S": "one"}}, ConsistentRead=True)["Item"]
    assert item["n"] == {"N": str(2 * INCREMENTS)}


# --- transfers between accounts: what they hold together never changes --------------------------------------------

ACCOUNTS, OPENING = 8, 100


def account(n):
    return {"id": {"S": f"account-{n}"}}


def change(table, n, amount):
    """Adds to an account, which must not fall below nothing."""
    values = {":amount": {"N": str(amount)}, **({":least": {"N": str(-amount)}} if amount < 0 else {})}
    more = {"ConditionExpression": "balance >= :least"} if amount < 0 else {}
    return {"Update": {"TableName": table, "Key": account(n), "UpdateExpression": "ADD balance :amount",
                       "ExpressionAttributeValues": values, **more}}


def transfer(cloud, table, seed, until, told, wrong):
    """One client that moves money about until it is told to stop, or the server is gone."""
    ddb, random_ = cloud.client("dynamodb"), random.Random(seed)
    while not until.is_set():
        one, other = random_.sample(range(ACCOUNTS), 2)
        amount = random_.randint(1, 60)
        try:
            ddb.transact_write_items(TransactItems=[change(table, one, -amount), change(table, other, amount)])
            told.append(amount)
        except ddb.exceptions.TransactionCanceledException as failure:
            codes = [reason["Code"] for reason in failure.response["CancellationReasons"]]
            if codes != ["ConditionalCheckFailed", "None"]:
                wrong.append(codes)
        except (botocore.exceptions.EndpointConnectionError, botocore.exceptions.ConnectionClosedError,
                botocore.exceptions.ReadTimeoutError):
            return


def balances(ddb, table):
    got = ddb.transact_get_items(TransactItems=[{"Get": {"TableName": table, "Key": account(n)}} for n in range(ACCOUNTS)])
    return [int(one["Item"]["balance"]["N"]) for one in got["Responses"]]


def test_transfers_are_seen_whole_and_outlive_a_kill(own):
    ddb = own.client("dynamodb")
    name = table(ddb, "bank", "id")
    ddb.transact_write_items(TransactItems=[
        {"Put": {"TableName": name, "Item": {**account(n), "balance": {"N": str(OPENING)}}}} for n in range(ACCOUNTS)])
    for turn in range(3):
        until, told, wrong = threading.Event(), [], []
        clients = [threading.Thread(target=transfer, args=(own, name, 1000 * turn + i, until, told, wrong)) for i in range(4)]
        for client in clients:
            client.start()
        seen = set()
        while len(told) < 150:
            now = balances(ddb, name)
            assert sum(now) == ACCOUNTS * OPENING and min(now) >= 0, now
            seen.add(tuple(now))
        assert len(seen) > 10
        own.kill()
        until.set()
        for client in clients:
            client.join()
        assert not wrong
        own.start()
        now = balances(ddb, name)
        assert sum(now) == ACCOUNTS * OPENING and min(now) >= 0, now


# --- scenario E9: a recommender reads what it recommends, a hundred items at a time -------------------------------


def test_e9_batch_get_of_more_than_an_answer_holds(own):
    """A hundred items of 200 KB are more than 16 MB: what is left comes as UnprocessedKeys, each item once, and a restart in
    between does no harm to whoever asks again."""
    ddb = own.client("dynamodb")
    name = table(ddb, "products", "id")
    other = table(ddb, "prices", "id")
    for n in range(100):
        ddb.put_item(TableName=name, Item={"id": {"S": f"p{n}"}, "text": {"S": str(n % 10) * 200_000}, "n": {"N": str(n)}})
    ddb.batch_write_item(RequestItems={other: [{"PutRequest": {"Item": {"id": {"S": f"p{n}"}, "yen": {"N": str(n)}}}}
                                               for n in range(0, 20)]})

    def recommend(wanted, restart=False):
        seen, answers = [], 0
        while wanted:
            got = ddb.batch_get_item(RequestItems=wanted)
            answers += 1
            seen += [(t, item) for t, items in got["Responses"].items() for item in items]
            wanted = got["UnprocessedKeys"]
            if restart and answers == 1:
                own.kill()
                own.start()
        return seen, answers

    keys = [{"id": {"S": f"p{n}"}} for n in range(100)]
    for restart in (False, True):
        seen, answers = recommend({name: {"Keys": keys, "ConsistentRead": True}}, restart)
        assert answers == 2 and sorted(item["id"]["S"] for _, item in seen) == sorted(k["id"]["S"] for k in keys)
        assert all(item["text"]["S"] == str(int(item["n"]["N"]) % 10) * 200_000 for _, item in seen)
    seen, answers = recommend({
        name: {"Keys": keys[:60], "ProjectionExpression": "#n", "ExpressionAttributeNames": {"#n": "n"}},
        other: {"Keys": keys[10:50]}})
    assert sorted(int(item["n"]["N"]) for t, item in seen if t == name) == list(range(60))
    assert sorted(int(item["yen"]["N"]) for t, item in seen if t == other) == list(range(10, 20))  # the others have none


# --- scenario A4: Terraform's lock table, with the requests that its S3 backend makes -----------------------------


class Lock:
    def __init__(self, ddb, table, path):
        self.ddb, self.table, self.path = ddb, table, path

    def acquire(self, who):
        info = json.dumps({"ID": who, "Operation": "OperationTypeApply", "Who": who, "Path": self.path})
        self.ddb.put_item(TableName=self.table, Item={"LockID": {"S": self.path}, "Info": {"S": info}},
                          ConditionExpression="attribute_not_exists(LockID)")

    def info(self):
        got = self.ddb.get_item(TableName=self.table, Key={"LockID": {"S": self.path}}, ConsistentRead=True,
                                ProjectionExpression="LockID, Info")
        return json.loads(got["Item"]["Info"]["S"]) if "Item" in got else None

    def release(self, who):
        assert self.info()["ID"] == who
        self.ddb.delete_item(TableName=self.table, Key={"LockID": {"S": self.path}})


def test_terraform_lock_table(ddb, name):
    lock = Lock(ddb, table(ddb, name), "bucket/env/terraform.tfstate")
    lock.acquire("ann")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        lock.acquire("ben")
    assert refused.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert lock.info()["Who"] == "ann"
    lock.release("ann")
    assert lock.info() is None
    lock.acquire("ben")
    # The state's digest stands beside the lock, under another key.
    digest = {"LockID": {"S": lock.path + "-md5"}, "Digest": {"S": hashlib.md5(b"state").hexdigest()}}
    ddb.put_item(TableName=name, Item=digest)
    got = ddb.get_item(TableName=name, Key={"LockID": digest["LockID"]}, ConsistentRead=True,
                       ProjectionExpression="LockID, Digest")
    assert got["Item"] == digest
    lock.release("ben")


def test_only_one_gets_the_lock(cloud, ddb, name):
    table(ddb, name)
    owners, held, most = [], [0], [0]
    guard = threading.Lock()

    def contend(who):
        lock = Lock(cloud.client("dynamodb"), name, "state")
        for _ in range(200):
            try:
                lock.acquire(who)
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
                continue
            with guard:
                held[0] += 1
                most[0] = max(most[0], held[0])
                owners.append(who)
            with guard:
                held[0] -= 1
            lock.release(who)
            return

    threads = [threading.Thread(target=contend, args=(f"w{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(owners) == [f"w{i}" for i in range(8)] and most[0] == 1


# --- PynamoDB -----------------------------------------------------------------------------------------------------


class Address(MapAttribute):
    city = UnicodeAttribute()
    zip = NumberAttribute(null=True)


def models(cloud, name):
    class Options:
        table_name = name
        host = cloud.endpoint
        region = "us-east-1"
        aws_access_key_id = "test"
        aws_secret_access_key = "test"
        billing_mode = "PAY_PER_REQUEST"
        max_retry_attempts = 0

    class ByState(GlobalSecondaryIndex):
        class Meta:
            index_name = "by-state"
            projection = AllProjection()

        state = UnicodeAttribute(hash_key=True)
        due = UTCDateTimeAttribute(range_key=True)

    class ByAmount(LocalSecondaryIndex):
        class Meta:
            index_name = "by-amount"
            projection = AllProjection()

        customer = UnicodeAttribute(hash_key=True)
        amount = NumberAttribute(range_key=True)

    class Order(Model):
        Meta = Options
        customer = UnicodeAttribute(hash_key=True)
        number = NumberAttribute(range_key=True)
        state = UnicodeAttribute(default="open")
        due = UTCDateTimeAttribute()
        amount = NumberAttribute(default=0)
        tags = UnicodeSetAttribute(null=True)
        lines = ListAttribute(default=list)
        address = Address(null=True)
        extra = JSONAttribute(null=True)
        version = VersionAttribute()
        by_state = ByState()
        by_amount = ByAmount()

    Order.create_table(wait=True)
    return Order


DUE = datetime.datetime(2026, 11, 21, 8, 30, tzinfo=datetime.timezone.utc)


def test_pynamodb_model(cloud, name):
    order_type = models(cloud, name)
    order = order_type("ann", 1, due=DUE, amount=12.5, tags={"a", "b"}, lines=["x", {"y": 2}],
                       address=Address(city="京都", zip=600), extra={"n": None})
    order.save()
    assert order.version == 1
    got = order_type.get("ann", 1, consistent_read=True)
    assert (got.due, got.amount, got.tags, got.lines) == (DUE, 12.5, {"a", "b"}, ["x", {"y": 2}])
    assert (got.address.city, got.address.zip, got.extra) == ("京都", 600, {"n": None})
    with pytest.raises(DoesNotExist):
        order_type.get("ann", 2)
    # The version guards against who read earlier.
    stale = order_type.get("ann", 1)
    got.update(actions=[order_type.state.set("paid"), order_type.amount.add(1), order_type.lines[1].remove(),
                        order_type.tags.add({"c"}), order_type.address.zip.set(601)])
    assert (got.version, got.state, got.amount, got.lines, got.address.zip) == (2, "paid", 13.5, ["x"], 601)
    with pytest.raises((PutError, UpdateError)):
        stale.save()
    with pytest.raises(PutError):
        order_type("ann", 1, due=DUE).save(condition=order_type.customer.does_not_exist())
    with pytest.raises(DeleteError):
        got.delete(condition=order_type.state == "open")
    got.delete(condition=order_type.state.is_in("paid", "sent") & order_type.tags.contains("c"))
    assert order_type.count("ann") == 0


def test_pynamodb_queries(cloud, name):
    order_type = models(cloud, name)
    with order_type.batch_write() as batch:
        for n in range(60):
            batch.save(order_type(f"c{n % 2}", n, state="late" if n % 3 == 0 else "open",
                                  due=DUE + datetime.timedelta(days=n), amount=100 - n))
    assert [o.number for o in order_type.query("c0", order_type.number.between(10, 18))] == [10, 12, 14, 16, 18]
    assert [o.number for o in order_type.query("c1", scan_index_forward=False, limit=2)] == [59, 57]
    late = order_type.by_state.query("late", order_type.due > DUE + datetime.timedelta(days=50))
    assert [o.number for o in late] == [51, 54, 57]
    assert [o.amount for o in order_type.by_amount.query("c0", order_type.amount < 45)] == [42, 44]
    assert order_type.count() == 60
    assert len(list(order_type.scan(order_type.state == "late", page_size=7))) == 20
    got = order_type.batch_get([("c0", 0), ("c1", 1), ("c0", 1)])
    assert sorted(o.number for o in got) == [0, 1]


def test_pynamodb_transactions(cloud, name):
    order_type = models(cloud, name)
    connection = Connection(region="us-east-1", host=cloud.endpoint)
    connection.session.set_credentials("test", "test")
    with TransactWrite(connection=connection, client_request_token="token-" + name) as transaction:
        transaction.save(order_type("t", 1, due=DUE))
        transaction.save(order_type("t", 2, due=DUE, amount=5))
    with TransactGet(connection=connection) as transaction:
        one, two = transaction.get(order_type, "t", 1), transaction.get(order_type, "t", 2)
    assert (one.get().amount, two.get().amount) == (0, 5)
    with pytest.raises(TransactWriteError) as refused:
        with TransactWrite(connection=connection) as transaction:
            transaction.condition_check(order_type, "t", 1, condition=order_type.state == "sent")
            transaction.update(two.get(), actions=[order_type.amount.set(6)])
    reasons = refused.value.cancellation_reasons
    assert reasons[0].code == "ConditionalCheckFailed" and reasons[1] is None
    assert order_type.get("t", 2).amount == 5
