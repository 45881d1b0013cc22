"""Horizontal bars in SVG, in groups, on a logarithmic axis; used by report.py."""

import math
from xml.sax.saxutils import escape

from figures import short

BAR, GAP, TITLE, GROUP_TITLE, AXIS = 13, 16, 44, 20, 34
LABEL_WIDTH, PLOT_WIDTH, VALUE_WIDTH = 120, 380, 60
COLUMN_WIDTH = LABEL_WIDTH + PLOT_WIDTH + VALUE_WIDTH + 20
OURS = ("#0b5fa5", "#3d8fd1", "#7db8e8")
PEERS = ("#e0a458", "#c97b63", "#8f9e6c", "#5f8575", "#a3869e", "#7d6f8a", "#c2b280", "#9aa5b1",
         "#b5838d", "#6d8299")
FLOOR = "#c8c8c8"
STYLE = ("text{font-family:DejaVu Sans,Helvetica,Arial,sans-serif;font-size:11px;fill:#222}"
         ".title{font-size:16px;font-weight:bold}.group{font-size:12px;font-weight:bold}"
         ".tick,.value{fill:#555}.grid{stroke:#ddd}.axis{stroke:#888}.range{stroke:#333}")


def colours(engines):
    """A colour for each engine: ours blue, floors grey."""
    chosen, n_ours, n_peers = {}, 0, 0
    for name, traits in engines.items():
        if "ours" in traits:
            chosen[name] = OURS[n_ours % len(OURS)]
            n_ours += 1
        elif "floor" in traits:
            chosen[name] = FLOOR
        else:
            chosen[name] = PEERS[n_peers % len(PEERS)]
            n_peers += 1
    return chosen


def height_of(group):
    return GROUP_TITLE + BAR * len(group[1]) + GAP


def columns_of(groups):
    """Deals the groups to two columns of about one height."""
    half = sum(height_of(group) for group in groups) / 2
    left, height = [], 0
    for index, group in enumerate(groups):
        if left and height + height_of(group) / 2 > half:
            return [left, groups[index:]]
        left.append(group)
        height += height_of(group)
    return [left]


class Scale:
    """Values to places on a logarithmic axis that begins and ends with a power of ten."""

    def __init__(self, groups):
        values = [value for _, bars in groups for _, cell in bars
                  for value in (cell.least, cell.most) if value > 0]
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)

    def x(self, value):
        if value <= 0:
            return 0.0
        return (math.log10(value) - self.low) / (self.high - self.low) * PLOT_WIDTH

    def ticks(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def axis(scale, left, top, bottom):
    parts = []
    for tick in scale.ticks():
        x = left + scale.x(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">'
                     f"{short(tick)}</text>")
    parts.append(f'<line class="axis" x1="{left}" y1="{bottom}" x2="{left + PLOT_WIDTH}" '
                 f'y2="{bottom}"/>')
    parts.append(f'<text class="tick" x="{left + PLOT_WIDTH / 2}" y="{bottom + 28}" '
                 f'text-anchor="middle">operations a second, logarithmic; line: least to most'
                 f"</text>")
    return parts


def bar(scale, colour, left, y, what):
    name, cell = what
    width = max(scale.x(cell.value), 1.0)
    middle = y + BAR / 2
    return [
        f'<text x="{left - 6}" y="{y + 10}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{left}" y="{y + 1}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>',
        f'<line class="range" x1="{left + scale.x(cell.least):.1f}" y1="{middle}" '
        f'x2="{left + scale.x(cell.most):.1f}" y2="{middle}"/>',
        f'<text class="value" x="{left + max(width, scale.x(cell.most)) + 4:.1f}" y="{y + 10}">'
        f"{short(cell.value)}</text>",
    ]


def write_chart(path, title, engines, groups):
    """Writes a chart of [(group name, [(engine, Cell)])]; nothing if it is empty."""
    if not groups:
        return
    colour = colours(engines)
    scale = Scale(groups)
    columns = columns_of(groups)
    tallest = max(sum(height_of(group) for group in column) for column in columns)
    width, height = COLUMN_WIDTH * len(columns), TITLE + tallest + AXIS
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
             f'viewBox="0 0 {width} {height}" role="img">',
             f"<title>{escape(title)}</title><style>{STYLE}</style>",
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             f'<text class="title" x="12" y="26">{escape(title)}</text>']
    for index, column in enumerate(columns):
        left, y = index * COLUMN_WIDTH + LABEL_WIDTH, TITLE
        parts += axis(scale, left, TITLE, TITLE + tallest)
        for name, bars in column:
            parts.append(f'<text class="group" x="{left}" y="{y + 13}">{escape(name)}</text>')
            y += GROUP_TITLE
            for one in bars:
                parts += bar(scale, colour[one[0]], left, y, one)
                y += BAR
            y += GAP
    parts.append("</svg>\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts))
