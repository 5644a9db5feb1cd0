#!/usr/bin/env python3
"""Puts the numbers of the benchmark's report into the README, and draws them.

usage: readme_numbers.py [--check] [FOLDER]

FOLDER (default: this tree) holds README.md with the two lines BEGIN and END, reports/bench.json.gz
(keys: docs/bench-report.md) and docs/bench.svg; what stands between the lines and the picture are
rewritten. A report that is not finished will do: the text says what is missing. With --check nothing
is written; it fails and shows the difference where README or picture say other than the report.
Exit status: 0; 1 wrong or not current; 2 there is no report.
"""
import readme_numbers_picture
from readme_parts import (NOTHING, Problem, begin, code, count, listed, main, percent, points, read_report, settle,
                          table, with_block, wrapped)

REPORT, PICTURE = "reports/bench.json.gz", "docs/bench.svg"
BEGIN = begin(REPORT)
SCHEMA, NEWEST = "crayon-bench-customize", 2
GROUPS = ("held-out", "near", "far", "pool")
OURS, RIVALS = "crayon", ("base", "uniform", "multitask")
SIGNIFICANT = 0.05


def own_calibration(results):
    """Methods that decide on label calibration themselves: the switch changes none of their results, on tasks where
    it changes those of others."""
    calibrated = [one for one in results if one["label_calibration"]]
    cells = {(one["task"], one["k"], one["seed"]) for one in calibrated}
    left_alone = dict.fromkeys(one["method"] for one in results if (one["task"], one["k"], one["seed"]) in cells)
    return [name for name in left_alone if not any(one["method"] == name for one in calibrated)]


class Numbers:
    """The tables of the K that most methods were measured at."""

    def __init__(self, report):
        self.settings = report["settings"]
        self.times = report["times"]
        self.cells = report.get("cells", {"planned": 0, "done": 0})
        self.sees = {method["name"]: method["sees"] for method in report["methods"]}
        tables = report["tables"]
        if not tables:
            raise Problem("the report has no table: no method has all tasks of a group yet")
        self.ks = sorted({table["k"] for table in tables})
        self.k = max(self.ks, key=lambda k: (max(len(t["methods"]) for t in tables if t["k"] == k), k))
        self.tables = {(t["group"], t["label_calibration"]): {line["method"]: line for line in t["methods"]}
                       for t in tables if t["k"] == self.k}
        self.ours = {(t["group"], t["label_calibration"]): {line["method"]: line for line in t.get("ours", [])}
                     for t in tables if t["k"] == self.k}
        self.tasks = {t["group"]: t["tasks"] for t in tables if t["k"] == self.k}
        self.seeds_of_tasks = {}  # [method][task]
        for line in report["task_lines"]:
            if line["k"] == self.k:
                self.seeds_of_tasks.setdefault(line["method"], {})[line["task"]] = line["seeds"]
        self.own_calibration = own_calibration(report.get("results", []))
        self.groups = [group for group in GROUPS if group in self.tasks]

    def line(self, method, group, calibrated):
        return self.tables.get((group, calibrated), {}).get(method)

    def methods(self):
        """Those with a line, in the report's order."""
        return [name for name in self.sees if any(name in table for table in self.tables.values())]

    def planned(self):
        grids = [grid for grid in self.settings.get("grids", []) if self.k in grid["k"]]
        names = {name for grid in grids for name in grid["methods"]}
        return [name for name in self.sees if name in names]

    def planned_seeds(self, method):
        seeds = {seed for grid in self.settings.get("grids", []) if self.k in grid["k"] and method in grid["methods"]
                 for seed in grid["seeds"]}
        return sorted(seeds)

    def seeds(self, method):
        """Those that some task has: they are done in the plan's order."""
        return self.planned_seeds(method)[:max(self.seeds_of_tasks[method].values())]


def accuracy_cell(line):
    if line is None:
        return NOTHING
    band = line["accuracy"]
    return f"{percent(band['mean'])} ± {percent((band['high'] - band['low']) / 2)}"


