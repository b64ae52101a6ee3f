"""What a program costs that nobody uses any more: its functions were called once, and their time is over."""
import pathlib
import re
import time

from kumoniwa import INSTRUMENTED, wait_until
from lambda_kit import Kit, needs_sandboxes

pytestmark = needs_sandboxes
FUNCTIONS, SECONDS = 15, 5


def threads(cloud):
    return list(pathlib.Path(f"/proc/{cloud.process.pid}/task").iterdir())


def children_of(task):
    """None of a thread that has ended meanwhile."""
    try:
        return (task / "children").read_text().split()
    except OSError:
        return []


def sandboxes(cloud):
    """The children of the server's host of sandboxes."""
    hosts = [pid for task in threads(cloud) for pid in children_of(task)]
    return sum(len(children_of(task)) for pid in hosts for task in pathlib.Path(f"/proc/{pid}/task").glob("*"))


def wakes(cloud):
    """How often its threads have slept: each waking up ends in one more."""
    return sum(int(re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", (task / "status").read_text())[1]) for task in threads(cloud))


def quiet(cloud):
    """Whether it sleeps for some seconds, but for a moment in each. A sanitizer has threads of its own."""
    count = wakes(cloud)
    time.sleep(SECONDS)
    return INSTRUMENTED or wakes(cloud) - count < 2 * SECONDS


def test_idle_again(make_cloud, name):
    cloud = make_cloud("--functions-idle", "2", "--threads", "2").start()
    bare = len(threads(cloud))
    kit = Kit(cloud, name)
    names = [kit.make("def handler(event, context):\n    return event\n", name=f"f{n}") for n in range(FUNCTIONS)]
    assert len(threads(cloud)) <= bare + 2, "threads of functions begin with the first call"
    before = cloud.resident_bytes()
    for one in names:
        assert kit.invoke(1, one) == (None, 1)
    assert sandboxes(cloud) > 0
    kit.client.close()
    wait_until(lambda: sandboxes(cloud) == 0, 10, "environments end")
    wait_until(lambda: INSTRUMENTED or cloud.resident_bytes() < before + (2 << 20), message="memory stays taken")
    wait_until(lambda: quiet(cloud), message="it wakes up all the time")
    # And it works as before.
    kit = Kit(cloud, name)
    assert kit.invoke(2, names[0]) == (None, 2)
