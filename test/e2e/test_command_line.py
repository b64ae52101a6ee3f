"""The program's own commands, and every way in which a start can fail: the message names what is wrong and the way out,
the exit code is not 0, nothing is damaged."""

import datetime
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading

import pytest

import wire
from kumoniwa import PROGRAM, SLOWNESS, Cloud, clean_environment, wait_until, within

COMMANDS = ["serve", "run", "env", "status", "services", "logs", "iam", "reset", "clock", "credentials", "doctor", "version"]


def kumoniwa(*arguments, timeout=30, cwd=None, **environment):
    return subprocess.run([str(PROGRAM), *map(str, arguments)], env={**clean_environment(cwd or "/nonexistent"), **environment},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout * SLOWNESS,
                          check=False, cwd=cwd)


def refused(*arguments, code=None, **more):
    """A start that must fail: what it said."""
    done = kumoniwa("serve", "--listen", "127.0.0.1:0", *arguments, timeout=10, **more)
    assert done.returncode not in (0, None) and done.returncode > 0, done
    assert code is None or done.returncode == code, done
    assert done.stdout == "", done.stdout
    lines = done.stderr.strip().splitlines()
    assert lines and lines[-1].startswith("kumoniwa: "), done.stderr
    return lines[-1]


# --- help and wrong arguments --------------------------------------------------------------------------------------


def test_help():
    for arguments in (["--help"], ["-h"], ["help"]):
        done = kumoniwa(*arguments)
        assert done.returncode == 0 and done.stderr == ""
        for command in COMMANDS:
            assert re.search(rf"^  {command} ", done.stdout, re.M), command
    assert max(map(len, done.stdout.splitlines())) <= 100


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command):
    done = kumoniwa(command, "--help")
    assert done.returncode == 0 and done.stderr == "", done
    assert done.stdout.startswith(f"usage: kumoniwa {command}")
    for other in ([command, "-h"], ["help", command]):
        assert kumoniwa(*other).stdout == done.stdout, other


def test_no_command_and_a_wrong_one():
    done = kumoniwa()
    assert done.returncode == 2 and "usage: kumoniwa" in done.stderr
    done = kumoniwa("surf")
    assert done.returncode == 2 and '"surf"' in done.stderr and "--help" in done.stderr


def test_version():
    for argument in ("version", "--version"):
        done = kumoniwa(argument)
        assert done.returncode == 0 and re.fullmatch(r"kumoniwa \d+\.\d+\.\d+\n", done.stdout)


@pytest.mark.parametrize("command", ["env", "status", "reset", "doctor", "version"])
def test_commands_without_arguments_take_none(command):
    done = kumoniwa(command, "surplus")
    assert done.returncode == 2 and done.stdout == "" and "usage: " in done.stderr


@pytest.mark.parametrize("flags, words", [
    (["--colour", "red"], ["--colour", "no such setting"]),
    (["--listen"], ["--listen", "wants a value"]),
    (["--colour"], ["--colour", "no such setting"]),
    (["--listen", "nowhere"], ["--listen", "nowhere", "ADDRESS:PORT"]),
    (["--listen", "127.0.0.1:99999"], ["99999", "ADDRESS:PORT"]),
    (["--durability", "eternal"], ["--durability", "eternal", "process or power"]),
    (["--auth", "maybe"], ["--auth", "maybe", "open or strict"]),
    (["--threads", "many"], ["--threads", "many", "256"]),
    (["--region", "the moon"], ["--region", "the moon", "us-east-1"]),
    (["--endpoint", "ftp://x"], ["--endpoint", "ftp://x", "http://"]),
    (["--log-level", "loud"], ["--log-level", "loud", "error, warn, info or debug"]),
    (["--config", "/does/not/exist"], ["/does/not/exist", "No such file"]),
    (["stray"], ["stray", "not a flag"]),
    (["--ephemeral=perhaps"], ["--ephemeral", "perhaps", "yes or no"]),
])
def test_wrong_flags(flags, words):
    said = refused(*flags, code=2)
    for word in words:
        assert word in said, said


