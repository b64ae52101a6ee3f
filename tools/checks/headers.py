#!/usr/bin/env python3
"""Every header compiles alone."""
import common


def check():
    headers = [f for f in common.files(".h") if f.startswith(("src/", "test/", "bench/"))]
    flags = common.compile_flags()
    # In front of a source of nothing: a header that is itself the source is warned about what it leaves unused.
    return common.cached(
        "headers",
        headers,
        lambda f: ["gcc", *flags, "-fsyntax-only", "-include", f, "tools/checks/empty.c"],
        common.dependencies,
    )


if __name__ == "__main__":
    common.main(check)
