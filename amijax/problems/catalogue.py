"""The problems there are, and opening one by its id or by the path of its YAML file."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import libsbml
import numpy as np
import petab.v1 as petab
import yaml
from petab.v1 import C

from amijax.logs import quiet_petab
from amijax.paths import collection_dir
from amijax.problems.problem import Problem, ProblemError
from amijax.scales import Scale, to_scaled

DEFAULT_PROBLEM = "Boehm_JProteomeRes2014"
# AMICI renames model quantities of these names, after which PEtab's mapping misses them.
_RESERVED = {"x", "k", "p", "y", "w", "h"}

EMBEDDED = Path(__file__).parent / "embedded"

_DOI = re.compile(r"(?:doi\.org/|doi:?\s*|/doi/)(10\.\d{4,9}/[^\s<>\"]+)", re.IGNORECASE)


@dataclass(frozen=True)
class ProblemInfo:
    """What is known of a problem before it is opened."""

    problem_id: str
    source: Literal["embedded", "collection"]
    path: Path


def list_problems() -> tuple[ProblemInfo, ...]:
    """All problems that `load_problem` knows by id: the embedded ones, the default first,
    then those of the local collection that `AMIJAX_COLLECTION` names.
    """
    found = {info.problem_id: info for info in _in_folder(EMBEDDED, "embedded")}
    if (collection := collection_dir()) is not None:
        for info in _in_folder(collection, "collection"):
            found.setdefault(info.problem_id, info)
    ordered = sorted(found.values(), key=lambda info: (info.source != "embedded", info.problem_id))
    return tuple(sorted(ordered, key=lambda info: info.problem_id != DEFAULT_PROBLEM))


def load_problem(id_or_path: str | Path = DEFAULT_PROBLEM) -> Problem:
    """Open a PEtab v1 problem.

    Args:
        id_or_path: an id that `list_problems` names, or the path of a YAML file.

    Raises:
        ProblemError: there is no such problem, or it can't be used; the message says why.
    """
    known = {info.problem_id: info for info in list_problems()}
    if str(id_or_path) in known:
        info = known[str(id_or_path)]
        return _open(info.path, info.problem_id)
    path = Path(id_or_path).expanduser()
    if path.is_dir():
        raise ProblemError(
            f"{path} is a folder: give the path of the problem's YAML file inside it."
        )
    if not path.is_file():
        raise ProblemError(
            f"There is no problem {str(id_or_path)!r}: neither an id ({', '.join(known)}) "
            "nor the path of an existing YAML file."
        )
    return _open(path, problem_id_of(path))


def problem_id_of(yaml_path: Path) -> str:
    """The id of a problem on disk: the YAML file's stem, the folder's name for `problem.yaml`."""
    stem = yaml_path.stem
    return yaml_path.resolve().parent.name if stem == "problem" else stem


def _in_folder(folder: Path, source: Literal["embedded", "collection"]) -> list[ProblemInfo]:
    infos = []
    for sub in sorted(p for p in folder.iterdir() if p.is_dir()):
        for name in (f"{sub.name}.yaml", "problem.yaml"):
            if (sub / name).is_file():
                infos.append(ProblemInfo(sub.name, source, sub / name))
                break
    return infos


def _open(path: Path, problem_id: str) -> Problem:
    quiet_petab()
    _check_yaml(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            petab_problem = petab.Problem.from_yaml(path)
    except Exception as error:  # petab raises whatever its readers raise
        raise ProblemError(f"{path} can't be read as a PEtab problem: {error}") from error
    _check_complete(petab_problem, path)
    _check_ids(petab_problem, path)
    _drop_empty_columns(petab_problem)
    _flatten(petab_problem)
    _simplify_sbml(petab_problem)
    return _record(petab_problem, path, problem_id)


def _check_yaml(path: Path) -> None:
    """Refuse, before any of its files is read, a problem that can't be one of ours."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ProblemError(f"{path} is not a readable YAML file: {error}") from error
    if not isinstance(content, dict) or "problems" not in content:
        version = content.get("format_version") if isinstance(content, dict) else None
        if str(version).startswith("2"):
            raise ProblemError(
                f"{path} is a PEtab v2 problem: only PEtab v1 with an SBML model is supported."
            )
        raise ProblemError(
            f"{path} is not a PEtab problem: a YAML file with format_version, parameter_file "
            "and problems was expected."
        )
    problems = content["problems"]
    if not isinstance(problems, list) or len(problems) != 1 or not isinstance(problems[0], dict):
        raise ProblemError(f"{path}: exactly one entry below `problems` is supported.")
    models = problems[0].get("model_files") or {}
    languages = {str(model.get("language")) for model in models.values()} - {"sbml"}
    if languages:
        raise ProblemError(
            f"{path}: the model is written in {', '.join(sorted(languages))}; "
            "only SBML models are supported."
        )
    for name in _referenced(content):
        if "://" in name:
            raise ProblemError(f"{path} refers to the address {name}: only local files are read.")
        if not (path.parent / name).is_file():
            raise ProblemError(f"{path} refers to {name}, which is not there.")


