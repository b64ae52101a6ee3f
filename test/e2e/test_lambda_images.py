"""Functions of container images: their own system instead of the machine's, layers over each other, engines, and what is refused."""
import pathlib
import re
import shutil
import stat

import botocore.exceptions
import pytest

import image_maker
import kumoniwa
from image_maker import config, docker_archive, layer, layout
from lambda_kit import Kit, needs_sandboxes

pytestmark = needs_sandboxes

# A runtime interface client in a few lines: "python3 -m client app.handler".
CLIENT = """
import http.client, importlib, json, os, sys
api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
def call(method, path, body=None):
    api.request(method, '/2018-06-01/runtime/' + path, body)
    answer = api.getresponse()
    return answer.getheader('Lambda-Runtime-Aws-Request-Id'), answer.read()
sys.path.insert(0, os.getcwd())
module, name = sys.argv[-1].split('.')
handler = getattr(importlib.import_module(module), name)
while True:
    request, event = call('GET', 'invocation/next')
    call('POST', 'invocation/' + request + '/response', json.dumps(handler(json.loads(event), None)))
"""
APP = """
import os, sys
def look(path):
    try: return sorted(os.listdir(path)) if os.path.isdir(path) else open(path).read()
    except OSError as error: return type(error).__name__
def handler(event, context):
    return {'cwd': os.getcwd(), 'argv': sys.argv[1:], 'env': dict(os.environ), 'uid': os.getuid(),
            'looks': {path: look(path) for path in event or []}}
"""
OTHER = "def handler(event, context):\n    return 'other'\n"


@pytest.fixture(scope="module")
def base():
    return image_maker.python_layer()


@pytest.fixture
def kit(cloud, name):
    return Kit(cloud, name)


def role(kit):
    try:
        return kit.role()
    except botocore.exceptions.ClientError:
        return f"arn:aws:iam::000000000000:role/{kit.name[-40:].strip('-')}-role"


def settle(kit):
    kit.client.get_waiter("function_updated_v2").wait(FunctionName=kit.name, WaiterConfig={"Delay": 0.1})


def make(kit, uri, **more):
    kit.client.create_function(FunctionName=kit.name, Role=role(kit), PackageType="Image", Code={"ImageUri": uri}, Timeout=20, MemorySize=512, **more)
    kit.client.get_waiter("function_active_v2").wait(FunctionName=kit.name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})


def refused(kit, uri, **more):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        make(kit, uri, **more)
    assert error.value.response["Error"]["Code"] == "InvalidParameterValueException"
    return error.value.response["Error"]["Message"]


def app_layers(base, how="gzip"):
    first = layer([
        ("app/", None), ("app/client.py", CLIENT), ("app/app.py", APP), ("app/other.py", OTHER), ("etc/passwd", "image:x:993:990::/:/\n"),
        ("app/gone.txt", "below"), ("app/old/", None), ("app/old/one", "1"), ("app/old/two", "2"), ("etc/secret", ("mode", 0o600, "x")),
        ("etc/noted", "first"), ("bin", ("link", "usr/local/bin")), ("app/now-a-folder", "a file"),
    ])  # fmt: skip
    second = layer([
        ("app/.wh.gone.txt", b""), ("app/old/three", "3"), ("app/old/.wh..wh..opq", b""), ("etc/noted", "second"), ("app/same", ("hard", "app/app.py")),
        ("app/now-a-folder/", None), ("app/now-a-folder/inner", "i"), ("bin/tool", "by way of a link"), ("app/früh", "ü"), ("dev/sda", ("device",)),
    ])  # fmt: skip
    return [(base, ""), (first, how), (second, "zstd" if how and shutil.which("zstd") else how)]


SETTINGS = {
    "Entrypoint": ["python3", "-m", "client"], "Cmd": ["app.handler"], "WorkingDir": "/app",
    "Env": ["PATH=/usr/local/bin:/bin", "FROM_IMAGE=1", "BOTH=image", f"PYTHONHOME=/usr/local"],
}  # fmt: skip


