#!/usr/bin/env python3
"""Tests of benchmarks/train_workers.py with a program in place of crayon that trains nothing."""
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

BENCHMARKS = pathlib.Path(__file__).resolve().parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
import train_workers  # noqa: E402

FAKE = """#!{python}
import json, os, pathlib, sys
words = sys.argv
workers = words[words.index("--workers") + 1]
run = pathlib.Path(words[words.index("--config") + 1]).parent / "checkpoints"
run.mkdir()
losses = json.loads(os.environ["LOSSES"])[workers]
if isinstance(losses[0], list):  # one of each round: the first time the first one
    seen = pathlib.Path(os.environ["SEEN"] + workers)
    count = int(seen.read_text()) if seen.exists() else 0
    seen.write_text(str(count + 1))
    losses = losses[count]
lines = [{{"step": i, "loss": loss}} for i, loss in enumerate(losses)] + [{{"step": 9, "validation": []}}]
(run / "log.jsonl").write_text("".join(json.dumps(line) + "\\n" for line in lines))
print(json.dumps({{"samples_per_second": 10 * int(workers)}}))
"""


class LargestDifference(unittest.TestCase):
    def test_is_that_of_the_worst_step(self):
        self.assertAlmostEqual(train_workers.largest_difference([1, 2, 3], [1.1, 2, 2.7]), 0.3)

    def test_is_infinite_where_losses_are_missing_or_no_numbers(self):
        for one, many in (([1, 2], [1]), ([], []), ([1, math.nan], [1, math.nan])):
            self.assertEqual(train_workers.largest_difference(one, many), math.inf)


class Program(unittest.TestCase):
    def run_with(self, losses, *flags):
        with tempfile.TemporaryDirectory() as folder:
            fake = pathlib.Path(folder) / "crayon"
            fake.write_text(FAKE.format(python=sys.executable))
            fake.chmod(0o755)
            environment = {**os.environ, "CRAYON_BIN": str(fake), "LOSSES": json.dumps(losses),
                           "SEEN": str(pathlib.Path(folder) / "seen")}
            return subprocess.run([sys.executable, str(BENCHMARKS / "train_workers.py"), *flags], check=False,
                                  env=environment, capture_output=True, text=True)

    def test_ends_well_where_the_losses_agree(self):
        done = self.run_with({"1": [2.0, 1.0], "2": [2.0, 1.00009]}, "--rounds", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("largest difference of a loss 9.0e-05", done.stdout)

    def test_ends_with_1_where_they_do_not(self):
        done = self.run_with({"1": [2.0, 1.0], "2": [2.0, 1.0002]}, "--rounds", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("largest difference of a loss 2.0e-04", done.stdout)
        self.assertIn("differs by 2.0e-04", done.stderr)

    def test_ends_with_1_where_a_step_is_missing(self):
        done = self.run_with({"1": [2.0, 1.0], "2": [2.0]}, "--rounds", "1", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertIsNone(json.loads(done.stdout)["largest_loss_difference"])

    def test_looks_at_every_round(self):
        done = self.run_with({"1": [2.0, 1.0], "2": [[2.0, 1.5], [2.0, 1.0]]}, "--rounds", "2", "--json")
        self.assertEqual(done.returncode, 1)
        self.assertAlmostEqual(json.loads(done.stdout)["largest_loss_difference"], 0.5)


if __name__ == "__main__":
    unittest.main()
