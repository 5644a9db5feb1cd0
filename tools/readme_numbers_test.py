#!/usr/bin/env python3
"""Tests of readme_numbers.py on tests/golden/bench.json, what the program wrote of made-up answers
(crayon/bench/golden_report_test.cpp compares it with what it writes now), and on this tree's README."""
import copy
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

import readme_numbers as numbers
import readme_parts as parts

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = json.loads((ROOT / "tests/golden/bench.json").read_text(encoding="utf-8"))
README = f"# Title\n\nbefore\n\n{numbers.BEGIN}\n{parts.END}\n\nafter\n"


class Tree:
    """A folder with a README and, unless it is None, a report."""

    def __init__(self, report, readme=README):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        for name in ("reports", "docs"):
            (self.root / name).mkdir()
        (self.root / "README.md").write_text(readme, encoding="utf-8")
        if report is not None:
            self.write_report(gzip.compress(json.dumps(report).encode()))

    def write_report(self, data):
        (self.root / numbers.REPORT).write_bytes(data)

    def run(self, *flags):
        command = [sys.executable, ROOT / "tools/readme_numbers.py", *flags, self.root]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def written(self, path="README.md"):
        return (self.root / path).read_text(encoding="utf-8")


def table_of(report, group, calibrated, k=32):
    return next(table for table in report["tables"]
                if (table["k"], table["group"], table["label_calibration"]) == (k, group, calibrated))


def line_of(report, method, group="held-out", calibrated=False):
    return next(line for line in table_of(report, group, calibrated)["methods"] if line["method"] == method)


def against(report, rival, **where):
    return next(one for one in line_of(report, "crayon", **where)["against"] if one["against"] == rival)


