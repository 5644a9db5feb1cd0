#!/usr/bin/env python3
"""How the slope of a task's calibration should be held, and which signal tells right from wrong.

usage: calibration_study.py REPORT [POOL]

REPORT: of `crayon bench route` on tasks that nothing is reported of (benchmarks/route_dev.toml); its
device part alone is read. POOL (default: pools/smollm2-135m of this tree) has the generic calibration.

For each task and draw of examples a line P(right) = sigmoid(slope * x + intercept) is fitted to the
examples' leave-one-out answers as crayon/router/calibration.cpp does (docs/design/router.md), and
judged on the task's questions. x: logit of the margin between the two best choices' shares, with
the pool's generic line; or of the largest share, with a generic line fitted to the other tasks'
examples, beside the margin treated alike. Means over tasks; *pooled*: all tasks' questions at once.
"""
import gzip
import json
import math
import pathlib
import sys
import zlib

PRIOR_N, RIDGE, LEAST, BINS = 10, 1e-4, 1e-3, 10
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


def fit(xs, right, prior=FREE, prior_n=0.0, slope_ridge=0.0):
    """Slope (at least 0) and intercept by Newton's method, its steps cut to 1."""
    each = prior_n / len(xs)
    weight = 1 + each
    targets = [(y + each * sigmoid(prior[0] * x + prior[1])) / weight for x, y in zip(xs, right)]
    held = RIDGE + slope_ridge
    free_slope, (slope, intercept) = True, prior
    for _ in range(200):
        gs, gi, hss, hsi, hii = held * (slope - prior[0]), RIDGE * (intercept - prior[1]), held, 0.0, RIDGE
        for x, target in zip(xs, targets):
            p = sigmoid(slope * x + intercept)
            error, curvature = weight * (p - target), weight * p * (1 - p)
            gs, gi = gs + error * x, gi + error
            hss, hsi, hii = hss + curvature * x * x, hsi + curvature * x, hii + curvature
        if free_slope:
            determinant = hss * hii - hsi * hsi
            step = (hsi * gi - hii * gs) / determinant, (hsi * gs - hss * gi) / determinant
        else:
            step = 0.0, -gi / hii
        size = min(1.0, 1 / max(map(abs, step))) if any(step) else 0.0
        slope, intercept = slope + size * step[0], intercept + size * step[1]
        if max(map(abs, step)) < 1e-10:
            if slope >= 0 or not free_slope:
                break
            free_slope, slope = False, 0.0
    return slope, intercept


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


def judged(tasks, lines, signal):
    """Log-loss, ECE, AUROC: means over tasks; and AUROC of all questions pooled."""
    found, all_scores, all_right = [], [], []
    for task, (slope, intercept) in zip(tasks, lines):
        confidences = [sigmoid(slope * signal(s) + intercept) for s in task["questions"]["scores"]]
        right = [int(y) for y in task["questions"]["right"]]
        found.append((log_loss(confidences, right), calibration_error(confidences, right), auroc(confidences, right)))
        all_scores += confidences
        all_right += right
    return [mean(column) for column in zip(*found)] + [auroc(all_scores, all_right)]


def examples(task, signal):
    return [signal(s) for s in task["examples"]["scores"]], [int(y) for y in task["examples"]["right"]]


def generic(tasks, left_out, signal):
    """Fitted to the examples of all tasks but those of the name `left_out`."""
    xs, right = [], []
    for task in tasks:
        if task["task"] != left_out:
            more = examples(task, signal)
            xs, right = xs + more[0], right + more[1]
    return fit(xs, right)


def study(report, prior):
    """Lines of (what, numbers)."""
    tasks = report["results"]["device"]
    for ridge in RIDGES:
        lines = [fit(*examples(task, margin), prior, PRIOR_N, ridge) for task in tasks]
        yield f"margin, the pool's line, ridge {ridge}", judged(tasks, lines, margin)
    for name, signal in (("margin", margin), ("largest share", largest)):
        priors = [generic(tasks, task["task"], signal) for task in tasks]
        lines = [fit(*examples(task, signal), one, PRIOR_N, 2 * PRIOR_N) for task, one in zip(tasks, priors)]
        yield f"{name}, others' line, ridge {2 * PRIOR_N}", judged(tasks, lines, signal)


def main(arguments):
    if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):
        sys.exit(__doc__)
    root = pathlib.Path(__file__).resolve().parent.parent
    pool = pathlib.Path(arguments[1]) if len(arguments) == 2 else root / "pools/smollm2-135m"
    try:
        report = json.loads(gzip.decompress(pathlib.Path(arguments[0]).read_bytes()))
        line = json.loads((pool / "pool.json").read_text(encoding="utf-8"))["calibration"]
        print(f"{'signal, generic line, ridge of the slope':42} log-loss    ECE  AUROC  pooled")
        for what, numbers in study(report, (line["slope"], line["intercept"])):
            print(f"{what:42} " + "".join(f"{x:{7 if i else 8}.3f}" for i, x in enumerate(numbers)))
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as e:
        sys.exit(f"calibration_study.py: {' '.join(arguments)}: expected a report of crayon bench route and a pool "
                 f"with a calibration: {e!r}")


if __name__ == "__main__":
    main(sys.argv[1:])
