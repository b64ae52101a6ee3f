"""What tools written for LocalStack ask: testcontainers, awslocal, cdklocal, tflocal ("Internal endpoints",
"Initialization hooks", "SQS: developer endpoints", LocalStack documentation)."""

import json
import xml.etree.ElementTree as ElementTree

import pytest

import wire
from kumoniwa import wait_until


def test_health(cloud):
    status, page = cloud.get("/_localstack/health")
    assert status == 200
    # What testcontainers and wait scripts look for.
    assert page["services"]["sqs"] in ("running", "available")
    assert page["services"]["sts"] in ("running", "available")
    assert page["edition"] and page["version"]
    assert cloud.get("/_localstack/health", method="HEAD")[0] == 200


def test_info_and_unknown_pages(cloud):
    status, page = cloud.get("/_localstack/info")
    assert status == 200 and page["uptime"] >= 0 and page["version"]
    assert cloud.get("/_localstack/none")[0] == 404


def hook(folder, stage, name, text, mode=0o755):
    place = folder / "init" / f"{stage}.d"
    place.mkdir(parents=True, exist_ok=True)
    script = place / name
    script.write_text(text)
    script.chmod(mode)


def test_init_hooks(make_cloud):
    cloud = make_cloud()
    trace = cloud.folder / "trace"
    hook(cloud.folder, "boot", "a.sh", f"#!/bin/sh\necho boot >>{trace}\n")
    hook(cloud.folder, "start", "a.sh", f"#!/bin/sh\necho start >>{trace}\n")
    # In the order of their names; without the x bit too, when it is a shell script; and with a client's environment.
    hook(cloud.folder, "ready", "2-second.sh", f"echo second $AWS_DEFAULT_REGION >>{trace}\n", mode=0o644)
    hook(cloud.folder, "ready", "1-first.py",
         f"#!/usr/bin/env python3\nimport os\nopen('{trace}', 'a').write('first ' + os.environ['AWS_ENDPOINT_URL'] + '\\n')\n")
    hook(cloud.folder, "ready", "3-fails.sh", "exit 7\n")
    hook(cloud.folder, "ready", "4-plain.py", f"open('{trace}', 'a').write('plain\\n')\n", mode=0o644)
    hook(cloud.folder, "ready", "notes.txt", "not a script\n", mode=0o644)
    (cloud.folder / "init" / "ready.d" / "below").mkdir()
    hook(cloud.folder, "ready", "below/a.sh", f"#!/bin/sh\necho below >>{trace}\n")
    hook(cloud.folder, "shutdown", "a.sh", f"#!/bin/sh\necho shutdown >>{trace}\n")
    cloud.start()
    wait_until(lambda: cloud.get("/_localstack/init")[1]["completed"]["READY"])
    page = cloud.get("/_localstack/init")[1]
    assert page["completed"] == {"BOOT": True, "START": True, "READY": True, "SHUTDOWN": False}
    states = {(script["stage"], script["name"]): script["state"] for script in page["scripts"]}
    assert states == {
        ("BOOT", "a.sh"): "SUCCESSFUL", ("START", "a.sh"): "SUCCESSFUL", ("READY", "1-first.py"): "SUCCESSFUL",
        ("READY", "2-second.sh"): "SUCCESSFUL", ("READY", "3-fails.sh"): "ERROR",
        ("READY", "4-plain.py"): "SUCCESSFUL", ("READY", "a.sh"): "SUCCESSFUL",
    }
    assert "3-fails.sh" in cloud.log_text()
    for stage in ("boot", "ready"):
        status, one = cloud.get(f"/_localstack/init/{stage}")
        assert status == 200 and one["completed"] is True
    cloud.stop()
    lines = trace.read_text().splitlines()
    assert lines[:2] == ["boot", "start"] and lines[-1] == "shutdown"
    assert lines[2].startswith("first http://") and lines[3] == "second us-east-1"
    assert lines[4:6] == ["plain", "below"]


def test_ready_hooks_may_call_the_cloud(make_cloud):
    cloud = make_cloud()
    hook(cloud.folder, "ready", "make.sh",
         '#!/bin/sh\nexec curl --silent --fail "$AWS_ENDPOINT_URL/_localstack/health" >/dev/null\n')
    cloud.start()
    wait_until(lambda: cloud.get("/_localstack/init")[1]["completed"]["READY"])
    (script,) = cloud.get("/_localstack/init")[1]["scripts"]
    assert script["state"] == "SUCCESSFUL"