def _referenced(content: object) -> list[str]:
    """All file names that a PEtab YAML refers to."""
    names: list[str] = []
    if isinstance(content, dict):
        for key, value in content.items():
            if key in ("parameter_file", "location") and isinstance(value, str):
                names.append(value)
            elif isinstance(key, str) and key.endswith("_files") and isinstance(value, list):
                names.extend(str(item) for item in value)
            else:
                names.extend(_referenced(value))
    elif isinstance(content, list):
        for item in content:
            names.extend(_referenced(item))
    return names


def _check_complete(problem: petab.Problem, path: Path) -> None:
    parts = {
        "model": problem.model,
        "parameter table": problem.parameter_df,
        "condition table": problem.condition_df,
        "observable table": problem.observable_df,
        "measurement table": problem.measurement_df,
    }
    missing = [name for name, part in parts.items() if part is None]
    if missing:
        raise ProblemError(f"{path} has no {' and no '.join(missing)}.")
    if not problem.x_free_ids:
        raise ProblemError(
            f"{path}: no parameter is estimated, so there is no gradient to look at."
        )


def _check_ids(problem: petab.Problem, path: Path) -> None:
    sbml_ids = {item.getIdAttribute() for item in problem.model.sbml_model.getListOfParameters()}
    if reserved := sorted(_RESERVED & (sbml_ids | set(problem.parameter_df.index))):
        raise ProblemError(
            f"{path}: AMICI reserves the id {' and the id '.join(reserved)} for itself and can't "
            "map a parameter of that name; rename it in the model and in the tables."
        )


def _drop_empty_columns(problem: petab.Problem) -> None:
    """Drop optional columns without any value: they mean nothing, and pandas warns about them."""
    table = problem.measurement_df
    optional = (C.PREEQUILIBRATION_CONDITION_ID, C.OBSERVABLE_PARAMETERS, C.NOISE_PARAMETERS)
    empty = [name for name in optional if name in table and table[name].isna().all()]
    problem.measurement_df = table.drop(columns=empty)


def _flatten(problem: petab.Problem) -> None:
    """Replicate observables with timepoint-specific overrides: AMICI can't express them."""
    numeric_noise = not petab.lint.observable_table_has_nontrivial_noise_formula(
        problem.observable_df
    )
    if petab.lint.measurement_table_has_timepoint_specific_mappings(
        problem.measurement_df, allow_scalar_numeric_noise_parameters=numeric_noise
    ):
        petab.flatten_timepoint_specific_output_overrides(problem)


def _simplify_sbml(problem: petab.Problem) -> None:
    """Make local parameters global and expand functions once, as AMICI's import does."""
    converter = libsbml.SBMLLocalParameterConverter()
    problem.model.sbml_document.convert(converter.getDefaultProperties())
    # AMICI's mapping evaluates initial assignments as Python: no function may have a name of
    # the model's choice, such as exec.
    converter = libsbml.SBMLFunctionDefinitionConverter()
    problem.model.sbml_document.convert(converter.getDefaultProperties())


def _record(problem: petab.Problem, path: Path, problem_id: str) -> Problem:
    ids = tuple(problem.x_free_ids)
    table = problem.parameter_df.loc[list(ids)]
    scales = _scales(table, path)
    names = table.get(C.PARAMETER_NAME)
    linear = table[[C.NOMINAL_VALUE, C.LOWER_BOUND, C.UPPER_BOUND]].to_numpy(dtype=np.float64)
    nominal, lower, upper = to_scaled(linear.T, scales)
    for array in (nominal, lower, upper):
        array.setflags(write=False)
    sbml = problem.model.sbml_model
    return Problem(
        problem_id=problem_id,
        petab_problem=problem,
        source=path.resolve(),
        description=_notes(sbml),
        reference=_reference(sbml),
        parameter_ids=ids,
        parameter_names=tuple(
            name if isinstance(name, str) and name else i
            for i, name in zip(ids, ids if names is None else names, strict=True)
        ),
        scales=scales,
        nominal_theta=nominal,
        lower_theta=lower,
        upper_theta=upper,
        fixed_parameters={
            str(i): float(value)
            for i, value in zip(problem.x_fixed_ids, problem.x_nominal_fixed, strict=True)
        },
    )


def _scales(table: object, path: Path) -> tuple[Scale, ...]:
    column = table.get(C.PARAMETER_SCALE)  # type: ignore[attr-defined]
    values = ["lin"] * len(table) if column is None else list(column)  # type: ignore[arg-type]
    scales = tuple(value if isinstance(value, str) and value else "lin" for value in values)
    if unknown := set(scales) - set(get_args(Scale)):
        raise ProblemError(
            f"{path}: parameterScale {', '.join(sorted(unknown))} is unknown; "
            "PEtab v1 has lin, log and log10."
        )
    return scales  # type: ignore[return-value]


def _notes(model: libsbml.Model) -> str:
    text = re.sub(r"<[^>]*>", " ", model.getNotesString() or "")
    return " ".join(text.split())


def _reference(model: libsbml.Model) -> str | None:
    """Address of the publication: the first DOI in the model's notes or annotation."""
    for text in (model.getNotesString(), model.getAnnotationString()):
        if match := _DOI.search(text or ""):
            return "https://doi.org/" + match[1].rstrip(".,;)/")
    return None
