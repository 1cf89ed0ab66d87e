"""Whether two evaluations are the same."""

import numpy as np


def assert_same(evaluation, expected):
    """Two evaluations are equal bit for bit, durations aside."""
    np.testing.assert_array_equal(evaluation.theta, expected.theta)
    np.testing.assert_array_equal(evaluation.llh, expected.llh)
    assert (evaluation.gradient is None) == (expected.gradient is None)
    if expected.gradient is not None:
        np.testing.assert_array_equal(evaluation.gradient, expected.gradient)
    assert evaluation.failure == expected.failure
    assert evaluation.solver == expected.solver
