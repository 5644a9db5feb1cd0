#!/usr/bin/env python3
"""What each part of the pool is worth: one of its two steps trained again with one setting changed.

    python3 benchmarks/ablation/ablation.py                 all variants; goes on where it was stopped
    python3 benchmarks/ablation/ablation.py --only 24x2     some of them
    python3 benchmarks/ablation/ablation.py --only examples the shipped pool from K = 1 to 64 examples
    python3 benchmarks/ablation/ablation.py --only changed  the shipped pool with its gate's settings changed, or shrunk
    python3 benchmarks/ablation/ablation.py --report        the tables, from what is there

A variant of the second step trains gated adapters on top of the shipped shared adapter, one of the first step a shared
adapter alone; on the pool's sets, all of a step with the same number of samples and, but for the one that asks about it, the same seed (variants.toml).
It is judged on the pool's own sets (validation rows, by the trainer, at a = max_tilt) and on the development tasks
(`crayon bench customize --plan benchmarks/dev.toml`, label calibration on): accuracy and bits
(tools/information_gained.py). Shrunk pools are judged on the own sets by benchmarks/own.toml. Differences from the first
variant of a step are paired over sets or tasks; ± is one standard error of their mean. How many examples a task needs is
seen on the shipped pool, on those tasks that have 64 examples, held to K = 32. Test rows of the benchmark are not
touched. A pool is kept while its config and the shared adapter stay the same. Writes reports/ablation.json after each
variant; what stands there of the same settings is not run again, on another machine neither.
"""

import argparse
import gzip
import hashlib
import json
import math
import pathlib
import shutil
import struct
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import information_gained  # noqa: E402

POOL = ROOT / "pools/smollm2-135m"
SHARED = POOL / "adapters/shared.gguf"
EXAMPLES = "examples"  # in place of a variant's name: the shipped pool with other K
CHANGED = "changed"  # ... and with its gate's settings changed, or with adapters of lower rank


class Step:
    """One of the pool's two: its config, what all of its variants have in common, and the variants."""

    def __init__(self, plan, name, what):
        self.name, self.what = name, what
        self.config = POOL / ("shared.toml" if name == "first" else "train.toml")
        self.shared = None if name == "first" else SHARED
        self.common, self.variants = plan[name]["all"], plan[name]["variant"]

    def config_of(self, work, variant):
        """The config with the settings of all variants and this one's, as text."""
        config = tomllib.loads(self.config.read_text())
        name = variant["name"]
        config.pop("set", None)
        config["sets_from"] = str(POOL / "shared.toml")
        for changes in (self.common, {key: value for key, value in variant.items() if isinstance(value, dict)}):
            for section, values in changes.items():
                config[section] |= values
        config["pool"] |= {"name": f"ablation-{name}", "out": str(work / name / "pool")}
        if self.shared:
            config["pool"]["shared_from"] = str(self.shared)
        config["train"] |= {"checkpoints": str(work / name / "run"), "slice_minutes": 0}
        lines = [f"{key} = {json.dumps(value)}" for key, value in config.items() if not isinstance(value, dict)]
        for section, values in config.items():
            if isinstance(values, dict):
                lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
        return "\n".join(lines) + "\n"

    def made_from(self, config):
        """What decides a variant's pool, data aside."""
        return hashlib.sha256(config.encode() + (self.shared.read_bytes() if self.shared else b"")).hexdigest()

    def is_current(self, work, variant):
        """Whether what stands in the variant's folder was made from today's settings."""
        stamp = work / variant["name"] / "made_from"
        return stamp.exists() and stamp.read_text() == self.made_from(self.config_of(work, variant))

    def settings_of(self, variant):
        """What decides a variant's numbers, wherever it is trained."""
        return self.made_from(self.config_of(ROOT / "build/ablation", variant).replace(str(ROOT), ""))


def arguments():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--crayon", type=pathlib.Path, default=ROOT / "build/release/bin/crayon")
    flags.add_argument("--work", type=pathlib.Path, default=ROOT / "build/ablation")
    flags.add_argument("--out", type=pathlib.Path, default=ROOT / "reports/ablation.json")
    flags.add_argument("--only", nargs="+", default=[], help="names of variants")
    flags.add_argument("--report", action="store_true", help="run nothing")
    flags.add_argument("--workers", type=int, default=2, help="processes that train")
    args = flags.parse_args()
    for name in ("crayon", "work", "out"):  # configs and commands are read from elsewhere
        setattr(args, name, getattr(args, name).resolve())
    return args


