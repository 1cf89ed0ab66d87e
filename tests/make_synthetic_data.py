"""Write the synthetic measurements of the teaching problems (a script and a module)."""

from pathlib import Path

import numpy as np
import pandas as pd
from closed_form import PARAMETER_IDS, SCALES, simulate
from scipy.integrate import solve_ivp

EMBEDDED = Path(__file__).parents[1] / "amijax" / "problems" / "embedded"
SEED = 10


def nominal(problem_id: str) -> pd.Series:
    table = pd.read_csv(EMBEDDED / problem_id / "parameters.tsv", sep="\t", index_col=0)
    return table["nominalValue"]


def grid(conditions: list[str], times: list[float], observables: list[str]) -> pd.DataFrame:
    names = ["simulationConditionId", "time", "observableId"]
    return pd.MultiIndex.from_product([conditions, times, observables], names=names).to_frame(False)


def conversion_reaction() -> pd.DataFrame:
    times = [0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0]
    table = grid(["start_with_A", "start_with_B"], times, ["A_measured", "B_measured"])
    p = nominal("Conversion_Reaction")
    scale = {"lin": float, "log": np.log, "log10": np.log10}
    theta = [scale[s](p[i]) for i, s in zip(PARAMETER_IDS, SCALES, strict=True)]
    sigma = table["observableId"].map({"A_measured": p["sigma_A"], "B_measured": p["sigma_B"]})
    noise = np.random.default_rng(SEED).normal(size=len(table)) * sigma
    return table.assign(measurement=(simulate(theta, table)[0] + noise).round(3))


def robertson_stiff() -> pd.DataFrame:
    rise = [5e-5, 1e-4, 1.5e-4, 2e-4, 2.5e-4]
    times = [*rise, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]
    k1, k2, k3, initial_a, scale_b, sigma_a, sigma_b = nominal("Robertson_Stiff")

    def rhs(_: float, x: np.ndarray) -> list[float]:
        a, b, c = x
        r1, r2, r3 = k1 * a, k2 * b * b, k3 * b * c
        return [r3 - r1, r1 - r2 - r3, r2]

    start = [initial_a, 0.0, 0.0]
    x = solve_ivp(rhs, (0, times[-1]), start, "Radau", times, rtol=1e-12, atol=1e-18).y
    table = grid(["batch"], times, ["A_measured", "B_signal"])
    signal = np.stack([x[0], scale_b * x[1]], axis=1)
    noise = np.random.default_rng(SEED).normal(size=signal.shape) * [sigma_a, sigma_b]
    a, b = (signal + noise).T
    return table.assign(measurement=np.stack([a.round(9), b.round(3)], axis=1).ravel())


# What the stock was when it was surveyed. Nominal values are the fit to that, so not the same.
STOCK = {"growth": 0.5, "capacity": 1000.0, "quota": 100.0, "initial": 300.0, "sigma": 10.0}


def harvested_stock() -> pd.DataFrame:
    times = [float(year) for year in range(13)]
    table = grid(["closed", "fished"], times, ["survey"])

    def stock(quota: float) -> np.ndarray:
        return solve_ivp(
            lambda _, n: STOCK["growth"] * n * (1 - n / STOCK["capacity"]) - quota,
            (0, times[-1]), [STOCK["initial"]], "DOP853", times, rtol=1e-12, atol=1e-9,
        ).y[0]  # fmt: skip

    signal = np.concatenate([stock(0.0), stock(STOCK["quota"])])
    noise = np.random.default_rng(SEED).normal(size=len(table)) * STOCK["sigma"]
    return table.assign(measurement=(signal + noise).round(1))


def constant_ligand() -> pd.DataFrame:
    times = [0.0, 1.0, 2.0, 4.0, 7.0, 12.0, 20.0]
    table = grid(["low_dose", "high_dose"], times, ["bound_measured", "ligand_measured"])
    k_on, k_off, ligand_stock, dilution, receptor_stock, *sigmas = nominal("Constant_Ligand")
    signal = []
    for dose in (1.0, 4.0):
        ligand, receptor = dose * ligand_stock / dilution, receptor_stock / dilution
        bound = solve_ivp(
            lambda _, b: k_on * ligand * (receptor - b) - k_off * b,  # noqa: B023
            (0, times[-1]), [0.0], "DOP853", times, rtol=1e-12, atol=1e-12,
        ).y[0]  # fmt: skip
        signal.append(np.stack([bound, np.full(len(times), ligand)], axis=1))
    noise = np.random.default_rng(SEED).normal(size=(len(signal) * len(times), 2)) * sigmas
    measured = np.concatenate(signal) + noise
    return table.assign(measurement=measured.round(3).ravel())


