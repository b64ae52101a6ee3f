"""Functions that mean harm: each fails in its own environment, and neither the server nor a neighbour notices."""
import contextlib
import io
import os
import pathlib
import signal
import socket
import stat
import subprocess
import threading
import time
import zipfile

import botocore.exceptions
import pytest

from kumoniwa import SLOWNESS, wait_until, within
from lambda_kit import Kit, needs_sandboxes

pytestmark = needs_sandboxes

NEIGHBOUR = "import threading\ndef handler(event, context):\n    t = threading.Thread(target=len, args=('',)); t.start(); t.join()\n    open('/tmp/mine', 'w').write('kept') if event == 'put' else None\n    return open('/tmp/mine').read()\n"


class Neighbours(threading.Thread):
    """Asks a function and the server, again and again, while something bad goes on."""

    def __init__(self, cloud, function):
        super().__init__(daemon=True)
        self.function, self.over = function, threading.Event()
        self.invoker, self.lister = cloud.client("lambda"), cloud.client("sqs")
        self.slowest, self.count, self.problem = {"function": 0.0, "server": 0.0}, 0, None

    def run(self):
        try:
            while not self.over.wait(0.02):
                for what, ask in {"function": self.ask_function, "server": self.lister.list_queues}.items():
                    begin = time.monotonic()
                    ask()
                    self.slowest[what] = max(self.slowest[what], time.monotonic() - begin)
                self.count += 1
        except Exception as error:  # told by the test
            self.problem = error

    def ask_function(self):
        answer = self.invoker.invoke(FunctionName=self.function, Payload='"get"')
        assert answer["Payload"].read() == b'"kept"'

    def end(self):
        self.over.set()
        self.join(120)
        assert self.problem is None, self.problem
        # Two cores, shared with whatever a test does: the bound is that of somebody who waits, not of a benchmark.
        assert self.count > 0 and max(self.slowest.values()) < 5 * SLOWNESS, (self.count, self.slowest)


@pytest.fixture
def kit(cloud, name):
    """A neighbour runs before, must answer in time meanwhile, and must run after, in the same environment."""
    made = Kit(cloud, name)
    neighbour = made.make(NEIGHBOUR, name=made.name[-40:].strip("-") + "-nb")
    assert made.invoke("put", neighbour) == (None, "kept")
    others = Neighbours(cloud, neighbour)
    others.start()
    yield made
    others.end()
    with within(1 * SLOWNESS):
        assert made.invoke("get", neighbour) == (None, "kept")
    assert cloud.process.poll() is None


def resident_mb(pid):
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") >> 20


def children(cloud):
    """Processes of this cloud's sandboxes: of the user that functions run as. Other tests may have theirs meanwhile."""
    parents, theirs = {}, set()
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit():
                parents[entry.name] = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                theirs |= {entry.name} if entry.stat().st_uid == 879993 else set()

    def is_ours(pid):
        while pid in parents and pid != str(cloud.process.pid):
            pid = parents[pid]
        return pid in parents

    return sum(map(is_ours, theirs))


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
    before = children(kit.cloud)
    assert before > 0  # the neighbour's
    error, got = kit.invoke()
    assert error == "Unhandled", got
    wait_until(lambda: children(kit.cloud) <= before, 10, "the bomb's processes did not end")


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
    with within(3 * SLOWNESS):
        error, got = kit.invoke()
    assert error == "Unhandled" and "Task timed out after 1.00 seconds" in got["errorMessage"]


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


def test_a_million_files(kit):
    """Ten processes make files and folders as fast as they can, in depth and breadth: /tmp has an end, its neighbours none."""
    kit.make(
        "import os\n"
        "def fill(k):\n"
        "    n, at = 0, f'/tmp/{k}'\n"
        "    os.mkdir(at)\n"
        "    try:\n"
        "        while n < 100_000:\n"
        "            n += 1\n"
        "            if n % 1000 == 0: at += '/d'; os.mkdir(at)\n"
        "            os.close(os.open(f'{at}/{n}', os.O_CREAT | os.O_WRONLY))\n"
        "    except OSError as error: os._exit(error.errno)\n"
        "    os._exit(0)\n"
        "def handler(event, context):\n"
        "    children = [os.fork() or fill(k) for k in range(10)]\n"
        "    return sorted({os.waitstatus_to_exitcode(os.waitpid(c, 0)[1]) for c in children})\n",
        MemorySize=1024, Timeout=60,
    )  # fmt: skip
    error, got = kit.invoke()
    assert error is None and got == [28], (error, got)