def cells(text, first):
    """Of the table's row that begins with `first`."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


class ReadmeNumbers(unittest.TestCase):
    def tree(self, *arguments):
        tree = Tree(*arguments)
        self.addCleanup(tree.folder.cleanup)
        return tree

    def write(self, report):
        tree = self.tree(report)
        done = tree.run()
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        done = tree.run("--check")
        self.assertEqual((0, "", ""), (done.returncode, done.stdout, done.stderr))
        return tree.written()

    def prose(self, report):
        return " ".join(self.write(report).split())

    def test_writes_between_the_marks_alone(self):
        text = self.write(GOLDEN)
        self.assertTrue(text.startswith(f"# Title\n\nbefore\n\n{numbers.BEGIN}\n"))
        self.assertTrue(text.endswith(f"\n{parts.END}\n\nafter\n"))

    def test_accuracies_are_those_of_the_report(self):
        text = self.write(GOLDEN)
        groups = ("held-out", "near", "far", "pool")
        for method in ("base", "uniform", "crayon", "multitask"):
            want = [f"{100 * band['mean']:.1f} ± {50 * (band['high'] - band['low']):.1f}"
                    for group in groups for calibrated in (False, True)
                    for band in [line_of(GOLDEN, method, group, calibrated)["accuracy"]]]
            self.assertEqual(want, cells(text, f"`{method}`")[2:])
        self.assertEqual(["–", "–"], cells(text, "`arrow`")[-2:])

    def test_says_that_no_difference_is_shown_exactly_where_the_band_holds_zero(self):
        report = copy.deepcopy(GOLDEN)
        cases = [({"mean": .10, "low": .02, "high": .18, "holm_p": .01}, "+10.0 [+2.0, +18.0]"),
                 ({"mean": -.10, "low": -.18, "high": -.02, "holm_p": .01}, "-10.0 [-18.0, -2.0]"),
                 ({"mean": .10, "low": .02, "high": .18, "holm_p": .2}, "+10.0 [+2.0, +18.0] †"),
                 ({"mean": .10, "low": -.02, "high": .18, "holm_p": .2},
                  "no difference shown: +10.0 [-2.0, +18.0]"),
                 ({"mean": .10, "low": .0003, "high": .18, "holm_p": .01},
                  "no difference shown: +10.0 [+0.0, +18.0]")]
        for change, want in cases:
            with self.subTest(want):
                against(report, "base").update(change)
                self.assertEqual(want, cells(self.write(report).split("against")[1], "`base`")[1])

    def test_ours_are_shown_against_every_method_of_the_first_group(self):
        text = self.write(GOLDEN).split("| minus (held-out) |")[1]
        ours = table_of(GOLDEN, "held-out", True)["ours"]
        self.assertEqual(["crayon"], [line["method"] for line in ours])
        self.assertEqual({"base", "uniform", "arrow", "multitask"}, {one["against"] for one in ours[0]["against"]})
        for one in ours[0]["against"]:
            shown = cells(text, f"`{one['against']}` +")[1]
            self.assertIn(f"{100 * one['mean']:+.1f} [{100 * one['low']:+.1f}, ", shown)
            self.assertEqual(one["low"] <= 0 <= one["high"], shown.startswith("no difference shown"), one)
        earlier = copy.deepcopy(GOLDEN)
        for table in earlier["tables"]:
            del table["ours"]
        self.assertNotIn("| minus", self.write(earlier))

    def test_check_fails_and_shows_the_line_when_a_number_is_altered(self):
        tree = self.tree(GOLDEN)
        tree.run()
        good = tree.written()
        shown = re.compile(r"\d+\.\d")
        altered = 0
        for found in list(shown.finditer(good)):
            at = found.start()
            digit = str((int(good[at]) + 1) % 10)
            bad = good[:at] + digit + good[at + 1:]
            if altered % 7 == 0:  # each check is a process of its own
                (tree.root / "README.md").write_text(bad, encoding="utf-8")
                done = tree.run("--check")
                self.assertEqual(1, done.returncode, found)
                line = good[good.rfind("\n", 0, at) + 1:good.find("\n", at)]
                self.assertIn(f"\n+{line}\n", done.stdout)
                self.assertIn("run tools/readme_numbers.py", done.stderr)
                self.assertEqual(bad, tree.written(), "--check wrote")
            altered += 1
        self.assertGreater(altered, 80)

    def test_check_fails_when_the_report_or_the_picture_is_another(self):
        tree = self.tree(GOLDEN)
        tree.run()
        drawn = tree.written(numbers.PICTURE)
        (tree.root / numbers.PICTURE).write_text(drawn.replace("28.3", "82.3"), encoding="utf-8")
        self.assertEqual(1, tree.run("--check").returncode)
        (tree.root / numbers.PICTURE).unlink()
        self.assertEqual(1, tree.run("--check").returncode)
        tree.run()
        self.assertEqual(drawn, tree.written(numbers.PICTURE))
        report = copy.deepcopy(GOLDEN)
        line_of(report, "base")["accuracy"]["mean"] += 0.01
        tree.write_report(gzip.compress(json.dumps(report).encode()))
        self.assertEqual(1, tree.run("--check").returncode)

    def test_says_what_the_numbers_were_made_with(self):
        text = self.prose(GOLDEN)
        for words in ("K = 32 examples; seeds 1 and 2; at most 30 questions a task; 3 held-out tasks (2 near, 1 far) "
                      "and 1 of the pool's own.", "Model tiny, pool `tiny-1` (3 adapters), multitask pool `multi-1`; "
                      "Crayon 0.1.0.", "Machine: a machine, 2 threads.",
                      "Command: `crayon bench customize --pool tiny`.",
                      "The report also has K = 8."):
            self.assertIn(words, text)

    def test_names_the_commit_where_it_is_known(self):
        self.assertNotIn("commit", self.write(GOLDEN))
        report = copy.deepcopy(GOLDEN)
        report["settings"]["commit"] = "3e1da71ac0b2+"
        self.assertIn("Crayon 0.1.0 (commit `3e1da71ac0b2+`)", self.write(report))

    def test_names_the_methods_that_decide_on_label_calibration_themselves(self):
        def result(task, method, calibrates, seed=1):
            return {"task": task, "method": method, "k": 32, "seed": seed, "label_calibration": calibrates}
        report = copy.deepcopy(GOLDEN)
        report["results"] = [result("far", "base", True), result("own", "base", False), result("far", "uniform", False),
                             result("own", "arrow", False), result("far", "crayon", False, seed=2)]
        text = " ".join(self.write(report).split())
        self.assertIn("`uniform` decides on it itself, so that both columns are the same.", text)
        report["results"].append(result("far", "arrow", False))
        self.assertIn("`uniform` and `arrow` decide on it themselves", " ".join(self.write(report).split()))
        self.assertNotIn("so that both columns", " ".join(self.write(GOLDEN).split()))

    def test_says_what_an_unfinished_report_lacks(self):
        text = self.prose(GOLDEN)
        for words in ("Not run: `server` (no server was named).", "Not finished on all tasks: `arrow`;",
                      "Seeds so far: ", " for `uniform`", "Where there is one, the bands know nothing"):
            self.assertIn(words, text)

    def test_reads_a_report_of_one_seed_without_rivals_and_far_tasks(self):
        report = copy.deepcopy(GOLDEN)
        report["tables"] = [table for table in report["tables"] if table["k"] == 32 and table["group"] != "far"]
        for line in report["task_lines"]:
            line["seeds"] = 1
        for table in report["tables"]:
            table["methods"] = [line for line in table["methods"] if line["method"] in ("base", "crayon")]
            for line in table["methods"]:
                line["against"] = [one for one in line["against"] if one["against"] == "base"]
        text = self.write(report)
        self.assertEqual(["–"] * 3, cells(text, "`uniform` +")[1:])
        self.assertNotIn("far", cells(text, "method"))
        self.assertIn("Seeds so far: 1 for all methods. Where there is one, the bands know nothing", " ".join(text.split()))

    def test_says_so_when_there_is_nothing_to_compare_yet(self):
        report = copy.deepcopy(GOLDEN)
        for table in report["tables"]:
            table["methods"] = [line for line in table["methods"] if line["method"] != "crayon"]
        self.assertIn("`crayon` has no line at K = 32 yet", self.prose(report))

    def test_skips_keys_it_does_not_know_and_takes_several_machines(self):
        report = copy.deepcopy(GOLDEN)
        report |= {"schema": "crayon-bench-customize/2", "new": {}}
        report["cells"] = {"planned": 2000, "done": 12}
        report["settings"]["new"] = [1]
        line_of(report, "base")["new"] = 1
        report["times"]["machines"] = ["one", "two"]
        self.assertIn("Machines: one; two.", self.prose(report))
        self.assertIn("So far 12 of 2,000 planned results are there.", self.prose(report))
        self.assertNotIn("So far", self.prose(GOLDEN))

    def test_without_a_report_it_says_so_in_one_line_and_exits_with_2(self):
        for flags in ([], ["--check"]):
            tree = self.tree(None)
            done = tree.run(*flags)
            self.assertEqual(2, done.returncode)
            self.assertRegex(done.stderr, r"^readme_numbers.py: \S+bench.json.gz: there is no report; .*\n$")
            self.assertEqual(README, tree.written())

    def test_refuses_what_it_cannot_read_in_one_line(self):
        no_tables = {key: value for key, value in GOLDEN.items() if key != "tables"}
        cases = [(b"no gzip", "is no gzip of JSON"), (gzip.compress(b"{"), "is no gzip of JSON"),
                 (gzip.compress(json.dumps(GOLDEN).encode())[:200], "is no gzip of JSON"),
                 (gzip.compress(b'{"schema": "crayon-bench-customize/3"}'), "'crayon-bench-customize/3', expected"),
                 (gzip.compress(b"[]"), "schema is 'None'"),
                 (gzip.compress(json.dumps(no_tables).encode()), "KeyError('tables')"),
                 (gzip.compress(json.dumps({**GOLDEN, "tables": []}).encode()), "has no table")]
        for data, want in cases:
            with self.subTest(want):
                tree = self.tree(None)
                tree.write_report(data)
                done = tree.run()
                self.assertEqual(1, done.returncode)
                self.assertIn(want, done.stderr)
                self.assertEqual(1, done.stderr.count("\n"), done.stderr)

    def test_refuses_a_readme_without_the_marks(self):
        for readme in ("# no marks\n", README + numbers.BEGIN, f"{parts.END}\n{numbers.BEGIN}\n"):
            done = self.tree(GOLDEN, readme).run()
            self.assertEqual(1, done.returncode)
            self.assertIn("where the numbers belong", done.stderr)

    def test_the_picture_has_each_method_where_its_numbers_are(self):
        tree = self.tree(GOLDEN)
        tree.run()
        drawn = tree.written(numbers.PICTURE)
        self.assertIn("@media (prefers-color-scheme: dark)", drawn)
        svg = ElementTree.fromstring(drawn)
        space = "{http://www.w3.org/2000/svg}"
        ticks = {text.text: float(text.get("x")) for text in svg.iter(f"{space}text")
                 if text.text.endswith("%") and text.get("text-anchor") == "middle"}
        zero, hundred = ticks["0%"], ticks["100%"]
        for state, calibrated in (("off", False), ("on", True)):
            dots = [dot for dot in svg.iter(f"{space}circle") if dot.get("class") == state][1:]  # first: the legend's
            bars = [bar.get("d") for bar in svg.iter(f"{space}path") if bar.get("class") == state]
            order = [method["name"] for method in GOLDEN["methods"]]
            lines = sorted(table_of(GOLDEN, "held-out", calibrated)["methods"],
                           key=lambda line: order.index(line["method"]))
            self.assertEqual((len(lines), len(lines)), (len(dots), len(bars)))
            for line, dot, bar in zip(lines, dots, bars):
                left, right = map(float, re.fullmatch(r"M(\S+) \S+H(\S+)", bar).groups())
                for key, place in (("mean", float(dot.get("cx"))), ("low", left), ("high", right)):
                    self.assertAlmostEqual(line["accuracy"][key], (place - zero) / (hundred - zero), delta=0.001)


class ThisTree(unittest.TestCase):
    def test_readme_and_picture_say_what_the_report_says(self):
        marked = numbers.BEGIN in (ROOT / "README.md").read_text(encoding="utf-8")
        if not marked and not (ROOT / numbers.REPORT).exists():
            self.skipTest(f"no {numbers.REPORT} yet, and the README has no numbers of it")
        done = subprocess.run([sys.executable, ROOT / "tools/readme_numbers.py", "--check"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
