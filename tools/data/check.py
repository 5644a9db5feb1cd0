#!/usr/bin/env python3
"""Checks every set of data/: format, choices, repeated rows, README.md's numbers, SHA256SUMS.

usage: check.py [--data FOLDER] [--overlap]

--overlap looks, more slowly, for rows of train and validation that also stand in a held-out or development set, or in
the test rows of any other set: the same question and context, or 13 words in a row.
"""

import argparse
import hashlib
import pathlib
import re
import sys
from collections import Counter, defaultdict

from make import SETS
from rows import HELD_OUT, MAX_CHOICES, SPLITS, grams, normal, read_jsonl

FIELDS = ["id", "question", "context", "choices", "answer", "task", "source"]
MOST_CHOICES_HELD_OUT = 18  # of BBH
FAIR_SHARE = 0.55  # of rows with two choices whose answer may stand at one place, in sets made here


def complaints_of(name, split, rows, made_here):
    """What is wrong with the rows of one file."""
    most = MOST_CHOICES_HELD_OUT if name in HELD_OUT else MAX_CHOICES
    for row in rows:
        where = f"{name}/{split}: {row.get('id')}"
        if list(row) != FIELDS:
            yield f"{where}: has the fields {list(row)}, expected {FIELDS}"
        elif not row["question"].strip() or not 2 <= len(row["choices"]) <= most:
            yield f"{where}: an empty question, or {len(row['choices'])} choices, expected 2 to {most}"
        elif not 0 <= row["answer"] < len(row["choices"]):
            yield f"{where}: answer {row['answer']} of {len(row['choices'])} choices"
        elif len(set(row["choices"])) < len(row["choices"]) or not all(row["choices"]):
            yield f"{where}: empty or identical choices {row['choices']}"
    repeated = [key for key, count in Counter(row["id"] for row in rows).items() if count > 1]
    if repeated:
        yield f"{name}/{split}: the id {repeated[0]} stands {len(repeated)} times"
    places = Counter(row["answer"] for row in rows if len(row["choices"]) == 2)
    if made_here and places.total() >= 400 and max(places.values()) > FAIR_SHARE * places.total():
        yield f"{name}/{split}: answers stand unevenly: {dict(places)}"


def shared_ids(name, files):
    """Ids and texts that two splits of one set share."""
    seen = {}
    for split, rows in files.items():
        for row in rows:
            key = (normal(row["question"] + " " + row["context"]), tuple(sorted(row["choices"])))
            if seen.setdefault(key, split) != split:
                yield f"{name}: {row['id']} of {split} stands also in {seen[key]}"


def readme_rows(readme):
    """The table of README.md: set name to its numbers and use."""
    table = {}
    for line in readme.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if re.fullmatch(r"`\w+`", cells[0]) and len(cells) == 7:
            table[cells[0].strip("`")] = ([int(cell.replace(",", "")) for cell in cells[2:5]], cells[5])
    return table


def overlaps(sets, uses):
    """Rows of train and validation that repeat a guarded row of another set."""
    owners, texts = defaultdict(set), defaultdict(set)
    for name, files in sets.items():
        guarded = files if uses[name] in ("held out", "development") else {"test": files["test"]}
        for row in (row for rows in guarded.values() for row in rows):
            texts[normal(row["question"] + " " + row["context"])].add(name)
            for gram in grams(row["question"]) | grams(row["context"]):
                owners[gram].add(name)
    for name, files in sets.items():
        if uses[name] == "held out":
            continue
        for split in ("train", "validation"):
            for row in files[split]:
                found = (owners[gram] for gram in grams(row["question"]) | grams(row["context"]) if gram in owners)
                others = texts[normal(row["question"] + " " + row["context"])].union(*found) - {name}
                if others:
                    yield f"{name}/{split}: {row['id']} repeats a row of {', '.join(sorted(others))}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(__file__).parents[2] / "data")
    parser.add_argument("--overlap", action="store_true")
    args = parser.parse_args()
    table = readme_rows(args.data / "README.md")
    folders = sorted(path.name for path in args.data.iterdir() if (path / "train.jsonl.gz").exists())
    bad = [
        f"README.md: the sets {sorted(set(folders) ^ set(table))} are in the table or in the folder, not in both"
    ] * (set(folders) != set(table))
    sets = {name: {split: read_jsonl(args.data / name / f"{split}.jsonl.gz") for split in SPLITS} for name in folders}
    for name, files in sets.items():
        numbers, _ = table.get(name, ([], ""))
        made_here = name in SETS
        for split, rows in files.items():
            bad += complaints_of(name, split, rows, made_here)
        bad += shared_ids(name, files) if made_here else []
        if [len(rows) for rows in files.values()] != numbers:
            bad.append(f"{name}: has {[len(rows) for rows in files.values()]} rows, README.md says {numbers}")
    for line in (args.data / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, path = line.split()
        if hashlib.sha256((args.data / path).read_bytes()).hexdigest() != digest:
            bad.append(f"{path}: is not the file that SHA256SUMS names; run tools/data/make.py or restore it")
    if args.overlap:
        bad += overlaps(sets, {name: table[name][1] for name in folders})
    if bad:
        sys.exit("\n".join(bad[:60]) + f"\n{len(bad)} complaints")
    print(f"{len(sets)} sets, {sum(len(rows) for files in sets.values() for rows in files.values()):,} rows: all well")


if __name__ == "__main__":
    main()
