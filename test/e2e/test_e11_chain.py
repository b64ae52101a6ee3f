"""Scenario E11, the part that exists: `aws s3 cp` -> S3's notification -> a function -> DynamoDB -> its stream -> a
function -> SQS -> a function. 10,000 products go through, the program is killed in the middle, and none is lost."""

import os
import pathlib
import subprocess
import sys
import time

import pytest
from kumoniwa import INSTRUMENTED, wait_until
from lambda_functions import Place

AWS = str(pathlib.Path(sys.executable).parent / "aws")
PRODUCTS = int(os.environ.get("KUMONIWA_PRODUCTS", "500" if INSTRUMENTED else "10000"))
FILES = 4

IMPORTS = """
import boto3, os, urllib.parse
here = {"endpoint_url": os.environ["AWS_ENDPOINT_URL"]}
s3, table = boto3.client("s3", **here), boto3.resource("dynamodb", **here).Table(os.environ["TABLE"])
def handler(event, context):
    for record in event["Records"]:
        assert record["eventSource"] == "aws:s3" and record["eventName"] == "ObjectCreated:Put"
        bucket, key = record["s3"]["bucket"]["name"], urllib.parse.unquote_plus(record["s3"]["object"]["key"])
        lines = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()
        with table.batch_writer() as batch:
            for line in lines:
                sku, price = line.split(",")
                batch.put_item(Item={"sku": sku, "price": int(price)})
"""
PASSES_ON = """
import boto3, json, os
sqs = boto3.client("sqs", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    new = [r["dynamodb"]["NewImage"] for r in event["Records"] if r["eventName"] in ("INSERT", "MODIFY")]
    for i in range(0, len(new), 10):
        answer = sqs.send_message_batch(QueueUrl=os.environ["QUEUE"], Entries=[
            {"Id": str(n), "MessageBody": json.dumps({"sku": image["sku"]["S"], "price": image["price"]["N"]})}
            for n, image in enumerate(new[i:i + 10])])
        assert not answer.get("Failed")
"""
INDEXES = """
import boto3, json, os
table = boto3.resource("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL"]).Table(os.environ["TABLE"])
def handler(event, context):
    found = {b["sku"]: b for b in (json.loads(r["body"]) for r in event["Records"])}
    with table.batch_writer() as batch:
        for sku, body in found.items():
            batch.put_item(Item={"sku": sku, "price": int(body["price"])})
"""


class Shop(Place):
    def table(self, suffix, **more):
        name = f"{self.name}-{suffix}"
        made = self.cloud.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "sku", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "sku", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            **more,
        )
        return name, made["TableDescription"].get("LatestStreamArn")

    def count(self, table):
        return self.cloud.client("dynamodb").describe_table(TableName=table)["Table"]["ItemCount"]

    def build(self):
        s3, bucket = self.cloud.client("s3"), f"{self.name}-import".lower().replace("_", "-")
        s3.create_bucket(Bucket=bucket)
        products, stream = self.table(
            "products", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        )
        index, _ = self.table("index")
        queue = self.queue("changes")

        imports = self.function("imports", IMPORTS, Timeout=30, Environment={"Variables": {"TABLE": products}})
        passes = self.function("passes", PASSES_ON, Timeout=30, Environment={"Variables": {"QUEUE": queue}})
        indexes = self.function("indexes", INDEXES, Timeout=30, Environment={"Variables": {"TABLE": index}})

        self.client.add_permission(
            FunctionName=imports,
            StatementId="s3",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=f"arn:aws:s3:::{bucket}",
            SourceAccount="000000000000",
        )
        s3.put_bucket_notification_configuration(
            Bucket=bucket,
            NotificationConfiguration={
                "LambdaFunctionConfigurations": [
                    {
                        "LambdaFunctionArn": imports,
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {"Key": {"FilterRules": [{"Name": "suffix", "Value": ".csv"}]}},
                    }
                ]
            },
        )
        self.map(passes, stream, StartingPosition="TRIM_HORIZON", BatchSize=100)
        self.map(indexes, self.arn(queue), BatchSize=10)
        return bucket, index


def upload(cloud, folder, bucket):
    """The products in a few files, by the command line."""
    for part in range(FILES):
        lines = [f"sku-{n},{n % 997}" for n in range(part, PRODUCTS, FILES)]
        (folder / f"products {part}.csv").write_text("\n".join(lines) + "\n")
    subprocess.run(
        [AWS, "--endpoint-url", cloud.endpoint, "s3", "cp", "--recursive", str(folder), f"s3://{bucket}/in/"],
        env=cloud.client_environment(), check=True, capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("kills", [0, 2])
def test_the_chain(own, name, tmp_path, kills):
    place = Shop(own, name.replace("[", "").replace("]", ""))
    bucket, index = place.build()
    folder = tmp_path / "products"
    folder.mkdir()
    begin = time.monotonic()
    upload(own, folder, bucket)
    for kill in range(kills):
        reached = PRODUCTS * (kill + 1) // (kills + 2)
        wait_until(lambda: place.count(index) >= reached, 120, f"{reached} products")
        own.kill()
        own.start()
    seen = [0, time.monotonic()]

    def done():
        count = place.count(index)
        if count > seen[0]:
            seen[:] = [count, time.monotonic()]
        elif kills and time.monotonic() - seen[1] > 2:
            place.advance("35s")  # messages that were in flight become visible, failed imports are tried again
            seen[1] = time.monotonic()
        return count == PRODUCTS or time.sleep(0.2)

    try:
        wait_until(done, 120, "all products")
    finally:
        print(f"{place.count(index)} of {PRODUCTS} products in {time.monotonic() - begin:.1f} s")
    time.sleep(0.5)
    items = set()
    for page in own.client("dynamodb").get_paginator("scan").paginate(TableName=index):
        items |= {(item["sku"]["S"], int(item["price"]["N"])) for item in page["Items"]}
    assert items == {(f"sku-{n}", n % 997) for n in range(PRODUCTS)}
