"""The Python runtime interface client against a Runtime API of the test's own."""
import json
import pathlib
import subprocess
import sys

import pytest

import runtime_api

CLIENT = pathlib.Path(__file__).resolve().parents[2] / "src/functions/runtimes/bootstrap.py"


@pytest.fixture
def start(tmp_path):
    made = []

    def begin(code, handler="app.handler", runtime="python3.12", **environment):
        for name, text in (code if isinstance(code, dict) else {"app.py": code}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        api = runtime_api.RuntimeApi()
        made.append(api)
        python = "/usr/bin/python3"
        return api.start([python, "-S", "-s", CLIENT, runtime], tmp_path, handler, **environment)

    yield begin
    for api in made:
        api.close()


def test_answers(start):
    api = start("def handler(event, context):\n    return {'got': event, 'n': 1.5, 'é': None}\n")
    for event in ({}, {"a": [1, "ü", True]}, "text", None, 7):
        assert api.invoke(event) == ("response", {"got": event, "n": 1.5, "é": None})
    assert api.invoke_raw(b'{"x": 1}')[1].decode() == '{"got": {"x": 1}, "n": 1.5, "é": null}'


def test_escapes_up_to_3_11(start):
    api = start("def handler(event, context):\n    return 'é'\n", runtime="python3.11")
    assert api.invoke_raw(b"{}")[1] == b'"\\u00e9"'


def test_large_events(start):
    api = start("def handler(event, context):\n    return event\n")
    event = {"x": "y" * 5_000_000}
    assert api.invoke(event) == ("response", event)


def test_context(start):
    api = start(
        "def handler(event, c):\n"
        "    return [c.aws_request_id, c.function_name, c.function_version, c.memory_limit_in_mb, c.log_group_name,\n"
        "            c.log_stream_name, c.invoked_function_arn, 0 < c.get_remaining_time_in_millis() <= 3000,\n"
        "            c.client_context.custom, c.client_context.client.app_title, c.client_context.env,\n"
        "            c.identity.cognito_identity_id, c.tenant_id]\n"
    )
    kind, got = api.invoke(
        {},
        Lambda_Runtime_Client_Context=json.dumps({"custom": {"k": "v"}, "client": {"app_title": "t"}, "env": {"e": 1}}),
        Lambda_Runtime_Cognito_Identity=json.dumps({"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}),
        Lambda_Runtime_Aws_Tenant_Id="blue",
    )
    assert kind == "response"
    assert got[0].startswith("00000000-")
    assert got[1:] == [
        "f", "$LATEST", "128", "/aws/lambda/f", "2026/11/21/[$LATEST]00",
        "arn:aws:lambda:us-east-1:000000000000:function:f", True, {"k": "v"}, "t", {"e": 1}, "id", "blue",
    ]  # fmt: skip


def test_context_without_identity(start):
    api = start("def handler(e, c):\n    return [c.client_context, c.identity.cognito_identity_id, c.tenant_id]\n")
    assert api.invoke({}) == ("response", [None, None, None])


def test_exception(start):
    api = start("def deep():\n    raise ValueError('boom')\ndef handler(event, context):\n    deep()\n")
    kind, got = api.invoke({})
    assert kind == "error"
    assert got["errorMessage"] == "boom" and got["errorType"] == "ValueError"
    assert got["requestId"].startswith("00000000-")
    assert [line.split(", in ")[1] for line in got["stackTrace"]] == ["handler\n    deep()\n", "deep\n    raise ValueError('boom')\n"]
    assert str(CLIENT) not in "".join(got["stackTrace"])
    assert api.invoke({})[0] == "error"
    text = api.output()
    assert "[ERROR] ValueError: boom\rTraceback (most recent call last):\r\u00a0\u00a0File " in text


@pytest.mark.parametrize(
    "code, handler, kind, message",
    [
        ("", "nope.handler", "Runtime.ImportModuleError", "Unable to import module 'nope': No module named 'nope'"),
        ("import nope\n", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app': No module named 'nope'"),
        ("x = 1\n", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
        ("", "app", "Runtime.MalformedHandlerName", "Bad handler 'app': not enough values to unpack (expected 2, got 1)"),
        ("", "sys.exit", "Runtime.BuiltInModuleConflict", "Cannot use built-in module sys as a handler module"),
        ("def f(:\n", "app.f", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app': invalid syntax (app.py, line 1)"),
        ("raise KeyError('k')\n", "app.f", "KeyError", "'k'"),
    ],
)
def test_errors_of_the_start(start, code, handler, kind, message):
    api = start(code, handler)
    told, data, _, _ = api.answers.get(timeout=60)
    got = json.loads(data)
    assert (told, got["errorType"], got["errorMessage"]) == ("init", kind, message)
    assert api.init_error[1] == kind
    assert api.process.wait(60) == 1
    assert f"[ERROR] {kind}: {message}" in api.output()


def test_packages_and_paths(start):
    api = start({"pkg/__init__.py": "", "pkg/mod.py": "def func(e, c):\n    return e\n"}, "pkg/mod.func")
    assert api.invoke(1) == ("response", 1)
    api = start({"pkg/__init__.py": "", "pkg/mod.py": "import sys\ndef func(e, c):\n    return sys.path\n"}, "pkg.mod.func")
    paths = api.invoke(1)[1]
    assert paths[1] == "/opt/python/lib/python3.12/site-packages"
    assert paths.index("/opt/python") < paths.index("/var/runtime")


def test_what_cannot_be_written(start):
    api = start(
        "import decimal, datetime\n"
        "def handler(e, c):\n    return {'d': decimal.Decimal('1.25'), 'i': decimal.Decimal(7), 's': {1} if e else 0}\n"
    )
    assert api.invoke(0) == ("response", {"d": 1.25, "i": 7, "s": 0})
    kind, got = api.invoke(1)
    assert kind == "error" and got["errorType"] == "Runtime.MarshalError"
    assert got["errorMessage"] == "Unable to marshal response: Object of type set is not JSON serializable"
    told, data, _, _ = api.invoke_raw(b"{oops")
    assert told == "error" and json.loads(data)["errorType"] == "Runtime.UnmarshalError"
    assert json.loads(data)["errorMessage"].startswith("Unable to unmarshal input: Expecting property name")


def test_logging(start):
    api = start(
        "import logging\nlogging.getLogger().setLevel('INFO')\n"
        "def handler(e, c):\n    logging.info('hello %s', 'you')\n    print('a\\nb')\n    logging.getLogger('x').debug('no')\n"
        "    c.log('direct')\n"
    )
    assert api.invoke({}) == ("response", None)
    lines = api.output().split("\n")
    level, when, request, text = lines[0].split("\t")
    assert (level, text) == ("[INFO]", "hello you") and when.endswith("Z") and len(when) == 24
    assert request.startswith("00000000-")
    assert lines[1:] == ["a", "b", "direct", ""]


def test_json_logging(start):
    api = start(
        "import logging\nlog = logging.getLogger('mine')\n"
        "def handler(e, c):\n"
        "    log.info('not shown')\n    log.warning('shown', extra={'order': 7})\n"
        "    try:\n        1 / 0\n    except Exception:\n        log.exception('failed')\n"
        "    raise RuntimeError('end')\n",
        AWS_LAMBDA_LOG_FORMAT="JSON",
        AWS_LAMBDA_LOG_LEVEL="WARN",
    )
    assert api.invoke({})[0] == "error"
    first, second, third = [json.loads(line) for line in api.output().split("\n") if line]
    assert first.pop("timestamp").endswith("Z") and first.pop("requestId").startswith("0000")
    assert first == {"level": "WARNING", "message": "shown", "logger": "mine", "order": 7}
    assert second["errorType"] == "ZeroDivisionError" and second["errorMessage"] == "division by zero"
    assert second["location"].endswith("app.py:handler:9") and second["stackTrace"]
    assert third["log_level"] == "ERROR" and third["errorMessage"] == "end"


@pytest.mark.parametrize("how, status", [("exit(3)", 3), ("sys.exit(4)", 4), ("os._exit(5)", 5)])
def test_exits(start, how, status):
    api = start(f"import os, sys\ndef handler(e, c):\n    print('last')\n    {how}\n")
    api.waiting.put({"id": "1", "timeout_ms": 1000, "body": b"{}", "headers": {}})
    assert api.process.wait(60) == status
    assert api.output() == "last\n"


def test_trace_id(start):
    api = start("import os\ndef handler(e, c):\n    return os.environ['_X_AMZN_TRACE_ID']\n")
    assert api.invoke({}) == ("response", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")


def test_frames(start, tmp_path):
    import os
    import struct

    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    (tmp_path / "app.py").write_text("import logging\ndef handler(e, c):\n    logging.warning('two\\nlines')\n")
    api = runtime_api.RuntimeApi()
    try:
        command = ["/usr/bin/python3", "-S", "-s", CLIENT, "python3.12"]
        environment = {
            "AWS_LAMBDA_RUNTIME_API": api.address, "LAMBDA_TASK_ROOT": str(tmp_path), "_HANDLER": "app.handler",
            "_LAMBDA_TELEMETRY_LOG_FD": str(writing),
        }  # fmt: skip
        api.process = subprocess.Popen(command, env=environment, pass_fds=[writing], stdout=sys.stdout)
        assert api.invoke({}) == ("response", None)
        frame = os.read(reading, 65536)
        kind, length, when = struct.unpack(">IIQ", frame[:16])
        assert kind & 0xFFFFFFE3 == 0xA55A0003 and length == len(frame) - 16
        assert frame[16:].decode().endswith("\ttwo\nlines\n")
        assert abs(when / 1e6 - __import__("time").time()) < 60
    finally:
        api.close()
        os.close(reading)
        os.close(writing)


def test_lean(start):
    """Nothing heavy is loaded for a function that asks for nothing."""
    api = start("import sys\ndef handler(e, c):\n    return sorted(sys.modules)\n")
    loaded = api.invoke({"a": 1})[1]
    for heavy in ("json", "re", "logging", "socket", "http.client", "traceback", "site", "importlib.machinery"):
        assert heavy not in loaded