def run(command, log):
    with open(log, "ab") as out:
        try:
            done = subprocess.run([str(part) for part in command], stdout=out, stderr=out, check=False, cwd=ROOT)
        except OSError as error:
            sys.exit(f"ablation.py: {command[0]}: {error.strerror}; build it with script/build, or give --crayon")
    if done.returncode != 0:
        sys.exit(f"ablation.py: {command[1]} ended with {done.returncode}; see {log}")


def train(args, step, variant):
    folder = args.work / variant["name"]
    config = step.config_of(args.work, variant)
    if not step.is_current(args.work, variant) and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made_from").write_text(step.made_from(config))
    if (folder / "pool/pool.json").exists():
        return
    (folder / "train.toml").write_text(config)
    begun = any((folder / "run").glob("step-*.safetensors"))
    run([args.crayon, "train", "--config", folder / "train.toml", "--workers", args.workers, *(["--resume"] if begun else [])],
        folder / "log")


def judge(args, folder, pool, plan="dev", examples=None):
    """Writes the report of the plan, a file of benchmarks/, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    which = ["-k", ",".join(map(str, examples["k"])), "--only", ",".join(examples["tasks"])] if examples else []
    run([args.crayon, "bench", "customize", "--plan", f"benchmarks/{plan}.toml", "--pool", pool, "--methods", "crayon",
         *which, "--quiet", "-o", folder / f"{plan}.json.gz"], folder / "log")


def with_gate(folder, name, settings):
    """A copy of the shipped pool whose gate has other settings."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(POOL, folder)
    file = folder / "gate.safetensors"
    data = file.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header["__metadata__"] |= {key: str(value) for key, value in settings.items()}
    text = json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])
    manifest = json.loads((folder / "pool.json").read_text())
    manifest["gate"]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest["id"] = f"{manifest['id']}-{name}"  # the benchmark keeps results by it
    (folder / "pool.json").write_text(json.dumps(manifest))


def judge_changed(args, one):
    """Its accuracy and bits on the development tasks, and where the plan says so its accuracy on the own sets."""
    folder = args.work / CHANGED / one["name"]
    pool = POOL
    if "gate" in one:
        pool = folder / "pool"
        with_gate(pool, one["name"], one["gate"])
    if "shrink" in one:
        pool = folder / "pool"
        shutil.rmtree(pool, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        run([args.crayon, "pool", "shrink", POOL, "-o", pool, "--rank", one["shrink"]["rank"],
             "--shared-rank", one["shrink"]["shared_rank"]], folder / "log")
    judge(args, folder, pool)
    (found,) = judged(folder).values()
    if one.get("own"):
        judge(args, folder, pool, plan="own")
        (own,) = judged(folder, plan="own").values()
        found["own"] = own["dev"]
    return found


def change_of(one):
    """What decides its numbers beside the shipped pool."""
    return {key: value for key, value in one.items() if key not in ("name", "own")}


def judged(folder, plan="dev"):
    """By K and task: accuracy without (raw) and with label calibration (dev), and bits, of the plan's report in the folder."""
    with gzip.open(folder / f"{plan}.json.gz", "rt", encoding="utf-8") as file:
        report = json.load(file)
    answers = {task["name"]: task["answers"] for task in report["tasks"]}
    found = {}
    for result in report["results"]:
        task = result["task"]
        one = found.setdefault(result["k"], {"raw": {}, "dev": {}, "bits": {}})
        for key, chosen in (("raw", result["choices"]), ("dev", result["choices_calibrated"] or result["choices"])):
            right = sum(choice == answer for choice, answer in zip(chosen, answers[task], strict=True))
            one[key][task] = right / len(chosen)
        one["bits"][task] = information_gained.bits(result, answers[task])
    return found


def measured(folder):
    """By set or task: a variant's accuracy on its own sets, accuracy and bits on the development tasks."""
    validation = json.loads((folder / "pool/pool.json").read_text())["training"]["validation"]
    (one,) = judged(folder).values()
    return {"own": {row["set"]: row["tilted"]["accuracy"] for row in validation}, **one}


def pool_id():
    return json.loads((POOL / "pool.json").read_text())["id"]


class Report:
    """reports/ablation.json: what was measured with today's settings, by variant and by K of the shipped pool."""

    def __init__(self, path, plan, steps):
        self.path, self.plan, self.steps = path, plan, steps
        self.made_from = {variant["name"]: step.settings_of(variant) for step in steps for variant in step.variants}
        old = json.loads(path.read_text()) if path.exists() else {"made_from": {}, "pool": ""}
        self.results = {name: old["results"][name] for name, settings in self.made_from.items()
                        if old["made_from"].get(name) == settings}
        same = old["pool"] == pool_id()
        self.by_k = {int(k): one for k, one in old["examples"].items()} if same else {}
        self.changed = {one["name"]: old["changed"][one["name"]]["judged"] for one in plan["changed"]
                        if same and old["changed"].get(one["name"], {}).get("change") == change_of(one)
                        and (not one.get("own") or "own" in old["changed"][one["name"]]["judged"])}

    def has(self, name):
        return set(self.plan["examples"]["k"]) <= set(self.by_k) if name == EXAMPLES else name in self.results | self.changed

    def write(self):
        names = [name for name in self.made_from if name in self.results]
        report = {"all": {step.name: step.common for step in self.steps}, "made_from": {name: self.made_from[name] for name in names},
                  "results": {name: self.results[name] for name in names},
                  "pool": pool_id(), "examples": self.by_k,
                  "changed": {one["name"]: {"change": change_of(one), "judged": self.changed[one["name"]]}
                              for one in self.plan["changed"] if one["name"] in self.changed}}
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(report, indent=1) + "\n")
        new.replace(self.path)


