"""Scores the three tasks with lm-evaluation-harness (transformers, CPU).

    python benchmarks/lm_eval/harness.py MODEL_FOLDER OUT.json --questions 200 --batch 8 --threads 2

OUT.json holds for each task the questions' ids, answers, choices, log-likelihoods and token ids, and the
seconds from the first prompt's tokenisation to the last score. Loading model and data is not
counted, and one short pass before the clock starts warms the libraries up.
"""

import argparse
import json
import os
import pathlib
import time

TASKS = ["arc_easy", "piqa", "hellaswag"]
FOLDER = pathlib.Path(__file__).resolve().parent / "tasks"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--batch", type=int, nargs="+", default=[8], help="one for all or each task")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parse_args()


class Timed:
    """Stands in for a model's loglikelihood and remembers how long it took."""

    def __init__(self, call):
        self.call = call
        self.seconds = 0.0

    def __call__(self, requests, **options):
        start = time.perf_counter()
        result = self.call(requests, **options)
        self.seconds = time.perf_counter() - start
        return result


def shared(some, others):
    """How many first tokens two lists share."""
    return len(os.path.commonprefix([some, others]))


def question_of(sample, model):
    """Everything of a sample that is compared."""
    pairs = [one[:2] for one in sample["arguments"]]
    tokens = [model._encode_pair(text, choice) for text, choice in pairs]
    return {
        "id": sample["doc"]["id"],
        "answer": sample["target"],
        "choices": sample["doc"]["choices"],
        "log_likelihoods": [float(one[0][0]) for one in sample["resps"]],
        "acc": sample["acc"],
        "acc_norm": sample["acc_norm"],
        "prompt_tokens": [len(prompt) for prompt, _ in tokens],
        "shared_tokens": [shared(model.tok_encode(text), prompt + choice)
                          for (text, _), (prompt, choice) in zip(pairs, tokens)],
        "tokens": [prompt + choice for prompt, choice in tokens],
    }


def score(model, task, questions):
    """lm-evaluation-harness's own run of one task, and the seconds that scoring took."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    timed = Timed(type(model).loglikelihood.__get__(model))
    model.loglikelihood = timed
    manager = TaskManager(include_path=str(FOLDER), include_defaults=False)
    results = lm_eval.simple_evaluate(model=model, tasks=[task + "_local"], limit=questions,
                                      task_manager=manager, bootstrap_iters=0, log_samples=True)
    samples = sorted(results["samples"][task + "_local"], key=lambda one: one["doc_id"])
    return {
        "questions": [question_of(one, model) for one in samples],
        "acc": results["results"][task + "_local"]["acc,none"],
        "acc_norm": results["results"][task + "_local"]["acc_norm,none"],
        "seconds": timed.seconds,
    }


def main():
    args = arguments()
    model_folder, out = args.model.resolve(), args.out.resolve()
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_DATASETS_CACHE"] = str(out.parent / "datasets")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.chdir(FOLDER)  # the data's paths are relative to the tasks, as Crayon reads them
    import lm_eval
    import torch
    import transformers
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    torch.set_num_threads(args.threads)
    model = HFLM(pretrained=str(model_folder), device="cpu", dtype=args.dtype, batch_size=1)
    model.loglikelihood([Instance("loglikelihood", {}, ("a b", " c d"), 0)] * 8)
    batches = args.batch if len(args.batch) > 1 else args.batch * len(args.tasks)
    found = {}
    for task, batch in zip(args.tasks, batches, strict=True):
        model.batch_size_per_gpu = batch
        found[task] = score(model, task, args.questions) | {"batch": batch}
    versions = {"lm_eval": lm_eval.__version__, "torch": torch.__version__,
                "transformers": transformers.__version__}
    report = {"versions": versions, "threads": torch.get_num_threads(),
              "dtype": str(model.model.dtype), "attention": model.model.config._attn_implementation,
              "tasks": found}
    out.write_text(json.dumps(report))


if __name__ == "__main__":
    main()
