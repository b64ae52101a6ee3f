"""docs/compatibility.md says what the code says"""
import subprocess
import sys

import common


def check():
    done = subprocess.run([sys.executable, str(common.ROOT / "tools/compatibility.py"), "--check"],
                          capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode else []
