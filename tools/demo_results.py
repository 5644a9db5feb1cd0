#!/usr/bin/env python3
"""Puts what script/demo printed into the README, and draws its accuracies.

usage: demo_results.py [--check]

Reads reports/demo.txt (standard output of script/demo) and reports/demo.json (its build/demo/report.json);
writes the README's transcript and docs/demo.svg. Drawing needs matplotlib. With --check: nothing is
written, and it fails where README or picture say other than the reports.
"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
README, TEXT, REPORT, PICTURE = (ROOT / path for path in (
    "README.md", "reports/demo.txt", "reports/demo.json", "docs/demo.svg"))
BEGIN, END = "<!-- transcript: reports/demo.txt -->", "<!-- end of transcript -->"


def bars(report):
    """(name, colour, accuracy, standard error, text below) of each bar."""
    rows = [("base", "#9aa5b1", report["base"], "135M model"),
            ("blended", "#e4572e", report["blended"], "customised"),
            ("server", "#4c78a8", report["server"], "1.5B model"),
            ("mix", "#7b5ea7", report["mix"], f"{report['mix']['server_share']:.0%} to the server")]
    return [(name, colour, side["accuracy"], side["standard_error"], f"{what}\nn = {side['n']}")
            for name, colour, side, what in rows]


def value_text(accuracy, error):
    return f"{accuracy:.3f} ± {error:.3f}"


def draw(report):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    pyplot.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "crayon", "font.size": 11,
                            "font.family": "sans-serif"})
    figure, axes = pyplot.subplots(figsize=(7.2, 4.1))
    for x, (name, colour, accuracy, error, below) in enumerate(bars(report)):
        axes.bar(x, accuracy, 0.62, color=colour, yerr=error, capsize=5, ecolor="#333333")
        axes.text(x, accuracy + error + 0.02, value_text(accuracy, error), ha="center")
    axes.set_xticks(range(4), [f"{name}\n{below}" for name, _, _, _, below in bars(report)])
    axes.set_ylim(0, 1)
    axes.set_ylabel("accuracy ± standard error")
    axes.set_title("clinc150 banking, 32 examples, one seed (script/demo)", fontsize=11)
    sample = report["blended_on_sample"]
    axes.set_xlabel(f"on the {sample['n']} questions that the server was asked, blended has "
                    f"{value_text(sample['accuracy'], sample['standard_error'])}", fontsize=9.5, labelpad=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(PICTURE, metadata={"Date": None})


def main():
    text = README.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        sys.exit(f"{README}: has no lines '{BEGIN}' and '{END}'; add them where the transcript belongs")
    before, rest = text.split(BEGIN)
    transcript = TEXT.read_text(encoding="utf-8").strip()
    wanted = f"{before}{BEGIN}\n\n```\n{transcript}\n```\n\n{END}{rest.split(END)[1]}"
    report = json.loads(REPORT.read_text(encoding="utf-8"))
    if "--check" not in sys.argv:
        README.write_text(wanted, encoding="utf-8")
        draw(report)
        return
    if text != wanted:
        sys.exit(f"{README}: its transcript is not {TEXT.name}; run tools/demo_results.py")
    picture = PICTURE.read_text(encoding="utf-8")
    for name, _, accuracy, error, _ in bars(report):
        if any(value_text(accuracy, error) not in place for place in (picture, transcript)):
            sys.exit(f"{PICTURE} or {TEXT}: {name} is not {value_text(accuracy, error)} as in {REPORT.name}; "
                     "run script/demo and tools/demo_results.py again")


if __name__ == "__main__":
    main()
