"""Buckets that notify functions, as far as the functions' policies let them."""

import json
import time

import pytest
from botocore.exceptions import ClientError
from kumoniwa import wait_until
from lambda_functions import TELLS, Place, zipped

LOOPS = """
import boto3, os
s3 = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        s3.put_object(Bucket=bucket, Key=record["s3"]["object"]["key"] + "x", Body=b"again")
"""


class Storing(Place):
    def __init__(self, cloud, name):
        super().__init__(cloud, name)
        self.s3 = cloud.client("s3")
        self.bucket = name.lower()[:60].strip("-")
        self.s3.create_bucket(Bucket=self.bucket)

    def permit(self, function, **more):
        self.client.add_permission(
            FunctionName=function,
            StatementId="s3",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            **{"SourceArn": f"arn:aws:s3:::{self.bucket}", **more},
        )

    def notify(self, function):
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket,
            NotificationConfiguration={
                "LambdaFunctionConfigurations": [
                    {"Id": "mine", "LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}
                ]
            },
        )


@pytest.fixture
def place(own, name):
    return Storing(own, name)


def test_a_function_hears_of_objects(place):
    heard = place.queue("heard")
    function = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": heard}})
    place.permit(function, SourceAccount="000000000000")
    place.notify(function)
    etag = place.s3.put_object(Bucket=place.bucket, Key="a b/ü.txt", Body=b"hello")["ETag"].strip('"')
    (event,) = place.bodies(heard)
    (record,) = event["Records"]
    assert record["eventSource"] == "aws:s3"
    assert record["eventName"] == "ObjectCreated:Put"
    assert record["awsRegion"] == "us-east-1"
    assert record["s3"]["configurationId"] == "mine"
    assert record["s3"]["bucket"]["name"] == place.bucket
    assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{place.bucket}"
    assert record["s3"]["object"]["key"] == "a+b/%C3%BC.txt"
    assert record["s3"]["object"]["size"] == 5
    assert record["s3"]["object"]["eTag"] == etag
    place.notify(function)  # no test event goes to functions
    assert place.is_empty(heard)


def test_a_function_that_is_being_made_misses_nothing(place):
    heard = place.queue("heard")
    name = f"{place.name}-new"
    function = place.client.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=place.role,
        Handler="index.handler",
        Code={"ZipFile": zipped(index=TELLS)},
        Environment={"Variables": {"QUEUE": heard}},
    )["FunctionArn"]
    place.permit(function)
    place.notify(function)
    place.s3.put_object(Bucket=place.bucket, Key="early", Body=b"x")
    assert place.bodies(heard)[0]["Records"][0]["s3"]["object"]["key"] == "early"


def test_filters_of_a_configuration(place):
    heard = place.queue("heard")
    function = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": heard}})
    place.permit(function)
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]
    place.s3.put_bucket_notification_configuration(
        Bucket=place.bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [
                {
                    "LambdaFunctionArn": function,
                    "Events": ["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"],
                    "Filter": {"Key": {"FilterRules": rules}},
                }
            ]
        },
    )
    for key in ("in/a.png", "out/a.jpg", "in/a.jpg"):
        place.s3.put_object(Bucket=place.bucket, Key=key, Body=b"x")
    place.s3.copy_object(Bucket=place.bucket, Key="in/copy.jpg", CopySource=f"{place.bucket}/in/a.jpg")
    place.s3.delete_object(Bucket=place.bucket, Key="in/a.jpg")
    seen = sorted(
        (event["Records"][0]["eventName"], event["Records"][0]["s3"]["object"]["key"]) for event in place.bodies(heard, 2)
    )
    assert seen == [("ObjectCreated:Put", "in/a.jpg"), ("ObjectRemoved:Delete", "in/a.jpg")]
    assert place.is_empty(heard)


@pytest.mark.parametrize("given", [None, {"SourceArn": "arn:aws:s3:::another"}, {"SourceAccount": "111111111111"}])
def test_the_function_s_policy_must_allow_it(place, given):
    function = place.function("quiet", "def handler(e, c):\n    pass\n")
    if given:
        place.permit(function, **given)
    with pytest.raises(ClientError) as refused:
        place.notify(function)
    assert refused.value.response["Error"]["Code"] == "InvalidArgument"
    assert refused.value.response["Error"]["Message"] == (
        "Unable to validate the following destination configurations"
    )


def test_a_function_that_is_not_there(place):
    with pytest.raises(ClientError) as refused:
        place.notify("arn:aws:lambda:us-east-1:000000000000:function:nowhere")
    assert refused.value.response["Error"]["Message"] == (
        "Unable to validate the following destination configurations"
    )


def test_a_permission_that_is_withdrawn_counts(place):
    heard = place.queue("heard")
    function = place.function("tells", TELLS, Environment={"Variables": {"QUEUE": heard}})
    place.permit(function)
    place.notify(function)
    place.client.remove_permission(FunctionName=function, StatementId="s3")
    place.s3.put_object(Bucket=place.bucket, Key="k", Body=b"x")
    wait_until(lambda: "is dropped" in place.cloud.log_text(), 10)
    assert place.is_empty(heard)


def test_a_loop_through_the_bucket_is_stopped(place):
    dead = place.queue("dead")
    function = place.function("loops", LOOPS, DeadLetterConfig={"TargetArn": place.arn(dead)})
    place.permit(function)
    place.notify(function)
    place.s3.put_object(Bucket=place.bucket, Key="k", Body=b"x")
    (message,) = place.receive(dead, seconds=30)
    assert json.loads(message["Body"])["Records"][0]["s3"]["object"]["key"] == "k" + 16 * "x"
    time.sleep(0.5)
    assert place.s3.list_objects_v2(Bucket=place.bucket)["KeyCount"] == 17
