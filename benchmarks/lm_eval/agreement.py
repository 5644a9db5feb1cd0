"""Are Crayon's scores those of lm-evaluation-harness, question by question?

    python3 -m venv build/venv && build/venv/bin/pip install -r benchmarks/lm_eval/requirements.txt
    build/venv/bin/python benchmarks/lm_eval/agreement.py

Both read tasks/*.yaml and the rows in data/, and score the shipped model, its weights dequantised to
f32. Writes the section "agreement" of reports/lm_eval.json and tests/golden/lm_eval.json; exits with 1
when Crayon with --exact is off by more than the tolerance. What is also shown, without a bound: Crayon
without it (keys and values in F16, flash attention), in bf16, and on the weights as shipped (Q4_1).
"""

import json
import pathlib

import sides

TOLERANCE = 0.005  # of a choice's summed log-likelihood, in nats; F32 on both sides
GOLDEN = sides.ROOT / "tests" / "golden" / "lm_eval.json"


def argmax(numbers):
    return max(range(len(numbers)), key=lambda i: numbers[i])


def lengths(question, metric):
    """What a log-likelihood is divided by: acc_norm takes the choice's characters, without its
    blank."""
    return [len(choice) if metric == "acc_norm" else 1 for choice in question["choices"]]


def picks_of(questions, sums, metric):
    return [argmax([x / n for x, n in zip(scores, lengths(q, metric), strict=True)])
            for q, scores in zip(questions, sums, strict=True)]


def other_picks(questions, picks, metric):
    """Questions where Crayon's pick is not the harness's: by how much the harness prefers its own, and
    whether differences within the tolerance can turn that round."""
    found = []
    theirs = picks_of(questions, [q["log_likelihoods"] for q in questions], metric)
    for q, their, our in zip(questions, theirs, picks, strict=True):
        if (their == q["answer"]) != q[metric]:
            raise SystemExit(f"{q['id']}: the harness's own {metric} is not what its sums say")
        if their == our:
            continue
        n = lengths(q, metric)
        margin = q["log_likelihoods"][their] / n[their] - q["log_likelihoods"][our] / n[our]
        found.append({"id": q["id"], "harness": their, "crayon": our, "margin": round(margin, 6),
                      "within_tolerance": margin <= TOLERANCE / n[their] + TOLERANCE / n[our]})
    return found


def accuracy(questions, picks):
    return round(sum(q["answer"] == p for q, p in zip(questions, picks)) / len(picks), 4)


def differences(sums, others):
    """Of two programs' log-likelihoods [questions][choices]."""
    off = [abs(a - b) for some, other in zip(sums, others, strict=True)
           for a, b in zip(some, other, strict=True)]
    return {"choices": len(off), "largest_difference": round(max(off), 5),
            "mean_difference": round(sum(off) / len(off), 6)}


def compare_task(questions, summed, by_character):
    """Crayon's picks and scores of a task against the harness's. @param by_character  picks of
    --scoring character; None: made here of the sums"""
    if [q["id"] for q in questions] != summed["ids"]:
        raise SystemExit("the programs read different questions")
    if by_character is None:
        by_character = picks_of(questions, summed["scores"], "acc_norm")
    return differences([q["log_likelihoods"] for q in questions], summed["scores"]) | {
        "acc": accuracy(questions, summed["picks"]),
        "acc_norm": accuracy(questions, by_character),
        "other_picks_acc": other_picks(questions, summed["picks"], "acc"),
        "other_picks_acc_norm": other_picks(questions, by_character, "acc_norm"),
    }


def joined(questions):
    """Choices of which the programs score different tokens: lm-evaluation-harness counts the prompt's
    tokens, Crayon takes the longest beginning that prompt and whole share."""
    return sum(a != b for q in questions for a, b in zip(q["prompt_tokens"], q["shared_tokens"]))


def compare(args, harness, number_type, exact=False):
    summed = sides.run_crayon(args, number_type, "sum", exact)
    normal = sides.run_crayon(args, number_type, "character", exact) if exact else {}
    return {task: compare_task(harness["tasks"][task]["questions"], summed[task],
                               normal[task]["picks"] if exact else None)
            for task in sides.TASKS}


