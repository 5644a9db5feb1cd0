#!/usr/bin/env python3
"""What an adapter costs stock llama.cpp on this CPU, its rank as it is and filled up with zeros.

Usage: benchmarks/adapter_rank.py [--ranks R,R...] [--rounds N] [--tokens T] [--threads T] [--json]

llama.cpp's fast kernels for matrices take ranks that are multiples of 16 (of 8 on CPUs without
AVX-512); others fall back to slow ones. The shipped pool is blended at each rank into a file that
is filled up, as Crayon writes them, and into one that is not (`crayon convert`), and a program that
knows llama.cpp alone (tests/e2e/llama_only.cpp) reads T tokens of the default base without an
adapter, with the one and with the other, in turn, N rounds. Printed: the medians, start and
loading of the model taken off, and what is left of the adapter's cost. Needs cores that do nothing
else. Build first: script/build.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "build/release/bin"
MODEL = "smollm2-135m-instruct"
POOL = ROOT / "pools/smollm2-135m"


def crayon(*arguments):
    return subprocess.run([BIN / "crayon", *map(str, arguments)], check=True, capture_output=True, text=True).stdout


def write_adapters(rank, folder):
    """The blend at this rank: filled up, and as it is."""
    n = len(json.loads((POOL / "pool.json").read_text(encoding="utf-8"))["adapters"])
    filled, peft, plain = folder / f"{rank}.gguf", folder / f"{rank}", folder / f"{rank}-plain.gguf"
    crayon("blend", "--pool", POOL, "--weights", ",".join(["0.25"] * n), "--rank", rank, "-o", filled)
    crayon("convert", filled, "--to", "peft", "-o", peft, "--model", MODEL)
    crayon("convert", peft, "--to", "gguf", "-o", plain, "--model", MODEL)
    return filled, plain


class Reader:
    def __init__(self, args, folder):
        self.model = crayon("models", "path", MODEL).strip()
        self.threads, self.out = args.threads, folder / "logits"
        draw = random.Random(1)
        self.tokens = [str(draw.randrange(100, 40000)) for _ in range(args.tokens)]

    def seconds(self, adapter, tokens):
        command = [BIN / "llama_only", self.model, str(self.threads), str(len(self.tokens) + 32), self.out]
        command += [f"{adapter}:1"] if adapter else []
        start = time.monotonic()
        subprocess.run([*command, "--", *tokens], check=True, capture_output=True)
        return time.monotonic() - start

    def reading(self, adapter):
        """Of all tokens, less the time for one: loading is the same in both."""
        return self.seconds(adapter, self.tokens) - self.seconds(adapter, self.tokens[:1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", default="8,36,52", help="of the blends")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=480)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not (BIN / "llama_only").exists():
        sys.exit(f"{BIN / 'llama_only'}: is not there; build it with script/build")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reader = Reader(args, folder)
        files = {"base": None}
        for rank in map(int, args.ranks.split(",")):
            files[f"{rank} filled"], files[f"{rank} plain"] = write_adapters(rank, folder)
        times = {what: [] for what in files}
        for _ in range(args.rounds):
            for what, file in files.items():
                times[what].append(reader.reading(file))
        bytes_of = {what: file.stat().st_size for what, file in files.items() if file}
    found = {what: statistics.median(seconds) for what, seconds in times.items()}
    if args.json:
        print(json.dumps({"seconds": found, "bytes": bytes_of, "tokens": args.tokens, "threads": args.threads}))
        return
    base = found.pop("base")
    print(f"base alone: {base:.2f} s for {args.tokens} tokens, {args.threads} threads")
    for what, seconds in found.items():
        print(f"rank {what:10} {seconds:.2f} s, the adapter {100 * (seconds / base - 1):.0f} % of the base, "
              f"{bytes_of[what] / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
