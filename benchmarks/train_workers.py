#!/usr/bin/env python3
"""How much faster several worker processes train than one: samples/s of each, and the efficiency.

Usage: benchmarks/train_workers.py [--workers N] [--threads T] [--steps S] [--rounds R] [--json]

Trains a small pool of the default base for S steps with one worker and with N workers on this
machine, T threads for each worker, in turn, R rounds. A global batch is the same for both, so the
losses must be too: their largest difference over all rounds is printed, and above 1e-4 (the numbers
are f32), or with another number of losses, the exit status is 1. The rate is that of the steps
alone, the best round of each; efficiency is rate(N) / (N * rate(1)). Needs N * T cores that do
nothing else: on a busy machine the figures say little. Build first: script/build.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LARGEST_DIFFERENCE = 1e-4
SETS = ["commonsenseqa", "openbookqa"]
CONFIG = """
[base]
model = "smollm2-135m-instruct"
[pool]
name = "benchmark"
out = "pool"
[gate]
fit_prompts = 64
reference = 32
[train]
steps = {steps}
batch_tokens = 1536
number_type = "f32"
device = "cpu"
validate_every = 0
validation_items = 1
calibration_items = 2
"""
SET = """
[[set]]
name = "{name}"
train = "{train}"
validation = "{validation}"
licence = "{name}"
limit = 400
"""


def write_config(folder, steps):
    text = CONFIG.format(steps=steps)
    for name in SETS:
        files = {part: ROOT / "data" / name / f"{part}.jsonl.gz" for part in ("train", "validation")}
        for file in files.values():
            if not file.is_file():
                sys.exit(f"train_workers.py: {file}: no such file")
        text += SET.format(name=name, **files)
    config = Path(folder) / "train.toml"
    config.write_text(text)
    return config


def train(steps, workers, threads):
    """Samples/s and losses of one run; its pool is thrown away."""
    crayon = os.environ.get("CRAYON_BIN", ROOT / "build/release/bin/crayon")
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(folder, steps)
        command = [crayon, "train", "--config", config, "--workers", str(workers),
                   "--threads", str(workers * threads), "--json"]
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if run.returncode != 0:
            sys.exit(f"train_workers.py: {workers} workers: exit status {run.returncode}\n{run.stderr}")
        log = [json.loads(line) for line in open(Path(folder) / "checkpoints/log.jsonl")]
        losses = [line["loss"] for line in log if "loss" in line]
        return json.loads(run.stdout)["samples_per_second"], losses


def largest_difference(one, many):
    """Of two runs' losses, step by step; infinite where they are not as many or no numbers."""
    if not one or len(one) != len(many):
        return math.inf
    differences = [abs(a - b) for a, b in zip(one, many)]
    return max(differences) if all(map(math.isfinite, differences)) else math.inf


def print_text(args, rates, result):
    one, many, largest = max(rates[1]), max(rates[args.workers]), result["largest_loss_difference"]
    print(f"1 worker:   {one:8.2f} samples/s   (rounds {', '.join(f'{r:.2f}' for r in rates[1])})")
    print(f"{args.workers} workers:  {many:8.2f} samples/s   "
          f"(rounds {', '.join(f'{r:.2f}' for r in rates[args.workers])})")
    print(f"ratio {many / one:.2f}, efficiency {100 * many / one / args.workers:.0f} %, "
          f"largest difference of a loss {'infinite' if largest is None else f'{largest:.1e}'}")
    print(f"{args.threads} threads a worker, {os.cpu_count()} cores, "
          f"load {result['load_before']:.1f} before the first run")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    rates, largest = {1: [], args.workers: []}, 0.0
    for _ in range(args.rounds):
        losses = {}
        for workers in rates:  # in turn, so that both meet the same neighbours
            rate, losses[workers] = train(args.steps, workers, args.threads)
            rates[workers].append(rate)
        largest = max(largest, largest_difference(losses[1], losses[args.workers]))
    one, many = max(rates[1]), max(rates[args.workers])
    result = {
        "workers": args.workers, "threads": args.threads, "steps": args.steps,
        "samples_per_second_1": one, f"samples_per_second_{args.workers}": many,
        "ratio": many / one, "efficiency": many / one / args.workers,
        "largest_loss_difference": largest if math.isfinite(largest) else None,
        "load_before": load, "cores": os.cpu_count()}
    if args.json:
        print(json.dumps(result))
    else:
        print_text(args, rates, result)
    if largest > LARGEST_DIFFERENCE:
        sys.exit(f"train_workers.py: a loss of {args.workers} workers differs by {largest:.1e} from that of one; "
                 f"expected at most {LARGEST_DIFFERENCE:.0e}")


if __name__ == "__main__":
    main()