# Numbers of x86-64 calls; what each answers: refused (1), as if the kernel had none (38), or another errno that is no success.
CALLS = {
    "unshare user": (272, (0x10000000,)), "setns": (308, (0, 0)), "clone3": (435, (0, 0)), "clone new user": (56, (0x10000011, 0, 0, 0, 0)),
    "ptrace traceme": (101, (0, 0, 0, 0)), "ptrace attach init": (101, (16, 1, 0, 0)), "process_vm_readv": (310, (1, 0, 0, 0, 0, 0)),
    "pidfd_getfd": (438, (0, 0, 0)), "kcmp": (312, (1, 1, 0, 0, 0)), "keyctl": (250, (0, 0)), "add_key": (248, (0, 0, 0, 0, 0)), "bpf": (321, (0, 0, 0)),
    "perf_event_open": (298, (0, 0, 0, 0, 0)), "userfaultfd": (323, (0,)), "io_uring_setup": (425, (1, 0)), "memfd_create": (319, (0, 0)), "shmget": (29, (0, 4096, 512)),
    "mount": (165, (0, 0, 0, 0, 0)), "open_tree": (428, (-100, 0, 1)), "fsopen": (430, (0, 0)), "move_mount": (429, (0, 0, 0, 0, 0)), "mount_setattr": (442, (0, 0, 0, 0, 0)),
    "pivot_root": (155, (0, 0)), "chroot": (161, (0,)), "umount": (166, (0, 0)), "open_by_handle_at": (304, (0, 0, 0)), "name_to_handle_at": (303, (0, 0, 0, 0, 0)),
    "init_module": (175, (0, 0, 0)), "kexec_load": (246, (0, 0, 0, 0)), "reboot": (169, (0, 0, 0, 0)), "settimeofday": (164, (0, 0)), "clock_settime": (227, (0, 0)),
    "syslog": (103, (3, 0, 0)), "acct": (163, (0,)), "iopl": (172, (3,)), "ioperm": (173, (0, 1, 1)), "quotactl": (179, (0, 0, 0, 0)), "swapon": (167, (0, 0)),
    "modify_ldt": (154, (1, 0, 0)), "mbind": (237, (0, 0, 0, 0, 0, 0)), "move_pages": (279, (0, 0, 0, 0, 0, 0)), "migrate_pages": (256, (0, 0, 0, 0)),
    "fanotify_init": (300, (0, 0)), "mq_open": (240, (0, 0, 0, 0)), "msgget": (68, (0, 512)), "semget": (64, (0, 1, 512)), "landlock": (444, (0, 0, 0)), "setuid 0": (105, (0,)), "setgid 0": (106, (0,)),
    "x32 getpid": (0x40000000 + 39, ()),
}  # fmt: skip
REFUSED = (1, 38)
# Harmless where the namespaces confine what they make, or where they only take something away.
LET = {"landlock", "setuid 0", "setgid 0", "mbind", "x32 getpid"}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="numbers of x86-64")
def test_calls_that_reach_out_are_refused(kit):
    kit.make(
        "import ctypes, os\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "libc.syscall.restype = ctypes.c_long\n"
        f"CALLS = {CALLS!r}\n"
        "def handler(event, context):\n"
        "    out = {}\n"
        "    for what, (number, words) in CALLS.items():\n"
        "        ctypes.set_errno(0)\n"
        "        got = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(word) for word in words])\n"
        "        if what.startswith('clone') and got == 0: os._exit(0)\n"
        "        out[what] = 0 if got >= 0 else ctypes.get_errno()\n"
        "    return out\n"
    )
    error, got = kit.invoke()
    assert error is None and len(got) == len(CALLS), (error, got)
    assert {what: value for what, value in got.items() if value not in REFUSED and what not in LET} == {}
    assert got["setuid 0"] != 0 and got["setgid 0"] != 0 and got["x32 getpid"] != 0


