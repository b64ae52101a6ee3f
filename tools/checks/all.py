#!/usr/bin/env python3
"""`make check`: all checks, or those named; each counts as one test. Quick ones come first."""
import importlib
import sys
import time

import common

CHECKS = ["texts", "pages", "layout", "sizes", "layers", "banned", "duplicates", "mutable", "unused", "headers", "compilers",
          "second_opinion", "tidy"]


def main():
    passed = failed = 0
    for name in sys.argv[1:] or CHECKS:
        module = importlib.import_module(name)
        begin = time.monotonic()
        problems = module.check()
        seconds = time.monotonic() - begin
        if problems:
            failed += 1
            print("\n".join(problems))
        else:
            passed += 1
        print(f"  {'FAILED' if problems else 'ok'}: {name}: {module.__doc__.strip()} ({seconds:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.path.insert(0, str(common.ROOT / "tools/checks"))
sys.exit(main())
