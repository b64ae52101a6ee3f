"""Functions that mean harm: each fails in its own environment, and neither the server nor a neighbour notices."""
import os
import pathlib
import time

import pytest

from kumoniwa import SLOWNESS, wait_until
from lambda_kit import Kit, needs_sandboxes

pytestmark = needs_sandboxes

NEIGHBOUR = "import os\ndef handler(event, context):\n    open('/tmp/mine', 'w').write('kept') if event == 'put' else None\n    return open('/tmp/mine').read()\n"


@pytest.fixture
def kit(cloud, name):
    """A neighbour runs before, and must run after, in the same environment."""
    made = Kit(cloud, name)
    neighbour = made.make(NEIGHBOUR, name=made.name[-40:].strip("-") + "-nb")
    assert made.invoke("put", neighbour) == (None, "kept")
    yield made
    begin = time.monotonic()
    assert made.invoke("get", neighbour) == (None, "kept")
    assert time.monotonic() - begin < 1 * SLOWNESS
    assert cloud.process.poll() is None


def resident_mb(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20


def children():
    """Processes of sandboxes: of the user that functions run as."""
    count = 0
    for entry in pathlib.Path("/proc").iterdir():
        try:
            count += entry.name.isdigit() and entry.stat().st_uid == 879993
        except FileNotFoundError:
            pass
    return count


def test_fork_bomb(kit):
    kit.make(
        "import os, time\n"
        "def handler(event, context):\n"
        "    n = 0\n"
        "    while True:\n"
        "        try:\n"
        "            if os.fork() == 0:\n                while True: time.sleep(1)\n"
        "            n += 1\n"
        "        except OSError as error:\n"
        "            return [n, error.errno]\n",
        MemorySize=3008, Timeout=20,
    )  # fmt: skip
    error, got = kit.invoke()
    # Bounded in processes (EAGAIN) or in memory, whichever comes first.
    assert (error is None and got[0] < 2000 and got[1] == 11) or error == "Unhandled", (error, got)
    kit.client.delete_function(FunctionName=kit.name)


def test_fork_bomb_that_goes_on(kit):
    kit.make(
        "import os, threading\n"
        "def handler(event, context):\n"
        "    while True:\n"
        "        try: os.fork()\n"
        "        except OSError: pass\n",
        Timeout=3,
    )  # fmt: skip
    before = children()
    error, got = kit.invoke()
    assert error == "Unhandled", got
    wait_until(lambda: children() <= before, 10, "the bomb's processes did not end")


def test_fills_tmp(kit):
    kit.make(
        "import os\n"
        "def handler(event, context):\n"
        "    written = 0\n"
        "    try:\n"
        "        for i in range(10000):\n"
        "            with open(f'/tmp/{i}', 'wb') as file:\n"
        "                file.write(b'x' * (1 << 20)); written += 1\n"
        "    except OSError as error:\n"
        "        return [written, error.errno]\n",
        MemorySize=1024, Timeout=30,
    )  # fmt: skip
    error, got = kit.invoke()
    assert error is None and 500 <= got[0] <= 512 and got[1] == 28, got


def test_makes_files_without_end(kit):
    kit.make(
        "def handler(event, context):\n"
        "    n = 0\n"
        "    try:\n"
        "        while True:\n            open(f'/tmp/{n}', 'w').close(); n += 1\n"
        "    except OSError as error:\n        return [n, error.errno]\n",
        MemorySize=1024, Timeout=30,
    )  # fmt: skip
    error, got = kit.invoke()
    assert error is None and got[1] == 28 and got[0] < 200000, got


@pytest.mark.parametrize("how", ["x = bytearray(1 << 34)", "x = []\n    while True: x.append(bytearray(8 << 20))"])
def test_eats_memory(kit, how):
    kit.make(f"def handler(event, context):\n    {how}\n", MemorySize=128, Timeout=20)
    error, got = kit.invoke()
    assert error == "Unhandled"
    assert got["errorType"] in ("MemoryError", "Runtime.OutOfMemory", "Runtime.ExitError"), got
    assert kit.invoke()[0] == "Unhandled"


def test_ignores_signals_and_time(kit):
    kit.make(
        "import signal, time\n"
        "for n in range(1, 65):\n"
        "    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "def handler(event, context):\n"
        "    while True:\n"
        "        try: time.sleep(100)\n"
        "        except BaseException: pass\n",
        Timeout=1,
    )  # fmt: skip
    begin = time.monotonic()
    error, got = kit.invoke()
    assert error == "Unhandled" and "Task timed out after 1.00 seconds" in got["errorMessage"]
    assert time.monotonic() - begin < 3 * SLOWNESS


def test_writes_gigabytes(kit):
    kit.make(
        "import os\n"
        "def handler(event, context):\n"
        "    line = b'y' * 65536\n"
        "    for i in range(event):\n        os.write(1 + i % 2, line)\n"
        "    return 'done'\n",
        Timeout=60,
    )  # fmt: skip
    before = resident_mb(kit.cloud.process.pid)
    error, got = kit.invoke(16384)  # 1 GiB
    assert (error, got) == (None, "done") or "timed out" in got["errorMessage"]
    if SLOWNESS == 1:
        assert resident_mb(kit.cloud.process.pid) < before + 100


def test_answers_too_much(kit):
    kit.make("def handler(event, context):\n    return 'x' * 50_000_000\n", MemorySize=1024, Timeout=30)
    error, got = kit.invoke()
    assert error == "Unhandled" and got["errorType"] == "Function.ResponseSizeTooLarge"


ESCAPES = {
    "mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "unshare": "libc.unshare(0x10000000)",
    "ptrace": "libc.ptrace(16, 1, 0, 0)",
    "chroot": "libc.chroot(b'/tmp')",
    "setuid": "libc.setuid(0)",
    "kexec": "libc.reboot(0x4321fedc)",
    "mknod": "libc.mknod(b'/tmp/d', 0o60666, 0x800)",
    "kill": "libc.kill(1, 9)",
    "kill all": "0 if os.getpid() == 1 else libc.kill(2, 0)",
    "bpf": "libc.syscall(321, 0, 0, 0)",
    "keyctl": "libc.syscall(250, 0, 0, 0)",
}


def test_cannot_leave_by_calls(kit):
    tries = "".join(f"    out[{what!r}] = {call}\n" for what, call in ESCAPES.items() if what != "kill all")
    kit.make(f"import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\ndef handler(event, context):\n    out = {{}}\n{tries}    return out\n")
    error, got = kit.invoke()
    assert error is None and set(got.values()) <= {-1, 0} and len(got) == len(ESCAPES) - 1, got
    assert [what for what, value in got.items() if value == 0 and what != "kill"] == [], got


def test_sees_nothing_of_the_machine(kit):
    secret = kit.cloud.data / "kv.mdb"
    assert secret.exists()
    kit.make(
        "import os\n"
        "def look(action):\n"
        "    try: return action()\n"
        "    except OSError as error: return type(error).__name__\n"
        "def handler(event, context):\n"
        f"    return {{'data': look(lambda: open({str(secret)!r}, 'rb').read(1).hex()),\n"
        "        'shadow': look(lambda: open('/etc/shadow').read()),\n"
        "        'home': look(lambda: os.listdir('/root')),\n"
        "        'init': look(lambda: open('/proc/1/environ').read()),\n"
        "        'maps': look(lambda: open('/proc/1/maps').read()),\n"
        "        'root': look(lambda: os.listdir('/proc/1/root')),\n"
        "        'processes': [p for p in os.listdir('/proc') if p.isdigit()],\n"
        "        'mine': look(lambda: open('/tmp/mine').read()),\n"
        "        'write task': look(lambda: open('/var/task/x', 'w')),\n"
        "        'write usr': look(lambda: open('/usr/bin/x', 'w')),\n"
        "        'write runtime': look(lambda: open('/var/runtime/bootstrap.py', 'w')),\n"
        "        'sys': look(lambda: open('/proc/sys/kernel/hostname', 'w')),\n"
        "        'uid': os.getuid(), 'descriptors': sorted(os.listdir('/proc/self/fd'))}\n"
    )
    error, got = kit.invoke()
    assert error is None
    refused = ("FileNotFoundError", "PermissionError", "OSError")
    for what in ("data", "shadow", "home", "init", "maps", "root", "mine", "write task", "write usr", "write runtime", "sys"):
        assert got[what] in refused, (what, got[what])
    assert len(got["processes"]) <= 3 and got["uid"] == 993
    assert len(got["descriptors"]) <= 6, got["descriptors"]


def test_reaches_nobody_but_the_cloud(kit):
    kit.make(
        "import socket\n"
        "def reach(host, port):\n"
        "    try:\n"
        "        socket.create_connection((host, port), timeout=2).close(); return 'open'\n"
        "    except OSError as error: return type(error).__name__\n"
        "def handler(event, context):\n"
        "    return [reach('127.0.0.1', 4566), reach('127.0.0.1', event), reach('127.0.0.1', 22), reach('192.0.2.1', 80),\n"
        "            reach('169.254.169.254', 80)]\n"
    )
    error, got = kit.invoke(kit.cloud.port)
    assert error is None
    assert got[0] == "open"
    # The machine's own loopback is another one: nothing of it answers.
    assert all(value != "open" for value in got[1:]), got


def test_cannot_speak_for_others(kit):
    """The Runtime API of one environment knows nothing of another's invocation."""
    kit.make(
        "import http.client\n"
        "def handler(event, context):\n"
        "    c = http.client.HTTPConnection('127.0.0.1', 9001)\n"
        "    c.request('POST', '/2018-06-01/runtime/invocation/' + event + '/response', '1')\n"
        "    r = c.getresponse()\n"
        "    return [r.status, r.read().decode()]\n"
    )
    error, got = kit.invoke("11111111-2222-4333-8444-555555555555")
    assert error is None and got[0] in (400, 403), got


def test_nonsense_to_the_runtime_api(kit):
    kit.make(
        "import socket, os\n"
        "def handler(event, context):\n"
        "    for i in range(200):\n"
        "        s = socket.create_connection(('127.0.0.1', 9001))\n"
        "        s.sendall(os.urandom(500)); s.close()\n"
        "    held = [socket.create_connection(('127.0.0.1', 9001)) for i in range(300)]\n"
        "    for s in held: s.sendall(b'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n')\n"
        "    return len(held)\n",
        Timeout=20,
    )  # fmt: skip
    error, got = kit.invoke()
    assert (error is None and got == 300) or error == "Unhandled", (error, got)
