"""Where PEtab problems come from."""

from amijax.problems.catalogue import ProblemInfo, list_problems
from amijax.problems.download import Download, DownloadProgress, OnDownload, download_problem
from amijax.problems.features import ProblemFeatures
from amijax.problems.fetching import DownloadError
from amijax.problems.loading import load_problem
from amijax.problems.priors import ObjectivePrior, log_prior, objective_priors
from amijax.problems.problem import Problem, ProblemError

__all__ = [
    "Download",
    "DownloadError",
    "DownloadProgress",
    "ObjectivePrior",
    "OnDownload",
    "Problem",
    "ProblemError",
    "ProblemFeatures",
    "ProblemInfo",
    "download_problem",
    "list_problems",
    "load_problem",
    "log_prior",
    "objective_priors",
]
