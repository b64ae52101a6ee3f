"""Container images for tests, made without an engine: layers as tars, in an OCI image layout or as `docker save` wrote them."""
import gzip
import hashlib
import io
import json
import pathlib
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
LAYER = "application/vnd.oci.image.layer.v1.tar"
LEFT_OUT = {"test", "idlelib", "lib2to3", "ensurepip", "site-packages", "dist-packages", "tkinter", "turtledemo", "__pycache__", "pydoc_data"}


def layer(entries):
    """A tar of (path, what): bytes or text are a file, None a directory, ("link", target), ("hard", target), ("mode", mode, bytes)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, what in entries:
            info = tarfile.TarInfo(path)
            info.mode, data = 0o755, b""
            if what is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(what, tuple) and what[0] in ("link", "hard"):
                info.type = tarfile.SYMTYPE if what[0] == "link" else tarfile.LNKTYPE
                info.linkname = what[1]
            elif isinstance(what, tuple) and what[0] == "device":
                info.type, info.devmajor, info.devminor = tarfile.BLKTYPE, 8, 0
            else:
                if isinstance(what, tuple):
                    _, info.mode, what = what
                data = what.encode() if isinstance(what, str) else what
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def python_files():
    """(path, file of this machine) of an interpreter with its libraries: /usr/local/bin/python3 and what it needs."""
    program = pathlib.Path(sys.executable).resolve()
    library = pathlib.Path(sysconfig.get_path("stdlib"))
    files = [("usr/local/bin/python3", program)]
    inner = f"usr/local/lib/{library.name}"
    for path in library.rglob("*"):
        inside = path.relative_to(library)
        if path.is_file() and not LEFT_OUT & set(inside.parts) and path.suffix != ".a" and not inside.parts[0].startswith("config-"):
            files.append((f"{inner}/{inside}", path))
    needed = set()
    for binary in [program, *library.glob("lib-dynload/*.so")]:
        told = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
        needed |= {word for line in told.splitlines() for word in line.split() if word.startswith("/")}
    return files + [(name.lstrip("/"), pathlib.Path(name).resolve()) for name in sorted(needed)]


def python_layer():
    """As a plain tar: to pack it would take longer than the test."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for inside, path in python_files():
            archive.add(path, inside, recursive=False)
    return out.getvalue()


def config(**more):
    return {"architecture": MACHINE, "os": "linux", "config": more, "rootfs": {"type": "layers", "diff_ids": []}}


def pack(data, how):
    if how == "gzip":
        return gzip.compress(data, 1)
    if how == "zstd":
        return subprocess.run(["zstd", "-1", "-c"], input=data, capture_output=True, check=True).stdout
    return data


def layout(folder, layers, image, tag=None, replace=True):
    """An OCI image layout; layers are (tar, "", "gzip" or "zstd"). The manifest's digest."""
    folder = pathlib.Path(folder)
    blobs = folder / "blobs" / "sha256"
    if replace:
        shutil.rmtree(folder, ignore_errors=True)
    blobs.mkdir(parents=True, exist_ok=True)

    def blob(data, kind):
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}

    described = [blob(pack(data, how), LAYER + (f"+{how}" if how else "")) for data, how in layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(image).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": described,
    }
    one = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    if tag:
        one["annotations"] = {"org.opencontainers.image.ref.name": tag}
    index = {"schemaVersion": 2, "manifests": []}
    if (folder / "index.json").exists():
        index = json.loads((folder / "index.json").read_text())
    index["manifests"].append(one)
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return one["digest"]


def docker_archive(file, layers, image):
    """What `docker save` wrote before version 25."""
    image = {**image, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in layers]}}
    text = json.dumps(image).encode()
    name = hashlib.sha256(text).hexdigest() + ".json"
    files = {name: text, **{f"{i}/layer.tar": data for i, data in enumerate(layers)}}
    files["manifest.json"] = json.dumps([{"Config": name, "RepoTags": ["app:1"], "Layers": [f"{i}/layer.tar" for i in range(len(layers))]}]).encode()
    with tarfile.open(file, "w") as archive:
        for path, data in files.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return hashlib.sha256(text).hexdigest()
