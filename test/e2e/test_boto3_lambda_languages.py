"""Functions in every language through boto3: what a user of AWS writes, invoked for real."""
import base64
import json
import re
import shutil
import subprocess
import sys

import pytest

from lambda_kit import kit, needs, needs_sandboxes, zip_of  # noqa: F401

pytestmark = needs_sandboxes


def tail_of(kit, event=None, name=None):
    got = kit.client.invoke(FunctionName=name or kit.name, Payload=json.dumps(event), LogType="Tail")
    return base64.b64decode(got["LogResult"]).decode()


def test_python(kit):
    kit.make(
        "import json, logging, os\n"
        "logging.getLogger().setLevel('INFO')\n"
        "def handler(event, context):\n"
        "    logging.info('two\\nlines')\n"
        "    print('printed')\n"
        "    if event == 'fail':\n        raise ValueError('boom')\n"
        "    return {'event': event, 'task': os.environ['LAMBDA_TASK_ROOT'], 'cwd': os.getcwd(), 'env': os.environ['COLOUR'],\n"
        "            'execution': os.environ['AWS_EXECUTION_ENV'], 'stream': context.log_stream_name}\n",
        Environment={"Variables": {"COLOUR": "blue"}},
    )
    error, got = kit.invoke({"k": "ü"})
    assert error is None and got.pop("stream").startswith("20")
    assert got == {"event": {"k": "ü"}, "task": "/var/task", "cwd": "/var/task", "env": "blue", "execution": "AWS_Lambda_python3.12"}
    tail = tail_of(kit)
    assert re.search(r"\[INFO\]\t\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z\t[0-9a-f-]{36}\ttwo\nlines", tail), tail
    assert "\nprinted\n" in tail and "\nEND RequestId" in tail  # what is printed and what is logged come by two ways
    error, got = kit.invoke("fail")
    assert error == "Unhandled" and (got["errorType"], got["errorMessage"]) == ("ValueError", "boom")
    assert got["stackTrace"] == ['  File "/var/task/app.py", line 7, in handler\n    raise ValueError(\'boom\')\n']
    assert "[ERROR] ValueError: boom\nTraceback (most recent call last):\n\u00a0\u00a0File " in tail_of(kit, "fail")


def test_python_that_cannot_start(kit):
    kit.make("import nothing_of_that_name\n")
    error, got = kit.invoke()
    assert error == "Unhandled" and got["errorType"] == "Runtime.ImportModuleError"
    assert got["errorMessage"] == "Unable to import module 'app': No module named 'nothing_of_that_name'"


def boto3_is_here(program):
    told = subprocess.run([str(program), "doctor"], capture_output=True, text=True, check=False).stdout
    return "SDK for Python: /" in told


def test_python_uses_the_cloud(kit):
    """boto3 of the machine, the role's credentials, the cloud's endpoint: nothing is configured."""
    if not boto3_is_here(kit.cloud.command()[0]):
        pytest.skip("no boto3 for all on this machine")
    bucket = "b-" + re.sub("[^a-z0-9]", "-", kit.name.lower())
    s3 = kit.cloud.client("s3")
    s3.create_bucket(Bucket=bucket)
    code = (
        "import boto3\n"
        f"def handler(event, context):\n"
        f"    boto3.client('s3').put_object(Bucket='{bucket}', Key=event['key'], Body=b'from the function')\n"
        "    return boto3.client('sts').get_caller_identity()['Arn']\n"
    )
    kit.make(code, statements=[{"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/ok/*"}], Timeout=30)
    error, got = kit.invoke({"key": "ok/1"})
    assert error is None and got == f"arn:aws:sts::000000000000:assumed-role/{kit.name[-40:].strip('-')}-role/{kit.name}", got
    assert s3.get_object(Bucket=bucket, Key="ok/1")["Body"].read() == b"from the function"
    error, got = kit.invoke({"key": "elsewhere/1"})
    assert error == "Unhandled" and "AccessDenied" in got["errorMessage"]


@needs("node")
def test_node(kit):
    kit.make(
        {
            "src/index.js": "const os = require('helper'); exports.handler = async (event, context) => { console.log('two\\nlines');"
            " if (event === 'fail') throw new RangeError('boom'); return {event, helper: os.name, left: context.getRemainingTimeInMillis() > 5000}; };",
            "node_modules/helper/index.js": "exports.name = 'helped';",
        },
        "nodejs20.x",
        "src/index.handler",
    )
    assert kit.invoke({"k": "ü"}) == (None, {"event": {"k": "ü"}, "helper": "helped", "left": True})
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3}Z\t[0-9a-f-]{36}\tINFO\ttwo\nlines", tail_of(kit, 1))
    error, got = kit.invoke("fail")
    assert error == "Unhandled" and (got["errorType"], got["errorMessage"]) == ("RangeError", "boom")
    assert got["trace"][0] == "RangeError: boom" and "/var/task/src/index.js" in got["trace"][1]


