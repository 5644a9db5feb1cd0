#!/usr/bin/env python3
"""What each part of the pool is worth: its second step trained again with one setting changed.

    python3 benchmarks/ablation/ablation.py                 all variants; goes on where it was stopped
    python3 benchmarks/ablation/ablation.py --only 24x2     some of them
    python3 benchmarks/ablation/ablation.py --report        the table, from what is there

Every variant trains gated adapters on top of the shipped shared adapter, on the pool's sets, with the same seed and
number of samples (variants.toml). It is judged on the pool's own sets (validation rows, by the trainer, at a = max_tilt)
and on the development tasks (`crayon bench customize --plan benchmarks/dev.toml`, label calibration on): accuracy and
bits (tools/information_gained.py). Differences from the first variant of variants.toml are paired over sets or tasks; ± is one standard
error of their mean. Test rows of the benchmark are not touched. A pool is kept while its config and the shared
adapter stay the same. Writes reports/ablation.json.
"""

import argparse
import gzip
import hashlib
import json
import math
import pathlib
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import information_gained  # noqa: E402

BASE = ROOT / "pools/smollm2-135m/train.toml"
SHARED = ROOT / "pools/smollm2-135m/adapters/shared.gguf"


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


def config_of(work, common, variant):
    """The second step's config with the settings of all variants and this one's, as text."""
    config = tomllib.loads(BASE.read_text())
    name = variant["name"]
    config["sets_from"] = str(BASE.parent / config["sets_from"])
    for changes in (common, {key: value for key, value in variant.items() if isinstance(value, dict)}):
        for section, values in changes.items():
            config[section] |= values
    config["pool"] |= {"name": f"ablation-{name}", "out": str(work / name / "pool"),
                       "shared_from": str(SHARED)}
    config["train"] |= {"checkpoints": str(work / name / "run"), "slice_minutes": 0}
    lines = [f"{key} = {json.dumps(value)}" for key, value in config.items() if not isinstance(value, dict)]
    for section, values in config.items():
        if isinstance(values, dict):
            lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def made_from(config):
    """What decides a variant's pool, data aside."""
    return hashlib.sha256(config.encode() + SHARED.read_bytes()).hexdigest()


def is_current(args, common, variant):
    """Whether what stands in the variant's folder was made from today's settings."""
    stamp = args.work / variant["name"] / "made_from"
    return stamp.exists() and stamp.read_text() == made_from(config_of(args.work, common, variant))


def run(command, log):
    with open(log, "ab") as out:
        try:
            done = subprocess.run([str(part) for part in command], stdout=out, stderr=out, check=False, cwd=ROOT)
        except OSError as error:
            sys.exit(f"ablation.py: {command[0]}: {error.strerror}; build it with script/build, or give --crayon")
    if done.returncode != 0:
        sys.exit(f"ablation.py: {command[1]} ended with {done.returncode}; see {log}")


def train(args, common, variant):
    folder = args.work / variant["name"]
    config = config_of(args.work, common, variant)
    if not is_current(args, common, variant) and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made_from").write_text(made_from(config))
    if (folder / "pool/pool.json").exists():
        return
    (folder / "train.toml").write_text(config)
    begun = any((folder / "run").glob("step-*.safetensors"))
    run([args.crayon, "train", "--config", folder / "train.toml", "--workers", args.workers, *(["--resume"] if begun else [])],
        folder / "log")


def judge(args, variant):
    folder = args.work / variant["name"]
    run([args.crayon, "bench", "customize", "--plan", "benchmarks/dev.toml", "--pool", folder / "pool",
         "--methods", "crayon", "--quiet", "-o", folder / "dev.json.gz"], folder / "log")


def measured(args, common, variant):
    """By set or task: own accuracy, development accuracy and bits; None where it has not been run."""
    folder = args.work / variant["name"]
    if not is_current(args, common, variant) or not (folder / "dev.json.gz").exists():
        return None
    validation = json.loads((folder / "pool/pool.json").read_text())["training"]["validation"]
    with gzip.open(folder / "dev.json.gz", "rt", encoding="utf-8") as file:
        report = json.load(file)
    answers = {task["name"]: task["answers"] for task in report["tasks"]}
    right = {}
    for result in report["results"]:
        chosen = result["choices_calibrated"] or result["choices"]
        pairs = zip(chosen, answers[result["task"]], strict=True)
        right[result["task"]] = sum(choice == answer for choice, answer in pairs) / len(chosen)
    return {"own": {row["set"]: row["tilted"]["accuracy"] for row in validation}, "dev": right,
            "bits": information_gained.by_task(report, "crayon")}


def difference(values, first):
    """Mean of the paired differences, and its standard error."""
    found = [values[key] - first[key] for key in first]
    mean = sum(found) / len(found)
    square = sum((x - mean) ** 2 for x in found) / max(1, len(found) - 1)
    return mean, math.sqrt(square / len(found))


def table(results, reference):
    first = results.get(reference)
    lines = ["| variant | own sets, % | development tasks, % | bits |", "|---|--:|--:|--:|"]
    for name, one in results.items():
        cells = []
        for key, scale, digits in (("own", 100, 1), ("dev", 100, 1), ("bits", 1, 3)):
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
    variants = plan["variant"]
    unknown = set(args.only) - {variant["name"] for variant in variants}
    if unknown:
        sys.exit(f"ablation.py: no variant {', '.join(sorted(unknown))}; expected some of "
                 f"{', '.join(variant['name'] for variant in variants)}")
    for variant in variants:
        if args.report or (args.only and variant["name"] not in args.only):
            continue
        print(f"{variant['name']}: trains", file=sys.stderr)
        train(args, plan["all"], variant)
        print(f"{variant['name']}: is judged", file=sys.stderr)
        judge(args, variant)
    results = {variant["name"]: found for variant in variants
               if (found := measured(args, plan["all"], variant)) is not None}
    if not results:
        sys.exit("ablation.py: nothing has been run yet; leave --report out")
    args.out.write_text(json.dumps({"all": plan["all"], "results": results}, indent=1) + "\n")
    reference = variants[0]["name"]
    if reference not in results:
        print(f"no differences: {reference} has not been run", file=sys.stderr)
    print(table(results, reference))


if __name__ == "__main__":
    main()
