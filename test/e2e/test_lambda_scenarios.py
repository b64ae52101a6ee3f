"""What people do with functions, from start to end: B10 (its handlers stand in test_boto3_lambda_languages.py), B19, D1 (up to Run Command), E1."""
import itertools
import json
import pathlib
import sys

import pytest

import image_maker
from kumoniwa import wait_until
from lambda_kit import Kit, needs_sandboxes, zip_of
from test_lambda_images import CLIENT

pytestmark = needs_sandboxes

LAYERS = pathlib.Path(__file__).resolve().parents[2] / "build" / "layers"


@pytest.fixture
def kit(cloud, name):
    return Kit(cloud, name)


def files_below(folder, *packages):
    """{path: bytes} of installed packages."""
    for package in packages:
        for path in [folder / package, *(folder / package).rglob("*")]:
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(folder)), path.read_bytes()


# --- B19: a layer, a permission with a token, an import ---

SKILL = """
from ask_sdk_core.skill_builder import SkillBuilder
from ask_sdk_core.utils import is_request_type, is_intent_name

skill = SkillBuilder()

@skill.request_handler(can_handle_func=is_request_type("LaunchRequest"))
def launched(handler_input):
    return handler_input.response_builder.speak("ようこそ").ask("?").response

@skill.request_handler(can_handle_func=is_intent_name("Light"))
def light(handler_input):
    state = handler_input.request_envelope.request.intent.slots["state"].value
    return handler_input.response_builder.speak("light " + state).response

@skill.exception_handler(can_handle_func=lambda handler_input, error: True)
def failed(handler_input, error):
    return handler_input.response_builder.speak("sorry").response

handler = skill.lambda_handler()
"""


def asked(skill, request):
    return {
        "version": "1.0",
        "session": {"new": True, "sessionId": "s", "application": {"applicationId": skill}, "user": {"userId": "u"}},
        "context": {"System": {"application": {"applicationId": skill}, "user": {"userId": "u"}, "device": {"deviceId": "d", "supportedInterfaces": {}}}},
        "request": {"requestId": "r", "timestamp": "2026-11-21T00:00:00Z", "locale": "ja-JP", **request},
    }


