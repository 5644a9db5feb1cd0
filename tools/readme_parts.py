"""What the scripts that keep the README's numbers share: reports, tables of Markdown, and the check that
what stands between two marks is what a report says."""
import difflib
import gzip
import json
import math
import pathlib
import re
import sys
import textwrap
import zlib

END = "<!-- end of numbers -->"
NOTHING = "–"


class Problem(Exception):
    """A message and an exit status."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def read_report(path, schema, newest, made_by):
    """The object in `path`, a gzip of JSON whose schema is `schema`/1 to `schema`/`newest`."""
    if not path.exists():
        raise Problem(f"{path}: there is no report; {made_by} makes it", 2)
    try:
        report = json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError, zlib.error) as e:
        raise Problem(f"{path}: is no gzip of JSON: {e}") from e
    found = report.get("schema") if isinstance(report, dict) else None
    name, _, version = str(found).rpartition("/")
    if name != schema or not version.isdigit() or int(version) > newest:
        raise Problem(f"{path}: schema is '{found}', expected '{schema}/1' to '{schema}/{newest}'")
    return report


def points(x):
    """Of a difference, to a tenth, halves away from zero: as the page and the text round it."""
    return math.copysign(math.floor(abs(1000 * x) + 0.5) / 10, x)


def percent(x, sign=""):
    return format((points(x) if sign else round(100 * x, 1)) + 0.0, f"{sign}.1f")  # + 0.0: no minus before a zero


def table(head, rows, first_right):
    marks = ["---" if i < first_right else "--:" for i in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, *rows]).replace(
        "\n", f"\n|{'|'.join(marks)}|\n", 1)


def listed(words):
    words = list(words)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def code(text):
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return fence + re.sub(r"\s+", " ", text) + fence


def count(n, thing):
    return f"{n} {thing}" + ("" if n == 1 else "s")


def wrapped(text):
    return textwrap.fill(text, 150, break_long_words=False, break_on_hyphens=False)


def begin(report):
    return f"<!-- numbers: {report} -->"


def with_block(text, path, report, block):
    """`text`, that of the file `path`, with `block` between the marks of `report`."""
    first = begin(report)
    before, _, rest = text.partition(first)
    inside, ended, after = rest.partition(END)
    if text.count(first) != 1 or not ended or "<!-- numbers:" in inside:
        raise Problem(f"{path}: expected the line '{first}' once and '{END}' after it, where the numbers belong")
    return f"{before}{first}\n\n{block}\n\n{END}{after}"


def settle(wanted, check, report, script):
    """`wanted`: what each path should hold. Writes it, or with `check` shows how the files differ and fails."""
    found = {path: path.read_text(encoding="utf-8") if path.exists() else "" for path in wanted}
    stale = [path for path, want in wanted.items() if found[path] != want]
    if not check:
        for path in stale:
            path.write_text(wanted[path], encoding="utf-8")
        return
    for path in stale:
        lines = (side.splitlines(keepends=True) for side in (found[path], wanted[path]))
        sys.stdout.writelines(difflib.unified_diff(*lines, str(path), f"{path} as the report says"))
    if stale:
        raise Problem(f"{listed(map(str, stale))}: not what {report} says; run tools/{script}")


def main(usage, run):
    """Of a script: `run(folder, check)` with what its command line says; exits with a problem's status."""
    check = "--check" in sys.argv[1:]
    rest = [one for one in sys.argv[1:] if one != "--check"]
    try:
        if len(rest) > 1 or any(one.startswith("-") for one in rest):
            raise Problem(usage)
        run(pathlib.Path(rest[0]) if rest else pathlib.Path(__file__).resolve().parent.parent, check)
    except Problem as problem:
        print(f"{pathlib.Path(sys.argv[0]).name}: {problem}", file=sys.stderr)
        sys.exit(problem.status)
