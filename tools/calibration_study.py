#!/usr/bin/env python3
"""How the slope of a task's calibration should be held, what guessing does, and which signal tells right from wrong.

usage: calibration_study.py REPORT [POOL]

REPORT: of `crayon bench route` on tasks that nothing is reported of (benchmarks/route_dev.toml); its
device part alone is read. POOL (default: pools/smollm2-135m of this tree) has the generic calibration.

For each task and draw of examples a line P(right) = guess + (1 - guess) sigmoid(slope * x + intercept)
is fitted to the examples' leave-one-out answers as crayon/router/calibration.cpp does
(docs/design/router.md), and judged on the task's questions. x: logit of the margin between the two
best choices' shares, with the pool's generic line; or of the largest share, with a generic line fitted
to the other tasks' examples, beside the margin treated alike. guess: 1 / choices, its mean over the
task's examples, or 0 throughout; generic lines are fitted with each example's own.
Means over tasks; *pooled*: all tasks' questions at once.
"""
import gzip
import json
import math
import pathlib
import sys
import zlib

PRIOR_N, RIDGE, INTERCEPT_RIDGE, LEAST, BINS = 10, 1e-4, 0.01, 1e-3, 10
RIDGES = (0, 5, 20, 60)
FREE = (0.0, 0.0)


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def logit(p):
    p = min(max(p, LEAST), 1 - LEAST)
    return math.log(p / (1 - p))


def shares(scores):
    """The two largest of the softmax."""
    top = max(scores)
    found = sorted((math.exp(s - top) for s in scores), reverse=True)
    total = sum(found)
    return found[0] / total, found[1] / total


def margin(scores):
    first, second = shares(scores)
    return logit(first - second)


def largest(scores):
    return logit(shares(scores)[0])


class Points:
    """Answers to fit a line to: x, right or wrong, what a guess gets right."""

    def __init__(self, xs=(), right=(), guess=()):
        self.xs, self.right, self.guess = list(xs), list(right), list(guess)

    def __iadd__(self, other):
        self.xs += other.xs
        self.right += other.right
        self.guess += other.guess
        return self


def probability(guess, line):
    return guess + (1 - guess) * sigmoid(line)


def fit(points, prior=FREE, prior_n=0.0, slope_ridge=0.0):
    """Slope (at least 0) and intercept by Fisher scoring, its steps halved until the loss falls."""
    each = prior_n / len(points.xs)
    weight = 1 + each
    held, near = RIDGE + slope_ridge, RIDGE + INTERCEPT_RIDGE * prior_n
    rows = [(x, (y + each * probability(g, prior[0] * x + prior[1])) / weight, g)
            for x, y, g in zip(points.xs, points.right, points.guess)]

    def loss(slope, intercept):
        total = 0.5 * held * (slope - prior[0]) ** 2 + 0.5 * near * (intercept - prior[1]) ** 2
        for x, target, g in rows:
            p = min(max(probability(g, slope * x + intercept), 1e-300), 1 - 1e-16)
            total -= weight * (target * math.log(p) + (1 - target) * math.log(1 - p))
        return total

    def step(slope, intercept, free):
        gs, gi, hss, hsi, hii = held * (slope - prior[0]), near * (intercept - prior[1]), held, 0.0, near
        for x, target, g in rows:
            knows = sigmoid(slope * x + intercept)
            p = g + (1 - g) * knows
            share = knows / p if p > 0 else 1.0
            error, curvature = weight * (p - target) * share, weight * (1 - g) * knows * (1 - knows) * share
            gs, gi = gs + error * x, gi + error
            hss, hsi, hii = hss + curvature * x * x, hsi + curvature * x, hii + curvature
        if not free:
            return 0.0, -gi / hii
        determinant = hss * hii - hsi * hsi
        return (hsi * gi - hii * gs) / determinant, (hsi * gs - hss * gi) / determinant

    def least(line, free):
        now = loss(*line)
        for _ in range(200):
            direction, size = step(*line, free), 1.0
            while size > 1e-10:
                new = line[0] + size * direction[0], line[1] + size * direction[1]
                then = loss(*new)
                if then < now:
                    break
                size /= 2
            else:
                return line
            line, gained, now = new, now - then, then
            if gained < 1e-12:
                return line
        return line

    line = least(prior, True)
    return line if line[0] >= 0 else least((0.0, prior[1]), False)


