#!/usr/bin/env python3
"""Runs the README's examples as a reader would: its sh, python and js blocks, in their order.

usage: readme_test.py README CRAYON_PROGRAM [NODE]

A task and a server of Crayon's own stand where the README says "mine", port 8080 and port 8000.
Without NODE the js blocks are left out.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MESSAGES = [("I want my money back", "yes"), ("Where is my parcel?", "no"),
            ("Please pay me back, it is broken", "yes"), ("How do I log in?", "no"),
            ("Return the amount to my card", "yes"), ("Do you ship to Spain?", "no"),
            ("You charged me twice, refund one", "yes"), ("What are your opening hours?", "no")]


def write_inputs(folder):
    rows = [{"question": "Is this message about a refund?", "context": text, "choices": ["yes", "no"],
             "answer": answer} for text, answer in MESSAGES]
    for name in ("mine.jsonl", "questions.jsonl", "test.jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=600, **options)
    shown = command if isinstance(command, str) else " ".join(command)
    print(f"--- {shown}\n{done.stdout}{done.stderr}", flush=True)
    if done.returncode != 0:
        sys.exit(f"exit status {done.returncode}, expected 0")
    return done.stdout


def main():
    readme, program = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    node = sys.argv[3] if len(sys.argv) > 3 else ""
    blocks = re.findall(r"^```(sh|python|js)\n(.*?)^```$", readme.read_text(encoding="utf-8"), re.M | re.S)
    languages = [language for language, _ in blocks]
    for language in ("sh", "python", "js"):
        if language not in languages:
            sys.exit(f"{readme}: has no {language} block; found {languages}")

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_inputs(folder)
        (folder / "pools").symlink_to(readme.resolve().parent / "pools")
        os.environ |= {"CRAYON_HOME": str(folder / "home"),
                       "PATH": f"{program.resolve().parent}:{os.environ['PATH']}"}
        run(["crayon", "customize", "--pool", "pools/smollm2-135m", "--examples", "mine.jsonl",
             "--name", "mine"], cwd=folder)
        server = subprocess.Popen(["crayon", "serve", "--task", "mine", "--port", "0"], cwd=folder,
                                  stdout=subprocess.PIPE, text=True)
        try:
            url = server.stdout.readline().strip()
            for language, text in blocks:
                text = re.sub(r"http://127\.0\.0\.1:80[08]0", url, text)
                command = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"],
                           "js": [node, "--input-type=module", "-e"]}[language]
                if command[0] and not run(command + [text], cwd=folder).strip():
                    sys.exit(f"this {language} block printed nothing, expected an answer:\n{text}")
        finally:
            server.terminate()
            server.wait()
        answers = (folder / "answers.jsonl").read_text(encoding="utf-8").splitlines()
        if len(answers) != len(MESSAGES):
            sys.exit(f"answers.jsonl has {len(answers)} lines, expected {len(MESSAGES)}")


if __name__ == "__main__":
    main()
