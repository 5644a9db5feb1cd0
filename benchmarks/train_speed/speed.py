"""Samples a second: training Crayon's pool and gate, beside PyTorch + PEFT training ONE LoRA of its total rank.

    build/venv/bin/python benchmarks/train_speed/speed.py       (quiet machine; about half an hour)

The same rows (the first ones of each of the ten sets of train.toml), prompts, weights, total rank, layers, number type,
threads and mix of sets: sets differ much in their tokens, so Crayon's log says how many samples of each set it
trained on, and PyTorch's rate is that for the same numbers, from its own time for a sample of each set. Rounds
alternate the sides; a ratio is taken within a round. A row comes at most once, so what Crayon keeps of rows that it has
seen helps it for the few that the gate was fitted on alone. Writes reports/train_speed.json; exits with 1
when Crayon is the slower side.
"""

import argparse
import datetime
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "lm_eval"))
import sides  # noqa: E402  (the same twin, machine and log as the other comparison)

CONFIG = HERE / "train.toml"
MOST_CHOICES = 8
DTYPES = {"f32": "float32", "bf16": "bfloat16"}
PEFT_SAMPLES = {"choices": 20, "answer": 60}  # of each set, a round: batches of the answers alone hold more


def arguments():
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--crayon", type=pathlib.Path, default=ROOT / "build/release/bin/crayon")
    flags.add_argument("--work", type=pathlib.Path, default=ROOT / "build/train_speed")
    flags.add_argument("--out", type=pathlib.Path, default=ROOT / "reports/train_speed.json")
    flags.add_argument("--samples", type=int, default=1600, help="of Crayon's, a round")
    flags.add_argument("--rows", type=int, default=400, help="of each set")
    flags.add_argument("--rounds", type=int, default=3)
    flags.add_argument("--batch-tokens", type=int, nargs="+", default=[192, 384, 768, 1536],
                       help="for PyTorch: the fastest is taken")
    flags.add_argument("--number-types", nargs="+", default=list(DTYPES), choices=DTYPES)
    flags.add_argument("--threads", type=int, default=os.cpu_count())
    return flags.parse_args()


def first_rows(config, n):
    """The first n rows of each set that Crayon would train on: short enough, at most eight choices."""
    sets = []
    for one in config["set"]:
        found = subprocess.run(["zcat", ROOT / one["train"]], check=True, capture_output=True, text=True)
        rows, rng = [], random.Random(one["name"])
        for line in found.stdout.splitlines():
            row = json.loads(line)
            if len(row.get("context", "") + row["question"]) > 900:
                continue  # would not be among the 320 tokens at most on both sides
            if len(row["choices"]) > MOST_CHOICES:
                others = [i for i in range(len(row["choices"])) if i != row["answer"]]
                kept = sorted(rng.sample(others, MOST_CHOICES - 1) + [row["answer"]])
                row["answer"] = kept.index(row["answer"])
                row["choices"] = [row["choices"][i] for i in kept]
            rows.append(row)
            if len(rows) == n:
                break
        sets.append(rows)
    return sets


def prompt_of(config, row):
    form = config["prompt"]["with_context" if row.get("context") else "without_context"]
    text = form.replace("{question}", row["question"])  # the context last: it may hold the other place
    return text.replace("{context}", row.get("context", ""))


def write_inputs(args, config, sets):
    """Crayon's sets as JSONL, and the rows as PyTorch's side reads them."""
    folder = args.work / "sets"
    folder.mkdir(parents=True, exist_ok=True)
    for one, rows in zip(config["set"], sets, strict=True):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{one['name']}.jsonl").write_text(text)
    prefix = config["prompt"]["choice_prefix"]
    plain = [[{"prompt": prompt_of(config, row), "choices": [prefix + c for c in row["choices"]],
               "answer": row["answer"]} for row in rows] for rows in sets]
    (args.work / "rows.json").write_text(json.dumps(plain))


def toml_value(value):
    return json.dumps(value)  # strings, numbers and booleans are the same in both


def write_config(args, config, number_type):
    """The pool's own settings on the measure's rows, for so many samples, without validation."""
    changed = json.loads(json.dumps(config))
    changed["pool"] |= {"name": "speed", "out": str(args.work / f"pool-{number_type}")}
    changed["train"] |= {"samples": args.samples, "number_type": number_type, "threads": args.threads,
                         "validate_every": 0, "validation_items": 1, "calibration_items": 1,
                         "checkpoint_every": 10**6, "checkpoints": str(args.work / f"run-{number_type}")}
    changed["gate"] |= {"fit_prompts": 128, "reference": 64}
    lines = []
    for section, values in changed.items():
        for table in values if isinstance(values, list) else [values]:
            lines.append(f"[[{section}]]" if isinstance(values, list) else f"[{section}]")
            if section == "set":
                file = str(args.work / "sets" / f"{table['name']}.jsonl")
                table = table | {"train": file, "validation": file, "weight": 1.0}
            lines += [f"{key} = {toml_value(value)}" for key, value in table.items()]
    out = args.work / f"{number_type}.toml"
    out.write_text("\n".join(lines) + "\n")
    return out


