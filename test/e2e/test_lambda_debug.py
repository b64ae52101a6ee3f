"""`kumoniwa lambda invoke --debug` with the debuggers' own protocols: a breakpoint is set, met, looked at and left."""
import base64
import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time

import pytest

import kumoniwa
from kumoniwa import wait_until
from lambda_kit import Kit, needs, needs_sandboxes, zip_of

pytestmark = needs_sandboxes

LAYERS = pathlib.Path(__file__).resolve().parents[2] / "build" / "layers"


@pytest.fixture
def kit(cloud, name):
    """Debuggers' ports are the machine's: one test at a time has them, whoever runs others beside."""
    with open(pathlib.Path(tempfile.gettempdir()) / "kumoniwa-debugger-ports", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Kit(cloud, name)


def connect(port):
    def tried():
        with contextlib.suppress(OSError):
            return socket.create_connection(("127.0.0.1", port), timeout=30)
        return None

    return wait_until(tried, 20, f"nothing listens at {port}")


@contextlib.contextmanager
def debugged(cloud, function, payload):
    program = [str(kumoniwa.PROGRAM), "lambda", "invoke", function, "--debug", "--payload", payload]
    child = subprocess.Popen(
        program,
        env={**os.environ, "KUMONIWA_ENDPOINT": cloud.endpoint},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests in the background may have SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


class Dap:
    """The Debug Adapter Protocol, as editors speak it to debugpy."""

    def __init__(self, port):
        self.stream = connect(port).makefile("rwb")
        self.count = 0
        self.seen = []

    def send(self, command, **arguments):
        self.count += 1
        body = json.dumps({"seq": self.count, "type": "request", "command": command, "arguments": arguments}).encode()
        self.stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.stream.flush()
        return self.count

    def read(self):
        length = 0
        while line := self.stream.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return json.loads(self.stream.read(length))

    def until(self, wanted):
        for message in self.seen:
            if wanted(message):
                self.seen.remove(message)
                return message
        while not wanted(message := self.read()):
            self.seen.append(message)
        return message

    def event(self, name):
        return self.until(lambda m: m["type"] == "event" and m["event"] == name)

    def ask(self, command, **arguments):
        number = self.send(command, **arguments)
        answer = self.until(lambda m: m["type"] == "response" and m["request_seq"] == number)
        assert answer["success"], answer
        return answer.get("body")


PYTHON = "def handler(event, context):\n    doubled = event['n'] * 2\n    return doubled\n"


def debugpy_files():
    if not (LAYERS / "debugpy").is_dir():
        pytest.skip("no build/layers: make setup")
    return {f"python/{path.relative_to(LAYERS)}": path.read_bytes() for path in (LAYERS / "debugpy").rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def test_python_stops_at_a_breakpoint(kit):
    layer = kit.client.publish_layer_version(LayerName=kit.name, Content={"ZipFile": zip_of(debugpy_files())})["LayerVersionArn"]
    kit.make(PYTHON, Layers=[layer], Timeout=1)
    with debugged(kit.cloud, kit.name, '{"n": 21}') as child:
        dap = Dap(5678)
        dap.ask("initialize", adapterID="test", pathFormat="path")
        attach = dap.send("attach", justMyCode=False)
        dap.event("initialized")
        got = dap.ask("setBreakpoints", source={"path": "/var/task/app.py"}, breakpoints=[{"line": 3}])
        assert got["breakpoints"][0]["verified"]
        dap.ask("configurationDone")
        dap.until(lambda m: m.get("request_seq") == attach)
        stopped = dap.event("stopped")["body"]
        time.sleep(1.5)  # longer than the function's time: nobody hurries who looks
        frame = dap.ask("stackTrace", threadId=stopped["threadId"])["stackFrames"][0]
        assert (frame["line"], frame["name"]) == (3, "handler")
        assert dap.ask("evaluate", expression="doubled", frameId=frame["id"])["result"] == "42"
        dap.ask("evaluate", expression="doubled += 1", frameId=frame["id"], context="repl")
        dap.send("continue", threadId=stopped["threadId"])
        out, told = child.communicate(timeout=30)
    assert child.returncode == 0 and json.loads(out) == 43, (out, told)
    assert "Waiting for a debugger at 127.0.0.1:5678" in told or "waits for a debugger" in told
    # The next one without a debugger is an ordinary one; the next one with it waits anew.
    assert kit.invoke({"n": 1}) == (None, 2)
    with debugged(kit.cloud, kit.name, "{}") as child:
        Dap(5678).ask("initialize", adapterID="test", pathFormat="path")
        assert child.poll() is None


def test_python_without_debugpy_says_so(kit):
    kit.make(PYTHON)
    with debugged(kit.cloud, kit.name, '{"n": 21}') as child:
        out, _ = child.communicate(timeout=30)
    assert child.returncode == 1 and "needs debugpy, in its code or in a layer" in json.loads(out)["errorMessage"], out


class Inspector:
    """The Chrome DevTools Protocol over a WebSocket."""

    def __init__(self, port):
        def target():
            with contextlib.suppress(OSError, ValueError):
                asked = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                asked.request("GET", "/json/list")
                return json.loads(asked.getresponse().read())[0]["webSocketDebuggerUrl"]
            return None

        url = wait_until(target, 20, "no inspector")
        self.stream = connect(port).makefile("rwb")
        self.stream.write(f"GET /{url.split('/', 3)[3]} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())  # fmt: skip
        self.stream.flush()
        assert b"101" in self.stream.readline()
        while self.stream.readline().strip():
            pass
        self.count = 0
        self.events = []

    def read(self):
        first, length = self.stream.read(2)
        assert first == 0x81
        if length > 125:
            length = int.from_bytes(self.stream.read(2 if length == 126 else 8), "big")
        return json.loads(self.stream.read(length))

    def ask(self, method, **params):
        self.count += 1
        body = json.dumps({"id": self.count, "method": method, "params": params}).encode()
        head = bytes([0x81, 0x80 | 126]) + len(body).to_bytes(2, "big") + bytes(4)  # a mask of zeros
        self.stream.write(head + body)
        self.stream.flush()
        while "id" not in (message := self.read()):
            self.events.append(message)
        assert message["id"] == self.count and "error" not in message, message
        return message["result"]

    def event(self, name):
        while True:
            for message in self.events:
                if message["method"] == name:
                    self.events.remove(message)
                    return message["params"]
            self.events.append(self.read())


@needs("node")
def test_node_stops_at_a_breakpoint(kit):
    kit.make({"app.js": "exports.handler = async (event) => {\n  const doubled = event.n * 2;\n  return doubled;\n};\n"}, runtime="nodejs20.x", Timeout=1)
    with debugged(kit.cloud, kit.name, '{"n": 21}') as child:
        inspector = Inspector(9229)
        inspector.ask("Debugger.enable")
        inspector.ask("Runtime.enable")
        inspector.ask("Debugger.setBreakpointByUrl", lineNumber=2, url="file:///var/task/app.js")
        inspector.ask("Runtime.runIfWaitingForDebugger")
        inspector.event("Debugger.paused")  # at the client's first line
        inspector.ask("Debugger.resume")
        paused = inspector.event("Debugger.paused")
        time.sleep(1.5)
        frame = paused["callFrames"][0]
        assert frame["location"]["lineNumber"] == 2, frame
        got = inspector.ask("Debugger.evaluateOnCallFrame", callFrameId=frame["callFrameId"], expression="doubled")
        assert got["result"]["value"] == 42
        inspector.ask("Debugger.resume")
        out, told = child.communicate(timeout=30)
    assert child.returncode == 0 and json.loads(out) == 42, (out, told)
    assert kit.invoke({"n": 1}) == (None, 2)


def test_a_debugger_that_never_comes_may_be_given_up(kit):
    """Whoever interrupts the command ends the process that waits: its port is free for the next."""
    kit.make(PYTHON, Layers=[kit.client.publish_layer_version(LayerName=kit.name, Content={"ZipFile": zip_of(debugpy_files())})["LayerVersionArn"]])
    with debugged(kit.cloud, kit.name, "{}") as child:
        connect(5678).close()
        child.send_signal(signal.SIGINT)
        child.wait(60)

    def free():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", 5678)) != 0

    wait_until(free, 10, "the port stays taken")


def test_a_function_cannot_ask_to_be_debugged(kit):
    """What is debugged is on the machine's network: no function gets there by a header."""
    kit.make(
        "import http.client, os\n"
        "def handler(event, context):\n"
        "    if event != 'ask': return os.path.exists('/etc/resolv.conf')\n"
        "    c = http.client.HTTPConnection('127.0.0.1', 4566)\n"
        "    c.request('POST', '/2015-03-31/functions/' + os.environ['AWS_LAMBDA_FUNCTION_NAME'] + '/invocations', '1', {'X-Kumoniwa-Debug': '1',\n"
        "        'Authorization': 'AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0',\n"
        "        'X-Amz-Date': '20260101T000000Z'})\n"
        "    r = c.getresponse()\n"
        "    return [r.status, r.getheader('X-Amz-Function-Error'), r.read().decode()]\n"
    )
    error, got = kit.invoke("ask")
    assert error is None and got[:2] == [200, None] and got[2] == "false", got
