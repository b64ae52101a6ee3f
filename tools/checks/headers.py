#!/usr/bin/env python3
"""Every header compiles alone."""
import common


def check():
    headers = [f for f in common.files(".h") if f.startswith(("src/", "test/", "bench/"))]
    flags = common.compile_flags()
    # /dev/null as the source: a header that is itself the source warns about #pragma once and unused inlines.
    return common.cached(
        "headers",
        headers,
        lambda f: ["gcc", *flags, "-fsyntax-only", "-x", "c", "-include", f, "/dev/null"],
        common.dependencies,
    )


if __name__ == "__main__":
    common.main(check)
