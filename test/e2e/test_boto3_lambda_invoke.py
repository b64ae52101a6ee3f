"""Lambda functions that really run: Invoke and its kin through boto3."""

import base64
import io
import json
import os
import re
import time
import urllib.parse
import zipfile

import botocore.exceptions
import pytest

from kumoniwa import SLOWNESS, wait_until

TRUST = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def zipped(text, name="h.py"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, text)
    return out.getvalue()


def make_role(cloud, name, *actions):
    iam = cloud.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    if actions:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}))
    return f"arn:aws:iam::000000000000:role/{name}"


def make_function(cloud, name, text, *actions, **more):
    members = {"Runtime": "python3.12", "Handler": "h.handler", "Timeout": 30, **more}
    functions = cloud.client("lambda", read_timeout=120, retries={"max_attempts": 0})
    functions.create_function(FunctionName=name, Role=make_role(cloud, name, *(actions or ("logs:*",))),
                              Code={"ZipFile": zipped(text)}, **members)
    functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return functions


def call(functions, name, event=None, **more):
    answer = functions.invoke(FunctionName=name, Payload=json.dumps(event), **more)
    return answer, json.loads(answer["Payload"].read())


def tail(answer):
    return base64.b64decode(answer["LogResult"]).decode()


def error_of(code, function, **members):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        function(**members)
    assert caught.value.response["Error"]["Code"] == code, caught.value.response
    return caught.value.response


def lines_of(cloud, group):
    logs = cloud.client("logs")
    try:
        streams = logs.describe_log_streams(logGroupName=group)["logStreams"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for stream in streams for event in logs.get_log_events(
        logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True)["events"]]


def test_answer_tail_and_log(cloud, name):
    functions = make_function(cloud, name, """
import os
def handler(event, context):
    print('seen', event)
    return {'event': event, 'name': context.function_name, 'arn': context.invoked_function_arn,
            'client': context.client_context and context.client_context.custom,
            'left': context.get_remaining_time_in_millis(), 'id': context.aws_request_id,
            'init': os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']}
""")
    context = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
    answer, result = call(functions, name, {"x": [1, "é"]}, LogType="Tail", ClientContext=context)
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST" and "FunctionError" not in answer
    assert result["event"] == {"x": [1, "é"]} and result["name"] == name and result["client"] == {"a": "b"}
    assert result["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert 20000 < result["left"] <= 30000 and result["init"] == "on-demand"
    identity = result["id"]
    assert answer["ResponseMetadata"]["RequestId"] == identity
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=[0-9a-f]{8}:1",
                        headers["x-amzn-trace-id"])
    pattern = (rf"START RequestId: {identity} Version: \$LATEST\nseen .*\nEND RequestId: {identity}\n"
               rf"REPORT RequestId: {identity}\tDuration: [0-9.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
               r"Max Memory Used: \d+ MB\tInit Duration: [0-9.]+ ms\t\n")
    assert re.fullmatch(pattern, tail(answer)), tail(answer)
    answer, result = call(functions, name, None, LogType="Tail")
    assert "Init Duration" not in tail(answer)
    wait_until(lambda: len([line for line in lines_of(cloud, f"/aws/lambda/{name}") if line.startswith("REPORT")]) == 2)
    assert lines_of(cloud, f"/aws/lambda/{name}")[0].startswith("INIT_START Runtime Version: python:3.12")


def test_a_role_that_may_not_log_leaves_no_log(cloud, name):
    functions = make_function(cloud, name, "def handler(e, c):\n    print('x')\n    return 1\n", "sqs:SendMessage")
    assert call(functions, name)[1] == 1
    time.sleep(0.5)
    assert lines_of(cloud, f"/aws/lambda/{name}") == []


