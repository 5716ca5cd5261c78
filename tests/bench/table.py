"""Medians and spreads of repeated measurements, as text and as JSON."""

import statistics


class Row:
    """One thing measured: a list of values per metric, one value a round."""

    def __init__(self, label):
        self.label = label
        self.values = {}

    def add(self, **metrics):
        for name, value in metrics.items():
            self.values.setdefault(name, []).append(value)

    def ratios(self, metric, base):
        """Round by round against another row: what disturbs a round disturbs both."""
        pairs = zip(self.values.get(metric, []), base.values.get(metric, []))
        return [mine / other for mine, other in pairs if other]


def number(value):
    """Three or four significant digits."""
    magnitude = abs(value)
    if magnitude >= 100:
        return f"{value:,.0f}"
    if magnitude >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if magnitude >= 1 else f"{value:.3f}"


def spread(values):
    """'median [least - most]'"""
    if not values:
        return "-"
    middle = number(statistics.median(values))
    if len(values) == 1:
        return middle
    return f"{middle} [{number(min(values))} - {number(max(values))}]"


def middle(values):
    return number(statistics.median(values)) if values else "-"


class Table:
    """Rows under a title; columns are metrics or ratios of a metric to that of a base row."""

    def __init__(self, title, rows, columns):
        self.title = title
        self.rows = rows
        self.columns = columns

    def text(self):
        lines = [[""] + [heading for heading, _ in self.columns]]
        lines += [[row.label] + [cell(row) for _, cell in self.columns] for row in self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        out = [self.title]
        for line in lines:
            cells = [line[0].ljust(widths[0])] + [text.rjust(width) for text, width in zip(line[1:], widths[1:])]
            out.append("  " + "  ".join(cells).rstrip())
        return "\n".join(out) + "\n"

    def data(self):
        return {"title": self.title, "rows": {row.label: row.values for row in self.rows}}


def value_column(heading, metric):
    return heading, lambda row: spread(row.values.get(metric, []))


def middle_column(heading, metric):
    return heading, lambda row: middle(row.values.get(metric, []))


def ratio_column(heading, metric, base):
    return heading, lambda row: "1" if row is base else spread(row.ratios(metric, base))


def middle_ratio_column(heading, metric, base):
    return heading, lambda row: "1" if row is base else middle(row.ratios(metric, base))


class Goal(Row):
    """A ratio that should be at least, or at most, so much; it is met when its median is."""

    def __init__(self, label, ratios, at_least=None, at_most=None):
        super().__init__(label)
        self.values["ratio"] = ratios
        self.at_least, self.at_most = at_least, at_most

    def limit(self):
        return f">= {self.at_least}" if self.at_least is not None else f"<= {self.at_most}"

    def verdict(self):
        if not self.values["ratio"]:
            return "not measured"
        median = statistics.median(self.values["ratio"])
        met = median >= self.at_least if self.at_least is not None else median <= self.at_most
        return "met" if met else "MISSED"


def goal_table(title, goals):
    return Table(title, goals, [value_column("measured", "ratio"), ("goal", Goal.limit), ("", Goal.verdict)])
