#!/usr/bin/env python3
"""From AWS's service models to C: descriptor tables, typed structs, constants, prototypes.

    python tools/generate.py --models BOTOCORE_DATA --list models/services.list \\
        --services src/services --overlays models/overlays --out build/gen [--vectors DIR]

tools/README.md tells what is made of what."""

import argparse
import multiprocessing
import os
import sys

import gen_c
import gen_managed
import gen_runtimes
import gen_vectors
from gen_input import (GeneratorError, read_common_errors, read_iam, read_model, read_overlay,
                       read_records, read_services, read_unimplemented)  # fmt: skip
from gen_model import Service


ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def vectors_folder(args):
    beside = os.path.join(ROOT, "..", "shared", "vectors")
    return args.vectors or os.environ.get("KUMONIWA_VECTORS") or beside


def write_if_changed(path, text):
    """Leaves the file and its time alone when it holds the text already."""
    data = text.encode()
    try:
        with open(path, "rb") as file:
            if file.read() == data:
                return
    except FileNotFoundError:
        pass
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)


def has_code(home):
    """A service is implemented once its folder holds more than headers and pages."""
    names = os.listdir(home) if os.path.isdir(home) else []
    return any(name.endswith((".c", ".list", ".records", ".txt")) for name in names)


def make_service(name, folder, options, args, common):
    model = read_model(args.models, folder)
    overlay_errors = read_overlay(os.path.join(args.overlays, name + ".json"), model)
    service = Service(name, model, options, common, overlay_errors)
    home = os.path.join(args.services, name)
    if has_code(home):
        names = [operation.name for operation in service.operations]
        service.implemented = True
        service.unimplemented = read_unimplemented(os.path.join(home, "unimplemented.txt"), names)
        service.iam = read_iam(os.path.join(home, "iam.list"), names, service.unimplemented)
        service.add_records(read_records(os.path.join(home, name + ".records")))
    return service


def write_service(service, args, common):
    base = os.path.join(args.out, service.name)
    write_if_changed(base + ".h", gen_c.header_file(service, len(common)))
    write_if_changed(base + ".c", gen_c.source_file(service))


def run_service(job):
    """One service, in a worker process: its line of the summary, or what is wrong."""
    (name, folder, options), args, common = job
    try:
        service = make_service(name, folder, options, args, common)
        write_service(service, args, common)
    except GeneratorError as error:
        return name, None, str(error)
    total = len(service.operations)
    done = total - len(service.unimplemented) if service.implemented else 0
    protocols = " ".join(p.lower().replace("_", "-") for p in service.protocols)
    return name, (done, total, len(service.shapes), protocols), None


def make_cloud(args, common):
    """Records of src/cloud: a model without operations."""
    path = os.path.join(args.services, "..", "cloud", "cloud.records")
    service = Service("cloud", {"metadata": {}, "shapes": {}, "operations": {}}, {}, common, {})
    service.implemented = True
    service.protocols = []
    service.add_records(read_records(os.path.normpath(path)))
    write_service(service, args, common)


def summary(rows):
    lines = ["service                    done / total   shapes  protocols"]
    for name, (done, total, shapes, protocols) in rows:
        lines.append("%-24s %6d / %5d  %7d  %s" % (name, done, total, shapes, protocols))
    done = sum(row[1][0] for row in rows)
    total = sum(row[1][1] for row in rows)
    lines.append("%-24s %6d / %5d" % ("all %d" % len(rows), done, total))
    return "\n".join(lines) + "\n"


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", required=True, help="botocore's data folder")
    parser.add_argument("--list", required=True, help="services.list")
    parser.add_argument("--services", required=True, help="src/services")
    parser.add_argument("--overlays", required=True, help="models/overlays")
    parser.add_argument("--out", required=True, help="build/gen")
    parser.add_argument("--vectors", help="public protocol vectors, for the test models in OUT/test "
                        "(default: $KUMONIWA_VECTORS, else ../shared/vectors beside the repository)")
    return parser.parse_args(argv)


def main(argv):
    args = parse_arguments(argv)
    try:
        services = read_services(args.list)
        common = read_common_errors(os.path.join(args.overlays, "common.json"))
        os.makedirs(args.out, exist_ok=True)
        make_cloud(args, common)
        gen_vectors.run(vectors_folder(args), os.path.join(args.out, "test"), common,
                        os.path.join(ROOT, "test", "wire", "vectors.skip"), write_if_changed)
    except (GeneratorError, OSError) as error:
        print("generate: %s" % error, file=sys.stderr)
        return 1
    jobs = [(service, args, common) for service in services]
    with multiprocessing.Pool(min(len(os.sched_getaffinity(0)), 8)) as pool:
        results = pool.map(run_service, jobs, chunksize=1)
    failures = [(name, error) for name, _, error in results if error]
    for name, error in failures:
        print("generate: %s: %s" % (name, error), file=sys.stderr)
    if failures:
        return 1
    try:
        managed = gen_managed.read_managed(os.path.join(args.services, "iam", "managed"))
    except (GeneratorError, KeyError, ValueError) as error:
        print("generate: managed policies: %s" % error, file=sys.stderr)
        return 1
    write_if_changed(os.path.join(args.out, "iam_managed.c"), gen_managed.source_file(managed))
    try:
        runtimes = gen_runtimes.read_runtimes(os.path.join(args.services, "..", "functions", "runtimes"))
    except GeneratorError as error:
        print("generate: runtimes: %s" % error, file=sys.stderr)
        return 1
    write_if_changed(os.path.join(args.out, "runtime_files.c"), gen_runtimes.source_file(runtimes))
    names = [name for name, _, _ in services]
    write_if_changed(os.path.join(args.out, "registry.c"), gen_c.registry(names))
    write_if_changed(os.path.join(args.out, "summary.txt"), summary([r[:2] for r in results]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
