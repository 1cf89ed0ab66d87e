"""What can be wrong with a cluster: an error where nothing works, a warning where some does."""


class ClusterError(RuntimeError):
    """A Dask cluster that can't be used; the message says why and what to do."""


class ClusterWarning(UserWarning):
    """Points of a batch that the cluster could not evaluate were evaluated here."""
