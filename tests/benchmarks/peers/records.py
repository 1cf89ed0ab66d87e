"""What was measured, put together from the workers' events and held against a reference."""

import numpy as np

from amijax.digits import digits

from . import OURS, RAW

QUANTITIES = ("llh", "gradient")
# Different solvers at rtol 1e-8 agree in llh to about six digits where it is well conditioned.
AGREEMENT = 1e-4


def collect(events: list[dict], names: list[str], ended_badly: str | None) -> dict[str, dict]:
    """The events by contender: what was measured of each quantity, or why it was not.

    Args:
        events: of one worker.
        names: the contenders that it was asked for.
        ended_badly: why the worker ended early, None if it did not.
    """
    records: dict[str, dict] = {name: {"llh": {}, "gradient": {}} for name in names}
    phase = "start"
    for event in events:
        kind, name = event.pop("event"), event.pop("contender")
        quantity = event.pop("quantity", None)
        if kind == "phase":
            phase = event["phase"] if name is None else f"{event['phase']} of {name}"
        elif kind == "set up":
            records[name]["setup_seconds"] = event["seconds"]
        elif kind == "failed":
            for failed in (quantity,) if quantity else QUANTITIES:
                records[name][failed] = {"failure": event["reason"]}
        elif kind == "first":
            records[name][quantity] = {"first_seconds": event.pop("seconds")} | event
        else:
            records[name][quantity] |= event
    for record in records.values():
        for quantity in QUANTITIES:
            if "median" not in record[quantity] and "failure" not in record[quantity]:
                why = f"{ended_badly or 'no result'} ({phase})"
                record[quantity]["failure"] = why
    return records


def add_ratios(records: dict[str, dict]) -> None:
    """Divide by raw AMICI's median of the same process."""
    for quantity in QUANTITIES:
        raw = records[RAW][quantity].get("median")
        for record in records.values():
            measured = record[quantity]
            if raw is not None and "median" in measured:
                measured["ratio"], measured["ratio_lower"], measured["ratio_upper"] = (
                    measured[key] / raw for key in ("median", "lower", "upper")
                )


def add_accuracy(records: dict[str, dict], reference) -> None:
    """Compare each llh and gradient with the reference; tell which llh is another number.

    Args:
        records: of all contenders at one problem.
        reference: an `amijax.precision.reference.Reference` for all parameters.
    """
    expected = reference.values.llh
    if not np.isfinite(expected):
        expected = records[OURS]["llh"].get("llh", np.nan)
    for record in records.values():
        for quantity in QUANTITIES:
            measured = record[quantity]
            if "llh" in measured:
                apart = abs(measured["llh"] - expected)
                measured["llh_differs"] = bool(apart > AGREEMENT * max(1.0, abs(expected)))
        gradient = record["gradient"].get("gradient")
        if gradient is not None and np.isfinite(reference.values.gradient).all():
            record["gradient"]["error"] = errors(gradient, reference.values.gradient)


def errors(gradient, reference) -> dict[str, float]:
    """Relative errors: of the whole gradient (norm) and of its entries (median); digits (median).

    Entries that are 0 in both are right.
    """
    gradient, reference = np.asarray(gradient), np.asarray(reference)
    apart = np.abs(gradient - reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        entries = np.where(apart == 0, 0.0, apart / np.abs(reference))
    return {
        "norm": float(np.linalg.norm(apart) / np.linalg.norm(reference)),
        "median": float(np.median(entries)),
        "median_digits": float(np.median(digits(gradient, reference))),
    }
