"""The text of the page "About"."""

from __future__ import annotations

import platform
from importlib.metadata import version

import streamlit as st

from amijax._version import __version__
from amijax.paths import cache_dir

_TEXT = """
**What is compared.** AMICI simulates an ODE model and its sensitivities with SUNDIALS and gives
the log-likelihood (llh) of a PEtab problem and its gradient. The same simulation also runs inside
a JAX function: JAX transforms the parameters from their scale to linear scale, hands them to AMICI
through a callback, and multiplies AMICI's gradient by the derivative of the transformation.

**Why float32 differs.** AMICI always computes in float64. With x64 off, JAX rounds the parameters
to 24 significant bits, computes `10**theta` with them, and rounds what comes back. Where the
log-likelihood is strongly curved, that small change of the point is a large change of the gradient.

**Agreement is not accuracy.** A relative difference of 0 says that both sides did the same
computation. How near its result is to the true gradient depends on the solver's tolerances.

**Terms.** `theta`: the free parameters on their PEtab scale (lin, log or log10). Gradients are
with respect to theta. `rel_diff` is (amici − jax) / |amici|, and 0 where both are 0. Nothing is
negated: llh is the log-likelihood, larger is better.
"""


def show() -> None:
    """Explain terms, give versions and the cache folder."""
    st.markdown(_TEXT)
    packages = ("amici", "jax", "petab", "numpy", "streamlit")
    st.table(
        {
            "amijax": __version__,
            "Python": platform.python_version(),
            **{name: version(name) for name in packages},
            "compiled models": f"`{cache_dir() / 'models'}`",
        },
        border="horizontal",
        width="content",
    )
