"""What is not implemented says so: 501 NotImplemented, with the operation and the service, in the service's own protocol.
Every operation of every service is called through boto3 with the smallest valid input."""

import json
import socket

import botocore.exceptions
import botocore.session
import pytest

import minimal
import wire
from kumoniwa import ROOT

# Folder names of botocore's data, which are also the names of boto3's clients.
SERVICES = {
    line.split()[0]: line.split()[1]
    for line in (ROOT / "models/services.list").read_text().splitlines()
    if line.strip() and not line.startswith("#")
}

# What boto3 cannot ask here. Predict's URL is not the endpoint's but PredictEndpoint, which must be AWS's own (by hand
# below). The two of S3 differ from ListBuckets and PutObject by AWS's host names alone, which an endpoint replaces.
# S3's operations of the first generation are the same requests as those of the second, which answer them.
ELSEWHERE = {("machinelearning", "Predict"), ("s3", "ListDirectoryBuckets"), ("s3control", "CreateBucket"),
             *(("s3", verb + what) for verb in ("Get", "Put") for what in ("BucketLifecycle", "BucketNotification"))}  # fmt: skip


@pytest.fixture
def localhosts(monkeypatch):
    """Names below localhost are this machine, as many systems have it: for the prefixes that clients put before the
    endpoint's host ("data-ats.", "000000000000.")."""
    ask = socket.getaddrinfo

    def answer(host, *arguments, **more):
        return ask("127.0.0.1" if str(host).endswith("localhost") else host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_the_list_of_the_spine():
    """The services that the program must know at the least."""
    assert len(SERVICES) >= 65
    missing = set("s3 s3control sqs sns sts iam organizations dynamodb dynamodbstreams lambda logs cloudwatch".split())
    assert not missing - set(SERVICES)


@pytest.fixture(scope="module")
def models(cloud):
    return cloud.models()


@pytest.fixture(scope="module")
def loader():
    return botocore.session.Session()


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_answers(cloud, models, service, localhosts):
    client = cloud.client(SERVICES[service], host="localhost", parameter_validation=False)
    methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
    wrong, called = [], 0
    for operation in client.meta.service_model.operation_names:
        if models[service].get(operation) or (service, operation) in ELSEWHERE:
            continue
        model = client.meta.service_model.operation_model(operation)
        try:
            getattr(client, methods[operation])(**minimal.input_of(model))
            wrong.append(f"{operation}: answered")
        except botocore.exceptions.ClientError as error:
            called += 1
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            head = status == 501 and code == "501" and model.http["method"] == "HEAD"
            if not head and (status != 501 or code != "NotImplemented" or operation not in message):
                wrong.append(f"{operation}: {status} {code}: {message}")
            elif not head and not error.response["ResponseMetadata"].get("RequestId"):
                wrong.append(f"{operation}: no request id")
        except Exception as error:  # noqa: BLE001: all of them are told
            wrong.append(f"{operation}: {type(error).__name__}: {error}")
    assert not wrong, f"{len(wrong)} of {called + len(wrong)}\n" + "\n".join(wrong)
    assert called or all(models[service].values())


def test_boto3_s_operations_are_all_known(cloud, models, loader):
    for service, folder in SERVICES.items():
        known = set(loader.get_service_model(folder).operation_names)
        assert not known - set(models[service]), service


def test_the_message_names_service_and_operation(cloud):
    for service, method, operation, title in (
        ("kms", "list_keys", "ListKeys", "KMS"),
        ("route53", "list_hosted_zones", "ListHostedZones", "Route 53"),
        ("ec2", "describe_vpcs", "DescribeVpcs", "EC2"),
        ("lambda", "list_capacity_providers", "ListCapacityProviders", "Lambda"),
        ("cloudwatch", "list_metrics", "ListMetrics", "CloudWatch"),
    ):
        client = cloud.client(service)
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            getattr(client, method)()
        message = caught.value.response["Error"]["Message"]
        assert operation in message and title.lower() in message.lower()


def test_predict_by_hand(cloud):
    body = {"MLModelId": "m", "Record": {"a": "1"}, "PredictEndpoint": "https://realtime.machinelearning.amazonaws.com"}
    headers = {"X-Amz-Target": "AmazonML_20141212.Predict", "Content-Type": "application/x-amz-json-1.1"}
    reply = wire.send(cloud, "machinelearning", json.dumps(body).encode(), headers)
    assert reply.status == 501 and reply.json["__type"].endswith("NotImplemented")
