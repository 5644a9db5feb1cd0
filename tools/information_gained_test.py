#!/usr/bin/env python3
"""Tests of information_gained.py on answers whose information is known."""
import gzip
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

import information_gained as gained

PROGRAM = pathlib.Path(__file__).resolve().parent / "information_gained.py"


def result(scores, calibrated=()):
    return {"task": "t", "method": "m", "scores": scores, "scores_calibrated": list(calibrated)}


class Bits(unittest.TestCase):
    def test_knowing_nothing_is_zero_and_knowing_all_is_the_choices_logarithm(self):
        self.assertEqual(gained.bits(result([[-1, -1], [-2, -2]]), [0, 1]), 0)
        self.assertAlmostEqual(gained.bits(result([[0, -9, -9, -9]] * 3), [0, 0, 0]), 2, places=6)

    def test_scores_that_mislead_say_nothing(self):
        self.assertEqual(gained.bits(result([[0, -5]] * 4), [1, 1, 1, 1]), 0)

    def test_the_scale_of_the_scores_does_not_matter_within_the_grid(self):
        scores = [[0, -1], [0, -2], [-1, 0], [0, -0.5]]
        doubled = [[2 * s for s in row] for row in scores]
        answers = [0, 0, 1, 1]
        self.assertAlmostEqual(
            gained.bits(result(scores), answers), gained.bits(result(doubled), answers), places=9
        )

    def test_label_calibration_counts_where_there_is_some(self):
        self.assertGreater(gained.bits(result([[-1, 0]], [[0, -1]]), [0]), 0.5)


class Program(unittest.TestCase):
    def test_methods_stand_side_by_side_and_draws_are_averaged(self):
        report = {
            "tasks": [{"name": "t", "answers": [0]}],
            "results": [
                result([[0, -20]]),
                result([[-20, 0]]),
                {**result([[0, -20]]), "method": "other"},
            ],
        }
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "r.json.gz"
            path.write_bytes(gzip.compress(json.dumps(report).encode()))
            run = subprocess.run([sys.executable, PROGRAM, path], capture_output=True, text=True, check=True)
            self.assertRegex(run.stdout, r"1  r:m\n *2  r:other\n")
            self.assertRegex(run.stdout, r"mean +0\.500 +1\.000\n")
            bad = subprocess.run([sys.executable, PROGRAM, f"{path}:none"], capture_output=True, text=True)
            self.assertNotEqual(bad.returncode, 0)
            self.assertIn("m, other", bad.stderr)

    def test_what_is_no_report_is_one_line_that_names_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "r.json.gz"
            whole = gzip.compress(json.dumps({"results": []}).encode())
            for data in (b"{}", whole[: len(whole) // 2], gzip.compress(b"{}"), gzip.compress(b"[1]")):
                path.write_bytes(data)
                run = subprocess.run([sys.executable, PROGRAM, path], capture_output=True, text=True)
                self.assertNotEqual(run.returncode, 0)
                self.assertRegex(run.stderr, r"\A.*r\.json\.gz: .*\n\Z")


if __name__ == "__main__":
    unittest.main()