def test_sockets_of_other_families(kit):
    """Netlink, packets, raw ones, vsock, the kernel's ciphers; and abstract unix sockets of the machine, which a network namespace parts."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0kumoniwa-test-" + kit.name)
        listener.listen()
        kit.make(
            "import socket\n"
            "def tried(*kind):\n"
            "    try: socket.socket(*kind).close(); return 'open'\n"
            "    except OSError as error: return error.errno\n"
            "def handler(event, context):\n"
            "    out = {'packet': tried(17, 3, 0x300), 'vsock': tried(40, 1), 'alg': tried(38, 5), 'raw': tried(2, 3, 1), 'xdp': tried(44, 3), 'bluetooth': tried(31, 3), 'can': tried(29, 3), 'netfilter': tried(16, 3, 12), 'crypto': tried(16, 3, 21)}\n"
            "    try: socket.socket(1).connect('\\0' + event); out['abstract'] = 'open'\n"
            "    except OSError as error: out['abstract'] = error.errno\n"
            "    return out\n"
        )
        error, got = kit.invoke("kumoniwa-test-" + kit.name)
    assert error is None and "open" not in got.values(), got
    assert got["abstract"] == 111


def test_signals_reach_nobody_else(kit):
    """kill(-1), kill of every number: the watcher is number 1 and immune, all others are the function's own."""
    victim = subprocess.Popen(["sleep", "300"], user=879993 if os.getuid() == 0 else None)
    try:
        kit.make(
            "import os, signal\n"
            "def handler(event, context):\n"
            "    hit = []\n"
            "    for pid in [*range(1, 3000), event]:\n"
            "        if pid == os.getpid(): continue\n"
            "        try: os.kill(pid, signal.SIGKILL); hit.append(pid)\n"
            "        except OSError: pass\n"
            "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "    try: os.kill(-1, signal.SIGTERM)\n"
            "    except ProcessLookupError: pass\n"
            "    return hit\n"
        )
        error, got = kit.invoke(victim.pid)
        assert error is None and set(got) <= {1}, (error, got)
        assert kit.invoke(victim.pid)[0] is None  # nor has its own watcher ended
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_links_in_tmp_lead_nowhere(kit, tmp_path):
    """A link made in /tmp is followed inside only, by whoever follows it; the server never looks into /tmp."""
    secret = tmp_path / "secret"
    secret.write_text("untouched")
    kit.make(
        "import os\n"
        "def handler(event, context):\n"
        "    os.symlink(event, '/tmp/link'); os.symlink('/proc/1/root', '/tmp/root'); os.symlink('/proc/1/cwd', '/tmp/cwd')\n"
        "    out = []\n"
        "    for path in ('/tmp/link', '/tmp/root' + event, '/tmp/cwd' + event, '/proc/self/root' + event, '/proc/1/root' + event):\n"
        "        try: out.append(open(path).read())\n"
        "        except OSError as error: out.append(type(error).__name__)\n"
        "    try: open('/tmp/link', 'w'); out.append('written')\n"
        "    except OSError as error: out.append(type(error).__name__)\n"
        "    return out\n"
    )
    error, got = kit.invoke(str(secret))
    assert error is None and set(got) <= {"FileNotFoundError", "PermissionError", "OSError"}, got
    assert secret.read_text() == "untouched"


