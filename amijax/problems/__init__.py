"""Where PEtab problems come from."""

from amijax.problems.catalogue import ProblemInfo, list_problems, load_problem
from amijax.problems.problem import Problem, ProblemError

__all__ = ["Problem", "ProblemError", "ProblemInfo", "list_problems", "load_problem"]
