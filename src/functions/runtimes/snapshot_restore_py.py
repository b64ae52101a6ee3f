"""SnapStart's hooks for Python: "Lambda SnapStart runtime hooks for Python"."""
_before = []
_after = []


def register_before_snapshot(function, *args, **kwargs):
    _before.append((function, args, kwargs))
    return function


def register_after_restore(function, *args, **kwargs):
    _after.append((function, args, kwargs))
    return function


def run_before_snapshot():
    while _before:
        function, args, kwargs = _before.pop()
        function(*args, **kwargs)


def run_after_restore():
    while _after:
        function, args, kwargs = _after.pop(0)
        function(*args, **kwargs)
