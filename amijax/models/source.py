"""What the code generator gets to see of a problem: formulas in ids of our own, and no names.

AMICI writes names into C++ string literals without escaping them and hands formulas to
`sympy.sympify`, which evaluates Python. So names are dropped, formulas go through PEtab's grammar
or are MathML that was looked over, and all ids are neutral.
"""

from __future__ import annotations

import hashlib
import json
import logging
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
from petab.v1 import C
from petab.v1.math import sympify_petab

from amijax.files import write_atomically
from amijax.models.plan import ModelPlan, ProblemNumbers
from amijax.models.translation import translate
from amijax.problems.problem import Problem, ProblemError

CODEGEN_REVISION = 4  # raise it when the same problem gives other code than before

_CORE = re.compile(r"http://www\.sbml\.org/sbml/level[23](/version\d(/core)?)?")
_MATHML = "http://www.w3.org/1998/Math/MathML"
_UNUSED_PACKAGES = "layout,render,groups,fbc"
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD = re.compile(r"[A-Za-z0-9_.+:-]*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|INF|nan|NaN)")
_LARGEST_EXPONENT = 1000.0  # of a constant; sympy computes powers of integers exactly
_EXPONENT = re.compile(r"(?:\^|\*\*)[\s(+-]*(\d+\.?\d*(?:[eE][+-]?\d+)?)")
_TOWER = re.compile(r"(?:\d[\s)]*(?:\^|\*\*)[\s(+-]*){2}\d")
_SYMBOLS = "http://www.sbml.org/sbml/symbols/"

_FORMULAS = (C.OBSERVABLE_FORMULA, C.NOISE_FORMULA)


@dataclass(frozen=True)
class ModelSource:
    """What is compiled of a problem, and the key of the model compiled from it.

    Attributes:
        plan: what becomes of the problem.
        files: the parts of the plan that decide about the compiled model, by file name.
    """

    plan: ModelPlan
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
        for name, content in self.files.items():
            write_atomically(folder / name, content)


_sources: weakref.WeakKeyDictionary[Problem, ModelSource] = weakref.WeakKeyDictionary()


def model_source(problem: Problem) -> ModelSource:
    """What is compiled of a problem: nothing of it but numbers and ids of our own.

    Raises:
        ProblemError: the problem holds something that must not reach the code generator, or that
            can't be computed rightly.
    """
    source = _sources.get(problem)
    if source is None:
        _check_formulas(problem)
        plan = translate(problem, _sbml(problem))
        files = {
            "model.xml": plan.sbml,
            "observation.json": json.dumps(
                {
                    "observables": [
                        {
                            "id": observable.id,
                            "formula": observable.formula,
                            "sigma": observable.sigma,
                            "distribution": observable.distribution,
                        }
                        for observable in plan.observables
                    ],
                    "fixed": plan.fixed,
                },
                indent=1,
            ).encode(),
        }
        source = _sources[problem] = ModelSource(plan, files)
    return source


def problem_numbers(problem: Problem) -> ProblemNumbers:
    """What simulations take from a problem besides its plan."""
    return ProblemNumbers(
        times=problem.measurements[C.TIME].to_numpy(dtype=np.float64),
        measurements=problem.measurements[C.MEASUREMENT].to_numpy(dtype=np.float64),
        scales=problem.scales,
        nominal_theta=problem.nominal_theta,
    )


def generate_code(source: Path, model_name: str, folder: Path) -> None:
    """Let AMICI turn what `ModelSource.write` wrote into code.

    Args:
        source: the folder of the files.
        model_name: a name that no other model has.
        folder: where the code goes.
    """
    import amici

    observation = json.loads((source / "observation.json").read_bytes())
    importer = amici.SbmlImporter(str(source / "model.xml"), discard_annotations=True)
    importer.sbml2amici(
        model_name,
        folder,
        observation_model=[
            amici.MeasurementChannel(
                observable["id"],
                formula=observable["formula"],
                sigma=observable["sigma"],
                noise_distribution=observable["distribution"],
            )
            for observable in observation["observables"]
        ],
        fixed_parameters=observation["fixed"],
        compile=False,
        verbose=logging.INFO,
    )


def _sbml(problem: Problem) -> ET.Element:
    """A problem's model without names, looked over."""
    document = problem.petab_problem.model.sbml_model.getSBMLDocument().clone()
    model = document.getModel()
    if document.getLevel() < 2:
        raise ProblemError(f"{problem.problem_id}: SBML Level 1 is too old; convert the model.")
    strip = libsbml.ConversionProperties()
    strip.addOption("stripPackage", True)
    strip.addOption("package", _UNUSED_PACKAGES)
    document.convert(strip)
    document.convert(libsbml.SBMLFunctionDefinitionConverter().getDefaultProperties())
    if problem.petab_version == "2" and document.getLevel() < 3:
        # Periods of experiments are events with initial values, which older levels don't know.
        newer = libsbml.ConversionProperties(libsbml.SBMLNamespaces(3, 2))
        newer.addOption("setLevelAndVersion", True)
        newer.addOption("strict", False)
        if document.convert(newer) != libsbml.LIBSBML_OPERATION_SUCCESS:
            raise ProblemError(
                f"{problem.problem_id}: libSBML can't convert the model to SBML Level 3, which "
                "PEtab v2's experiments need."
            )
        model = document.getModel()
    elements = document.getListOfAllElements()
    for element in (document, *(elements.get(i) for i in range(elements.getSize()))):
        element.unsetNotes()
        element.unsetAnnotation()
        element.unsetName()
    model.setId("model")
    text = libsbml.writeSBMLToString(document)
    try:
        root = ET.fromstring(text)
        _check_element(root)
    except RecursionError:
        raise ProblemError(
            f"{problem.problem_id}: the SBML model's formulas nest too deeply."
        ) from None
    except (ValueError, ET.ParseError) as error:
        raise ProblemError(
            f"{problem.problem_id}: the SBML model is not compiled, because {error}."
        ) from error
    return root


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


def _check_formulas(problem: Problem) -> None:
    """Let through only formulas of PEtab's grammar that SymPy can work out in finite time."""
    for column in _FORMULAS:
        for observable, formula in problem.observables[column].items():
            if not _is_safe(formula):
                raise ProblemError(
                    f"{problem.problem_id}: {column} {str(formula)[:120]!r} of {observable} is not "
                    "a formula that PEtab allows."
                )
    for experiment in problem.experiments:
        for period in experiment.periods:
            for change in period.changes:
                if not _is_safe(change.value):
                    raise ProblemError(
                        f"{problem.problem_id}: the value {change.value[:120]!r} of "
                        f"{change.target} is not a formula that PEtab allows."
                    )


def _is_safe(formula: Any) -> bool:
    if not isinstance(formula, str):
        return True  # a number, or nothing
    if _TOWER.search(formula) or any(
        float(n) > _LARGEST_EXPONENT for n in _EXPONENT.findall(formula)
    ):
        return False
    try:
        sympify_petab(formula)
    except Exception:  # its parser raises what it likes
        return False
    return True
