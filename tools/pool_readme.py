#!/usr/bin/env python3
"""Writes the numbers of a pool's README from its pool.json, or checks that they are current.

usage: pool_readme.py POOL_FOLDER [--check]
"""
import json
import pathlib
import sys

BEGIN, END = "<!-- numbers from pool.json -->", "<!-- end of numbers -->"


def cell(side):
    return f"{side['accuracy']:.3f} ± {side['standard_error']:.3f}"


def headings(manifest):
    """What the two blends that were validated are, from the lines of the config."""
    settings = dict(line.split(" = ", 1) for line in manifest["training"]["config"] if " = " in line)
    even = "all adapters evenly (a = 0)"
    if manifest.get("shared"):
        even = f"shared adapter at {settings.get('gate.shared_least', '1')} of its strength (a = 0)"
    return even, f"gate at a = {settings['gate.max_tilt']}"


def numbers(manifest):
    training = manifest["training"]
    even, tilted = headings(manifest)
    rows = training["validation"]
    mean = {side: sum(row[side]["accuracy"] for row in rows) / len(rows)
            for side in ("base", "even", "tilted")}
    lines = [
        f"Seed {training['seed']}, {training['steps']:,} steps, {training['samples']:,} samples, "
        f"products in {training['number_type']}.",
        "",
        f"| set | n | base | {even} | {tilted} |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [f"| {row['set']} | {row['n']} | {cell(row['base'])} | {cell(row['even'])} | {cell(row['tilted'])} |"
              for row in rows]
    lines += [f"| mean | | {mean['base']:.3f} | {mean['even']:.3f} | {mean['tilted']:.3f} |", "",
              "| set | training items | licence |", "|---|--:|---|"]
    lines += [f"| {row['name']} | {row['items']:,} | {row['licence']} |" for row in training["data"]]
    return "\n".join(lines)


def main():
    folder = pathlib.Path(sys.argv[1])
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        sys.exit(f"{readme}: has no lines '{BEGIN}' and '{END}'; add them where the numbers belong")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    manifest = json.loads((folder / "pool.json").read_text(encoding="utf-8"))
    wanted = f"{before}{BEGIN}\n{numbers(manifest)}\n{END}{after}"
    if "--check" in sys.argv:
        if text != wanted:
            sys.exit(f"{readme}: its numbers are not those of pool.json; run tools/pool_readme.py {folder}")
    else:
        readme.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