def test_state_reset(own, name):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert own.get("/_localstack/state/reset")[0] == 405
    assert sqs.list_queues()["QueueUrls"] == [url]
    assert own.get("/_localstack/state/reset", method="POST")[0] == 200
    assert not sqs.list_queues().get("QueueUrls")
    # The name is free again, and empty.
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    own.kill()
    own.start()
    assert own.client("sqs").list_queues()["QueueUrls"] == [url]


def test_a_page_of_another_origin_may_not_reset(own, name):
    own.client("sqs").create_queue(QueueName=name)
    for page in ("/_localstack/state/reset", "/_kumoniwa/clock?advance_ms=1000", "/_kumoniwa/credentials"):
        status, reply = own.get(page, method="POST", headers={"Origin": "http://evil.example"})
        assert status == 403, (page, reply)
    assert own.client("sqs").list_queues()["QueueUrls"]


@pytest.fixture
def filled(cloud, sqs, queue):
    sqs.send_message(QueueUrl=queue, MessageBody="one", MessageAttributes={
        "a": {"DataType": "String", "StringValue": "v"}})
    sqs.send_message(QueueUrl=queue, MessageBody="late", DelaySeconds=600)
    sqs.send_message(QueueUrl=queue, MessageBody="two")
    (seen,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1)["Messages"]
    return queue, {"one", "two"} - {seen["Body"]}, seen["Body"]


def peek(cloud, url, **more):
    query = "&".join([f"QueueUrl={url}", *(f"{name}={value}" for name, value in more.items())])
    status, page = cloud.get(f"/_aws/sqs/messages?{query}", headers={"Accept": "application/json"})
    assert status == 200, page
    messages = page.get("Messages") or []
    return messages if isinstance(messages, list) else [messages]


def test_peek_changes_nothing(cloud, filled):
    url, ready, hidden = filled
    for _ in range(3):
        messages = peek(cloud, url)
        assert {message["Body"] for message in messages} == ready
    assert {m["Body"] for m in peek(cloud, url, ShowInvisible="true")} == ready | {hidden}
    assert {m["Body"] for m in peek(cloud, url, ShowDelayed="true")} == ready | {"late"}
    everything = peek(cloud, url, ShowInvisible="true", ShowDelayed="true")
    assert len(everything) == 3
    by_body = {message["Body"]: message for message in everything}
    assert by_body["late"]["Attributes"]["IsDelayed"] == "true"
    assert by_body[hidden]["Attributes"]["IsVisible"] == "false"
    assert by_body["one"]["MessageAttributes"]["a"]["StringValue"] == "v"
    counts = {m["Body"]: m["Attributes"]["ApproximateReceiveCount"] for m in everything}
    assert counts == {hidden: "1", "late": "0", next(iter(ready)): "0"}


def test_peek_in_xml_and_by_post(cloud, filled):
    url, ready, _ = filled
    status, text = cloud.get(f"/_aws/sqs/messages?QueueUrl={url}")
    assert status == 200
    space = {"s": "http://queue.amazonaws.com/doc/2012-11-05/"}
    bodies = {body.text for body in ElementTree.fromstring(text).iterfind(".//s:Message/s:Body", space)}
    assert bodies == ready
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    status, page = cloud.get("/_aws/sqs/messages", method="POST", headers=headers,
                             body=f"Action=ReceiveMessage&QueueUrl={url}".encode())
    assert status == 200 and {message["Body"] for message in page["Messages"]} == ready


def test_peek_by_path(cloud, filled):
    url, ready, _ = filled
    name = url.rpartition("/")[2]
    status, page = cloud.get(f"/_aws/sqs/messages/us-east-1/000000000000/{name}", headers={"Accept": "application/json"})
    assert status == 200 and {message["Body"] for message in page["Messages"]} == ready


def test_peek_at_what_is_not_there(cloud):
    status, text = cloud.get(f"/_aws/sqs/messages?QueueUrl={cloud.endpoint}/000000000000/none")
    assert status == 400 and "NonExistentQueue" in json.dumps(text)


def test_queue_url_of_localstack_s_host_names(cloud, name):
    """Clients that reach the cloud by LocalStack's names get URLs with the name that they used."""
    body = json.dumps({"QueueName": name}).encode()
    headers = {"X-Amz-Target": "AmazonSQS.CreateQueue", "Content-Type": "application/x-amz-json-1.0"}
    signed = wire.sign(cloud, "sqs", headers=headers, body=body)
    signed["Host"] = f"sqs.us-east-1.localhost.localstack.cloud:{cloud.port}"
    reply = wire.send_raw(cloud, "POST", "/", signed, body)
    assert reply.status == 200
    assert reply.json["QueueUrl"] == f"http://sqs.us-east-1.localhost.localstack.cloud:{cloud.port}/000000000000/{name}"
