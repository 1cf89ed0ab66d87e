"""What the words on the pages mean, with links to PEtab's, AMICI's and JAX's documentation."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

_PETAB = "https://petab.readthedocs.io/en/latest/"
_NOTEBOOK = "https://amici.readthedocs.io/en/v0.23.1/ExampleJax.html"
_AMICI = "https://amici.readthedocs.io/en/latest/"
_JAX = "https://docs.jax.dev/en/latest/"


@dataclass(frozen=True)
class Entry:
    """A term, what it means in plain words, and where more is said (may be empty)."""

    term: str
    meaning: str
    link: str = ""


GLOSSARY: dict[str, tuple[Entry, ...]] = {
    "The problem": (
        Entry(
            "PEtab",
            "A file format for parameter-estimation problems: a model, its measurements, the "
            "conditions they were made under, and the parameters to be estimated.",
            _PETAB,
        ),
        Entry(
            "theta",
            "The estimated parameters, each on its scale (lin, log or log10). The parameter table "
            "shows and takes theta.",
            _PETAB,
        ),
        Entry(
            "linear",
            "A parameter's value as it enters the model: 10 to the power of theta on log10 scale.",
        ),
        Entry("nominal", "The value that the problem comes with, often an earlier fit's.", _PETAB),
        Entry("bound", "The smallest or largest value that a parameter may have.", _PETAB),
        Entry(
            "condition",
            "What differs from one experiment to the next: a dose, a knock-out.",
            _PETAB,
        ),
        Entry("observable", "What is measured, as a formula of the model's states.", _PETAB),
    ),
    "What is computed": (
        Entry(
            "llh",
            "The log-likelihood: the natural logarithm of how probable the measurements are at "
            "theta. Larger is better. It is never negated here.",
        ),
        Entry(
            "fit, start, optimum",
            "A fit looks for the theta with the largest llh. A start is one local optimisation, "
            "from one point to the optimum that it comes to; many starts say whether there are "
            "better ones. A waterfall shows them by their llh, the best first.",
        ),
        Entry(
            "profile, interval",
            "A profile holds one parameter at one value after the other and optimises all others "
            "anew. The 95 % interval has the values at which llh is at most 1.92 below its "
            "largest: the data don't refuse them. identifiable: it ends on both sides before the "
            "bounds.",
        ),
        Entry(
            "standard error, rank",
            "What the curvature of llh at its largest says without profiles, as if llh were a "
            "parabola. The rank counts the directions along which the curvature is more than "
            "noise; along the others the data determine nothing.",
        ),
        Entry(
            "gradient, sllh, ∂llh/∂theta",
            "One number for each parameter: how much llh changes per unit of theta. AMICI calls it "
            "sllh. Near a best fit all of them are near 0.",
        ),
        Entry(
            "sensitivities",
            "How states change with parameters, from which the gradient is made. forward: solved "
            "together with the model. adjoint: solved backwards in time, faster where there are "
            "many parameters.",
            _AMICI,
        ),
        Entry(
            "rel_diff",
            "The relative difference (amici − jax) / |amici|, 0 where both are 0. 0.01, or 1 %, "
            "means that two digits agree. AMICI's notebook divides otherwise; there is a switch.",
            _NOTEBOOK,
        ),
        Entry(
            "digits that agree, digits that are right",
            "Agreement says that two computations gave the same; it is no proof. A digit is called "
            "right if somebody who is not AMICI confirms it: see the page Audit.",
        ),
    ),
    "Precision": (
        Entry(
            "float32, float64",
            "Numbers of 32 and 64 bit, with about 7 and 16 decimal digits.",
            f"{_JAX}_autosummary/jax.enable_x64.html",
        ),
        Entry(
            "sign, exponent, mantissa",
            "The parts of a floating-point number: ± 1.mantissa times 2 to the power of the "
            "exponent. float64 has 52 bits of mantissa, float32 has 23.",
        ),
        Entry(
            "best known value",
            "What the sharpest witness says that is not AMICI. Its uncertainty limits how many of "
            "its digits are known.",
        ),
        Entry(
            "repair",
            "A change of the model where AMICI would compute wrong numbers, made before AMICI sees "
            "it. It can be switched off to see those numbers.",
        ),
        Entry(
            "x64",
            "JAX's switch jax_enable_x64. Off, JAX computes in float32; on, in float64.",
            f"{_JAX}_autosummary/jax.enable_x64.html",
        ),
        Entry(
            "rtol, atol",
            "The solver's tolerances: how large the error of a step may be, relative to a state "
            "and absolutely. Smaller ones take longer and give more right digits.",
            _AMICI,
        ),
        Entry(
            "exact",
            "Equal to the last bit. Both sides did the same computation: it says nothing about how "
            "far both are from the truth.",
        ),
    ),
    "The programs": (
        Entry(
            "AMICI",
            "Simulates models of differential equations and their sensitivities. It "
            "always computes in float64.",
            _AMICI,
        ),
        Entry(
            "SUNDIALS, CVODES",
            "The solver of differential equations that AMICI uses.",
            "https://sundials.readthedocs.io/en/latest/cvodes/",
        ),
        Entry("JAX", "Computes with arrays and differentiates programs.", _JAX),
        Entry(
            "AMICI inside JAX",
            "A JAX function that transforms theta to linear scale, calls AMICI, and multiplies "
            "AMICI's gradient by the derivative of the transformation.",
            f"{_JAX}_autosummary/jax.pure_callback.html",
        ),
    ),
}


def show() -> None:
    """Draw the glossary."""
    st.caption("Terms are those of PEtab, AMICI and JAX; links lead to their documentation.")
    for heading, entries in GLOSSARY.items():
        st.markdown(f"##### {heading}")
        st.markdown(
            "\n".join(
                f"- **{entry.term}**: {entry.meaning}"
                + (f" [Documentation]({entry.link})" if entry.link else "")
                for entry in entries
            )
        )
