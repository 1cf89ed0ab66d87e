"""What takes the place of AMICI's JAX export where a test is about something else: it is slow."""

import numpy as np

from amijax.audit.testimony import Testimony

EXPORT = "AMICI's JAX export"
WHERE = "amijax.audit.audit.jax_export_testimony"


def refusing(reason):
    """An export that can't testify."""
    return lambda _, theta, **__: tuple(
        Testimony.refusal(EXPORT, n, reason) for n in (1, len(theta))
    )


def saying(witness, *numbers):
    """What a witness says for sure: a testimony for each list of numbers."""
    values = [np.atleast_1d(each) for each in numbers]
    return tuple(Testimony(witness, v, np.full(len(v), 1e-9)) for v in values)