def test_layers_and_settings(kit, base, tmp_path):
    digest = layout(tmp_path / "oci", app_layers(base), config(**SETTINGS))
    make(kit, f"oci:{tmp_path}/oci", Environment={"Variables": {"BOTH": "function"}})
    shutil.rmtree(tmp_path / "oci")  # it was taken in
    error, got = kit.invoke(["/app", "/app/gone.txt", "/app/old", "/etc/noted", "/etc/secret", "/etc/passwd", "/etc/hosts", "/usr/local/bin", "/app/now-a-folder",
                             "/usr/bin", "/etc/shadow", "/etc/alternatives", "/sys", "/root", str(pathlib.Path(__file__).resolve())])  # fmt: skip
    assert error is None, got
    looks = got["looks"]
    assert got["cwd"] == "/app" and got["argv"] == ["app.handler"] and got["uid"] == 993
    assert {key: got["env"].get(key) for key in ("FROM_IMAGE", "BOTH", "PATH")} == {"FROM_IMAGE": "1", "BOTH": "function", "PATH": "/usr/local/bin:/bin"}
    assert "LD_LIBRARY_PATH" not in got["env"]
    assert looks["/app/gone.txt"] == "FileNotFoundError"
    assert looks["/app/old"] == ["three"] and looks["/etc/noted"] == "second" and looks["/app/now-a-folder"] == ["inner"]
    assert looks["/etc/secret"] == "PermissionError"  # as on AWS: not everybody may read it
    assert "same" in looks["/app"] and "früh" in looks["/app"] and "tool" in looks["/usr/local/bin"]
    assert looks["/etc/passwd"].startswith("image:") and "127.0.0.1 localhost" in looks["/etc/hosts"]
    # Nothing of the machine's own system.
    assert looks["/usr/bin"] == looks["/etc/shadow"] == looks["/etc/alternatives"] == looks["/sys"] == looks["/root"] == "FileNotFoundError"
    assert looks[str(pathlib.Path(__file__).resolve())] == "FileNotFoundError"
    told = kit.client.get_function(FunctionName=kit.name)
    assert told["Code"] == {"RepositoryType": "ECR", "ImageUri": f"oci:{tmp_path}/oci", "ResolvedImageUri": f"oci:{tmp_path}/oci@{digest}"}
    assert told["Configuration"]["CodeSha256"] == digest[7:] and told["Configuration"]["PackageType"] == "Image"


def test_image_config_overrides(kit, base, tmp_path):
    layout(tmp_path / "oci", app_layers(base, ""), config(**SETTINGS), tag="v1")
    layout(tmp_path / "oci", [(base, ""), (layer([("x", "x")]), "")], config(), tag="v2", replace=False)
    make(kit, f"oci:{tmp_path}/oci:v1", ImageConfig={"Command": ["other.handler"]})
    assert kit.invoke() == (None, "other")
    kit.client.update_function_configuration(
        FunctionName=kit.name, ImageConfig={"EntryPoint": ["/usr/local/bin/python3", "/app/client.py", "more"], "WorkingDirectory": "/usr"}, Environment={"Variables": {"PYTHONPATH": "/app"}}
    )
    settle(kit)
    error, got = kit.invoke()
    assert (error, got["cwd"], got["argv"]) == (None, "/usr", ["more", "app.handler"])
    # Another image: one that has nothing to start.
    kit.client.update_function_code(FunctionName=kit.name, ImageUri=f"oci:{tmp_path}/oci:v2")
    settle(kit)
    kit.client.update_function_configuration(FunctionName=kit.name, ImageConfig={})
    settle(kit)

    def fails_with(settings, kind, message):
        kit.client.update_function_configuration(FunctionName=kit.name, ImageConfig=settings)
        settle(kit)
        error, got = kit.invoke()
        assert (error, got["errorType"]) == ("Unhandled", kind), got
        assert re.fullmatch(r"RequestId: [-0-9a-f]{36} Error: " + re.escape(message), got["errorMessage"]), got

    fails_with({}, "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): []")
    fails_with({"Command": ["/none", "more"]}, "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [/none]")
    fails_with({"EntryPoint": ["none"]}, "Runtime.InvalidEntrypoint", "Couldn't find valid bootstrap(s): [none]")
    fails_with({"EntryPoint": ["/x"]}, "Runtime.InvalidEntrypoint", "fork/exec /x: exec format error")
    fails_with({"EntryPoint": ["/usr/local/bin/python3"], "WorkingDirectory": "/nowhere"}, "Runtime.InvalidWorkingDir", "chdir /nowhere: no such file or directory")
    assert "it holds several images" in refused(Kit(kit.cloud, kit.name + "-x"), f"oci:{tmp_path}/oci")


