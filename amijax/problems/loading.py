"""Opening a problem by its id or by the path of its YAML file."""

from __future__ import annotations

from pathlib import Path

from amijax.problems.catalogue import DEFAULT_PROBLEM, list_problems
from amijax.problems.download import OnDownload, download_problem
from amijax.problems.names import nearest
from amijax.problems.opening import open_problem, problem_id_of
from amijax.problems.problem import Problem, ProblemError
from amijax.problems.scale_choice import ScaleChoice


def load_problem(
    id_or_path: str | Path = DEFAULT_PROBLEM,
    *,
    repair: bool = True,
    scales: ScaleChoice | None = None,
    on_download: OnDownload | None = None,
) -> Problem:
    """Open a PEtab problem, v1 or v2; one of the collection that is not here is downloaded first.

    Args:
        id_or_path: an id that `list_problems` names, or the path of a YAML file.
        repair: whether the model is changed where AMICI would compute wrong numbers; off to see
            what AMICI makes of it as it is.
        scales: of theta for a PEtab v2 problem, which has none of its own: `lin`, `log` or `log10`
            for all parameters, or by parameter id for some. If not given, and for the others,
            log10 where bounds and nominal value are positive and the bounds are more than two
            decades apart, else lin.
        on_download: called with the state of a download; see `download_problem`.

    Raises:
        DownloadError: its files can't be had.
        ProblemError: there is no such problem, or it can't be used; the message says why.

    Examples:
        >>> from amijax import load_problem
        >>> problem = load_problem("Conversion_Reaction")
        >>> problem.parameter_ids
        ('k1', 'k2', 'total', 'background_B', 'sigma_A', 'sigma_B')
        >>> problem.scales[0], problem.n_measurements
        ('log10', 28)
    """
    problem = _load(id_or_path, scales, on_download)
    return problem if repair else problem.without_repairs()


def _load(
    id_or_path: str | Path, scales: ScaleChoice | None, on_download: OnDownload | None
) -> Problem:
    known = {info.problem_id: info for info in list_problems()}
    if (info := known.get(str(id_or_path))) is not None:
        path = info.path
        if path is None or info.source == "downloaded":  # what is damaged is fetched again
            path = download_problem(info.problem_id, on_download).path
        return open_problem(path, info.problem_id, scales=scales)
    path = Path(id_or_path).expanduser()
    if path.is_dir():
        raise ProblemError(
            f"{path} is a folder: give the path of the problem's YAML file inside it."
        )
    if not path.is_file():
        raise ProblemError(
            f"There is no problem {str(id_or_path)!r}: it is neither an id"
            f"{nearest(str(id_or_path), known, by_author=True)} nor the path of an existing YAML "
            "file. `python -m amijax list` names all ids."
        )
    return open_problem(path, problem_id_of(path), scales=scales)