@needs("node")
@pytest.mark.parametrize(
    "code",
    [
        "exports.handler = async (event, context, callback) => { callback(null, {...event, by: 'callback'}); return 'promise'; };",
        "exports.handler = async (event, context) => { context.succeed({...event, by: 'callback'}); return 'promise'; };",
        "exports.handler = async (event, context) => { context.done(null, {...event, by: 'callback'}); throw new Error('late'); };",
    ],
)
def test_b10_the_first_answer_wins(kit, code):
    """B10: Cognito triggers are often async and call back, too."""
    kit.make({"index.js": code}, "nodejs20.x", "index.handler")
    event = {"version": "1", "triggerSource": "PreSignUp_SignUp", "request": {}, "response": {}}
    for _ in range(3):
        assert kit.invoke(event) == (None, {**event, "by": "callback"})


@needs("node")
def test_node_streams_through_the_api(kit):
    kit.make(
        {"index.mjs": "export const handler = awslambda.streamifyResponse(async (event, out) => { out.write('a'); out.write('b'); out.end(); });"},
        "nodejs20.x",
        "index.handler",
    )
    got = kit.client.invoke_with_response_stream(FunctionName=kit.name)
    events = list(got["EventStream"])
    assert b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event) == b"ab"
    assert "InvokeComplete" in events[-1]


@needs("ruby")
def test_ruby(kit):
    kit.make({"app.rb": "require 'json'\ndef handler(event:, context:)\n  raise 'boom' if event == 'fail'\n  { got: event, name: context.function_name }\nend\n"}, "ruby3.3")
    assert kit.invoke({"a": 1}) == (None, {"got": {"a": 1}, "name": kit.name})
    error, got = kit.invoke("fail")
    assert error == "Unhandled" and got["errorType"] == "Function<RuntimeError>"
    assert got["stackTrace"] == ["/var/task/app.rb:3:in `handler'"] or "app.rb:3" in got["stackTrace"][0]


@needs("javac")
@pytest.mark.parametrize("runtime", ["java17", "java21"])
def test_java(kit, tmp_path, runtime):
    (tmp_path / "Handler.java").write_text(
        "package shop; import java.util.Map;\n"
        "public class Handler { public Map<String, Object> run(Map<String, Object> event) {\n"
        "  if (event.containsKey(\"fail\")) throw new IllegalStateException(\"boom\");\n"
        "  event.put(\"java\", System.getenv(\"AWS_EXECUTION_ENV\")); return event; } }\n"
    )
    subprocess.run(["javac", "--release", "11", "-nowarn", "-d", tmp_path / "out", tmp_path / "Handler.java"], check=True)
    kit.make({"shop/Handler.class": (tmp_path / "out/shop/Handler.class").read_bytes()}, runtime, "shop.Handler::run", MemorySize=512, Timeout=30)
    assert kit.invoke({"a": [1]}) == (None, {"a": [1], "java": f"AWS_Lambda_{runtime}"})
    error, got = kit.invoke({"fail": 1})
    assert error == "Unhandled" and got["errorType"] == "java.lang.IllegalStateException"
    assert got["stackTrace"] == ["shop.Handler.run(Handler.java:3)"]


def test_provided_by_a_script(kit):
    """The tutorial's custom runtime, in shell."""
    if not shutil.which("curl"):
        pytest.skip("no curl")
    kit.make(
        {
            "bootstrap": "#!/bin/sh\nset -eu\nwhile true; do\n"
            "HEADERS=$(mktemp)\n"
            'EVENT=$(curl -sS -LD "$HEADERS" "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/next")\n'
            "ID=$(grep -Fi Lambda-Runtime-Aws-Request-Id \"$HEADERS\" | tr -d '[:space:]' | cut -d: -f2)\n"
            'curl -sS "http://${AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/$ID/response" -d "{\\"h\\":\\"$_HANDLER\\",\\"e\\":$EVENT}"\n'
            "done\n"
        },
        "provided.al2023",
        "function.handler",
    )
    for n in (1, 2):
        assert kit.invoke({"n": n}) == (None, {"h": "function.handler", "e": {"n": n}})