def test_root_file_system_as_it_stands(kit, tmp_path):
    root = tmp_path / "root"
    for inside, path in image_maker.python_files():
        (root / inside).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / inside)
    (root / "app").mkdir()
    (root / "app" / "client.py").write_text(CLIENT)
    (root / "app" / "app.py").write_text(OTHER)
    for folder in [tmp_path, *tmp_path.parents[:2]]:
        folder.chmod(folder.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    make(kit, f"rootfs:{root}", ImageConfig={"EntryPoint": ["python3", "client.py"], "Command": ["app.handler"], "WorkingDirectory": "/app"})
    assert kit.invoke() == (None, "other")
    assert "does not exist. Provide a valid source image." in refused(Kit(kit.cloud, kit.name + "-x"), f"rootfs:{root}/none")


def broken(folder, what):
    """Alters a blob without its name."""
    for path in sorted((folder / "blobs" / "sha256").iterdir()):
        data = path.read_bytes()
        if what in data:
            path.write_bytes(data.replace(what, what[::-1]))


def test_what_is_refused(kit, tmp_path):
    oci = tmp_path / "oci"
    uri = f"oci:{oci}"
    assert refused(kit, uri) == f"Source image {uri} does not exist. Provide a valid source image. (there is no such folder.)"
    oci.mkdir()
    assert "no OCI image layout" in refused(kit, uri)
    layout(oci, [(layer([("x", "hello world")]), "")], config())
    broken(oci, b"hello world")
    assert refused(kit, uri).startswith(f"Source image {uri} is not valid. Provide a valid source image. (blobs/sha256/")
    layout(oci, [(layer([("x", "y")]), "")], {**config(), "architecture": "s390x"})
    assert "linux/s390x" in refused(kit, uri) and "layer media type for the source image" in refused(kit, uri)
    layout(oci, [(b"this is no archive" * 100, "")], config())
    assert "A layer cannot be unpacked" in refused(kit, uri)
    layout(oci, [(layer([("x", "y" * 10000)])[:2000], "")], config())
    assert "A layer cannot be unpacked" in refused(kit, uri)
    assert "does not exist" in refused(kit, f"{uri}:other") or "holds no image" in refused(kit, f"{uri}:other")
    assert "media type" in refused(kit, "--output=/x") and "media type" in refused(kit, "oci:relative")
    assert [p.name for p in (kit.cloud.data / "functions" / "code").iterdir() if "." in p.name] == []


@pytest.mark.parametrize("entries", [
    [("../outside", "x")],
    [("a/../../outside", "x")],
    [("/../../outside", "x")],
    [("way", ("link", "OUTSIDE")), ("way/file", "x")],
    [("way", ("link", "../../../../../../../../../../..OUTSIDE")), ("way/file", "x")],
    [("way", ("hard", "OUTSIDE/secret")), ("way", "x")],
    [("way", ("link", "OUTSIDE")), ("way/.wh.secret", b"")],
    [("way", ("link", "OUTSIDE")), ("way/.wh..wh..opq", b"")],
    [("way", ("link", "OUTSIDE/secret")), ("way", "x")],
], ids=range(9))  # fmt: skip
def test_images_stay_in_their_folder(kit, tmp_path, entries):
    """The link's target is taken as the image's own: what is outside is neither read, changed nor removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("untouched")
    put = [(path, tuple(p.replace("OUTSIDE", str(outside)) for p in what) if isinstance(what, tuple) else what) for path, what in entries]
    layout(tmp_path / "oci", [(layer(put[:1]), ""), (layer(put), "gzip")], config(Cmd=["/x"]))
    try:
        make(kit, f"oci:{tmp_path}/oci")
    except botocore.exceptions.ClientError as error:
        assert "is not valid" in str(error)
    assert [p.name for p in outside.iterdir()] == ["secret"] and (outside / "secret").read_text() == "untouched"
    assert (outside / "secret").stat().st_nlink == 1
    assert not (tmp_path / "outside-file").exists() and not (kit.cloud.data / "functions" / "outside").exists()


def test_set_user_id_and_sizes(kit, base, tmp_path):
    app = APP.replace("def handler", "def mode(p): return os.stat(p).st_mode\ndef handler").replace("'looks'", "'modes': [mode('/app/suid'), mode('/app/app.py')], 'looks'")
    layout(tmp_path / "oci", [(base, ""), (layer([("app/client.py", CLIENT), ("app/app.py", app), ("app/suid", ("mode", 0o6755, "x"))]), "gzip")], config(**SETTINGS))
    make(kit, f"oci:{tmp_path}/oci")
    error, got = kit.invoke()
    assert error is None and [stat.S_IMODE(mode) for mode in got["modes"]] == [0o755, 0o755]


ENGINE = """#!/bin/sh
echo "$@" >> {log}
for word; do last=$word; done
[ "$last" = {reference} ] || {{ echo "Error: $last: image not known" >&2; exit 125; }}
while [ $# -gt 0 ]; do case $1 in --output) to=$2;; esac; shift; done
cp -r {made} "$to"
"""


def engine(folder, name, reference, made):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(ENGINE.format(reference=reference, made=made, log=folder / "log"))
    path.chmod(0o755)
    return folder


@pytest.fixture
def engines(tmp_path, base):
    """A cloud whose PATH has what a test puts there, and little else."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for tool in ("sh", "cp"):
        (bin_folder / tool).symlink_to(shutil.which(tool))
    with kumoniwa.Cloud(tmp_path / "own", environment={"PATH": str(bin_folder)}) as cloud:
        yield cloud, bin_folder


URI = "000000000000.dkr.ecr.us-east-1.amazonaws.com/app:1"


def test_image_of_podman(engines, base, tmp_path):
    cloud, folder = engines
    kit = Kit(cloud, "podman")
    assert refused(kit, URI) == (
        f"Source image {URI} does not exist. Provide a valid source image. (this machine has neither podman nor docker: an image may also be "
        "oci:/FOLDER, an OCI image layout, or rootfs:/FOLDER, a root file system.)"
    )
    digest = layout(tmp_path / "oci", app_layers(base), config(**SETTINGS))
    engine(folder, "podman", URI, tmp_path / "oci")
    make(Kit(cloud, "podman-2"), URI)
    kit = Kit(cloud, "podman-2")
    assert kit.invoke()[1]["cwd"] == "/app"
    assert kit.client.get_function(FunctionName=kit.name)["Code"]["ResolvedImageUri"] == f"{URI[:-2]}@{digest}"
    told = refused(Kit(cloud, "podman-3"), "app:none")
    assert told == "Source image app:none does not exist. Provide a valid source image. (podman says: Error: app:none: image not known.)"


def test_image_of_docker(engines, base, tmp_path):
    cloud, folder = engines
    digest = docker_archive(tmp_path / "saved.tar", [data for data, _ in app_layers(base, "")], config(**SETTINGS))
    engine(folder, "docker", "app:1", tmp_path / "saved.tar")
    kit = Kit(cloud, "docker")
    make(kit, "app:1")
    error, got = kit.invoke(["/app/old"])
    assert error is None and got["looks"]["/app/old"] == ["three"]
    assert kit.client.get_function(FunctionName=kit.name)["Code"]["ResolvedImageUri"] == f"app@sha256:{digest}"
    assert "image not known" in refused(Kit(cloud, "docker-2"), "app:none")


def test_an_image_outlives_its_folder(engines, base, tmp_path):
    """What is unpacked may be lost: it is made again from what was kept."""
    cloud, _ = engines
    layout(tmp_path / "oci", app_layers(base), config(**SETTINGS))
    kit = Kit(cloud, "again")
    make(kit, f"oci:{tmp_path}/oci")
    code = cloud.data / "functions" / "code"
    (made,) = [path for path in code.iterdir() if path.is_dir()]
    shutil.rmtree(tmp_path / "oci")
    shutil.rmtree(made)
    error, got = kit.invoke(["/app/old"])
    assert error is None and got["looks"]["/app/old"] == ["three"]