def difference(values, first):
    """Mean of the paired differences, and its standard error."""
    found = [values[key] - first[key] for key in first]
    mean = sum(found) / len(found)
    square = sum((x - mean) ** 2 for x in found) / max(1, len(found) - 1)
    return mean, math.sqrt(square / len(found))


def table(results, reference, what, columns):
    first = results.get(reference)
    lines = [f"| {what} | {' | '.join(columns.values())} |", "|---|" + "--:|" * len(columns)]
    for name, one in results.items():
        cells = []
        for key in columns:
            if key not in one:
                cells.append("")
                continue
            scale, digits = (1, 3) if key == "bits" else (100, 1)
            mean = scale * sum(one[key].values()) / len(one[key])
            text = f"{mean:.{digits}f}"
            if first is not None and one is not first:
                gap, error = difference(one[key], first[key])
                text += f" ({scale * gap:+.{digits}f} ± {scale * error:.{digits}f})"
            cells.append(text)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    args = arguments()
    plan = tomllib.loads((HERE / "variants.toml").read_text())
    steps = [Step(plan, "second", "gated adapters"), Step(plan, "first", "shared adapter")]
    names = [*(variant["name"] for step in steps for variant in step.variants), EXAMPLES, CHANGED]
    unknown = set(args.only) - set(names)
    if unknown:
        sys.exit(f"ablation.py: no variant {', '.join(sorted(unknown))}; expected some of {', '.join(names)}")
    report = Report(args.out, plan, steps)
    if not args.report:
        work(args, plan, steps, report, args.only or names)
    if not (report.results or report.by_k or report.changed):
        sys.exit("ablation.py: nothing has been run yet; leave --report out")
    columns = {"own": "own sets, %", "dev": "development tasks, %", "bits": "bits"}
    for step in steps:
        reference = step.variants[0]["name"]
        results = {variant["name"]: report.results[variant["name"]] for variant in step.variants
                   if variant["name"] in report.results}
        if results:
            if reference not in results:
                print(f"no differences: {reference} has not been run", file=sys.stderr)
            print(table(results, reference, step.what, columns) + "\n")
    if report.by_k:
        print(table(report.by_k, 32, "K", {"raw": "without label calibration, %", "dev": "with it, %", "bits": "bits"}) + "\n")
    if report.changed:
        print(table(report.changed, plan["changed"][0]["name"], "the shipped pool", columns))


def work(args, plan, steps, report, names):
    """Runs what is named and not in the report yet."""
    for step in steps:
        for variant in step.variants:
            name = variant["name"]
            if name not in names or report.has(name):
                continue
            print(f"{name}: trains", file=sys.stderr)
            train(args, step, variant)
            print(f"{name}: is judged", file=sys.stderr)
            judge(args, args.work / name, args.work / name / "pool")
            report.results[name] = measured(args.work / name)
            report.write()
    if EXAMPLES in names and not report.has(EXAMPLES):
        print(f"{EXAMPLES}: the shipped pool is judged", file=sys.stderr)
        judge(args, args.work / EXAMPLES, POOL, examples=plan["examples"])
        report.by_k = judged(args.work / EXAMPLES)
        report.write()
    for one in plan["changed"]:
        if CHANGED not in names or report.has(one["name"]):
            continue
        print(f"{CHANGED}: {one['name']} is judged", file=sys.stderr)
        report.changed[one["name"]] = judge_changed(args, one)
        report.write()


if __name__ == "__main__":
    main()
