"""The two programs that are held to each other, each as a process of its own."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import twin

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
REPORT = ROOT / "reports" / "lm_eval.json"
TASKS = ["arc_easy", "piqa", "hellaswag"]
MODEL = "smollm2-135m-instruct"


def parser(description, questions):
    """The flags of both scripts."""
    flags = argparse.ArgumentParser(description=description)
    flags.add_argument("--crayon", type=pathlib.Path, default=ROOT / "build/release/bin/crayon")
    flags.add_argument("--pool", type=pathlib.Path, default=ROOT / "pools/smollm2-135m")
    flags.add_argument("--work", type=pathlib.Path, default=ROOT / "build/lm_eval")
    flags.add_argument("--questions", type=int, default=questions, help="of each task")
    flags.add_argument("--threads", type=int, default=os.cpu_count())
    flags.add_argument("--out", type=pathlib.Path, default=REPORT)
    return flags


def shipped_model(args):
    found = subprocess.run([args.crayon, "models", "path", MODEL], check=True, capture_output=True,
                           text=True)
    return pathlib.Path(found.stdout.strip())


def transformers_twin(args):
    """The folder, written once."""
    folder = args.work / "transformers"
    if not (folder / "tokenizer.json").exists():  # written last
        twin.write_twin(shipped_model(args), folder)
    return folder


def run_harness(args, batches, dtype="float32"):
    """harness.py's report. @param batches  a batch size for all tasks or for each"""
    out = args.work / "harness.json"
    command = [sys.executable, HERE / "harness.py", transformers_twin(args), out,
               "--questions", args.questions, "--threads", args.threads, "--dtype", dtype,
               "--batch", *batches]
    run(command, args.work / "harness.log")
    return json.loads(out.read_text())


def run_crayon(args, number_type, scoring="sum", exact=False, fresh=False):
    """Scores, picks and seconds of each task. @param number_type  "file": the weights as shipped
    @param fresh  work everything out; else what the store has is taken from there"""
    work = args.work / "store"
    if fresh:
        work = args.work / "fresh"
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    out = work / "report.json"
    # Two examples are the least that the command takes; `base` answers without looking at them.
    command = [args.crayon, "bench", "customize", "--quiet", "--model", MODEL, "--pool", args.pool,
               "--tasks", HERE / "tasks/tasks.toml", "--methods", "base", "-k", 2, "--seeds", 1,
               "--questions", args.questions, "--threads", args.threads, "--scoring", scoring,
               "--number-type", number_type, "--work", work, "-o", out]
    run(command + (["--exact"] if exact else []), work / "crayon.log")
    report = json.loads(out.read_text())
    ids = {task["name"]: task["ids"] for task in report["tasks"]}
    found = {}
    for result, times in zip(report["results"], report["times"]["results"], strict=True):
        found[result["task"]] = {
            "ids": ids[result["task"]],
            "scores": result["scores"],
            "picks": result["choices"],
            "seconds": times["answer_seconds"],
        }
    return found


def run(command, log):
    with open(log, "wb") as file:
        done = subprocess.run([str(word) for word in command], stdout=file, stderr=file, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed ({done.returncode}); see {log}")


def machine():
    """Processor, cores and load, for the report."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return {"processor": name, "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}


def write_section(file, name, section):
    """Replaces one section of the report; the others stay."""
    report = json.loads(file.read_text()) if file.exists() else {}
    report[name] = section
    file.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
