"""Resident memory, threads and open files over many evaluations, each kind in a fresh process.

    python tests/benchmarks/bench_memory.py [--figure memory.html] [--figure memory.svg]

The slope is a least-squares line through the second half of the samples. Needs Linux (/proc).
The points are drawn around nominal anew each time; those of the kind `failures` can't be
integrated in the steps allowed.
"""

import gc
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import json_option

SAMPLES = 200
SPREAD = 0.1  # standard deviation of the points around nominal, on the PEtab scale
KINDS = {
    "llh": 100_000,
    "gradient": 10_000,
    "batch": 50_000,
    "batch gradient": 10_000,
    "JAX loop": 10_000,
    "JAX evaluate": 5_000,
    "failures": 20_000,
    "new objectives": 1_000,
}
SHARES = (0.01, 0.1, 0.5, 1.0)


def many(kind: str, problem_id: str) -> Callable[[int], None]:
    """A function that makes so many evaluations of one kind."""
    from amijax import AmiciObjective, SolverSettings, load_problem

    problem = load_problem(problem_id)
    nominal = np.array(problem.nominal_theta)
    rng = np.random.default_rng(0)
    max_steps = 10 if kind == "failures" else 10_000
    settings = SolverSettings(sensitivities="forward", max_steps=max_steps)
    objective = AmiciObjective(problem, settings, num_threads=len(os.sched_getaffinity(0)))

    def points(n: int) -> np.ndarray:
        return nominal + SPREAD * rng.standard_normal((n, len(nominal)))

    def each(call: Callable[[np.ndarray], Any]) -> Callable[[int], None]:
        def run(n: int) -> None:
            for theta in points(n):
                call(theta)

        return run

    if kind == "batch":
        return lambda n: objective.evaluate_batch(points(n), gradient=False) and None
    if kind == "batch gradient":
        return lambda n: objective.evaluate_batch(points(n)) and None
    if kind == "new objectives":
        return each(lambda theta: AmiciObjective(problem, settings).llh(theta))
    if not kind.startswith("JAX"):
        return each(objective.llh_and_gradient if kind == "gradient" else objective.llh)

    import jax

    from amijax import JaxObjective
    from amijax.jax_setup import set_up_jax

    set_up_jax()
    wrapped = JaxObjective(objective)
    if kind == "JAX evaluate":
        return each(wrapped.evaluate)

    @jax.jit
    def loop(thetas: Any) -> Any:
        return jax.lax.map(jax.value_and_grad(wrapped), thetas)

    return lambda n: jax.block_until_ready(loop(points(n))) and None


