"""What the code generator gets to see of a problem: ids and formulas, checked, and no names.

AMICI writes names into C++ string literals without escaping them and hands formulas to
`sympy.sympify`, which evaluates Python. So names are dropped, and everything that is left
must be an id, a number or a formula of PEtab's grammar.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
import weakref
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import libsbml
import numpy as np
import pandas as pd
import petab.v1 as petab
from petab.v1 import C
from petab.v1.math import sympify_petab

from amijax.problems import Problem, ProblemError

CODEGEN_REVISION = 3  # raise it when the same problem gives other code than before

_CORE = re.compile(r"http://www\.sbml\.org/sbml/level[23](/version\d(/core)?)?")
_MATHML = "http://www.w3.org/1998/Math/MathML"
_EXTENDED_MATH = re.compile(r"http://www\.sbml\.org/sbml/level3/version1/l3v2extendedmath/.*")
_UNUSED_PACKAGES = "layout,render,groups,fbc"
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z0-9_.+:-]*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|INF|nan|NaN)")
_LARGEST_EXPONENT = 1000.0  # of a constant; sympy computes powers of integers exactly
_EXPONENT = re.compile(r"(?:\^|\*\*)[\s(+-]*(\d+\.?\d*(?:[eE][+-]?\d+)?)")
_TOWER = re.compile(r"(?:\d[\s)]*(?:\^|\*\*)[\s(+-]*){2}\d")
_SYMBOLS = "http://www.sbml.org/sbml/symbols/"

_COLUMNS = {
    "observables": (
        C.OBSERVABLE_FORMULA, C.OBSERVABLE_TRANSFORMATION, C.NOISE_FORMULA, C.NOISE_DISTRIBUTION
    ),
    "measurements": (
        C.OBSERVABLE_ID, C.PREEQUILIBRATION_CONDITION_ID, C.SIMULATION_CONDITION_ID, C.MEASUREMENT,
        C.TIME, C.OBSERVABLE_PARAMETERS, C.NOISE_PARAMETERS,
    ),
    "parameters": (
        C.PARAMETER_SCALE, C.LOWER_BOUND, C.UPPER_BOUND, C.NOMINAL_VALUE, C.ESTIMATE
    ),
}  # fmt: skip
_WORDS = {
    C.OBSERVABLE_TRANSFORMATION: C.OBSERVABLE_TRANSFORMATIONS,
    C.NOISE_DISTRIBUTION: C.NOISE_MODELS,
    C.PARAMETER_SCALE: C.PARAMETER_SCALES,
}
_FORMULAS = (C.OBSERVABLE_FORMULA, C.NOISE_FORMULA)


@dataclass(frozen=True)
class ModelSource:
    """The sanitised files of a problem, and the key of the model compiled from them."""

    files: dict[str, bytes]

    @cached_property
    def key(self) -> str:
        """Hex digest of the files and of the versions that decide about the binary."""
        versions = {
            "amici": version("amici"),
            "codegen": CODEGEN_REVISION,
            "python": [sys.implementation.cache_tag, getattr(sys, "abiflags", "")],
            "platform": [sys.platform, platform.machine()],
        }
        digest = hashlib.sha256(json.dumps(versions, sort_keys=True).encode())
        for name, content in sorted(self.files.items()):
            digest.update(f"\0{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()[:40]

    def write(self, folder: Path) -> None:
        """Write the files; a process that writes or reads the same ones is not disturbed."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            part = folder / f".{name}.{os.getpid()}"
            part.write_bytes(content)
            part.replace(folder / name)


_sources: weakref.WeakKeyDictionary[Problem, ModelSource] = weakref.WeakKeyDictionary()


def model_source(problem: Problem) -> ModelSource:
    """The sanitised copy of a problem that is compiled.

    Raises:
        ProblemError: the problem holds something that must not reach the code generator.
    """
    source = _sources.get(problem)
    if source is None:
        tables = {
            "conditions": _conditions(problem.conditions),
            "observables": problem.observables,
            "measurements": problem.measurements,
            "parameters": problem.petab_problem.parameter_df,
        }
        files = {"model.xml": _sbml(problem)}
        for name, table in tables.items():
            if name in _COLUMNS:
                table = table[[column for column in _COLUMNS[name] if column in table]]
            _check_table(table, name, problem.problem_id)
            index = name != "measurements"
            files[f"{name}.tsv"] = table.to_csv(sep="\t", index=index).encode()
        source = _sources[problem] = ModelSource(files)
    return source


def read_petab(folder: Path) -> petab.Problem:
    """The PEtab problem that `ModelSource.write` wrote."""
    from petab.v1.models.sbml_model import SbmlModel

    return petab.Problem(
        model=SbmlModel.from_file(folder / "model.xml", model_id="model"),
        condition_df=petab.get_condition_df(folder / "conditions.tsv"),
        observable_df=petab.get_observable_df(folder / "observables.tsv"),
        measurement_df=petab.get_measurement_df(folder / "measurements.tsv"),
        parameter_df=petab.get_parameter_df(folder / "parameters.tsv"),
    )


def _conditions(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=C.CONDITION_NAME, errors="ignore")


