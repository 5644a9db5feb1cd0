#!/usr/bin/env python3
"""Puts the numbers of the routing benchmark's report into the README.

usage: readme_routing.py [--check] [FOLDER]

FOLDER (default: this tree) holds README.md with the two lines BEGIN and END, and
reports/route.json.gz (keys: docs/bench-route-report.md); what stands between the lines is rewritten.
With --check nothing is written; it fails and shows the difference where the README says other than
the report. Exit status: 0; 1 wrong or not current; 2 there is no report.
"""
from readme_parts import (NOTHING, Problem, begin, code, count, listed, main, percent, read_report, settle, table,
                          with_block, wrapped)

REPORT = "reports/route.json.gz"
BEGIN = begin(REPORT)
SCHEMA, NEWEST = "crayon-bench-route", 1
OURS, BOUND = "crayon", "oracle"
LEFT_OUT = ("always", "never")  # the ends of each curve
TRAFFIC = (("all", "the tasks' own questions"), ("mixed", "mixed traffic"))


def plain(x):
    return f"{x:.2f}"


def band(metric, shown=plain):
    if metric["value"] is None:
        return NOTHING
    return f"{shown(metric['value'])} [{shown(metric['low'])}, {shown(metric['high'])}]"


def has_gap(lines):
    """Whether the server is better than the device, so that there is something to recover."""
    return any(line["metrics"]["apgr"]["value"] is not None for line in lines)


def sides_table(servers):
    rows = []
    for server in servers:
        for key, name in TRAFFIC:
            line = next(line for line in server[key] if line["router"] == OURS)
            curve, half = line["curve"], line["metrics"]["accuracy_50"]
            rows.append([f"`{server['server']}`", name, percent(curve[0]), percent(curve[-1]),
                         band(half, percent), band(line["metrics"]["auroc"])])
    return table(["server", "traffic", "device alone", "server alone", "half each", "AUROC"], rows, 2)


def router_table(lines, knows):
    rows = [[f"`{line['router']}`", knows[line["router"]], band(line["metrics"]["apgr"]),
             band(line["metrics"]["cpt_50"], percent), band(line["metrics"]["match"], percent)]
            for line in lines if line["router"] not in LEFT_OUT]
    return table(["router", "knows", "APGR", "CPT(50), %", "equal to the server at, %"], rows, 2)


def legend_text(report):
    settings = report["settings"]
    text = (f"Accuracies in % with 95 % bands, means over {count(len(report['tasks']), 'held-out task')}; "
            f"K = {settings['k']} examples, {count(len(settings['seeds']), 'seed')}, at most {settings['questions']} "
            f"questions a task, pool {code(settings['pool'])}. Mixed traffic: half of the requests are of the task, "
            "a quarter of near tasks, a quarter of far ones. *Half each*: the half that the router trusts least goes "
            "to the server. *AUROC*: of telling right answers of the device from wrong ones.")
    if report["cells"]["done"] < report["cells"]["planned"]:
        text += f" So far {report['cells']['done']:,} of {report['cells']['planned']:,} planned results are there."
    return text


def routers_text(server):
    return (f"Routers on mixed traffic against `{server['server']}` (APGR: mean share of the gap between device and "
            "server that is recovered, over all server shares, 0.50 by chance; CPT(50): share of requests to the "
            f"server that recovers half of the gap; `{BOUND}` knows who is right):")


def calibration_text(report):
    one = report["calibration"]
    tried = [risk for risk in report["risks"] if risk["resamples"] > 0]
    kept = sum(risk["kept"] for risk in tried)
    refused = len(report["risks"]) - len(tried)
    without = f" In {count(refused, 'case')} it was refused: too few examples." if refused else ""
    whole = one.get("one_list")  # reports from before it was worked out have none
    together = (f"; of all questions as one list: {whole['before']:.3f} and {whole['after']:.3f}, "
                f"{whole['before_by_chance']:.3f} and {whole['after_by_chance']:.3f} by chance") if whole else ""
    return (f"Expected calibration error of the confidences, mean over tasks: {one['before']:.3f} raw, "
            f"{one['after']:.3f} calibrated on the examples, of which {one['before_by_chance']:.3f} and "
            f"{one['after_by_chance']:.3f} would be there by chance alone{together}. The asked risk was kept in {kept} of "
            f"{len(tried)} cases (task and level).{without} Command: {code(report['times']['command'])}.")


def block(report):
    knows = {router["name"]: router["knows"] for router in report["routers"]}
    servers = report["servers"]
    parts = [wrapped(legend_text(report)), sides_table(servers)]
    with_gap = [server for server in servers if has_gap(server["mixed"])]
    for server in with_gap:
        parts += [wrapped(routers_text(server)), router_table(server["mixed"], knows)]
    without = [f"`{server['server']}`" for server in servers if server not in with_gap]
    if without:
        parts.append(wrapped(f"{listed(without)} gains nothing over the device on mixed traffic: no gap to recover."))
    return "\n\n".join([*parts, wrapped(calibration_text(report))])


def run(folder, check):
    readme, report = folder / "README.md", folder / REPORT
    text = readme.read_text(encoding="utf-8")
    try:
        wanted = with_block(text, readme, REPORT,
                            block(read_report(report, SCHEMA, NEWEST, "script/bench --route")))
    except (KeyError, TypeError, ValueError, StopIteration) as e:
        raise Problem(f"{report}: lacks a key or holds what docs/bench-route-report.md does not say: {e!r}") from e
    settle({readme: wanted}, check, report, "readme_routing.py")


if __name__ == "__main__":
    main(__doc__, run)