def difference_cell(line, rival):
    found = [one for one in line["against"] if one["against"] == rival] if line else []
    if not found:
        return NOTHING
    one = found[0]
    low, high = points(one["low"]), points(one["high"])
    band = f"{percent(one['mean'], '+')} [{percent(one['low'], '+')}, {percent(one['high'], '+')}]"
    if low <= 0 <= high:
        return f"no difference shown: {band}"
    return band if one["holm_p"] < SIGNIFICANT else band + " †"


def accuracy_table(numbers):
    columns = [(group, calibrated) for group in numbers.groups for calibrated in (False, True)]
    head = ["method", "sees"] + [group + (" +" if calibrated else "") for group, calibrated in columns]
    rows = [[f"`{method}`", numbers.sees[method]] +
            [accuracy_cell(numbers.line(method, *column)) for column in columns]
            for method in numbers.methods()]
    return table(head, rows, 2)


def difference_table(numbers):
    head = [f"`{OURS}` against", *numbers.groups]
    rows = []
    for rival in RIVALS:
        for calibrated in (False, True):
            cells = [difference_cell(numbers.line(OURS, group, calibrated), rival) for group in numbers.groups]
            rows.append([f"`{rival}`" + (" +" if calibrated else ""), *cells])
    return table(head, rows, 1)


def ours_table(numbers):
    """Crayon's own methods minus each of the others, on the first group with label calibration; "" without any."""
    group = numbers.groups[0]
    ours = numbers.ours.get((group, True), {})
    rivals = [name for name in numbers.methods()
              if any(name == one["against"] for line in ours.values() for one in line["against"])]
    rows = [[f"`{rival}` +", *(difference_cell(line, rival) for line in ours.values())] for rival in rivals]
    return table([f"minus ({group})", *(f"`{name}` +" for name in ours)], rows, 1) if rows else ""


def named(methods):
    return listed(f"`{method}`" for method in methods)


def tasks_text(numbers):
    tasks = numbers.tasks
    parts = []
    if "held-out" in tasks:
        kinds = [f"{tasks[kind]} {kind}" for kind in ("near", "far") if kind in tasks]
        parts.append(count(tasks["held-out"], "held-out task") + f" ({', '.join(kinds)})")
    if "pool" in tasks:
        parts.append(f"{tasks['pool']} of the pool's own")
    return listed(parts) if parts else "no tasks"


def settings_text(numbers):
    settings, times = numbers.settings, numbers.times
    questions = settings.get("questions", 0)
    seeds = sorted({seed for method in numbers.methods() for seed in numbers.seeds(method)})
    machines = times["machines"]
    sentences = [
        f"K = {numbers.k} examples",
        f"seeds {listed(map(str, seeds))}" if len(seeds) > 1 else f"seed {listed(map(str, seeds))}" if seeds else "",
        f"at most {questions} questions a task" if questions else "all questions of each task",
        tasks_text(numbers),
    ]
    text = "; ".join(sentence for sentence in sentences if sentence) + ". "
    if numbers.cells["done"] < numbers.cells["planned"]:
        text += f"So far {numbers.cells['done']:,} of {numbers.cells['planned']:,} planned results are there. "
    text += f"Model {settings['model']['name']}, pool {code(settings['pool'])}"
    text += f" ({count(settings['n_adapters'], 'adapter')})" if "n_adapters" in settings else ""
    text += f", multitask pool {code(settings['multitask'])}" if settings.get("multitask") else ""
    text += f", server {settings['server']}" if settings.get("server") else ""
    text += f"; Crayon {settings.get('version', 'of unknown version')}"
    text += f" (commit {code(settings['commit'])}). " if settings.get("commit") else ". "
    text += f"Machine{'s' if len(machines) > 1 else ''}: {'; '.join(machines)}. "
    return text + f"Command: {code(times.get('command', 'unknown'))}."


