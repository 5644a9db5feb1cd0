#!/usr/bin/env python3
"""Tests of readme_routing.py on this tree's README and on what its report would be with other numbers."""
import copy
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import readme_parts as parts
import readme_routing as routing

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tools/readme_routing.py"
README = f"# Title\n\nbefore\n\n{routing.BEGIN}\n{parts.END}\n\n<!-- numbers: other -->\nkept\n{parts.END}\n"


def estimate(value, low, high):
    return {"value": value, "low": low, "high": high, "standard_error": 0.01}


def line(router, apgr, device=0.4, server=0.5):
    half = (device + server) / 2
    return {"router": router, "curve": [device] + [half] * 99 + [server],
            "metrics": {"apgr": estimate(apgr, 0.1, 0.9), "cpt_50": estimate(0.25, 0.125, 0.5),
                        "match": estimate(0.75, 0.5, 1.0), "accuracy_50": estimate(half, half - 0.02, half + 0.03),
                        "auroc": estimate(0.66, 0.61, 0.71)}}


def made_up():
    routers = ("crayon", "random", "oracle", "always")
    lines = [line(router, 0.5 + i / 8) for i, router in enumerate(routers)]
    worse = [line(router, None, 0.4, 0.3) for router in routers]
    return {"schema": "crayon-bench-route/1",
            "settings": {"k": 16, "seeds": [1, 2], "questions": 40, "pool": "tiny-1"},
            "cells": {"planned": 60, "done": 60}, "tasks": [{}, {}, {}],
            "routers": [{"name": router, "knows": f"what {router} knows"} for router in routers],
            "servers": [{"server": "big", "all": lines, "mixed": lines}, {"server": "weak", "all": worse, "mixed": worse}],
            "calibration": {"before": 0.2, "after": 0.1, "before_by_chance": 0.03, "after_by_chance": 0.04,
                            "one_list": {"before": 0.15, "after": 0.05, "before_by_chance": 0.01,
                                         "after_by_chance": 0.02}},
            "risks": [{"resamples": 9, "kept": True}, {"resamples": 9, "kept": True}, {"resamples": 9, "kept": False},
                      {"resamples": 0}], "times": {"command": "crayon bench route"}}


class ReadmeRouting(unittest.TestCase):
    def run_on(self, report, *flags, readme=README, data=None):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = pathlib.Path(folder.name)
        (root / "reports").mkdir()
        (root / "README.md").write_text(readme, encoding="utf-8")
        if report is not None or data is not None:
            (root / routing.REPORT).write_bytes(data or gzip.compress(json.dumps(report).encode()))
        done = subprocess.run([sys.executable, SCRIPT, *flags, root], capture_output=True, text=True, check=False)
        return done, (root / "README.md").read_text(encoding="utf-8")

    def written(self, report):
        done, text = self.run_on(report)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return text

    def test_writes_between_its_marks_alone_and_then_finds_nothing_to_say(self):
        text = self.written(made_up())
        self.assertTrue(text.startswith(f"# Title\n\nbefore\n\n{routing.BEGIN}\n"))
        self.assertTrue(text.endswith(f"\n{parts.END}\n\n<!-- numbers: other -->\nkept\n{parts.END}\n"))
        done, after = self.run_on(made_up(), "--check", readme=text)
        self.assertEqual((0, "", text), (done.returncode, done.stdout, after))

    def test_the_tables_hold_the_numbers_of_the_report(self):
        text = self.written(made_up())
        for row in ("| `big` | mixed traffic | 40.0 | 50.0 | 45.0 [43.0, 48.0] | 0.66 [0.61, 0.71] |",
                    "| `weak` | the tasks' own questions | 40.0 | 30.0 | 35.0 [33.0, 38.0] | 0.66 [0.61, 0.71] |",
                    "| `oracle` | what oracle knows | 0.75 [0.10, 0.90] | 25.0 [12.5, 50.0] | 75.0 [50.0, 100.0] |"):
            self.assertIn(row, text.splitlines())
        self.assertNotIn("what always knows", text)
        words = " ".join(text.split())
        for sentence in ("3 held-out tasks; K = 16 examples, 2 seeds, at most 40 questions a task, pool `tiny-1`.",
                         "`weak` gains nothing over the device on mixed traffic", "0.200 raw, 0.100 calibrated",
                         "of which 0.030 and 0.040 would be there by chance alone",
                         "as one list: 0.150 and 0.050, 0.010 and 0.020 by chance", "kept in 2 of 3 cases",
                         "In 1 case it was refused"):
            self.assertIn(sentence, words)
        self.assertNotIn("Routers on mixed traffic against `weak`", words)

    def test_reads_a_report_that_has_no_error_of_one_list(self):
        older = made_up()
        del older["calibration"]["one_list"]
        done, text = self.run_on(older)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("by chance alone. The asked risk", " ".join(text.split()))

    def test_says_that_a_report_is_not_whole(self):
        report = made_up()
        self.assertNotIn("So far", self.written(report))
        report["cells"]["done"] = 12
        self.assertIn("So far 12 of 60 planned results", " ".join(self.written(report).split()))

    def test_check_fails_and_shows_the_line_where_a_number_is_another(self):
        good = self.written(made_up())
        other = copy.deepcopy(made_up())
        other["calibration"]["after"] = 0.11
        done, after = self.run_on(other, "--check", readme=good)
        self.assertEqual((1, good), (done.returncode, after))
        self.assertIn("0.110 calibrated", done.stdout)
        self.assertIn("run tools/readme_routing.py", done.stderr)

    def test_refuses_in_one_line(self):
        lacking = {key: value for key, value in made_up().items() if key != "calibration"}
        no_ours = made_up()
        no_ours["servers"][0]["all"] = no_ours["servers"][0]["all"][1:]
        for report, data, readme, status, want in (
                (None, None, README, 2, "there is no report; script/bench --route makes it"),
                (None, b"no gzip", README, 1, "is no gzip of JSON"),
                ({"schema": "crayon-bench-route/2"}, None, README, 1, "expected 'crayon-bench-route/1'"),
                (lacking, None, README, 1, "KeyError('calibration')"),
                (no_ours, None, README, 1, "StopIteration"),
                (made_up(), None, "# no marks\n", 1, "where the numbers belong"),
                (made_up(), None, f"{routing.BEGIN}\n<!-- numbers: other -->\n{parts.END}\n", 1, "belong")):
            with self.subTest(want):
                done, text = self.run_on(report, readme=readme, data=data)
                self.assertEqual((status, readme), (done.returncode, text))
                self.assertIn(want, done.stderr)
                self.assertEqual(1, done.stderr.count("\n"), done.stderr)


class ThisTree(unittest.TestCase):
    def test_the_readme_says_what_the_report_says(self):
        done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
