"""Why a batch can't go to a Dask cluster, in words on the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from amijax.cluster.errors import ClusterError
from amijax.problems import ProblemError


@contextmanager
def cluster_errors() -> Iterator[None]:
    """End the page with a sentence where the cluster of `AMIJAX_DASK_SCHEDULER` can't be used."""
    try:
        yield
    except (ClusterError, ProblemError) as error:
        st.error(str(error))
        st.stop()