def missing_text(numbers):
    """What a reader has to know of a report that is not whole; "" when it is."""
    sentences = []
    missing = {one["method"]: one["why"] for one in numbers.settings.get("missing_methods", [])}
    if missing:
        sentences.append(f"Not run: {listed(f'`{name}` ({why})' for name, why in missing.items())}.")
    groups = numbers.tables.keys()
    lacking = [name for name in numbers.planned()
               if name not in missing and any(numbers.line(name, *key) is None for key in groups)]
    if lacking:
        sentences.append(f"Not finished on all tasks: {named(lacking)}; a table has a method only where it was run "
                         "on all tasks of the group.")
    alike = {}  # methods that have the same numbers of seeds of the same tasks
    for name in numbers.methods():
        by_task = numbers.seeds_of_tasks[name]
        if min(by_task.values()) < max(2, len(numbers.planned_seeds(name))):
            alike.setdefault(tuple(sorted(by_task.items())), []).append(name)
    if alike:
        parts = []
        for by_task, names in sorted(alike.items(), key=lambda one: len(one[1])):
            who = "all methods" if len(names) == len(numbers.methods()) else named(names)
            if len(alike) > 1 and 2 * len(names) > len(numbers.methods()):
                who = "the other methods"
            parts.append(f"{seeds_text(dict(by_task))} for {who}")
        text = f"Seeds so far: {'; '.join(parts)}."
        if any(n == 1 for by_task in alike for _, n in by_task):
            text += " Where there is one, the bands know nothing of other draws of examples."
        sentences.append(text)
    return " ".join(sentences)


def seeds_text(by_task):
    """How many seeds there are, and of which tasks where that differs."""
    tasks = {}
    for task, n in by_task.items():
        tasks.setdefault(n, []).append(task)
    if len(tasks) == 1:
        return str(*tasks)
    usual = max(tasks, key=lambda n: len(tasks[n]))
    parts = [f"{n} on {listed([f'`{task}`' for task in some])}" for n, some in sorted(tasks.items()) if n != usual]
    return f"{usual} ({', '.join(parts)})"


def legend_text(numbers, differences):
    text = ("Accuracy in %, ± half of the 95 % band (over questions and seeds; the tasks are fixed). "
            "+: with label calibration, for which every method, whatever else it sees, also reads the texts of the K "
            "examples (not their labels) and takes the time to score them. ")
    if numbers.own_calibration:
        one = len(numbers.own_calibration) == 1
        text += (f"{named(numbers.own_calibration)} {'decides' if one else 'decide'} on it "
                 f"{'itself' if one else 'themselves'}, so that both columns are the same. ")
    text += ("Below: differences in points with their 95 % bands, paired over questions and "
            "seeds; \"no difference shown\" where the band holds 0.")
    if "†" in differences:
        text += (f" †: not below {SIGNIFICANT} when the p-value is corrected (Holm) for all methods that are held to "
                 "the same rival; in the last table, for all that the method is held to.")
    return text


def block(numbers):
    differences = difference_table(numbers)
    if not any(OURS in lines for lines in numbers.tables.values()):
        differences = f"`{OURS}` has no line at K = {numbers.k} yet, so that there is nothing to compare."
    ours = ours_table(numbers)
    others = [k for k in numbers.ks if k != numbers.k]
    more = f"The report also has K = {listed(map(str, others))}." if others else ""
    paragraphs = [f"![Accuracy of each method with its 95 % band]({PICTURE})",
                  wrapped(legend_text(numbers, differences + ours)),
                  accuracy_table(numbers), differences, *([ours] if ours else []),
                  wrapped(" ".join(filter(None, [settings_text(numbers), more, missing_text(numbers)])))]
    return "\n\n".join(paragraphs)


def run(folder, check):
    readme, report = folder / "README.md", folder / REPORT
    text = readme.read_text(encoding="utf-8")
    try:
        numbers = Numbers(read_report(report, SCHEMA, NEWEST, "script/bench --full"))
        wanted = {readme: with_block(text, readme, REPORT, block(numbers)),
                  folder / PICTURE: readme_numbers_picture.draw(numbers)}
    except (KeyError, TypeError, ValueError) as e:
        raise Problem(f"{report}: lacks a key or holds what docs/bench-report.md does not say: {e!r}") from e
    settle(wanted, check, report, "readme_numbers.py")


if __name__ == "__main__":
    main(__doc__, run)