def test_wrong_environment_and_file(tmp_path):
    said = refused(KUMONIWA_DURABILITY="eternal", code=2)
    assert "KUMONIWA_DURABILITY" in said and "eternal" in said
    file = tmp_path / "config"
    file.write_text("# a comment\nauth = strict\n\nthreads = lots\n")
    said = refused("--config", file, code=2)
    assert f"{file}:4" in said and "lots" in said
    file.write_text("auth\n")
    assert f"{file}:1" in refused("--config", file, code=2)


def test_flags_go_before_environment_before_file(make_cloud, tmp_path):
    file = tmp_path / "config"
    file.write_text("region = eu-west-1\nauth = strict\n")
    cloud = make_cloud("--auth", "open", "--config", str(file), environment={"AWS_DEFAULT_REGION": "ap-northeast-1"})
    cloud.start()
    assert "AWS_DEFAULT_REGION=ap-northeast-1" in cloud.greeting
    assert cloud.client("sts").get_caller_identity()["Account"] == "000000000000"


def test_file_of_the_user(tmp_path):
    (tmp_path / "conf" / "kumoniwa").mkdir(parents=True)
    (tmp_path / "conf" / "kumoniwa" / "config").write_text("colour = red\n")
    assert f"{tmp_path}/conf/kumoniwa/config:1" in refused(XDG_CONFIG_HOME=str(tmp_path / "conf"), code=2)


# --- serve ------------------------------------------------------------------------------------------------------------