def v2_grid(experiments: dict[str, list[float]], observables: list[str]) -> pd.DataFrame:
    rows = [
        (experiment, time, observable)
        for experiment, times in experiments.items()
        for time in times
        for observable in observables
    ]
    return pd.DataFrame(rows, columns=["experimentId", "time", "observableId"])


def integrated(table: pd.DataFrame, courses: dict[str, tuple], names: list[str]) -> np.ndarray:
    """States by experiment and time: each course has a start and (until, right side, change)."""
    found = {}
    for experiment, (start, periods) in courses.items():
        times = sorted(table.loc[table["experimentId"] == experiment, "time"].unique())
        state, now = np.array(start, dtype=float), 0.0
        for until, rhs, change in periods:
            state = change(state)
            inside = [t for t in times if now <= t < until]
            end = until if np.isfinite(until) else times[-1] + 1
            x = solve_ivp(rhs, (now, end), state, "DOP853", [*inside, end], rtol=1e-12, atol=1e-12)
            found |= {(experiment, t): x.y[:, i] for i, t in enumerate(inside)}
            state, now = x.y[:, -1], until
    rows = zip(table["experimentId"], table["time"], table["observableId"], strict=True)
    return np.array([found[e, t][names.index(o)] for e, t, o in rows])


def same(state: np.ndarray) -> np.ndarray:
    return state


def inhibited_conversion() -> pd.DataFrame:
    times = [0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0]
    names = ["A_measured", "B_measured"]
    table = v2_grid(dict.fromkeys(["control", "inhibitor", "wash_out"], times), names)
    k1, k2, total, remaining, fed, sigma_a, sigma_b = nominal("Inhibited_Conversion")

    def rhs(activity: float):
        return lambda _, x: (k2 * x[1] - activity * k1 * x[0]) * np.array([1.0, -1.0])

    start, end = [total, 0.0], np.inf
    x = integrated(
        table,
        {
            "control": (start, [(end, rhs(1.0), same)]),
            "inhibitor": (start, [(2.0, rhs(1.0), same), (end, rhs(remaining), same)]),
            "wash_out": (
                start,
                [
                    (2.0, rhs(1.0), same), (5.0, rhs(remaining), same),
                    (end, rhs(1.0), lambda x: x + np.array([fed, 0.0])),
                ],
            ),
        },
        names,
    )  # fmt: skip
    noise = np.random.default_rng(SEED).normal(size=len(table))
    is_a = table["observableId"].eq("A_measured")
    measured = np.where(is_a, x + sigma_a * noise, x * np.exp(sigma_b * noise))
    return table.assign(measurement=measured.round(3))


def infused_tracer() -> pd.DataFrame:
    times = [0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 8.0, 10.0]
    names = ["plasma_measured", "tissue_measured"]
    table = v2_grid(dict.fromkeys(["infused", "rest"], times), names)
    p = nominal("Infused_Tracer")
    rate = p["loss"] + p["uptake"]
    plasma = p["basal"] / rate
    start = [plasma, p["uptake"] * plasma / p["clearance"]]

    def rhs(infusion: float):
        return lambda _, x: [
            infusion - rate * x[0], p["uptake"] * x[0] - p["clearance"] * x[1]
        ]  # fmt: skip

    def bolus(x: np.ndarray) -> np.ndarray:
        return x + np.array([p["dose"], 0.0])

    raised, end = p["fold"] * p["basal"], np.inf
    x = integrated(
        table,
        {
            "rest": (start, [(4.0, rhs(p["basal"]), same), (end, rhs(p["basal"]), bolus)]),
            "infused": (
                [plasma, p["left"]],
                [(4.0, rhs(raised), same), (6.0, rhs(raised), bolus), (end, rhs(0.0), same)],
            ),
        },
        names,
    )
    random = np.random.default_rng(SEED)
    is_plasma = table["observableId"].eq("plasma_measured")
    noise = np.where(
        is_plasma,
        p["sigma_plasma"] * random.normal(size=len(table)),
        p["sigma_tissue"] * random.laplace(size=len(table)),
    )
    return table.assign(measurement=(x + noise).round(3))


TABLES = {
    "Conversion_Reaction": conversion_reaction,
    "Robertson_Stiff": robertson_stiff,
    "Harvested_Stock": harvested_stock,
    "Constant_Ligand": constant_ligand,
    "Inhibited_Conversion": inhibited_conversion,
    "Infused_Tracer": infused_tracer,
}

if __name__ == "__main__":
    for problem_id, make in TABLES.items():
        path = EMBEDDED / problem_id / "measurements.tsv"
        make().to_csv(path, sep="\t", index=False, float_format="%.12g")
