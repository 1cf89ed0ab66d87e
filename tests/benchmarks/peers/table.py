"""The report as Markdown: ratios to raw AMICI, accuracy, and what lies behind them."""

import numpy as np

from . import CONTENDERS, RAW

_LABELS = {c.name: c.label for c in CONTENDERS}


class Notes:
    """Footnotes, each text once."""

    def __init__(self):
        self._texts = []

    def mark(self, text):
        if text not in self._texts:
            self._texts.append(text)
        return f"[{self._texts.index(text) + 1}]"

    @property
    def lines(self):
        return [f"[{i}] {text}  " for i, text in enumerate(self._texts, start=1)]


def markdown(report):
    """All tables of a report, which is what `bench_peers.py` writes as JSON."""
    notes = Notes()
    names = [name for name in _LABELS if name in report["contenders"]]
    return "\n".join(
        [
            f"{report['date'][:10]}, {report['machine']['cpu']}, "
            f"{report['machine']['cores']} cores, Python {report['machine']['python']}, "
            + ", ".join(f"{k} {v}" for k, v in report["main_versions"].items()),
            "",
            "**Log-likelihood**: time / raw AMICI's, median (quartiles)",
            "",
            *_times(report, names, "llh", notes),
            "",
            "**Log-likelihood and gradient**: time / raw AMICI's, median (quartiles)",
            "",
            *_times(report, names, "gradient", notes),
            "",
            "**Relative error of the gradient** in norm, and median over its entries",
            "",
            *_errors(report, names, notes),
            "",
            "**Settings**, and seconds before the first result",
            "",
            *_facts(report, names),
            "",
            *notes.lines,
        ]
    ).rstrip()


def _times(report, names, quantity, notes):
    others = [name for name in names if name != RAW]
    rows = []
    for problem in report["problems"]:
        measured = {name: problem["contenders"][name][quantity] for name in names}
        raw = measured[RAW]
        cells = [problem["problem"], _failed(raw, notes) or f"{number(raw['median'])} ms"]
        rows.append([*cells, *(_ratio(measured[name], notes) for name in others)])
    return _table(["", "raw AMICI", *(_LABELS[name] for name in others)], rows)


def _ratio(measured, notes):
    if failed := _failed(measured, notes):
        return failed
    if "ratio" not in measured:
        return f"{number(measured['median'])} ms"
    text = number(measured["ratio"])
    spread = f"({number(measured['ratio_lower'])}–{number(measured['ratio_upper'])})"
    return f"{text} {spread}{_other_number(measured, notes)}"


def _errors(report, names, notes):
    """A column for each contender whose errors are not those of raw AMICI, which the rest share."""
    columns = {
        name: [
            _error(problem["contenders"][name]["gradient"], notes) for problem in report["problems"]
        ]
        for name in names
    }
    alike = [name for name in names if name != RAW and columns[name] == columns[RAW]]
    shown = [name for name in names if name not in alike]
    rows = []
    for i, problem in enumerate(report["problems"]):
        doubt = "" if problem["reference"]["converged"] else notes.mark(
            "The reference has not converged: errors are rough."
        )  # fmt: skip
        rows.append([f"{problem['problem']} {doubt}".rstrip(), *(columns[n][i] for n in shown)])
    table = _table(["", *(_LABELS[name] for name in shown)], rows)
    if alike:
        table += ["", f"As raw AMICI: {', '.join(_LABELS[name] for name in alike)}."]
    return table


def _error(measured, notes):
    if failed := _failed(measured, notes):
        return failed
    if "error" not in measured:
        return "no reference"
    norm, median = (power(measured["error"][key]) for key in ("norm", "median"))
    return f"{norm}, {median}{_other_number(measured, notes)}"


def _facts(report, names):
    isolated = [c.name for c in CONTENDERS if c.isolated and c.name in names]
    rows = []
    for problem in report["problems"]:
        solver, reference = problem["settings"], problem["reference"]
        cells = [
            problem["problem"],
            str(problem["conditions"]),
            str(problem["parameters"]),
            f"{power(solver['rtol'])}, {power(solver['atol'])}",
            f"{power(reference['rtol'])}, {power(reference['atol'])}"
            if reference["rtol"]
            else "none",
            f"{problem['compile_seconds']:.1f}",
        ]
        for name in isolated:
            record = problem["contenders"][name]
            seconds = [
                record.get("setup_seconds"),
                *(record[quantity].get("first_seconds") for quantity in ("llh", "gradient")),
            ]
            cells.append(" + ".join("–" if s is None else f"{s:.1f}" for s in seconds))
        rows.append(cells)
    head = [
        "", "conditions", "parameters", "rtol, atol", "reference's", "C++ compile",
        *(f"{_LABELS[name]}: export + first llh + first gradient" for name in isolated),
    ]  # fmt: skip
    return _table(head, rows)


def _failed(measured, notes):
    return f"no {notes.mark(measured['failure'])}" if "failure" in measured else None


def _other_number(measured, notes):
    if not measured.get("llh_differs"):
        return ""
    return f" ≠{notes.mark(f'Another number: llh {measured["llh"]:.6g}.')}"


def number(value):
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def power(value):
    """One significant digit and a power of ten."""
    return np.format_float_scientific(value, precision=0, trim="-", exp_digits=1)


def _table(head, rows):
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(row) + " |" for row in [head, rule, *rows]]