def from_float64(args, harness):
    """How far both are from the harness in float64, on the golden questions: whose rounding is it?"""
    few = sides.argparse.Namespace(**vars(args) | {"questions": args.golden_questions})
    precise = sides.run_harness(few, [args.batch], "float64")
    ours = sides.run_crayon(few, "f32", "sum", exact=True)
    found = {}
    for task in sides.TASKS:
        want = [q["log_likelihoods"] for q in precise["tasks"][task]["questions"]]
        theirs = [q["log_likelihoods"] for q in harness["tasks"][task]["questions"]][:len(want)]
        found[task] = {"harness_f32": differences(want, theirs),
                       "crayon_f32_exact": differences(want, ours[task]["scores"])}
    return found


def harness_accuracy(task, metric):
    return round(sum(q[metric] for q in task["questions"]) / len(task["questions"]), 4)


def failures(tasks):
    """What breaks the promise: a difference beyond the tolerance, or a pick that it does not explain."""
    found = []
    for name, task in tasks.items():
        if task["largest_difference"] > TOLERANCE:
            found.append(f"{name}: off by {task['largest_difference']}, more than {TOLERANCE}")
        for other in task["other_picks_acc"] + task["other_picks_acc_norm"]:
            if not other["within_tolerance"]:
                found.append(f"{name}: {other['id']} is answered differently")
    return found


def golden(harness, count):
    """The first questions of each task as the harness scores them, for a test without it."""
    tasks = {}
    for name, task in harness["tasks"].items():
        tasks[name] = [{"id": q["id"], "tokens": q["tokens"],
                        "log_likelihoods": [round(x, 5) for x in q["log_likelihoods"]],
                        "acc": int(q["acc"]), "acc_norm": int(q["acc_norm"])}
                       for q in task["questions"][:count]]
    return {"made_by": "benchmarks/lm_eval/agreement.py", "model": sides.MODEL,
            "versions": harness["versions"], "tolerance": TOLERANCE, "tasks": tasks}


def show(title, tasks, harness):
    print(title)
    for name, task in tasks.items():
        theirs = harness["tasks"][name]
        others = f"{len(task['other_picks_acc'])} and {len(task['other_picks_acc_norm'])}"
        print(f"  {name:10} largest {task['largest_difference']:.5f}  mean {task['mean_difference']:.6f}"
              f"  acc {task['acc']:.3f} ({harness_accuracy(theirs, 'acc'):.3f})"
              f"  acc_norm {task['acc_norm']:.3f} ({harness_accuracy(theirs, 'acc_norm'):.3f})"
              f"  other picks {others}")


def main():
    flags = sides.parser(__doc__.splitlines()[0], questions=200)
    flags.add_argument("--batch", type=int, default=4, help="of lm-evaluation-harness")
    flags.add_argument("--golden", type=pathlib.Path, default=GOLDEN)
    flags.add_argument("--golden-questions", type=int, default=12)
    flags.add_argument("--harness", type=pathlib.Path, help="what harness.py wrote before")
    args = flags.parse_args()
    harness = (json.loads(args.harness.read_text()) if args.harness
               else sides.run_harness(args, [args.batch]))
    for task in harness["tasks"].values():
        task["questions"] = task["questions"][:args.questions]
    runs = {
        "f32_exact": compare(args, harness, "f32", exact=True),
        "f32": compare(args, harness, "f32"),
        "bf16": compare(args, harness, "bf16"),
        "q4_1": compare(args, harness, "file"),
    }
    for title, tasks in runs.items():
        show(title, tasks, harness)
    questions = {name: task["questions"] for name, task in harness["tasks"].items()}
    sides.write_section(args.out, "agreement", {
        "tolerance": TOLERANCE,
        "questions": {name: len(list_) for name, list_ in questions.items()},
        "choices_split_otherwise": {name: joined(list_) for name, list_ in questions.items()},
        "harness": {"versions": harness["versions"], "dtype": harness["dtype"],
                    "attention": harness["attention"],
                    "tasks": {name: {metric: harness_accuracy(task, metric)
                                     for metric in ("acc", "acc_norm")}
                              for name, task in harness["tasks"].items()}},
        "crayon": runs,
        "from_float64": from_float64(args, harness),
    })
    text = json.dumps(golden(harness, args.golden_questions))
    args.golden.write_text(text.replace('{"id"', '\n{"id"') + "\n")
    broken = failures(runs["f32_exact"])
    print("\n".join(broken) or f"Crayon agrees within {TOLERANCE}.")
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
