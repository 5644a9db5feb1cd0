#!/usr/bin/env python3
"""Bits that the choices' scores say about the right one, for each task of `crayon bench customize` reports.

Usage: tools/information_gained.py REPORT[:METHOD] ...

For a task of C_i choices a question: max over b >= 0 of mean_i [log2 C_i + log2 softmax(b s_i)[answer_i]],
s_i the scores with label calibration. b is fitted on the questions themselves, one number a task, the same
for all methods; b = 0, which knows nothing, gives 0. Accuracy on a task where a model is at chance swings by ten
points with whatever it leans to; this stays at 0 there, so it tells pools apart with fewer tasks. (Ours.)
Means over draws of examples; the mean over the tasks that all columns have comes last.
"""

import gzip
import json
import math
import sys
import zlib

GRID = [0.0] + [2 ** (k / 4) for k in range(-20, 20)]


def gained(scores, answer, scale):
    """log2 C + log2 softmax(scale * scores)[answer] of one question."""
    scaled = [scale * s for s in scores]
    top = max(scaled)
    total = math.log(sum(math.exp(s - top) for s in scaled))
    return (scaled[answer] - top - total + math.log(len(scores))) / math.log(2)


def bits(result, answers):
    """Of one result: at its best scale."""
    scores = result["scores_calibrated"] or result["scores"]
    return max(sum(gained(s, a, scale) for s, a in zip(scores, answers)) / len(answers) for scale in GRID)


def by_task(report, method):
    answers = {task["name"]: task["answers"] for task in report["tasks"]}
    found = {}
    for result in report["results"]:
        if result["method"] == method:
            found.setdefault(result["task"], []).append(bits(result, answers[result["task"]]))
    return {task: sum(values) / len(values) for task, values in found.items()}


def columns(argument):
    """A column for each method of a report, or for the one behind the colon."""
    path, _, only = argument.partition(":")
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            report = json.load(file)
        methods = list(dict.fromkeys(result["method"] for result in report["results"]))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        sys.exit(f"information_gained.py: {path}: cannot be read as a report (.json.gz): {error}")
    except (KeyError, TypeError):
        sys.exit(f"information_gained.py: {path}: is no report of `crayon bench customize`: it has no results; give one")
    if only and only not in methods:
        sys.exit(f"information_gained.py: {path}: has no method '{only}'; expected one of {', '.join(methods)}")
    for method in [only] if only else methods:
        yield f"{path.rsplit('/', 1)[-1].removesuffix('.json.gz')}:{method}", by_task(report, method)


def main():
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    table = [column for argument in sys.argv[1:] for column in columns(argument)]
    tasks = sorted(set.intersection(*(set(values) for _, values in table)))
    if not tasks:
        sys.exit("information_gained.py: the reports have no task in common")
    for number, (name, _) in enumerate(table, 1):
        print(f"{number:2d}  {name}")
    width = max(len(task) for task in tasks)
    print(" " * width + "".join(f"{number:8d}" for number in range(1, len(table) + 1)))
    for task in tasks:
        print(task.ljust(width) + "".join(f"{values[task]:8.3f}" for _, values in table))
    print("mean".ljust(width) + "".join(f"{sum(v[t] for t in tasks) / len(tasks):8.3f}" for _, v in table))


if __name__ == "__main__":
    main()
