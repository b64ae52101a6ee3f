"""The runtime interface clients, src/functions/runtimes/*, to one constant table, build/gen/runtime_files.c.

The Java client is compiled where a javac is found; without one its sources go in, and are compiled where the program
runs, if there is a javac."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile

from gen_input import fail

JAR = "kumoniwa-lambda.jar"
JAVA_RELEASE = "11"


def compile_java(folder, sources):
    """The bytes of a jar that depend on nothing but the compiler and the sources."""
    with tempfile.TemporaryDirectory() as classes:
        command = ["javac", "--release", JAVA_RELEASE, "-nowarn", "-proc:none", "-encoding", "UTF-8", "-d", classes]
        done = subprocess.run(command + [os.path.join(folder, name) for name in sources], capture_output=True,
                              text=True, check=False, env={**os.environ, "JAVA_TOOL_OPTIONS": ""})
        if done.returncode != 0:
            fail("javac: %s", done.stderr.strip())
        names = sorted(os.path.relpath(os.path.join(where, name), classes)
                       for where, _, found in os.walk(classes) for name in found)
        path = os.path.join(classes, JAR)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as jar:
            for name in names:
                with open(os.path.join(classes, name), "rb") as file:
                    jar.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), file.read(), zipfile.ZIP_DEFLATED)
        with open(path, "rb") as file:
            return file.read()


def read_runtimes(folder):
    """{name: bytes}, in the order of names."""
    files, java = {}, []
    for where, _, found in os.walk(folder):
        for name in found:
            path = os.path.relpath(os.path.join(where, name), folder)
            if name.endswith(".md"):
                continue
            if name.endswith(".java"):
                java.append(path)
            with open(os.path.join(folder, path), "rb") as file:
                files[path] = file.read()
    if java and shutil.which("javac"):
        jar = compile_java(folder, sorted(java))
        files = {name: data for name, data in files.items() if name not in java}
        files[JAR] = jar
    return dict(sorted(files.items()))


def c_bytes(data):
    """A literal of bytes, cut into lines; an octal escape has three digits, so that none runs into what follows."""
    plain = set(b" !#$%&'()*+,-./0123456789:;<=>@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~")
    lines = []
    for begin in range(0, len(data), 4096):
        piece = data[begin:begin + 4096]
        lines.append('"%s"' % "".join(chr(byte) if byte in plain else "\\%03o" % byte for byte in piece))
    return "\n    ".join(lines) or '""'


def source_file(files):
    digest = hashlib.sha256()
    for name, data in files.items():
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(data), data))
    lines = ["/* Made by tools/gen_runtimes.py from src/functions/runtimes. */",
             '#include "functions/runtime_files.h"', "", "const struct runtime_file runtime_files[] = {"]
    for name, data in files.items():
        lines.append('    {.name = "%s", .size = %d, .data =\n    %s},' % (name, len(data), c_bytes(data)))
    lines += ["};", "const size_t runtime_file_count = %d;" % len(files),
              'const char runtime_files_digest[] = "%s";' % digest.hexdigest()[:16], ""]
    return "\n".join(lines)
