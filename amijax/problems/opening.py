"""Opening a PEtab problem, v1 or v2, from files on disk."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import libsbml
import numpy as np
import petab.v1 as petab
from petab.v1 import C

from amijax.logs import quiet_petab
from amijax.problems.files import files_digest, read_files
from amijax.problems.findings import Finding, Findings
from amijax.problems.inspection import check_sbml, check_table
from amijax.problems.limits import LOCAL_LIMITS, BundleLimits
from amijax.problems.linting import Checked, ProblemTables, lint
from amijax.problems.linting.v2 import read_v2
from amijax.problems.names import quoted
from amijax.problems.nominal import settle_nominal_values
from amijax.problems.petab_yaml import PetabFiles, read_petab_yaml
from amijax.problems.placeholders import COLUMNS
from amijax.problems.problem import Problem, ProblemError
from amijax.problems.scale_choice import ScaleChoice
from amijax.problems.tables import Table, read_tables
from amijax.scales import Scale, to_scaled

_DOI = re.compile(r"(?:doi\.org/|doi:?\s*|/doi/)(10\.\d{4,9}/[^\s<>\"]+)", re.IGNORECASE)


def open_problem(
    path: Path,
    problem_id: str | None = None,
    *,
    scales: ScaleChoice | None = None,
    limits: BundleLimits = LOCAL_LIMITS,
) -> Problem:
    """Open the PEtab problem of a YAML file, after a look at every file that it names.

    Args:
        path: the YAML file; it may name neighbours of its folder (`../model.xml`).
        problem_id: the problem's name, by default from the path.
        scales: of theta, for all parameters or for some; PEtab v2 only, as v1 has its own.
        limits: how large the files may be.

    Raises:
        ProblemError: the problem can't be used; the message names all that is wrong.
    """
    quiet_petab()
    problem_id = problem_id or problem_id_of(path)
    path = path.absolute()
    files = read_files(path, limits)
    names = read_petab_yaml(files[path.name], str(path), limits)
    if scales is not None and names.version == "1":
        raise ProblemError(
            f"{path} is a PEtab v1 problem, whose parameter table says what the scales are; only "
            "those of PEtab v2 problems can be chosen."
        )
    findings = Findings()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            checked, defaults = _checked(names, files, str(path), scales, limits, findings)
            problem = checked.problem
            settle_nominal_values(problem.parameter_df, findings)
            _simplify_sbml(problem)
            digest = files_digest(path.name, files)
            record = _record(problem, path, problem_id, digest, findings.warnings)
            return replace(
                record,
                petab_version=names.version,
                experiments=checked.experiments,
                default_scales=defaults or record.scales,
            )
    except ProblemError:
        raise
    except Exception as error:  # petab, pandas and libSBML raise what they like on odd files
        raise ProblemError(
            f"{path} can't be read as a PEtab problem; its readers stop with "
            f"{quoted(str(error) or type(error).__name__)}."
        ) from error


def _checked(
    names: PetabFiles, files: Mapping[str, bytes], path: str, scales: ScaleChoice | None,
    limits: BundleLimits, findings: Findings,
) -> tuple[Checked, tuple[Scale, ...]]:  # fmt: skip
    """PEtab's own problem, all of it checked, and PEtab v2's default scales.

    Raises:
        ProblemError: something is wrong; the message names all of it.
    """
    check_sbml(files[names.model], names.model, limits)
    for name in names.tables:
        check_table(files[name], name, limits)
    tables = {
        kind: read_tables(kind, [(name, files[name]) for name in of_kind], findings)
        for kind, of_kind in (
            ("parameter", names.parameters),
            ("condition", names.conditions),
            ("experiment", names.experiments),
            ("measurement", names.measurements),
            ("observable", names.observables),
            ("mapping", names.mappings),
        )
    }
    findings.refuse(path)
    defaults: tuple[Scale, ...] = ()
    if names.version == "2":
        problem_tables, defaults = read_v2(tables, names.model_id, scales, findings)
        findings.refuse(path)
    else:
        problem_tables = _v1_tables(tables)
    checked = lint(
        problem_tables, files[names.model].decode("utf-8-sig"), names.model, findings
    )  # fmt: skip
    findings.refuse(path)
    assert checked is not None
    return checked, defaults


def _v1_tables(tables: Mapping[str, Table | None]) -> ProblemTables:
    # Findings say of each table that is None why, but of conditions there may be none.
    parameters, measurements = tables["parameter"], tables["measurement"]
    observables = tables["observable"]
    assert parameters is not None
    assert measurements is not None
    assert observables is not None
    columns = {name: c for name, c in observables.columns.items() if name not in COLUMNS.values()}
    return ProblemTables(
        parameters, tables["condition"], measurements, replace(observables, columns=columns)
    )


def problem_id_of(yaml_path: Path) -> str:
    """The id of a problem on disk: the YAML file's stem, the folder's name for `problem.yaml`."""
    stem = yaml_path.stem
    return yaml_path.resolve().parent.name if stem == "problem" else stem


def _simplify_sbml(problem: petab.Problem) -> None:
    """Make local parameters global and expand functions once, as AMICI's import does; drop
    packages, which are without influence on any number where the model was not refused.
    """
    document = problem.model.sbml_document
    plugins = [document.getPlugin(i) for i in range(document.getNumPlugins())]
    for uri, prefix in [(plugin.getURI(), plugin.getPrefix()) for plugin in plugins]:
        # Level 3 Version 2 has its own mathematics as a plugin under the address of its core.
        if "l3v2extendedmath" not in uri and not uri.endswith("/core"):
            document.enablePackage(uri, prefix, False)
    converter = libsbml.SBMLLocalParameterConverter()
    document.convert(converter.getDefaultProperties())
    # AMICI's mapping evaluates initial assignments as Python: no function may have a name of
    # the model's choice, such as exec.
    converter = libsbml.SBMLFunctionDefinitionConverter()
    document.convert(converter.getDefaultProperties())


def _record(
    problem: petab.Problem, path: Path, problem_id: str, digest: str, found: tuple[Finding, ...]
) -> Problem:
    ids = tuple(problem.x_free_ids)
    table = problem.parameter_df.loc[list(ids)]
    scales: tuple[Scale, ...] = tuple(table[C.PARAMETER_SCALE])
    names = table.get(C.PARAMETER_NAME)
    linear = table[[C.NOMINAL_VALUE, C.LOWER_BOUND, C.UPPER_BOUND]].to_numpy(dtype=np.float64)
    nominal, lower, upper = to_scaled(linear.T, scales)
    for array in (nominal, lower, upper):
        array.setflags(write=False)
    sbml = problem.model.sbml_model
    fixed = problem.parameter_df.loc[problem.x_fixed_ids, C.NOMINAL_VALUE]
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
        fixed_parameters={str(i): float(value) for i, value in fixed.items()},
        warnings=found,
    )


def _notes(model: libsbml.Model) -> str:
    text = re.sub(r"<[^>]*>", " ", model.getNotesString() or "")
    return " ".join(text.split())


def _reference(model: libsbml.Model) -> str | None:
    """Address of the publication: the first DOI in the model's notes or annotation."""
    for text in (model.getNotesString(), model.getAnnotationString()):
        if match := _DOI.search(text or ""):
            return "https://doi.org/" + match[1].rstrip(".,;)/")
    return None