def rss() -> int:
    """Resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def count(what: str) -> int:
    """How many entries a folder of this process in /proc has (`task`: threads, `fd`: files)."""
    return len(os.listdir(f"/proc/self/{what}"))


def measure(kind: str, problem_id: str, total: int) -> dict[str, Any]:
    """Evaluate so many times in this process; its memory on the way."""
    run = many(kind, problem_id)
    step = math.ceil(total / SAMPLES)
    run(step)  # what is set up once, such as threads and JAX's programs
    gc.collect()
    record: dict[str, Any] = {"kind": kind, "problem": problem_id}
    record["threads"], record["files"] = [count("task")], [count("fd")]
    record["evaluations"], record["rss"] = [0], [rss()]
    while record["evaluations"][-1] < total:
        run(step)
        record["evaluations"].append(record["evaluations"][-1] + step)
        record["rss"].append(rss())
    record["threads"].append(count("task"))
    record["files"].append(count("fd"))
    half = len(record["rss"]) // 2
    record["slope"] = float(np.polyfit(record["evaluations"][half:], record["rss"][half:], 1)[0])
    return record


def table(records: list[dict[str, Any]]) -> str:
    """The records as text."""
    head = "".join(f"{f'{share:.0%}':>8}" for share in SHARES)
    lines = [
        f"{'':16}{'n':>8}  RSS after, MiB{'':{len(head) - 16}}  slope  threads     files",
        f"{'':24}{head} byte/n  start/end  start/end",
    ]
    for record in records:
        last = len(record["rss"]) - 1
        values = "".join(
            f"{record['rss'][max(1, round(share * last))] / 2**20:8.1f}" for share in SHARES
        )
        lines.append(
            f"{record['kind']:16}{record['evaluations'][-1]:8}{values}{record['slope']:7.1f}"
            f"  {record['threads'][0]:4}/{record['threads'][1]:<4}"
            f"  {record['files'][0]:4}/{record['files'][1]:<4}"
        )
    return "\n".join(lines)


def write_figure(records: list[dict[str, Any]], path: Path) -> None:
    """Resident memory over the share of the evaluations done, as HTML (Plotly) or SVG."""
    title = f"Resident memory over many evaluations of {records[0]['problem']}"
    if path.suffix == ".html":
        import plotly.graph_objects as go

        figure = go.Figure(layout={"title": title})
        for record in records:
            done = np.array(record["evaluations"]) / record["evaluations"][-1]
            name = f"{record['kind']}, {record['evaluations'][-1]}"
            figure.add_scatter(x=done, y=np.array(record["rss"]) / 2**20, name=name)
        figure.update_xaxes(title="share of the evaluations", tickformat=".0%")
        figure.update_yaxes(title="RSS, MiB", rangemode="tozero")
        figure.write_html(path, include_plotlyjs="cdn")
        return
    width, height, left, bottom = 600, 300, 50, 40
    top = 100 * math.ceil(max(max(record["rss"]) for record in records) / 2**20 / 100)
    colors = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000", "#999")
    text = '<text x="{}" y="{}" fill="{}">{}</text>'.format
    parts = [text(left, 16, "#000", title + " (MiB)")]
    for level in range(0, top + 1, 100):
        y = height - bottom - level / top * (height - bottom - 30)
        parts.append(f'<path d="M{left} {y:.1f}H{width}" stroke="#ddd"/>')
        parts.append(text(10, round(y + 4), "#000", level))
    for percent in (0, 50, 100):
        x = left + percent / 100 * (width - left)
        parts.append(text(round(x) - 10, height - bottom + 18, "#000", f"{percent} %"))
    for i, record in enumerate(records):
        x = left + np.array(record["evaluations"]) / record["evaluations"][-1] * (width - left)
        y = height - bottom - np.array(record["rss"]) / 2**20 / top * (height - bottom - 30)
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        color = colors[i % len(colors)]
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}"/>')
        label = f"{record['kind']}, {record['evaluations'][-1]:,} evaluations"
        parts.append(text(width + 10, 40 + 18 * i, color, label))
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + 230} {height}" '
        f'font-family="sans-serif" font-size="11">{"".join(parts)}</svg>\n'
    )


@click.command()
@click.option("--problem", default="Boehm_JProteomeRes2014", show_default=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="Default: all")
@click.option("--scale", default=1.0, show_default=True, help="Factor on the evaluations.")
@click.option("--limit", default=0.5, show_default=True, help="Most growth in the 2nd half, MiB.")
@json_option
@click.option("--figure", "figures", multiple=True, type=click.Path(path_type=Path))
@click.option("--worker", hidden=True, type=(str, int))
def main(
    problem: str,
    kinds: tuple[str, ...],
    scale: float,
    limit: float,
    json_file: Path | None,
    figures: tuple[Path, ...],
    worker: tuple[str, int] | None,
) -> None:
    """Print the table; exit 1 if memory grows, or threads or files are left over."""
    if worker is not None:
        click.echo(json.dumps(measure(worker[0], problem, worker[1])))
        return
    records = []
    for kind in kinds or KINDS:
        command = [sys.executable, __file__, "--problem", problem, "--worker", kind]
        done = subprocess.run(
            [*command, str(round(KINDS[kind] * scale))], capture_output=True, text=True
        )
        if done.returncode:
            raise click.ClickException(done.stderr[-2000:])
        records.append(json.loads(done.stdout.splitlines()[-1]))
    click.echo(table(records))
    if json_file:
        json_file.write_text(json.dumps(records))
    for figure in figures:
        write_figure(records, figure)
    sys.exit(
        any(
            record["slope"] * record["evaluations"][-1] / 2 > limit * 2**20
            or record["threads"][1] > record["threads"][0]
            or record["files"][1] > record["files"][0]
            for record in records
        )
    )


if __name__ == "__main__":
    main()
