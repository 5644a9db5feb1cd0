#!/usr/bin/env python3
"""Tests of calibration_study.py on answers whose calibration is known."""
import gzip
import json
import math
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import calibration_study as study

SCRIPT = pathlib.Path(__file__).resolve().parent / "calibration_study.py"


def simulated(name, slope, intercept, n, seed, guess=0.0):
    """A task of n examples and n questions of two choices, right as the line in the logit of the margin says."""
    draw = random.Random(seed)

    def answers():
        scores = [[3 * draw.random(), 0.0] for _ in range(n)]
        right = [draw.random() < study.probability(guess, slope * study.margin(s) + intercept) for s in scores]
        return {"scores": scores, "right": right}
    return {"task": name, "examples": answers(), "questions": answers()}


class CalibrationStudy(unittest.TestCase):
    def test_the_fit_finds_the_line_that_the_answers_follow(self):
        for guess in (0.0, 0.5):
            answers = simulated("t", 0.7, 0.4, 20000, 1, guess)["examples"]
            slope, intercept = study.fit(study.points(answers, study.margin, study.own_guess if guess else study.no_guess))
            self.assertAlmostEqual(0.7, slope, delta=0.06)
            self.assertAlmostEqual(0.4, intercept, delta=0.06)

    def test_the_fit_is_where_the_loss_is_least(self):
        prior, n, ridge = (0.3, 0.6), 10, 20
        for guess in (0.0, 0.5):
            answers = study.points(simulated("t", 0.7, 0.4, 40, 2, guess)["examples"], study.margin,
                                   study.own_guess if guess else study.no_guess)

            def loss(slope, intercept):
                each = n / len(answers.xs)
                total = ((ridge + study.RIDGE) * (slope - prior[0]) ** 2 +
                         (n * study.INTERCEPT_RIDGE + study.RIDGE) * (intercept - prior[1]) ** 2) / 2
                for x, y in zip(answers.xs, answers.right):
                    p = study.probability(guess, slope * x + intercept)
                    believed = study.probability(guess, prior[0] * x + prior[1])
                    total -= (y + each * believed) * math.log(p) + (1 - y + each * (1 - believed)) * math.log(1 - p)
                return total
            found = study.fit(answers, prior, n, ridge)
            for step in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3)):
                self.assertLess(loss(*found), loss(found[0] + step[0], found[1] + step[1]))

    def test_the_slope_never_falls_below_zero(self):
        answers = study.points(simulated("t", -1.5, 0.0, 400, 3)["examples"], study.margin, study.no_guess)
        slope, intercept = study.fit(answers)
        self.assertEqual(0.0, slope)
        self.assertAlmostEqual(sum(answers.right) / 400, study.sigmoid(intercept), delta=1e-4)

    def test_auroc_counts_ties_half(self):
        self.assertEqual(1.0, study.auroc([1, 2, 3, 4], [0, 0, 1, 1]))
        self.assertEqual(0.5, study.auroc([1, 1, 1], [0, 1, 1]))
        self.assertEqual(0.875, study.auroc([1, 2, 2, 3], [0, 1, 0, 1]))
        self.assertIsNone(study.auroc([1, 2], [1, 1]))

    def test_exact_confidences_have_next_to_no_error(self):
        for guess in (0.0, 0.5):
            task = simulated("t", 0.7, 0.4, 40000, 4, guess)
            numbers = study.judged([task], [(0.7, 0.4)], study.margin, guess > 0)
            self.assertLess(numbers[1], 0.01)
            self.assertGreater(study.judged([task], [(0.7, 2.0)], study.margin, guess > 0)[1], 0.08)
            self.assertGreater(study.judged([task], [(0.7, 0.4)], study.margin, guess == 0)[1], 0.08, "the other model")

    def test_prints_a_line_for_each_way_and_refuses_what_is_no_report(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            tasks = [simulated(name, 0.7, 0.4, 50, seed) for seed, name in enumerate("abc")]
            (root / "pool.json").write_text(json.dumps({"calibration": {"slope": 0.5, "intercept": 0.2}}))
            (root / "r.json.gz").write_bytes(gzip.compress(json.dumps({"results": {"device": tasks}}).encode()))
            done = subprocess.run([sys.executable, SCRIPT, root / "r.json.gz", root], capture_output=True, text=True,
                                  check=False)
            self.assertEqual((0, ""), (done.returncode, done.stderr))
            self.assertEqual(1 + len(study.RIDGES) + 5, done.stdout.count("\n"))
            done = subprocess.run([sys.executable, SCRIPT, root / "pool.json"], capture_output=True, text=True,
                                  check=False)
            self.assertEqual((1, ""), (done.returncode, done.stdout))
            self.assertIn("expected a report", done.stderr)


if __name__ == "__main__":
    unittest.main()