def test_b19_a_skill_with_its_sdk_in_a_layer(kit):
    if not (LAYERS / "ask_sdk_core").is_dir():
        pytest.skip("no build/layers: make setup")
    needed = ("ask_sdk_core", "ask_sdk_model", "ask_sdk_runtime", "certifi", "charset_normalizer", "dateutil", "idna", "requests", "six.py", "urllib3")
    packed = zip_of({f"python/lib/python3.12/site-packages/{path}": data for path, data in files_below(LAYERS, *needed)})
    layer = kit.client.publish_layer_version(LayerName=kit.name, CompatibleRuntimes=["python3.12"], Content={"ZipFile": packed})
    kit.make(SKILL, Layers=[layer["LayerVersionArn"]], MemorySize=512)
    skill = "amzn1.ask.skill.00000000-1111-2222-3333-444444444444"
    kit.client.add_permission(FunctionName=kit.name, StatementId="skill", Action="lambda:InvokeFunction", Principal="alexa-appkit.amazon.com", EventSourceToken=skill)
    (statement,) = json.loads(kit.client.get_policy(FunctionName=kit.name)["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "alexa-appkit.amazon.com"}
    assert statement["Condition"] == {"StringEquals": {"lambda:EventSourceToken": skill}}
    error, got = kit.invoke(asked(skill, {"type": "LaunchRequest"}))
    assert error is None and got["response"]["outputSpeech"]["ssml"] == "<speak>ようこそ</speak>", got
    intent = {"name": "Light", "confirmationStatus": "NONE", "slots": {"state": {"name": "state", "value": "on", "confirmationStatus": "NONE"}}}
    error, got = kit.invoke(asked(skill, {"type": "IntentRequest", "intent": intent}))
    assert error is None and got["response"]["outputSpeech"]["ssml"] == "<speak>light on</speak>", got


# --- D1: an upload starts a function that has a command run ---

ENCODES = """
import boto3, botocore.exceptions, json, os, urllib.parse
def handler(event, context):
    for record in event['Records']:
        bucket, key = record['s3']['bucket']['name'], urllib.parse.unquote_plus(record['s3']['object']['key'])
        size = boto3.client('s3').head_object(Bucket=bucket, Key=key)['ContentLength']
        command = f"aws s3 cp 's3://{bucket}/{key}' - | ffmpeg -i - -f mp4 - | aws s3 cp - 's3://{bucket}/out/{key}'"
        try:
            told = boto3.client('ssm').send_command(InstanceIds=[os.environ['INSTANCE']], DocumentName='AWS-RunShellScript', Parameters={'commands': [command]})
            told = told['Command']['CommandId']
        except botocore.exceptions.ClientError as error:
            told = [error.response['Error']['Code'], error.response['ResponseMetadata']['HTTPStatusCode']]
        boto3.client('s3').put_object(Bucket=bucket, Key='told/' + key, Body=json.dumps({'command': command, 'size': size, 'told': told}))
"""


def test_d1_an_upload_starts_a_function(kit):
    """Up to Run Command, which is not built: that is said, loudly and by name, to the function."""
    s3 = kit.cloud.client("s3")
    bucket = kit.name.lower()
    s3.create_bucket(Bucket=bucket)
    objects = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    command = {"Effect": "Allow", "Action": "ssm:SendCommand", "Resource": "*"}
    kit.make(ENCODES, statements=[objects, command], Timeout=30, Environment={"Variables": {"INSTANCE": "i-0123456789abcdef0"}})
    function = kit.client.get_function_configuration(FunctionName=kit.name)["FunctionArn"]
    kit.client.add_permission(FunctionName=kit.name, StatementId="s3", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com", SourceArn=f"arn:aws:s3:::{bucket}")
    rule = {"Id": "in", "LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"],
            "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".mov"}]}}}  # fmt: skip
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [rule]})
    key = "in/a film, 映画.mov"
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * 1000)
    s3.put_object(Bucket=bucket, Key="in/other.txt", Body=b"not this")

    def told():
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="told/").get("Contents", [])]
        return json.loads(s3.get_object(Bucket=bucket, Key=keys[0])["Body"].read()) if keys else None

    got = wait_until(told, 20, "no function ran")
    assert got["size"] == 1000 and f"s3://{bucket}/{key}" in got["command"]
    assert isinstance(got["told"], str) or got["told"][1] == 501, got


# --- E1: a container that solves a MIP over CSVs from S3 ---

SOLVES = '''
"""Assigns every job to a machine: sum of costs minimal, no machine above its hours. Branch and bound over the linear bound."""
import boto3, csv, io, os

def read(s3, bucket, key):
    return list(csv.DictReader(io.StringIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())))

def solve(hours, jobs):
    machines = sorted(hours)
    order = sorted(jobs, key=lambda job: -job["hours"])
    rest = [0]
    for job in reversed(order):
        rest.append(rest[-1] + min(job["cost"].values()))
    rest.reverse()
    best = [float("inf"), None]
    left, chosen = dict(hours), {}
    def branch(at, cost):
        if cost + rest[at] >= best[0]:
            return
        if at == len(order):
            best[:] = [cost, dict(chosen)]
            return
        job = order[at]
        for machine in sorted(machines, key=lambda m: job["cost"][m]):
            if left[machine] >= job["hours"]:
                left[machine] -= job["hours"]; chosen[job["name"]] = machine
                branch(at + 1, cost + job["cost"][machine])
                left[machine] += job["hours"]; del chosen[job["name"]]
    branch(0, 0)
    return best

def handler(event, context):
    s3, bucket = boto3.client("s3"), event["bucket"]
    hours = {row["machine"]: int(row["hours"]) for row in read(s3, bucket, "in/machines.csv")}
    jobs = [{"name": row["job"], "hours": int(row["hours"]), "cost": {m: int(row[m]) for m in hours}} for row in read(s3, bucket, "in/jobs.csv")]
    cost, chosen = solve(hours, jobs)
    out = io.StringIO()
    csv.writer(out).writerows([("job", "machine"), *sorted(chosen.items())])
    s3.put_object(Bucket=bucket, Key="out/schedule.csv", Body=out.getvalue())
    return {"cost": cost, "jobs": len(jobs)}
'''