def zipped(*entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, mode, data in entries:
            info = zipfile.ZipInfo(path)
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return out.getvalue()


@pytest.mark.parametrize("entries", [
    [("link", stat.S_IFLNK | 0o777, "/etc")],
    [("link", stat.S_IFLNK | 0o777, "../../..")],
    [("a/link", stat.S_IFLNK | 0o777, "../../code"), ("app.py", 0o644, "")],
    [("link", stat.S_IFLNK | 0o777, "a"), ("link/../../x", 0o644, "x")],
    [("../x", 0o644, "x")],
    [("/x", 0o644, "x")],
    [("device", stat.S_IFBLK | 0o666, "")],
], ids=range(7))  # fmt: skip
def test_archives_that_lead_out(kit, entries):
    role = kit.role()
    with pytest.raises(botocore.exceptions.ClientError, match="Could not unzip uploaded file"):
        kit.client.create_function(FunctionName=kit.name, Role=role, Runtime="python3.12", Handler="app.handler", Code={"ZipFile": zipped(*entries)})
    code = kit.cloud.data / "functions" / "code"
    assert not (code / "x").exists() and not (code.parent / "x").exists() and [p.name for p in code.iterdir() if "." in p.name] == []


@pytest.mark.parametrize("kind", ["bytes", "files"])
def test_archives_that_swell(kit, kind):
    """A few hundred KiB that are gigabytes, or hundreds of thousands of files: refused, and nothing of it stays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        if kind == "bytes":
            with archive.open("zeros", "w", force_zip64=True) as entry:
                for _ in range(1024):
                    entry.write(bytes(1 << 20))
        else:
            for number in range(210_000):
                archive.writestr(zipfile.ZipInfo(f"{number % 100}/{number}"), b"")
    role = kit.role()
    before = resident_mb(kit.cloud.process.pid)
    with within(60 * SLOWNESS), pytest.raises(botocore.exceptions.ClientError) as error:
        kit.client.create_function(FunctionName=kit.name, Role=role, Runtime="python3.12", Handler="app.handler", Code={"ZipFile": out.getvalue()})
    assert error.value.response["Error"]["Code"] in ("InvalidParameterValueException", "RequestEntityTooLargeException"), error.value
    if SLOWNESS == 1:
        assert resident_mb(kit.cloud.process.pid) < before + 400
    assert [p.name for p in (kit.cloud.data / "functions" / "code").iterdir() if "." in p.name] == []


def test_set_user_id_files_are_none(kit):
    code = zipped(("app.py", 0o644, "import os, subprocess\ndef handler(e, c):\n    return [os.stat('/var/task/tool').st_mode & 0o7777, subprocess.run(['/var/task/tool'], capture_output=True, text=True).stdout.strip(),\n"
                   "            [k for k in open('/proc/self/status') if k.startswith(('CapEff', 'NoNewPrivs', 'Seccomp:'))]]\n"), ("tool", 0o6755, "#!/bin/sh\nid -u\n"))  # fmt: skip
    kit.make({"app.py": ""})
    kit.client.update_function_code(FunctionName=kit.name, ZipFile=code)
    kit.client.get_waiter("function_updated_v2").wait(FunctionName=kit.name, WaiterConfig={"Delay": 0.1})
    error, got = kit.invoke()
    assert error is None and got[:2] == [0o755, "993"], got
    assert [line.split() for line in got[2]] == [["CapEff:", "0000000000000000"], ["NoNewPrivs:", "1"], ["Seccomp:", "2"]]


def listener():
    made = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: [made.accept()[0].sendall(b"here") for _ in range(1)], daemon=True).start()
    return made


REACH = (
    "import socket, urllib.request, os\n"
    "def handler(event, context):\n"
    "    try: text = socket.create_connection(('127.0.0.1', event), timeout=2).recv(9).decode()\n"
    "    except OSError as error: text = type(error).__name__\n"
    "    health = urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL'] + '/_localstack/health').status\n"
    "    routes = open('/proc/net/route').read().splitlines()[1:]\n"
    "    links = sorted(line.split(':')[0].strip() for line in open('/proc/net/dev').read().splitlines()[2:])\n"
    "    return [text, health, len(routes), links]\n"
)


def test_network_is_closed_by_default(kit):
    """Not only no answer: there is no link and no route out of the sandbox at all."""
    kit.make(REACH)
    with listener() as other:
        error, got = kit.invoke(other.getsockname()[1])
    assert error is None and got == ["ConnectionRefusedError", 200, 0, ["lo"]], (error, got)


def test_network_of_the_machine_by_setting(make_cloud, name):
    """--functions-network host: all that the machine reaches, as well as the cloud; nothing else of the sandbox opens."""
    with make_cloud("--functions-network", "host") as cloud, listener() as other:
        kit = Kit(cloud, name)
        kit.make(REACH)
        error, got = kit.invoke(other.getsockname()[1])
        assert error is None and got[:2] == ["here", 200], (error, got)
        links = {line.split(":")[0].strip() for line in pathlib.Path("/proc/net/dev").read_text().splitlines()[2:]}
        assert set(got[3]) == links
        kit.make("import os\ndef handler(e, c):\n    return [os.path.exists('/etc/shadow'), len([p for p in os.listdir('/proc') if p.isdigit()])]\n", name=kit.name + "-2")
        assert kit.invoke(name=kit.name + "-2") == (None, [False, 2])
