"""Questions per second of lm-evaluation-harness and of Crayon, side by side.

    build/venv/bin/python benchmarks/lm_eval/speed.py          (set up as agreement.py says; quiet machine)

The same questions, the same number of threads. The harness (transformers, CPU, float32) gets for each
task the batch size that is fastest for it. Both are timed from the first prompt to the last score: no
program start, no loading. Rounds alternate the programs; a ratio is taken within a round. Writes the
section "speed" of reports/lm_eval.json; exits with 1 when the ratio misses the target.
"""

import datetime
import statistics
import time

import sides

TARGET = 2.0  # mean over the three tasks, f32 on both sides
CRAYON_RUNS = {  # name: (--number-type, --exact)
    "f32": ("f32", False),
    "f32_exact": ("f32", True),
    "bf16": ("bf16", False),
    "q4_1": ("file", False),
}


def busy_share(seconds=2.0):
    """Share of the machine's cores that others use, while this script sleeps."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            numbers = [int(x) for x in file.readline().split()[1:9]]
        return sum(numbers), numbers[3] + numbers[4]

    total, idle = ticks()
    time.sleep(seconds)
    total_after, idle_after = ticks()
    return round(1 - (idle_after - idle) / max(1, total_after - total), 3)


def rates(args, seconds):
    return {task: args.questions / seconds[task] for task in sides.TASKS}


def harness_rates(args, batches):
    found = sides.run_harness(args, batches)
    return rates(args, {task: found["tasks"][task]["seconds"] for task in sides.TASKS}), found


def crayon_rates(args, name):
    number_type, exact = CRAYON_RUNS[name]
    found = sides.run_crayon(args, number_type, exact=exact, fresh=True)
    return rates(args, {task: found[task]["seconds"] for task in sides.TASKS})


def fastest_batches(args):
    """For each task the batch size with the most questions a second, on a part of the questions."""
    few = sides.argparse.Namespace(**vars(args) | {"questions": min(args.questions, 32)})
    tried = {batch: harness_rates(few, [batch])[0] for batch in args.batches}
    for batch, found in tried.items():
        print(f"batch {batch:3}", line(found))
    return [max(tried, key=lambda batch: tried[batch][task]) for task in sides.TASKS], tried


def line(found):
    return "  ".join(f"{task} {rate:.2f}/s" for task, rate in found.items())


def one_round(args, batches, order):
    found = {"others_busy": busy_share()}
    for name in order:
        if name == "harness":
            found[name] = harness_rates(args, batches)[0]
        else:
            found[name] = crayon_rates(args, name)
        print(f"{name:10}", line(found[name]), flush=True)
    return found


def ratios(round_, name):
    """Crayon's questions per second over the harness's, a task; and the mean of the three."""
    found = {task: round_[name][task] / round_["harness"][task] for task in sides.TASKS}
    found["mean"] = statistics.mean(found.values())
    return found


def spread(numbers):
    return {"median": round(statistics.median(numbers), 3), "least": round(min(numbers), 3),
            "most": round(max(numbers), 3)}


def summary(rounds):
    found = {"harness": {task: spread([r["harness"][task] for r in rounds]) for task in sides.TASKS}}
    for name in CRAYON_RUNS:
        of_rounds = [ratios(r, name) for r in rounds]
        found[name] = {task: spread([r[name][task] for r in rounds]) for task in sides.TASKS}
        found[name]["ratio"] = {key: spread([r[key] for r in of_rounds]) for key in of_rounds[0]}
    return found


def show(found):
    for name in CRAYON_RUNS:
        for key, ratio in found[name]["ratio"].items():
            print(f"{name:10} {key:10} {ratio['median']:.2f} times"
                  f" ({ratio['least']:.2f} to {ratio['most']:.2f})")


def main():
    flags = sides.parser(__doc__.splitlines()[0], questions=100)
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32])
    args = flags.parse_args()
    batches, tried = fastest_batches(args)
    names = ["harness", *CRAYON_RUNS]
    rounds = []
    for i in range(args.rounds):
        first = i % len(names)
        rounds.append(one_round(args, batches, names[first:] + names[:first]))
    found = summary(rounds)
    show(found)
    busy = max(r["others_busy"] for r in rounds)
    if busy > 0.1:
        print(f"others used up to {busy:.0%} of the machine: these numbers are provisional")
    ratio = found["f32"]["ratio"]["mean"]["median"]
    sides.write_section(args.out, "speed", {
        "date": datetime.date.today().isoformat(),
        "machine": sides.machine(),
        "threads": args.threads,
        "questions": args.questions,
        "harness_batches": dict(zip(sides.TASKS, batches)),
        "harness_batches_tried": {str(batch): {task: round(x, 3) for task, x in rates_.items()}
                                  for batch, rates_ in tried.items()},
        "others_busy_at_most": busy,
        "questions_per_second": found,
        "target": TARGET,
        "target_met": ratio >= TARGET,
    })
    print(f"Crayon in f32: {ratio:.2f} times the harness's questions per second, target {TARGET}")
    raise SystemExit(0 if ratio >= TARGET else 1)


if __name__ == "__main__":
    main()
