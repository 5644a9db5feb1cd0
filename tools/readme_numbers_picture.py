"""Draws a report's accuracies for readme_numbers.py: one row a method, a dot and its 95 % band without
and with label calibration. Plain SVG that keeps to the reader's light or dark."""
import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, ROW = 720, 150, 130, 64, 24
COLUMNS = (WIDTH - 66, WIDTH - 12)  # where the numbers end
STATES = ((False, "off", "without"), (True, "on", "with label calibration"))
STYLE = """
text { font: 12px sans-serif; fill: #1f2328; }
.page { fill: #ffffff; }
.grid { stroke: #d0d7de; }
.off { stroke: #0969da; fill: #ffffff; }
.on { stroke: #bc4c00; fill: #bc4c00; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .page { fill: #0d1117; }
  .grid { stroke: #3d444d; }
  .off { stroke: #58a6ff; fill: #0d1117; }
  .on { stroke: #ff9b50; fill: #ff9b50; }
}
"""


class Scale:
    """Shares to places; the ends are tens of percent around all bands."""

    def __init__(self, bands):
        self.low = max(0, math.floor(10 * min(band["low"] for band in bands)))
        self.high = max(self.low + 1, min(10, math.ceil(10 * max(band["high"] for band in bands))))

    def x(self, share):
        part = (10 * share - self.low) / (self.high - self.low)
        return round(LEFT + part * (WIDTH - LEFT - RIGHT), 1)

    def ticks(self):
        return [tenth / 10 for tenth in range(self.low, self.high + 1)]


def text(x, y, words, anchor="start"):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def dot(band, scale, y, state):
    low, mean, high = (scale.x(min(1, max(0, band[key]))) for key in ("low", "mean", "high"))
    return [f'<path class="{state}" d="M{low} {y}H{high}" stroke-width="2"/>',
            f'<circle class="{state}" cx="{mean}" cy="{y}" r="4" stroke-width="2"/>']


def legend(y):
    lines = []
    for x, (_, state, words) in zip((LEFT, LEFT + 90), STATES):
        lines += [f'<circle class="{state}" cx="{x + 5}" cy="{y - 4}" r="4" stroke-width="2"/>', text(x + 14, y, words)]
    return lines + [text(place, y, words, "end") for place, words in zip(COLUMNS, ("without", "with"))]


def grid(scale, bottom):
    lines = []
    for share in scale.ticks():
        x = scale.x(share)
        lines += [f'<path class="grid" d="M{x} {TOP - 8}V{bottom}"/>', text(x, bottom + 16, f"{share:.0%}", "middle")]
    return lines


def row(method, bands, scale, y):
    lines = [text(LEFT - 10, y + 4, method, "end")]
    for (_, state, _), offset, place in zip(STATES, (-4, 4), COLUMNS):
        if state in bands:
            lines += dot(bands[state], scale, y + offset, state)
            lines.append(text(place, y + 4, f"{100 * bands[state]['mean']:.1f}", "end"))
    return lines


def draw(numbers):
    """The held-out tasks, or the first group that there is."""
    group = (numbers.groups or list(numbers.tasks))[0]
    rows = []
    for method in numbers.methods():
        lines = {state: numbers.line(method, group, calibrated) for calibrated, state, _ in STATES}
        bands = {state: line["accuracy"] for state, line in lines.items() if line}
        if bands:
            rows.append((method, bands))
    scale = Scale([band for _, bands in rows for band in bands.values()])
    bottom = TOP + ROW * len(rows)
    title = f"Accuracy on {numbers.tasks[group]} {group} task{'' if numbers.tasks[group] == 1 else 's'}, " \
            f"K = {numbers.k}, with 95 % bands"
    body = [f'<rect class="page" width="{WIDTH}" height="{bottom + 28}"/>', text(LEFT, 20, title), *legend(42)]
    body += grid(scale, bottom)
    for i, (method, bands) in enumerate(rows):
        body += row(method, bands, scale, TOP + ROW * i + ROW // 2)
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 28}" '
                      f'width="{WIDTH}" role="img">', f"<title>{escape(title)}</title>",
                      f"<style>{STYLE}</style>", *body, "</svg>", ""])