def test_greeting_tells_how_to_use_it(own):
    assert len(own.greeting.splitlines()) == 1
    exports = re.search(r"export (.*)$", own.greeting)[1]
    environment = dict(pair.split("=", 1) for pair in exports.split())
    assert environment["AWS_ENDPOINT_URL"] == own.endpoint
    assert str(own.data) in own.greeting
    done = subprocess.run([str(pathlib.Path(sys.executable).parent / "aws"), "sts", "get-caller-identity"],
                          env={**clean_environment(), **environment}, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["Account"] == "000000000000"


def test_data_stand_where_xdg_says(tmp_path):
    cloud = Cloud(tmp_path / "cloud", environment={"XDG_DATA_HOME": str(tmp_path / "share")})
    cloud.command = lambda: [str(PROGRAM), "serve", "--listen", "127.0.0.1:0"]
    with cloud:
        assert f"(data: {tmp_path}/share/kumoniwa)" in cloud.greeting
        assert (tmp_path / "share" / "kumoniwa" / "format").exists()
    # Others must not read what is kept.
    assert (tmp_path / "share" / "kumoniwa").stat().st_mode & 0o077 == 0


def test_ephemeral_leaves_nothing(tmp_path):
    cloud = Cloud(tmp_path / "cloud", environment={"TMPDIR": str(tmp_path)})
    cloud.command = lambda: [str(PROGRAM), "serve", "--listen", "127.0.0.1:0", "--ephemeral"]
    with cloud:
        data = pathlib.Path(re.search(r"\(data: (.*?)\)", cloud.greeting)[1])
        assert data.parent == tmp_path and data.is_dir()
        assert cloud.client("sqs").create_queue(QueueName="x")
    assert not data.exists()
    assert not list(tmp_path.glob("kumoniwa-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly_under_load(own, number):
    connection = wire.Fast(own)
    connection.call("CreateQueue", QueueName="q")
    with within(1 * SLOWNESS):
        own.process.send_signal(number)
        assert own.process.wait(60 * SLOWNESS) == 0
    own.process.stdout.close()
    own.process = None
    assert not (own.data / "in-use").exists()


def test_ipv6_and_any_address(tmp_path):
    for listen, host in (("[::1]:0", "::1"), ("[::]:0", "::1"), ("0.0.0.0:0", "127.0.0.1"), ("127.0.0.2:0", "127.0.0.2")):
        if ":" in host:
            try:
                socket.create_server((host, 0), family=socket.AF_INET6).close()
            except OSError:
                continue
        process = subprocess.Popen([str(PROGRAM), "serve", "--listen", listen, "--ephemeral"], stdout=subprocess.PIPE,
                                   env=clean_environment(), text=True)
        try:
            greeting = process.stdout.readline()
            port = int(re.search(r":(\d+)  \(data", greeting)[1])
            socket.create_connection((host, port), 5).close()
            # The greeting's own words reach it.
            endpoint = re.search(r"AWS_ENDPOINT_URL=(\S+)", greeting)[1]
            assert endpoint == (f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
            assert kumoniwa("status", KUMONIWA_ENDPOINT=endpoint).returncode == 0
        finally:
            process.terminate()
            assert process.wait(60) == 0
            process.stdout.close()


def test_tls_keeps_its_authority(make_cloud):
    """Trust is given once: restarts and other versions of the server's certificate do not ask for it again."""
    cloud = make_cloud(tls=True).start()
    assert f"AWS_CA_BUNDLE={cloud.ca}" in cloud.log_text() and cloud.greeting.count("https://") == 2
    authority = cloud.ca.read_bytes()
    assert (cloud.data / "tls" / "ca.key").stat().st_mode & 0o077 == 0
    cloud.restart()
    assert cloud.ca.read_bytes() == authority
    for host in ("localhost", "127.0.0.1"):
        context = ssl.create_default_context(cafile=cloud.ca)
        with socket.create_connection(("127.0.0.1", cloud.port), 5) as plain:
            with context.wrap_socket(plain, server_hostname=host) as secure:
                assert secure.version() in ("TLSv1.2", "TLSv1.3")
    # Plain HTTP on the port of TLS does no harm.
    assert not wire.exchange(cloud, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", timeout=2).startswith(b"HTTP/1.1 200")
    assert cloud.client("sts").get_caller_identity()


# --- starts that fail --------------------------------------------------------------------------------------------------


def test_port_in_use(own, tmp_path):
    done = kumoniwa("serve", "--listen", f"127.0.0.1:{own.port}", "--data", tmp_path / "other")
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert f"127.0.0.1 port {own.port}" in said and "Address already in use" in said
    assert "--listen" in said
    assert own.get("/_localstack/health")[0] == 200


def test_address_that_is_not_ours(tmp_path):
    done = kumoniwa("serve", "--listen", "192.0.2.1:0", "--data", tmp_path / "d")
    assert done.returncode == 1 and "192.0.2.1" in done.stderr


def test_data_in_use(own):
    said = refused("--data", own.data, code=1)
    assert str(own.data) in said and f"in use by process {own.process.pid}" in said
    assert own.client("sqs").create_queue(QueueName="still-well")


def test_data_of_a_newer_format(tmp_path):
    with Cloud(tmp_path / "c") as cloud:
        cloud.client("sqs").create_queue(QueueName="kept")
    (cloud.data / "format").write_text("99\n")
    before = {path.name: path.read_bytes() for path in cloud.data.iterdir() if path.is_file()}
    said = refused("--data", cloud.data, code=1)
    assert str(cloud.data) in said and "format 99" in said and "newer" in said
    after = {path.name: path.read_bytes() for path in cloud.data.iterdir() if path.is_file()}
    assert {k: v for k, v in after.items() if k != "lock"} == {k: v for k, v in before.items() if k != "lock"}
    (cloud.data / "format").write_text("1\n")
    with cloud:
        assert len(cloud.client("sqs").list_queues()["QueueUrls"]) == 1


def test_data_that_are_none(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "format").write_text("hello\n")
    said = refused("--data", folder, code=1)
    assert str(folder) in said and "not a data directory" in said
    file = tmp_path / "file"
    file.write_text("precious")
    said = refused("--data", file, code=1)
    assert str(file) in said and "Not a directory" in said
    said = refused("--data", file / "below", code=1)
    assert str(file) in said
    assert file.read_text() == "precious"


def test_data_of_a_machine_that_went_down(tmp_path):
    """They are served, and the log says what may be missing."""
    with Cloud(tmp_path / "c") as cloud:
        cloud.client("sqs").create_queue(QueueName="kept")
        cloud.kill()
    cloud.start()
    cloud.kill()  # of this boot: nothing to warn of
    assert "machine went down" not in cloud.log_text()
    (cloud.data / "in-use").write_text("00000000-0000-0000-0000-000000000000\n")
    with cloud:
        assert f"The data directory {cloud.data} was in use when the machine went down" in cloud.log_text()
        assert len(cloud.client("sqs").list_queues()["QueueUrls"]) == 1
    before = cloud.log_text().count("machine went down")
    cloud.start()
    cloud.stop()
    assert cloud.log_text().count("machine went down") == before == 1


def test_damaged_store(tmp_path):
    with Cloud(tmp_path / "c") as cloud:
        cloud.client("sqs").create_queue(QueueName="x")
    (store,) = cloud.data.glob("*.mdb")
    store.write_bytes(b"this is no store" * 4096)
    said = refused("--data", cloud.data, code=1)
    assert str(cloud.data) in said
    assert store.read_bytes() == b"this is no store" * 4096


@pytest.fixture
def anybody(tmp_path_factory):
    """(folder that all may enter, arguments that make a process a user without rights)"""
    if os.geteuid() != 0:
        yield tmp_path_factory.mktemp("anybody"), {}
        return
    try:
        pwd.getpwnam("nobody")
    except KeyError:
        pytest.skip("there is no user nobody")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder), {"user": "nobody"}


def test_unwritable_data(anybody):
    folder, user = anybody
    # The program may lie where that user cannot go.
    program = shutil.copy(PROGRAM, folder / "program")
    os.chmod(program, 0o755)
    locked = folder / "locked"
    locked.mkdir(mode=0o555)
    for data in (locked, locked / "below"):
        done = subprocess.run([program, "serve", "--listen", "127.0.0.1:0", "--data", str(data)], capture_output=True,
                              env=clean_environment(), text=True, timeout=10, check=False, **user)
        assert done.returncode == 1, done
        said = done.stderr.strip().splitlines()[-1]
        assert str(data) in said and "ermission denied" in said
        assert "nother" in said, said
    assert not list(locked.iterdir())


# --- full disks --------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    """make(megabytes): a file system of that size. Needs root."""
    mounted = []

    def make(size):
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True,
                              check=False)
        if done.returncode != 0:
            pytest.skip("a file system cannot be mounted here")
        mounted.append(place)
        return place

    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    yield make
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_start_on_a_full_disk(disk):
    place = disk("1m")
    with open(place / "filler", "wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            pass
    said = refused("--data", place / "data", code=1)
    assert str(place / "data") in said
    assert "No space left on device" in said or "full" in said


def test_a_disk_that_fills_while_serving(disk, tmp_path):
    """Writes answer 5xx, reads go on, nothing acknowledged is lost; with room again, writes go on."""
    place = disk("24m")
    cloud = Cloud(tmp_path / "cloud")
    cloud.data = place / "data"
    with cloud:
        connection = wire.Fast(cloud)
        url = connection.call("CreateQueue", QueueName="q")[1]["QueueUrl"]
        filler = place / "filler"
        filler.write_bytes(bytes(4 << 20))
        sent = []
        for i in range(100_000):
            body = f"{i}:" + "x" * 20_000
            status, reply = connection.call("SendMessage", QueueUrl=url, MessageBody=body)
            if status != 200:
                break
            sent.append(str(i))
        assert status in (500, 503, 507) and len(sent) > 100, (status, len(sent))
        assert "disk" in reply["message"] and "full" in reply["message"]
        for _ in range(20):
            assert connection.call("SendMessage", QueueUrl=url, MessageBody="y" * 20_000)[0] >= 500
            assert connection.call("ListQueues")[0] == 200
            status, reply = connection.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
            assert status == 200 and reply["Attributes"]["ApproximateNumberOfMessages"] == str(len(sent))
        assert cloud.get("/_localstack/health")[0] == 200
        assert cloud.client("sts").get_caller_identity()

        cloud.kill()
        cloud.start()
        connection = wire.Fast(cloud)
        assert connection.call("ListQueues")[0] == 200

        filler.unlink()

        def until_there_is_room(operation, **members):
            """Who was refused room asks the system again after a while; what needs no more room goes on before."""
            def there_is():
                status, reply = connection.call(operation, QueueUrl=url, **members)
                assert status in (200, 503), reply
                return status == 200 and (reply,)
            return wait_until(there_is, message="there is no room")[0]

        until_there_is_room("SendMessage", MessageBody="after")
        sent.append("after")
        got = []
        while messages := until_there_is_room("ReceiveMessage", MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                got.append(message["Body"].partition(":")[0])
                until_there_is_room("DeleteMessage", ReceiptHandle=message["ReceiptHandle"])
        assert sorted(got) == sorted(sent)


# --- run --------------------------------------------------------------------------------------------------------------


def test_run_passes_exit_codes_on():
    for code in (0, 3, 255):
        assert kumoniwa("run", "--", "sh", "-c", f"exit {code}").returncode == code
    assert kumoniwa("run", "--", "sh", "-c", "kill -9 $$").returncode == 128 + 9
    done = kumoniwa("run", "--", "/does/not/exist")
    assert done.returncode == 127 and "/does/not/exist" in done.stderr
    assert kumoniwa("run", "--", "/etc/passwd").returncode == 126
    for wrong, words in (([], "-- and a command are missing"), (["true"], "-- and a command are missing"), (["--"], "a command is missing"),
                         (["--data", "/tmp/x", "--", "true"], "--data"), (["--tls", "--", "true"], "--tls"),
                         (["--listen=127.0.0.1:1", "--", "true"], "--listen"), (["--colour", "--", "true"], "no such setting")):
        done = kumoniwa("run", *wrong)
        assert done.returncode == 2 and words in done.stderr and done.stdout == "", (wrong, done)
    done = kumoniwa("run", "--colour", "red", "--", "true")
    assert done.returncode == 2 and "--colour" in done.stderr


def test_run_minds_no_settings_of_another_cloud():
    done = kumoniwa("run", "--", "sh", "-c", "echo $AWS_ENDPOINT_URL; exec $KUMONIWA_PROGRAM status", KUMONIWA_PROGRAM=str(PROGRAM),
                    KUMONIWA_ENDPOINT="http://127.0.0.1:1", KUMONIWA_TLS="yes", KUMONIWA_LISTEN="127.0.0.1:1")
    assert done.returncode == 0 and done.stdout.startswith("http://127.0.0.1:"), done


def test_run_gives_a_private_empty_cloud(cloud, tmp_path):
    script = (
        "import boto3, os, sys\n"
        "sqs = boto3.client('sqs')\n"
        "assert not sqs.list_queues().get('QueueUrls')\n"
        "url = sqs.create_queue(QueueName='private')['QueueUrl']\n"
        "sqs.send_message(QueueUrl=url, MessageBody='x')\n"
        "print(os.environ['AWS_ENDPOINT_URL'], sys.stdin.read())\n"
    )
    seen = set()
    for _ in range(2):
        done = subprocess.run([str(PROGRAM), "run", "--", sys.executable, "-c", script], input="piped",
                              env=cloud.client_environment(TMPDIR=str(tmp_path)), capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        endpoint, piped = done.stdout.split()
        assert piped == "piped" and endpoint != cloud.endpoint
        seen.add(endpoint)
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 1)
    assert not list(tmp_path.glob("kumoniwa-*"))


def test_run_passes_arguments_and_output_untouched():
    done = kumoniwa("run", "--", "printf", "%s|", "a b", "--help", "", "*")
    assert done.returncode == 0 and done.stdout == "a b|--help||*|" and done.stderr == ""


def test_run_ends_with_its_command_when_told_to():
    """SIGTERM goes to the command; its code comes back; the cloud is gone."""
    process = subprocess.Popen(
        [str(PROGRAM), "run", "--", "sh", "-c", 'trap "exit 5" TERM; echo $KUMONIWA_ENDPOINT; while :; do sleep 0.05; done'],
        stdout=subprocess.PIPE, env=clean_environment(), text=True)
    endpoint = process.stdout.readline().strip()
    process.terminate()
    assert process.wait(60 * SLOWNESS) == 5
    process.stdout.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 1)


def test_ctrl_c_ends_run_and_its_cloud(tmp_path):
    """As a terminal sends it: to the whole process group."""
    process = subprocess.Popen(
        [str(PROGRAM), "run", "--", "sh", "-c", "echo $KUMONIWA_ENDPOINT; exec sleep 60"], stdout=subprocess.PIPE,
        env={**clean_environment(), "TMPDIR": str(tmp_path)}, text=True, start_new_session=True,
        # Whoever runs the tests in the background may have SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    endpoint = process.stdout.readline().strip()
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60 * SLOWNESS) == 128 + signal.SIGINT
    process.stdout.close()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", int(endpoint.rpartition(":")[2])), 1)
    assert not list(tmp_path.glob("kumoniwa-*"))


def test_a_killed_run_leaves_no_cloud():
    process = subprocess.Popen([str(PROGRAM), "run", "--", "sh", "-c", "echo $KUMONIWA_ENDPOINT; exec sleep 2"],
                               stdout=subprocess.PIPE, env=clean_environment(), text=True)
    port = int(process.stdout.readline().strip().rpartition(":")[2])
    process.kill()
    process.wait()
    process.stdout.close()

    def refused_now():
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return False
        except OSError:
            return True

    wait_until(refused_now)


# --- the commands that ask a running cloud ---------------------------------------------------------------------------------


def test_env_can_be_evaluated(cloud):
    text = cloud.run("env").stdout
    done = subprocess.run(["sh", "-c", f'eval "$1"; echo $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_DEFAULT_REGION', "sh", text],
                          env=clean_environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == [cloud.endpoint, "test", "us-east-1"]


def test_status(cloud):
    rows = dict(line.split(None, 1) for line in cloud.run("status").stdout.splitlines() if len(line.split(None, 1)) == 2)
    assert rows["process"] == str(cloud.process.pid)
    assert rows["data"].endswith(str(cloud.data)) or str(cloud.data) in cloud.run("status").stdout


def test_services(cloud):
    text = cloud.run("services").stdout
    rows = dict(re.findall(r"^(\S+)\s+(\d+ of +\d+)", text, re.M))
    assert len(rows) >= 65
    assert rows["sqs"].split() == ["23", "of", "23"]
    assert re.search(r"^sqs .*Amazon (SQS|Simple Queue Service)", text, re.M)
    one = cloud.run("services", "sqs").stdout
    assert one.count(" implemented") == 23 and "SendMessage" in one
    assert "not implemented" in cloud.run("services", "kms").stdout
    done = cloud.run("services", "none", check=False)
    assert done.returncode == 2 and '"none"' in done.stderr


def test_logs(cloud, sqs, queue):
    reply = sqs.send_message(QueueUrl=queue, MessageBody="x")
    wanted = reply["ResponseMetadata"]["RequestId"]
    line = cloud.run("logs", wanted).stdout
    assert len(line.splitlines()) == 1
    assert wanted in line and "sqs.SendMessage" in line and " 200 " in line and "127.0.0.1" in line
    assert len(cloud.run("logs", "2").stdout.splitlines()) == 2
    assert cloud.run("logs", "-3", check=False).returncode == 2
    done = cloud.run("logs", "no-such-request", check=False)
    assert done.returncode == 1 and "no-such-request" in done.stderr
    reply = wire.json_call(cloud, "GetQueueUrl", {"QueueName": "not-there"})
    line = cloud.run("logs", reply.headers["x-amzn-requestid"]).stdout
    assert "NonExistentQueue" in line or "QueueDoesNotExist" in line
    assert "The specified queue does not exist." in line


def test_reset(own):
    own.client("sqs").create_queue(QueueName="x")
    made = own.issue()
    own.run("reset")
    assert not own.client("sqs").list_queues().get("QueueUrls")
    # The key was issued no more: it is any key now.
    assert own.client("sts", made[0], "anything").get_caller_identity()


def test_clock(own):
    def ahead():
        """Whole seconds between the cloud's clock, which is told in milliseconds, and the machine's."""
        before = datetime.datetime.now(datetime.timezone.utc)
        cloud = datetime.datetime.fromisoformat(own.run("clock").stdout.strip().replace("Z", "+00:00"))
        after = datetime.datetime.now(datetime.timezone.utc)
        least, most = (cloud - after).total_seconds(), (cloud - before).total_seconds()
        return next((n for n in (0, 36 * 3600) if least - 1 < n < most + 1), (least, most))

    assert ahead() == 0
    own.run("clock", "advance", "1d12h")
    assert ahead() == 36 * 3600
    for wrong in (["back", "1d"], ["advance"], ["advance", "1"], ["advance", "-1d"], ["advance", "1y"], ["advance", ""]):
        assert own.run("clock", *wrong, check=False).returncode == 2, wrong
    done = own.run("clock", "advance", "40000d", check=False)
    assert done.returncode == 2 and '"40000d"' in done.stderr and "century" in done.stderr
    own.restart()
    assert ahead() == 36 * 3600


def test_clock_moves_retention_and_visibility(own):
    sqs = own.client("sqs")
    url = sqs.create_queue(QueueName="x", Attributes={"MessageRetentionPeriod": "3600"})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="short-lived")
    assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"]
    own.run("clock", "advance", "10m")
    assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    own.run("clock", "advance", "1h")
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_credentials(cloud):
    done = cloud.run("credentials", "issue", "12", check=False)
    assert done.returncode == 1 and "twelve digits" in done.stderr
    done = cloud.run("credentials", "issue", "123456789012", "a b", check=False)
    assert done.returncode == 1 and "a user's name is" in done.stderr
    assert cloud.run("credentials", check=False).returncode == 2
    assert cloud.run("credentials", "revoke", check=False).returncode == 2
    done = cloud.run("credentials", "revoke", "AKIANONE", check=False)
    assert done.returncode == 1 and "no such access key" in done.stderr


def test_doctor(cloud, tmp_path):
    done = kumoniwa("doctor", KUMONIWA_ENDPOINT=cloud.endpoint, AWS_ENDPOINT_URL=cloud.endpoint, KUMONIWA_DATA=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"answers at {cloud.endpoint}" in done.stdout and str(tmp_path) in done.stdout
    done = kumoniwa("doctor", KUMONIWA_ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 1 and "CHECK" in done.stdout and "kumoniwa serve" in done.stdout


@pytest.mark.parametrize("command", [["status"], ["services"], ["logs"], ["reset"], ["clock"], ["credentials", "issue"]])
def test_nobody_answers(command):
    done = kumoniwa(*command, KUMONIWA_ENDPOINT="http://127.0.0.1:1")
    assert done.returncode == 1 and done.stdout == ""
    assert "http://127.0.0.1:1" in done.stderr and "kumoniwa serve" in done.stderr


def test_what_answers_is_no_cloud():
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            connection, _ = server.accept()
            connection.recv(1000)
            connection.sendall(b"220 mail ready\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        done = kumoniwa("status", KUMONIWA_ENDPOINT=f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert done.returncode == 1 and "HTTP" in done.stderr