@needs("go")
def test_provided_by_go(kit, tmp_path):
    """A program of one file, linked statically, as Go's functions are."""
    (tmp_path / "main.go").write_text(GO)
    done = subprocess.run(
        ["go", "build", "-o", "bootstrap", "main.go"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**__import__("os").environ, "CGO_ENABLED": "0", "GO111MODULE": "off"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kit.make({"bootstrap": (tmp_path / "bootstrap").read_bytes()}, "provided.al2023", "any")
    assert kit.invoke({"go": True}) == (None, {"go": True})


GO = """
package main
import ("bytes"; "io"; "net/http"; "os")
func main() {
    base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
    for {
        next, err := http.Get(base + "next")
        if err != nil { panic(err) }
        event, _ := io.ReadAll(next.Body)
        next.Body.Close()
        done, err := http.Post(base + next.Header.Get("Lambda-Runtime-Aws-Request-Id") + "/response", "application/json", bytes.NewReader(event))
        if err != nil { panic(err) }
        done.Body.Close()
    }
}
"""


def ric_folder(tmp_path):
    """AWS's own client for Python, as pip installs it; None where it cannot be had."""
    folder = tmp_path / "ric"
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(folder), "awslambdaric==2.0.12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return folder if done.returncode == 0 else None


def test_the_client_of_aws(kit, tmp_path):
    """awslambdaric, unmodified, as the bootstrap of an OS-only function."""
    folder = ric_folder(tmp_path)
    if folder is None:
        pytest.skip("awslambdaric cannot be installed here")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files["app.py"] = "def handler(event, context):\n    print('seen')\n    return [event, context.function_name]\n"
    files["bootstrap"] = f"#!/bin/sh\nexec {sys.executable if sys.executable.startswith('/usr') else '/usr/bin/python3'} -m awslambdaric app.handler\n"
    kit.make(files, "provided.al2023", "app.handler", Timeout=20)
    error, got = kit.invoke({"a": 1})
    assert (error, got) == (None, [{"a": 1}, kit.name]), got
    assert "\nseen\n" in tail_of(kit)


def test_layers_and_wrapper(kit):
    """A pure Python package in a layer, for the Python that the function names; and a wrapper script."""
    layer = kit.client.publish_layer_version(
        LayerName=kit.name,
        Content={"ZipFile": zip_of({
            "python/lib/python3.12/site-packages/ask_sdk_core/__init__.py": "NAME = 'ask'\n",
            "python/flat.py": "NAME = 'flat'\n",
            "wrap": "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n",
        })},
    )  # fmt: skip
    kit.make(
        "import os, ask_sdk_core, flat\ndef handler(e, c):\n    return [ask_sdk_core.NAME, flat.NAME, os.environ['WRAPPED']]\n",
        Layers=[layer["LayerVersionArn"]],
        Environment={"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}},
    )
    assert kit.invoke() == (None, ["ask", "flat", "yes"])


def test_refused_by_name(kit):
    role = kit.role()
    with pytest.raises(kit.client.exceptions.ClientError) as error:
        kit.client.create_function(FunctionName=kit.name, Runtime="cobol85", Role=role, Handler="a.b", Code={"ZipFile": zip_of({"a": "b"})})
    assert error.value.response["Error"]["Code"] in ("InvalidParameterValueException", "ValidationException")
    kit.make({"x.dll": b"MZ"}, "dotnet8", "A::B::C", role=role)
    with pytest.raises(kit.client.exceptions.ClientError) as error:
        kit.invoke()
    assert "dotnet8 does not run here" in str(error.value)


def test_hot_reload(kit, tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    tmp_path.chmod(0o755)
    (folder / "app.py").write_text("def handler(e, c):\n    return 1\n")
    kit.client.create_function(
        FunctionName=kit.name, Role=kit.role(), Runtime="python3.12", Handler="app.handler",
        Code={"S3Bucket": "hot-reload", "S3Key": str(folder)},
    )  # fmt: skip
    kit.client.get_waiter("function_active_v2").wait(FunctionName=kit.name, WaiterConfig={"Delay": 0.1})
    assert kit.invoke() == (None, 1)
    (folder / "app.py").write_text("def handler(e, c):\n    return 'changed'\n")
    assert kit.invoke() == (None, "changed")
    (folder / "more").mkdir()
    (folder / "more" / "deep.py").write_text("X = 5\n")
    (folder / "app.py").write_text("from more.deep import X\ndef handler(e, c):\n    return X\n")
    assert kit.invoke() == (None, 5)
    (folder / "more" / "deep.py").write_text("X = 6666\n")
    assert kit.invoke() == (None, 6666)