def sdk_layer():
    """boto3 of the tests' own environment, with the data of what is used."""
    folder = next(pathlib.Path(path) for path in sys.path if (pathlib.Path(path) / "botocore").is_dir())
    unwanted = [f"botocore/data/{entry.name}/" for entry in (folder / "botocore" / "data").iterdir() if entry.is_dir() and entry.name not in ("s3", "sts")]
    packages = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
    return image_maker.layer([(f"opt/sdk/{path}", ("mode", 0o644, data)) for path, data in files_below(folder, *packages) if not path.startswith(tuple(unwanted))])


def test_e1_a_container_writes_the_schedule(kit, tmp_path):
    s3 = kit.cloud.client("s3")
    bucket = kit.name.lower()
    s3.create_bucket(Bucket=bucket)
    hours = {"a": 12, "b": 9, "c": 14}
    jobs = [(f"j{i}", 1 + i * 7 % 5, {machine: 3 + (i * 13 + ord(machine) * 5) % 11 for machine in hours}) for i in range(10)]
    s3.put_object(Bucket=bucket, Key="in/machines.csv", Body="machine,hours\n" + "".join(f"{m},{h}\n" for m, h in hours.items()))
    s3.put_object(Bucket=bucket, Key="in/jobs.csv", Body="job,hours,a,b,c\n" + "".join(f"{n},{h},{c['a']},{c['b']},{c['c']}\n" for n, h, c in jobs))
    image_maker.layout(
        tmp_path / "oci",
        [(image_maker.python_layer(), ""), (sdk_layer(), ""), (image_maker.layer([("app/client.py", CLIENT), ("app/solver.py", SOLVES)]), "gzip")],
        image_maker.config(Entrypoint=["python3", "-m", "client"], Cmd=["solver.handler"], WorkingDir="/app",
                           Env=["PATH=/usr/local/bin", "PYTHONHOME=/usr/local", "PYTHONPATH=/opt/sdk"]),
    )  # fmt: skip
    objects = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}
    kit.client.create_function(FunctionName=kit.name, Role=kit.role(objects), PackageType="Image", Code={"ImageUri": f"oci:{tmp_path}/oci"}, Timeout=60, MemorySize=1024)
    kit.client.get_waiter("function_active_v2").wait(FunctionName=kit.name, WaiterConfig={"Delay": 0.1})
    error, got = kit.invoke({"bucket": bucket})
    assert error is None, got
    rows = s3.get_object(Bucket=bucket, Key="out/schedule.csv")["Body"].read().decode().split()
    chosen = dict(row.split(",") for row in rows[1:])
    used = {machine: sum(h for n, h, _ in jobs if chosen[n] == machine) for machine in hours}
    assert len(chosen) == got["jobs"] == 10 and all(used[m] <= hours[m] for m in hours)
    assert got["cost"] == sum(c[chosen[n]] for n, _, c in jobs)

    def fits(choice):
        return all(sum(h for (_, h, _), m in zip(jobs, choice, strict=True) if m == machine) <= limit for machine, limit in hours.items())

    assert got["cost"] == min(sum(c[m] for (_, _, c), m in zip(jobs, choice, strict=True)) for choice in itertools.product(hours, repeat=10) if fits(choice))
