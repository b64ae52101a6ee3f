"""Writes docs/compatibility.md: what is implemented, from the code itself (build/gen/summary.txt, iam.list and
unimplemented.txt of each service's folder, the rows of its README). --check only compares."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "compatibility.md"


def rows(path):
    for line in path.read_text().splitlines() if path.exists() else []:
        line = line.split("#")[0] if line.startswith("#") else line
        if line.strip():
            yield line.split(None, 1)


def summary():
    for line in (ROOT / "build" / "gen" / "summary.txt").read_text().splitlines()[1:]:
        words = line.replace("/", " ").split()
        if len(words) > 4 and words[0] != "all":
            yield words[0], int(words[1]), int(words[2]), " ".join(words[4:])


def service_section(name, done, total):
    folder = ROOT / "src" / "services" / name
    implemented = sorted({row[0] for row in rows(folder / "iam.list")})
    missing = [(row[0], row[1].strip() if len(row) > 1 else "") for row in rows(folder / "unimplemented.txt")]
    lines = ["## %s: %d of %d" % (name, done, total), ""]
    lines += ["Implemented: %s." % ", ".join(implemented), ""]
    if missing:
        lines += ["| not implemented (answers 501) | reason |", "|---|---|"]
        lines += ["| %s | %s |" % row for row in missing] + [""]
    return lines


def page():
    services = list(summary())
    done, total = sum(s[1] for s in services), sum(s[2] for s in services)
    lines = [
        "# Compatibility",
        "",
        "Made by `make compatibility` from the code. %d services and %d operations are routed, parsed, validated" % (
            len(services), total),
        "and answered; %d operations are implemented. All others answer `501 NotImplemented` with their name, in" % done,
        "their service's own protocol.",
        "",
        "| service | implemented | of | protocols |",
        "|---|---|---|---|",
    ]
    lines += ["| %s | %d | %d | %s |" % s for s in services] + [""]
    for name, count, operations, _ in services:
        if count:
            lines += service_section(name, count, operations)
    return "\n".join(lines).rstrip() + "\n"


def main():
    text = page()
    if "--check" in sys.argv[1:]:
        if not PAGE.exists() or PAGE.read_text() != text:
            print("docs/compatibility.md: not what the code says; run `make compatibility`")
            return 1
        return 0
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