def test_function_errors(cloud, name):
    functions = make_function(cloud, name, """
import os, sys, time
def handler(event, context):
    if event == 'raise': raise ValueError('bad')
    if event == 'exit': sys.exit(1)
    if event == 'kill': os.kill(os.getpid(), 9)
    if event == 'eat': return len(bytearray(300 << 20))
    if event == 'sleep': time.sleep(60)
    if event == 'large': return 'x' * 7000000
    return event
""", Timeout=60)
    for _ in range(2):
        answer, result = call(functions, name, "raise")
        assert answer["FunctionError"] == "Unhandled"
        assert result["errorMessage"] == "bad" and result["errorType"] == "ValueError"
        answer, result = call(functions, name, "exit", LogType="Tail")
        assert result["errorType"] == "Runtime.ExitError"
        assert re.fullmatch(r"RequestId: \S+ Error: Runtime exited with error: exit status 1", result["errorMessage"])
        assert "Runtime.ExitError" in tail(answer)
    answer, result = call(functions, name, "kill")
    assert result["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    answer, result = call(functions, name, "eat", LogType="Tail")
    assert result["errorType"] == "Runtime.OutOfMemory" and "Max Memory Used: 128 MB" in tail(answer)
    answer, result = call(functions, name, "large")
    assert answer["FunctionError"] == "Unhandled" and result["errorType"] == "Function.ResponseSizeTooLarge"
    # The rest may take its time on a machine with much else to do.
    functions.update_function_configuration(FunctionName=name, Timeout=2)
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    answer, result = call(functions, name, "sleep", LogType="Tail")
    assert result["errorType"] == "Sandbox.Timedout"
    assert re.fullmatch(r"RequestId: \S+ Error: Task timed out after 2.00 seconds", result["errorMessage"])
    assert re.search(r"^\d{4}-\S+Z \S+ Task timed out after 2.00 seconds$", tail(answer), re.M)
    assert "Duration: 2000.00 ms\tBilled Duration: " in tail(answer) and "Status: timeout" in tail(answer)
    assert call(functions, name, "fine")[1] == "fine"


def test_init_fails_twice_and_is_told(cloud, name):
    functions = make_function(cloud, name, "import nothing_like_it\n")
    answer, result = call(functions, name, LogType="Tail")
    assert result["errorType"] == "Runtime.ImportModuleError"
    assert "No module named 'nothing_like_it'" in result["errorMessage"]
    wait_until(lambda: sum("INIT_REPORT" in line for line in lines_of(cloud, f"/aws/lambda/{name}")) == 2)
    reports = [line for line in lines_of(cloud, f"/aws/lambda/{name}") if "INIT_REPORT" in line]
    assert "Phase: init\tStatus: error\tError Type: Runtime.ImportModuleError" in reports[0]
    assert "Phase: invoke\tStatus: error\tError Type: Runtime.ImportModuleError" in reports[1]


def test_refusals(cloud, name):
    functions = make_function(cloud, name, "def handler(e, c): return e\n")
    assert functions.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    assert call(functions, name, "x")[1] == "x"
    assert json.loads(functions.invoke(FunctionName=name)["Payload"].read()) == {}
    error = error_of("InvalidRequestContentException", functions.invoke, FunctionName=name, Payload=b"{'a'")
    assert error["Error"]["Message"] == (
        "Could not parse request body into json: Could not parse payload into json: Unexpected character (\'\'\' (code 39)): "
        "was expecting double-quote to start field name\n at [Source: (byte[])\"{\'a\'\"; line: 1, column: 3]")
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    error = error_of("RequestTooLargeException", functions.invoke, FunctionName=name,
                     Payload=json.dumps("x" * 6291456))
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 413
    error_of("InvalidRequestContentException", functions.invoke, FunctionName=name, ClientContext="%%")
    error_of("InvalidRequestContentException", functions.invoke, FunctionName=name,
             ClientContext=base64.b64encode(b'{"a":"' + b"x" * 2680 + b'"}').decode())
    error = error_of("ResourceNotFoundException", functions.invoke, FunctionName=name + "x")
    assert error["Error"]["Message"] == f"Function not found: arn:aws:lambda:us-east-1:000000000000:function:{name}x"
    error_of("ResourceNotFoundException", functions.invoke, FunctionName=name, Qualifier="7")


def test_an_alias_throws_the_dice(cloud, name):
    """Weights: of 200 calls about half go to each version, and each answer says which it was."""
    functions = make_function(cloud, name, "def handler(e, c): return c.function_version\n")
    functions.publish_version(FunctionName=name)
    functions.update_function_configuration(FunctionName=name, Description="another")
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    functions.update_function_code(FunctionName=name, ZipFile=zipped("def handler(e, c): return c.function_version  #\n"))
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    assert functions.publish_version(FunctionName=name)["Version"] == "2"
    functions.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="2", WaiterConfig={"Delay": 1})
    functions.create_alias(FunctionName=name, Name="live", FunctionVersion="1",
                           RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    seen = {"1": 0, "2": 0}
    for _ in range(200):
        answer, result = call(functions, name, Qualifier="live")
        assert answer["ExecutedVersion"] == result
        seen[result] += 1
    assert min(seen.values()) > 60, seen  # 5.6 standard deviations


def test_reserved_concurrency_throttles(cloud, name):
    functions = make_function(cloud, name, "def handler(e, c): return e\n")
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    error = error_of("TooManyRequestsException", functions.invoke, FunctionName=name)
    assert error["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert error["ResponseMetadata"]["HTTPHeaders"]["retry-after"]
    functions.delete_function_concurrency(FunctionName=name)
    assert call(functions, name, 1)[1] == 1


def test_new_code_takes_the_place_of_the_old(cloud, name):
    functions = make_function(cloud, name, "def handler(e, c): return [1, c.function_version]\n")
    assert call(functions, name)[1] == [1, "$LATEST"]
    functions.publish_version(FunctionName=name)
    functions.update_function_code(FunctionName=name, ZipFile=zipped("def handler(e, c): return 2\n"))
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    assert call(functions, name)[1] == 2
    answer, result = call(functions, name, Qualifier="1")
    assert result == [1, "1"] and answer["ExecutedVersion"] == "1"


def test_function_calls_the_cloud_as_its_role(cloud, name):
    functions = make_function(cloud, name, """
import http.client, os, urllib.parse
def handler(event, context):
    # Without an SDK: the endpoint answers, the credentials are the role's session.
    host = urllib.parse.urlparse(os.environ['AWS_ENDPOINT_URL']).netloc
    connection = http.client.HTTPConnection(host)
    connection.request('GET', '/_localstack/health')
    return [connection.getresponse().status, os.environ['AWS_ACCESS_KEY_ID'][:4],
            len(os.environ['AWS_SESSION_TOKEN']) > 20]
""")
    assert call(functions, name)[1] == [200, "ASIA", True]


def test_response_stream(cloud, name):
    functions = make_function(cloud, name, "def handler(e, c):\n    if e: raise KeyError('k')\n    return [1]\n")
    events = list(functions.invoke_with_response_stream(FunctionName=name, LogType="Tail")["EventStream"])
    assert b"".join(e["PayloadChunk"]["Payload"] for e in events[:-1]) == b"[1]"
    assert "START RequestId" in base64.b64decode(events[-1]["InvokeComplete"]["LogResult"]).decode()
    events = list(functions.invoke_with_response_stream(FunctionName=name, Payload="1")["EventStream"])
    end = events[-1]["InvokeComplete"]
    assert end["ErrorCode"] == "Unhandled" and json.loads(end["ErrorDetails"])["errorType"] == "KeyError"


def test_json_log_format(cloud, name):
    functions = make_function(cloud, name, "def handler(e, c): return e\n",
                              LoggingConfig={"LogFormat": "JSON", "LogGroup": f"/mine/{name}"})
    assert call(functions, name, 1)[1] == 1
    wait_until(lambda: any("platform.report" in line for line in lines_of(cloud, f"/mine/{name}")))
    records = [json.loads(line) for line in lines_of(cloud, f"/mine/{name}")]
    kinds = [record["type"] for record in records]
    assert kinds == ["platform.initStart", "platform.start", "platform.report"]
    report = records[-1]["record"]
    assert report["status"] == "success" and report["metrics"]["memorySizeMB"] == 128
    assert report["metrics"]["initDurationMs"] > 0 and report["metrics"]["billedDurationMs"] >= 1


@pytest.mark.parametrize("level, good, bad", [
    ("DEBUG", ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"], ["start", "runtimeDone", "report"]),
    ("INFO", ["initStart", "start", "report"], ["start", "runtimeDone", "report"]),
    ("WARN", [], ["runtimeDone", "report"]),
])
def test_system_log_level(cloud, name, level, good, bad):
    """The first run is good, the second is not; the last line of a failure is the same in every level."""
    functions = make_function(cloud, name, "def handler(e, c): return 1 / e\n",
                              LoggingConfig={"LogFormat": "JSON", "SystemLogLevel": level, "LogGroup": f"/mine/{name}"})
    assert call(functions, name, 1)[1] == 1
    assert call(functions, name, 0)[0]["FunctionError"] == "Unhandled"

    def kinds():
        records = [json.loads(line) for line in lines_of(cloud, f"/mine/{name}")]
        return [record["type"].removeprefix("platform.") for record in records if "type" in record]

    wait_until(lambda: kinds().count("report") == (good + bad).count("report"), 10)
    assert kinds() == good + bad


def workers(name):
    """Processes of a function; others' are on the machine too."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if f"AWS_LAMBDA_FUNCTION_NAME={name}\0".encode() in file.read():
                        found.add(int(entry))
            except OSError:
                pass
    return found


def test_kill_leaves_no_worker_behind(own, name):
    functions = make_function(own, name, "import os\ndef handler(e, c): return os.getpid()\n")
    assert call(functions, name)[1] > 0
    assert workers(name)
    own.kill()
    wait_until(lambda: not workers(name), 5 * SLOWNESS, "workers outlive a server that was killed")
    own.start()
    functions = own.client("lambda")
    assert call(functions, name)[1] > 0
    own.stop()
    wait_until(lambda: not workers(name), 5 * SLOWNESS, "workers outlive a server that has ended")


def test_function_on_the_machines_network(make_cloud, name):
    cloud = make_cloud("--functions-network", "host").start()
    functions = make_function(cloud, name, """
import http.client, os, urllib.parse
def handler(event, context):
    host = urllib.parse.urlparse(os.environ['AWS_ENDPOINT_URL']).netloc
    connection = http.client.HTTPConnection(host)
    connection.request('GET', '/_localstack/health')
    return [connection.getresponse().status, host, os.environ['AWS_LAMBDA_RUNTIME_API']]
""")
    status, host, api = call(functions, name)[1]
    assert status == 200 and host.split(":")[1] == str(cloud.port) and api != "127.0.0.1:9001"


def test_invoke_from_the_shell(cloud, name):
    make_function(cloud, name, "def handler(e, c):\n    print('seen')\n    return 1 / e['by']\n")
    done = cloud.run("lambda", "invoke", name, "--payload", '{"by": 2}')
    assert done.stdout == "0.5\n" and "seen\nEND RequestId" in done.stderr
    done = cloud.run("lambda", "invoke", name + ":$LATEST", "--payload", '{"by": 0}', check=False)
    assert done.returncode == 1 and json.loads(done.stdout).get("errorType") == "ZeroDivisionError", done
    assert cloud.run("lambda", "invoke", name + "x", check=False).returncode == 1
    assert cloud.run("lambda", "call", check=False).returncode == 2