def auroc(scores, right):
    """None without right or wrong ones. Ties count half."""
    order = sorted(zip(scores, right))
    wrong_below, sum_below, at = 0, 0.0, 0
    while at < len(order):
        end = at
        while end < len(order) and order[end][0] == order[at][0]:
            end += 1
        good = sum(y for _, y in order[at:end])
        bad = end - at - good
        sum_below += good * (wrong_below + bad / 2)
        wrong_below += bad
        at = end
    good = len(order) - wrong_below
    return sum_below / (good * wrong_below) if good and wrong_below else None


def log_loss(confidences, right):
    return -sum(math.log(c if y else 1 - c) for c, y in zip(confidences, right)) / len(right)


def calibration_error(confidences, right):
    sums = [0.0] * BINS
    for c, y in zip(confidences, right):
        sums[min(int(c * BINS), BINS - 1)] += c - y
    return sum(map(abs, sums)) / len(right)


def mean(values):
    values = [v for v in values if v is not None]
    return sum(values) / len(values) if values else math.nan


def own_guess(scores):
    return 1 / len(scores)


def no_guess(_):
    return 0.0


def points(rows, signal, guess):
    """@param guess  of a question's scores"""
    scores = rows["scores"]
    return Points([signal(s) for s in scores], [int(y) for y in rows["right"]], [guess(s) for s in scores])


def of_task(task, guessed):
    """What a guess gets right in it, one number as a task file has it."""
    one = mean([own_guess(s) for s in task["examples"]["scores"]]) if guessed else 0.0
    return lambda _: one


def judged(tasks, lines, signal, guessed=True):
    """Log-loss, ECE, AUROC: means over tasks; ECE and AUROC of all questions pooled."""
    found, everything, all_right = [], [], []
    for task, (slope, intercept) in zip(tasks, lines):
        asked = points(task["questions"], signal, of_task(task, guessed))
        confidences = [probability(g, slope * x + intercept) for x, g in zip(asked.xs, asked.guess)]
        found.append((log_loss(confidences, asked.right), calibration_error(confidences, asked.right),
                      auroc(confidences, asked.right)))
        everything += confidences
        all_right += asked.right
    return [mean(column) for column in zip(*found)] + [calibration_error(everything, all_right),
                                                       auroc(everything, all_right)]


def generic(tasks, left_out, signal, guessed):
    """Fitted to the examples of all tasks but those of the name `left_out`."""
    others = Points()
    for task in tasks:
        if task["task"] != left_out:
            others += points(task["examples"], signal, own_guess if guessed else no_guess)
    return fit(others)


def study(report, prior, pool_guesses):
    """Lines of (what, numbers)."""
    tasks = report["results"]["device"]
    for ridge in RIDGES:
        lines = [fit(points(task["examples"], margin, of_task(task, pool_guesses)), prior, PRIOR_N, ridge)
                 for task in tasks]
        yield f"margin, the pool's line, ridge {ridge}", judged(tasks, lines, margin, pool_guesses)
    for name, signal in (("margin", margin), ("largest share", largest)):
        for guessed in (False, True):
            priors = {task["task"]: generic(tasks, task["task"], signal, guessed) for task in tasks}
            lines = [fit(points(task["examples"], signal, of_task(task, guessed)), priors[task["task"]], PRIOR_N,
                         2 * PRIOR_N) for task in tasks]
            yield (f"{name}, others' line, guess {'1/choices' if guessed else 0}",
                   judged(tasks, lines, signal, guessed))
    slope, intercept = generic(tasks, None, margin, True)
    yield f"(line of all: slope {slope:.3f}, {intercept:+.3f})", []


def main(arguments):
    if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):
        sys.exit(__doc__)
    root = pathlib.Path(__file__).resolve().parent.parent
    pool = pathlib.Path(arguments[1]) if len(arguments) == 2 else root / "pools/smollm2-135m"
    try:
        report = json.loads(gzip.decompress(pathlib.Path(arguments[0]).read_bytes()))
        line = json.loads((pool / "pool.json").read_text(encoding="utf-8"))["calibration"]
        print(f"{'signal, generic line, ridge of the slope':42} log-loss    ECE  AUROC  pooled: ECE, AUROC")
        for what, numbers in study(report, (line["slope"], line["intercept"]), line.get("guess", 0) > 0):
            print(f"{what:42} " + "".join(f"{x:{7 if i else 8}.3f}" for i, x in enumerate(numbers)))
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as e:
        sys.exit(f"calibration_study.py: {' '.join(arguments)}: expected a report of crayon bench route and a pool "
                 f"with a calibration: {e!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
