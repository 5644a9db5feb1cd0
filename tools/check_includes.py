#!/usr/bin/env python3
"""Refuses includes that the CMake targets do not declare, and files that grew too long.

Usage: check_includes.py [ROOT]      (ROOT: the top of the tree, by default the parent of tools/)

For every C++ file it prints "file:line: what is wrong" and exits 1 if there was anything:
  - an include of another part that the part's CMakeLists.txt does not name (a public header needs it
    under PUBLIC; PUBLIC dependencies are passed on; tests may also use the DEPS of their test);
  - an include of another part's internal/ folder, or a quoted include that is no path from the root;
  - a third-party header outside the one part that may use it;
  - in public headers of the installed parts: any third-party header and any macro;
  - more than 400 lines (600 in tests).
"""

import re
import sys
from pathlib import Path

def installed_parts():
    """The parts whose headers are installed, as the build names them."""
    text = (Path(__file__).resolve().parent.parent / "cmake/CrayonTargets.cmake").read_text()
    return set(re.search(r"^set\(CRAYON_HEADER_PARTS ([^)]+)\)", text, re.M)[1].split())


INSTALLED = installed_parts()
OWNERS = {  # third-party header (its beginning) -> the one part through which it enters the program
    "httplib": "http", "sqlite3": "store", "re2/": "router", "zip.h": "models", "llama": "engine",
    "ggml": "engine", "gguf": "engine", "torch/": "trainer", "ATen/": "trainer", "c10": "trainer",
    "CLI/": "cli", "gloo/": "trainer", "yaml-cpp/": "bench",
}
STANDARD = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono
cinttypes climits clocale cmath compare complex concepts condition_variable coroutine csetjmp csignal
cstdarg cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution
filesystem forward_list fstream functional future initializer_list iomanip ios iosfwd iostream istream
iterator latch limits list locale map memory memory_resource mutex new numbers numeric optional ostream
queue random ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span sstream
stack stdexcept stop_token streambuf string string_view strstream syncstream system_error thread tuple
type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
""".split())
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
KEYWORDS = {"SOURCES", "PUBLIC", "PRIVATE", "DEPS", "LABEL", "TIMEOUT"}


class Part:
    """What a part's CMakeLists.txt and *.cmake files declare: names of other parts."""

    def __init__(self, cmake):
        text = re.sub(r"#[^\n]*", "", cmake)
        self.public, self.private, self.tests = set(), set(), set()
        for command, body in re.findall(r"(\w+)\s*\(([^()]*)\)", text):
            for keyword, word in with_keywords(body.split()):
                if not (name := re.fullmatch(r"crayon::(\w+)", word)):
                    continue
                if command in ("crayon_test", "crayon_benchmark"):
                    self.tests.add(name[1])
                elif command == "crayon_library" and keyword == "PUBLIC":
                    self.public.add(name[1])
                elif command in ("crayon_library", "target_link_libraries"):
                    self.private.add(name[1])


def with_keywords(words):
    """Each word with the keyword that it stands behind."""
    keyword = ""
    for word in words:
        if word in KEYWORDS:
            keyword = word
        else:
            yield keyword, word


def passed_on(parts, names):
    """The parts in `names` and all that they pass on through PUBLIC."""
    reached, todo = set(), list(names)
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += parts[name].public if name in parts else []
    return reached


def is_test(path):
    return (path.stem.endswith(("_test", "_benchmark")) or path.parts[0] in ("tests", "examples")
            or path.parts[:2] == ("crayon", "testing"))


def allowed_parts(parts, path):
    """The parts that a file of a part may include, or None where all are allowed (tests/)."""
    if path.parts[0] != "crayon":
        return None
    part = parts.get(path.parts[1], Part(""))
    names = set(part.public)
    if path.suffix != ".h" or "internal" in path.parts:
        names |= part.private
    if is_test(path):
        names |= part.tests
    return passed_on(parts, names) | {path.parts[1]}


def check_own(path, header, allowed):
    """What is wrong with an include of one of our headers."""
    to = header.split("/")
    own = path.parts[:2] == ("crayon", to[1])
    if "internal" in to and not own:
        return f"'{header}' is internal to part '{to[1]}'"
    if allowed is not None and to[1] not in allowed:
        kind = "DEPS of the test" if is_test(path) else \
            "PUBLIC" if path.suffix == ".h" and "internal" not in path.parts else "PUBLIC or PRIVATE"
        return f"'{header}': name crayon::{to[1]} under {kind} in crayon/{path.parts[1]}/CMakeLists.txt"
    return None


def is_public_header(path):
    return (path.suffix == ".h" and path.parts[0] == "crayon" and path.parts[1] in INSTALLED
            and "internal" not in path.parts)


def check_foreign(path, header):
    """What is wrong with an include of somebody else's header."""
    if is_public_header(path) and header not in STANDARD:
        return f"<{header}> in a public header of an installed part; only the standard library may be"
    for start, part in OWNERS.items():
        if header.startswith(start) and path.parts[:2] != ("crayon", part) and not is_test(path):
            return f"<{header}> enters through part '{part}' only"
    return None


def check_line(path, line, allowed):
    if is_public_header(path) and re.match(r"\s*#\s*define\b", line):
        return "a macro in a public header of an installed part"
    found = INCLUDE.match(line)
    if not found:
        return None
    mark, header = found.groups()
    if header.startswith("crayon/") and header.count("/") >= 2:
        return check_own(path, header, allowed)
    if header.startswith("tests/") and is_test(path):
        return None
    if mark == '"' and not header.startswith(tuple(OWNERS)):
        return f'"{header}" is no path from the root; write crayon/PART/FILE.h'
    return check_foreign(path, header)


def check_file(root, path, parts):
    lines = (root / path).read_text().splitlines()
    most = 600 if is_test(path) else 400
    if len(lines) > most:
        yield f"{path}:{len(lines)}: more than {most} lines; split the file"
    allowed = allowed_parts(parts, path)
    for number, line in enumerate(lines, 1):
        if problem := check_line(path, line, allowed):
            yield f"{path}:{number}: {problem}"


def check_tree(root):
    parts = {cmake.parent.name: Part("\n".join(file.read_text() for file in
                                              [cmake, *cmake.parent.glob("*.cmake")]))
             for cmake in (root / "crayon").glob("*/CMakeLists.txt")}
    for top in ("crayon", "tests", "examples"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix in (".h", ".cpp"):
                yield from check_file(root, file.relative_to(root), parts)


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent)
    problems = list(check_tree(root))
    print("\n".join(problems) if problems else "includes and file sizes: nothing wrong")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