def _sbml(problem: Problem) -> bytes:
    document = problem.petab_problem.model.sbml_model.getSBMLDocument().clone()
    model = document.getModel()
    if document.getLevel() < 2:
        raise ProblemError(f"{problem.problem_id}: SBML Level 1 is too old; convert the model.")
    strip = libsbml.ConversionProperties()
    strip.addOption("stripPackage", True)
    strip.addOption("package", _UNUSED_PACKAGES)
    document.convert(strip)
    document.convert(libsbml.SBMLFunctionDefinitionConverter().getDefaultProperties())
    elements = document.getListOfAllElements()
    for element in (document, *(elements.get(i) for i in range(elements.getSize()))):
        element.unsetNotes()
        element.unsetAnnotation()
        element.unsetName()
    model.setId("model")
    text = libsbml.writeSBMLToString(document)
    try:
        _check_element(ET.fromstring(text))
    except RecursionError:
        raise ProblemError(
            f"{problem.problem_id}: the SBML model's formulas nest too deeply."
        ) from None
    except (ValueError, ET.ParseError) as error:
        raise ProblemError(
            f"{problem.problem_id}: the SBML model is not compiled, because {error}."
        ) from error
    # libSBML and the time of day have no influence on the code.
    return re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL).encode()


def _check_element(element: ET.Element) -> None:
    """Let through only tags, attributes and texts that can't be anything but SBML and MathML.

    Raises:
        ValueError: with the reason, as the end of a sentence.
    """
    namespace, _, tag = element.tag.removeprefix("{").rpartition("}")
    if namespace == _MATHML:
        _check_math(element, tag)
    elif not _CORE.fullmatch(namespace):
        raise ValueError(f"it uses the SBML package {namespace!r}, which is not supported")
    elif (element.text or "").strip():
        raise ValueError(f"<{tag}> contains the text {element.text!r}")
    if (element.tail or "").strip() and tag != "sep":  # <cn> checks the number behind <sep/>
        raise ValueError(f"there is the text {element.tail!r} after <{tag}>")
    for attribute, value in element.attrib.items():
        local = attribute.rpartition("}")[2]
        if local in ("definitionURL", "encoding") and namespace == _MATHML:
            continue
        if local == "id" and not _ID.fullmatch(value):
            raise ValueError(f"{value!r} is not a valid id")
        if local == "name" or not _WORD.fullmatch(value):
            raise ValueError(f"<{tag}> has the attribute {local} = {value!r}")
    for child in element:
        _check_element(child)


def _check_math(element: ET.Element, tag: str) -> None:
    text = "".join(element.itertext()).strip()
    if tag in ("ci", "csymbol"):
        if len(element) or not _ID.fullmatch(text):
            raise ValueError(f"{text!r} in a formula is not a valid id")
        if tag == "csymbol" and not element.get("definitionURL", "").startswith(_SYMBOLS):
            raise ValueError(f"the symbol {text!r} in a formula is unknown")
    elif tag == "cn":
        if not all(_NUMBER.fullmatch(part.strip()) for part in element.itertext()):
            raise ValueError(f"{text!r} in a formula is not a number")
    elif tag in ("semantics", "annotation", "annotation-xml", "lambda"):
        raise ValueError(f"its formulas contain <{tag}>")
    elif (element.text or "").strip():
        raise ValueError(f"<{tag}> in a formula contains the text {element.text!r}")
    if tag == "apply" and len(element) == 3 and element[0].tag == f"{{{_MATHML}}}power":
        _check_exponent(element[2])
    if tag == "factorial":
        raise ValueError("its formulas use factorials, which are not supported")
    if tag == "apply" and len(element) and element[0].tag == f"{{{_MATHML}}}ci":
        raise ValueError(f"its formulas call {element[0].text!r}, which it doesn't define")


def _check_exponent(exponent: ET.Element) -> None:
    """Refuse powers of constants that sympy would work out for ever, such as 9^9^9^9."""
    if any(child.tag == f"{{{_MATHML}}}ci" for child in exponent.iter()):
        return
    numbers = [n.text or "" for n in exponent.iter(f"{{{_MATHML}}}cn")]
    tower = any(child.tag == f"{{{_MATHML}}}power" for child in exponent.iter())
    if tower or any(abs(float(n)) > _LARGEST_EXPONENT for n in numbers if n.strip()):
        raise ValueError("one of its formulas raises a number to an absurdly large power")


def _check_table(table: pd.DataFrame, name: str, problem_id: str) -> None:
    ids = [*table.columns] if name == "measurements" else [*table.index, *table.columns]
    for entry in ids:
        if not _ID.fullmatch(str(entry)):
            raise ProblemError(f"{problem_id}: {entry!r} in the {name} table is not a valid id.")
    for column in table:
        for value in pd.unique(table[column]):
            if not _is_safe(value, column):
                raise ProblemError(
                    f"{problem_id}: {value!r} in the {name} table, column {column}, is neither a "
                    "number nor an id nor a formula that PEtab allows there."
                )


def _is_safe(value: Any, column: str) -> bool:
    if isinstance(value, int | float | np.number | np.bool_) or value is None or value is pd.NA:
        return True
    if not isinstance(value, str):
        return False
    if column in _WORDS:
        return value in ("", *_WORDS[column])
    if column in _FORMULAS:
        if _TOWER.search(value) or any(
            float(n) > _LARGEST_EXPONENT for n in _EXPONENT.findall(value)
        ):
            return False
        try:
            sympify_petab(value)
        except Exception:  # its parser raises what it likes
            return False
        return True
    if column in (C.OBSERVABLE_PARAMETERS, C.NOISE_PARAMETERS):
        return all(_is_id_or_number(part.strip()) for part in value.split(";"))
    return _is_id_or_number(value.strip())


def _is_id_or_number(text: str) -> bool:
    return not text or bool(_ID.fullmatch(text) or _NUMBER.fullmatch(text))
