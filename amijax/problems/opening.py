"""Opening a PEtab v1 problem from files on disk."""

from __future__ import annotations

import re
import warnings
from pathlib import Path, PurePosixPath
from typing import get_args

import libsbml
import numpy as np
import petab.v1 as petab
from petab.v1 import C

from amijax.logs import quiet_petab
from amijax.problems.files import files_digest, read_files
from amijax.problems.inspection import check_sbml, check_table
from amijax.problems.limits import LOCAL_LIMITS, BundleLimits
from amijax.problems.petab_yaml import PetabFiles, read_petab_yaml
from amijax.problems.problem import Problem, ProblemError
from amijax.scales import FloatArray, Scale, to_scaled

_DOI = re.compile(r"(?:doi\.org/|doi:?\s*|/doi/)(10\.\d{4,9}/[^\s<>\"]+)", re.IGNORECASE)


def open_problem(
    path: Path, problem_id: str | None = None, *, limits: BundleLimits = LOCAL_LIMITS
) -> Problem:
    """Open the PEtab v1 problem of a YAML file, after a look at every file that it names.

    Args:
        path: the YAML file; it may name neighbours of its folder (`../model.xml`).
        problem_id: the problem's name, by default from the path.
        limits: how large the files may be.

    Raises:
        ProblemError: the problem can't be used; the message says why.
    """
    problem = read_tables_and_model(path, limits)
    problem_id = problem_id or problem_id_of(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _drop_empty_columns(problem)
            _simplify_sbml(problem)
            digest = files_digest(path.name, read_files(path, limits))
            record = _record(problem, path, problem_id, digest)
            if record.simulation_conditions.empty:
                raise ProblemError(f"{path}: the measurement table names no condition to simulate.")
            return record
    except ProblemError:
        raise
    except Exception as error:  # petab and pandas raise what they like on odd tables
        raise _unreadable(path, error) from error


def read_tables_and_model(path: Path, limits: BundleLimits = LOCAL_LIMITS) -> petab.Problem:
    """PEtab's own problem, complete, but otherwise as the files have it.

    Raises:
        ProblemError: a file is missing, refused, or can't be read.
    """
    quiet_petab()
    path = path.absolute()
    files = read_petab_yaml(_bytes(path, path.name, limits.yaml_bytes), str(path), limits)
    _check_files(path, files, limits)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            problem = petab.Problem.from_yaml(files.config(), base_path=str(path.parent))
            if len(files.parameters) > 1:
                tables = [path.parent / name for name in files.parameters]
                problem.parameter_df = petab.get_parameter_df(tables)
            _check_complete(problem, path)
    except ProblemError:
        raise
    except Exception as error:  # petab raises whatever its readers raise
        raise _unreadable(path, error) from error
    return problem


def problem_id_of(yaml_path: Path) -> str:
    """The id of a problem on disk: the YAML file's stem, the folder's name for `problem.yaml`."""
    stem = yaml_path.stem
    return yaml_path.resolve().parent.name if stem == "problem" else stem


def _check_files(path: Path, files: PetabFiles, limits: BundleLimits) -> None:
    for name in (files.model, *files.tables):
        if not (path.parent / PurePosixPath(name)).is_file():
            raise ProblemError(f"{path} refers to {name}, which is not there.")
    check_sbml(
        _bytes(path.parent / files.model, files.model, limits.sbml_bytes), files.model, limits
    )
    for name in files.tables:
        check_table(_bytes(path.parent / name, name, limits.table_bytes), name, limits)


def _bytes(path: Path, name: str, limit: int) -> bytes:
    """A file's content, one byte more than the limit at most."""
    try:
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise ProblemError(f"{name} can't be read: {error.strerror or error}.") from error


def _unreadable(path: Path, error: Exception) -> ProblemError:
    shown = " ".join(str(error).split())[:500] or type(error).__name__
    return ProblemError(f"{path} can't be read as a PEtab problem: {shown}")


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
    _check_columns(problem, path)
    document = problem.model.sbml_document
    for i in range(document.getNumErrors()):
        error = document.getError(i)
        if error.getSeverity() >= libsbml.LIBSBML_SEV_ERROR:
            shown = " ".join(error.getMessage().split())[:300]
            raise ProblemError(f"{path}: the model is not valid SBML: {shown}")
    if not problem.x_free_ids:
        raise ProblemError(
            f"{path}: no parameter is estimated, so there is no gradient to look at."
        )


def _drop_empty_columns(problem: petab.Problem) -> None:
    """Drop optional columns without any value: they mean nothing, and pandas warns about them."""
    table = problem.measurement_df
    optional = (C.PREEQUILIBRATION_CONDITION_ID, C.OBSERVABLE_PARAMETERS, C.NOISE_PARAMETERS)
    empty = [name for name in optional if name in table and table[name].isna().all()]
    problem.measurement_df = table.drop(columns=empty)


def _check_columns(problem: petab.Problem, path: Path) -> None:
    # A table without parameterScale is on linear scale, here as in much other software.
    parameters = {*C.PARAMETER_DF_REQUIRED_COLS, C.NOMINAL_VALUE} - {C.PARAMETER_SCALE}
    for name, table, required in (
        ("parameter", problem.parameter_df, parameters),
        ("condition", problem.condition_df, {C.CONDITION_ID}),
        ("observable", problem.observable_df, C.OBSERVABLE_DF_REQUIRED_COLS),
        ("measurement", problem.measurement_df, C.MEASUREMENT_DF_REQUIRED_COLS),
    ):
        if missing := sorted(set(required) - {*table.columns, table.index.name}):
            raise ProblemError(
                f"{path}: the {name} table has no column {' and no '.join(missing)}, which a "
                "PEtab problem needs."
            )


def _simplify_sbml(problem: petab.Problem) -> None:
    """Make local parameters global and expand functions once, as AMICI's import does."""
    converter = libsbml.SBMLLocalParameterConverter()
    problem.model.sbml_document.convert(converter.getDefaultProperties())
    # AMICI's mapping evaluates initial assignments as Python: no function may have a name of
    # the model's choice, such as exec.
    converter = libsbml.SBMLFunctionDefinitionConverter()
    problem.model.sbml_document.convert(converter.getDefaultProperties())


def _record(problem: petab.Problem, path: Path, problem_id: str, digest: str) -> Problem:
    ids = tuple(problem.x_free_ids)
    table = problem.parameter_df.loc[list(ids)]
    scales = _scales(table, path)
    names = table.get(C.PARAMETER_NAME)
    linear = table[[C.NOMINAL_VALUE, C.LOWER_BOUND, C.UPPER_BOUND]].to_numpy(dtype=np.float64)
    nominal, lower, upper = to_scaled(linear.T, scales)
    _check_numbers(ids, nominal, lower, upper, path)
    for array in (nominal, lower, upper):
        array.setflags(write=False)
    sbml = problem.model.sbml_model
    return Problem(
        problem_id=problem_id,
        petab_problem=problem,
        source=path.resolve(),
        digest=digest,
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


def _check_numbers(
    ids: tuple[str, ...], nominal: FloatArray, lower: FloatArray, upper: FloatArray, path: Path
) -> None:
    """Refuse free parameters without a usable nominal value, where everything starts, or bounds."""
    for name, value, low, high in zip(ids, nominal, lower, upper, strict=True):
        if not np.isfinite(value):
            raise ProblemError(
                f"{path}: {name} is estimated but has no nominalValue that is a number on its "
                "scale; give one in the parameter table."
            )
        if not low <= high:
            raise ProblemError(
                f"{path}: {name} is estimated but its lowerBound and upperBound are not two "
                "numbers on its scale, the lower one first; correct the parameter table."
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