def crayon_run(args, config, number_type):
    """@return samples a second, and how many of each set"""
    file = write_config(args, config, number_type)
    with open(args.work / "crayon.log", "ab") as log:
        done = subprocess.run([str(args.crayon), "train", "--config", str(file), "--restart", "--json",
                               "--threads", str(args.threads)], stdout=subprocess.PIPE, stderr=log,
                              check=False, text=True)
    if done.returncode != 0:
        raise SystemExit(f"crayon train failed ({done.returncode}); see {args.work / 'crayon.log'}")
    samples, before = dict.fromkeys((one["name"] for one in config["set"]), 0), 0
    for line in (args.work / f"run-{number_type}" / "log.jsonl").read_text().splitlines():
        step = json.loads(line)
        if "loss" in step:
            samples[step["set"]] += step["samples"] - before
            before = step["samples"]
    return json.loads(done.stdout)["samples_per_second"], list(samples.values())


def peft_run(args, number_type, loss, batch_tokens, seed):
    out = args.work / "peft.json"
    sides.run([sys.executable, HERE / "peft_side.py", sides.transformers_twin(args), args.work / "rows.json", out,
               "--dtype", DTYPES[number_type], "--loss", loss, "--samples-per-set", PEFT_SAMPLES[loss],
               "--batch-tokens", batch_tokens, "--seed", seed, "--threads", args.threads], args.work / "peft.log")
    return json.loads(out.read_text())


def rate_for(mix, report):
    """Samples a second of PyTorch's side for so many samples of each set."""
    each = [seconds / samples for seconds, samples in zip(report["seconds"], report["samples"], strict=True)]
    return sum(mix) / sum(n * one for n, one in zip(mix, each, strict=True))


def fastest_batch(args, number_type, loss, mix):
    tried = {tokens: rate_for(mix, peft_run(args, number_type, loss, tokens, 0)) for tokens in args.batch_tokens}
    return max(tried, key=tried.get), {str(tokens): round(rate, 3) for tokens, rate in tried.items()}


def spread(numbers):
    return {"median": round(statistics.median(numbers), 3), "least": round(min(numbers), 3),
            "most": round(max(numbers), 3)}


def compare(args, config, number_type):
    """Rates and ratios of one number type, for each loss of PyTorch's side."""
    batches, tried, versions = {}, {}, {}
    _, mix = crayon_run(args, config, number_type)  # the seed is fixed: every round has this mix
    for loss in PEFT_SAMPLES:
        batches[loss], tried[loss] = fastest_batch(args, number_type, loss, mix)
    rounds = []
    for i in range(args.rounds):
        order = ["crayon", *PEFT_SAMPLES]
        found = {}
        for side in order[i % 3:] + order[:i % 3]:
            if side == "crayon":
                found[side], _ = crayon_run(args, config, number_type)
            else:
                report = peft_run(args, number_type, side, batches[side], i + 1)
                found[side], versions = rate_for(mix, report), report["versions"]
        rounds.append(found)
        print(number_type, "  ".join(f"{side} {rate:.2f}/s" for side, rate in found.items()), flush=True)
    return {"samples_per_second": {side: spread([r[side] for r in rounds]) for side in rounds[0]},
            "ratio": {loss: spread([r["crayon"] / r[loss] for r in rounds]) for loss in batches},
            "samples_of_each_set": dict(zip((one["name"] for one in config["set"]), mix, strict=True)),
            "peft_batch_tokens": batches, "peft_batch_tokens_tried": tried, "versions": versions}


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    config = tomllib.loads(CONFIG.read_text())
    write_inputs(args, config, first_rows(config, args.rows))
    before = os.getloadavg()[0]
    found = {kind: compare(args, config, kind) for kind in args.number_types}
    for kind, result in found.items():
        for loss, ratio in result["ratio"].items():
            print(f"{kind} {loss:8} {ratio['median']:.2f} times ({ratio['least']:.2f} to {ratio['most']:.2f})")
    met = all(result["ratio"]["choices"]["median"] >= 1 for result in found.values())
    args.out.write_text(json.dumps({
        "date": datetime.date.today().isoformat(), "machine": sides.machine(), "load_before": round(before, 2),
        "threads": args.threads, "samples": args.samples, "peft_samples_of_each_set": PEFT_SAMPLES, "rounds": args.rounds,
        "target": 1.0, "target_met": met, "number_types": found}, indent=1, sort_keys=True) + "\n")
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
