"""The YAML file of a PEtab problem: read without being run over, and reduced to its file names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from amijax.problems.limits import BundleLimits
from amijax.problems.problem import ProblemError

_MAX_DEPTH = 12
_MAX_ALIASES = 20  # PyYAML writes one for a list that is used twice; a bomb nests dozens
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SUFFIXES = {"model": (".xml", ".sbml"), "table": (".tsv", ".txt", ".csv")}
_EXPECTED = "a YAML file with format_version, parameter_file and problems (PEtab v1) was expected"


@dataclass(frozen=True)
class PetabFiles:
    """The files of a PEtab v1 problem, named relative to its YAML file.

    Conditions may be left out. Visualization files are named but never read: they have no
    influence on any number.
    """

    model: str
    parameters: tuple[str, ...]
    conditions: tuple[str, ...]
    measurements: tuple[str, ...]
    observables: tuple[str, ...]
    visualizations: tuple[str, ...]

    @property
    def tables(self) -> tuple[str, ...]:
        """All tables that are read, each once."""
        names = (*self.parameters, *self.conditions, *self.measurements, *self.observables)
        return tuple(dict.fromkeys(names))


def read_petab_yaml(data: bytes, name: str, limits: BundleLimits) -> PetabFiles:
    """Read a problem's YAML file; none of the files that it names is touched.

    Args:
        data: its content.
        name: what it is called in sentences.
        limits: how large it may be.

    Raises:
        ProblemError: it is no PEtab v1 problem with one SBML model; the message says why.
    """
    content = _load(data, name, limits)
    if not isinstance(content, dict):
        raise ProblemError(f"{name} is not a PEtab problem: {_EXPECTED}.")
    _check_version(content, name)
    problems = content.get("problems")
    if problems is None:
        raise ProblemError(f"{name} is not a PEtab problem: {_EXPECTED}.")
    if not isinstance(problems, list) or len(problems) != 1 or not isinstance(problems[0], dict):
        raise ProblemError(f"{name}: exactly one entry below `problems` is supported.")
    problem = problems[0]
    _check_models(problem.get("model_files"), name)
    _check_extras(content, problem, name)
    models = _names(problem, "sbml_files", "model", name)
    if len(models) != 1:
        raise ProblemError(f"{name} names {len(models)} SBML models; exactly one is supported.")
    parts = {
        key: _names(problem, f"{key}_files", "table", name)
        for key in ("condition", "measurement", "observable", "visualization")
    }
    parameters = _names(content, "parameter_file", "table", name)
    # Without conditions there is one that changes nothing: PEtab's default.
    missing = [f"{key}_files" for key in ("measurement", "observable") if not parts[key]]
    if missing or not parameters:
        what = [*([] if parameters else ["parameter_file"]), *missing]
        raise ProblemError(f"{name} has no {' and no '.join(what)}; a PEtab problem needs them.")
    return PetabFiles(
        models[0],
        parameters,
        parts["condition"],
        parts["measurement"],
        parts["observable"],
        parts["visualization"],
    )


def _load(data: bytes, name: str, limits: BundleLimits) -> object:
    if len(data) > limits.yaml_bytes:
        raise ProblemError(
            f"{name} has {len(data):,} bytes, more than the {limits.yaml_bytes:,} that a PEtab "
            "problem's YAML file may have; it should hold nothing but file names."
        )
    try:
        text = data.decode("utf-8-sig")
        _check_structure(text, name)
        return yaml.safe_load(text)
    except ProblemError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        shown = " ".join(str(error).split())[:300]
        raise ProblemError(f"{name} is not a readable YAML file: {shown}") from error


def _check_structure(text: str, name: str) -> None:
    """Refuse what takes time or memory to build, while nothing is built yet."""
    depth = aliases = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > _MAX_DEPTH or aliases > _MAX_ALIASES:
            what = "nested deeply" if depth > _MAX_DEPTH else "full of aliases (`*name`)"
            raise ProblemError(
                f"{name} is {what}; write its file names out, as PEtab's documentation shows."
            )


def _check_version(content: dict[Any, Any], name: str) -> None:
    version = content.get("format_version")
    major = str(version).strip().partition(".")[0]
    if major == "2":
        raise ProblemError(
            f"{name} is a PEtab v2 problem: only PEtab v1 with an SBML model is supported. "
            "Give the v1 files of the problem, if there are any."
        )
    if "problems" in content and major != "1":
        raise ProblemError(
            f"{name} has format_version {str(version)[:40]!r}: only PEtab v1 is supported."
        )


def _check_models(models: object, name: str) -> None:
    if not models:
        return
    entries = models.values() if isinstance(models, dict) else ()
    languages = {str(entry.get("language")) for entry in entries if isinstance(entry, dict)}
    if other := sorted(languages - {"sbml"}):
        raise ProblemError(
            f"{name}: the model is written in {', '.join(other)[:80]}; only SBML models are "
            "supported, since models in some other languages are programs."
        )
    raise ProblemError(f"{name} has model_files, which belong to PEtab v2: name it in sbml_files.")


def _check_extras(content: dict[Any, Any], problem: dict[Any, Any], name: str) -> None:
    extensions = content.get("extensions")
    if isinstance(extensions, dict):
        for extension, entry in extensions.items():
            if not (isinstance(entry, dict) and entry.get("required") is False):
                raise ProblemError(
                    f"{name} uses the PEtab extension {str(extension)[:80]!r}, which is not "
                    "supported."
                )
    elif extensions:
        raise ProblemError(f"{name}: `extensions` is not a table of extensions.")
    if content.get("mapping_files") or problem.get("mapping_files"):
        raise ProblemError(f"{name} has mapping_files, which belong to PEtab v2.")


def _names(owner: dict[Any, Any], key: str, kind: str, name: str) -> tuple[str, ...]:
    value = owner.get(key)
    if value is None:
        return ()
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item for item in names) or (
        key.endswith("_files") and not isinstance(value, list)
    ):
        raise ProblemError(f"{name}: {key} is not a list of file names.")
    for item in names:
        _check_name(item, kind, name)
    same = [str(PurePosixPath(item)) for item in names]
    if twice := sorted({item for item in same if same.count(item) > 1}):
        raise ProblemError(f"{name}: {key} names {' and '.join(twice)} twice; name each file once.")
    return tuple(names)


def _check_name(item: str, kind: str, name: str) -> None:
    shown = repr(item[:120])
    if "://" in item or _ADDRESS.match(item):
        raise ProblemError(f"{name} refers to the address {shown}: only local files are read.")
    if item.startswith(("/", "~")) or "\\" in item or not item.isprintable():
        raise ProblemError(
            f"{name} refers to {shown}; file names relative to the YAML file, with `/` between "
            "folders, were expected."
        )
    if PurePosixPath(item).suffix.lower() not in _SUFFIXES[kind]:
        raise ProblemError(
            f"{name} refers to {shown} as a {kind}; the name of one ends in "
            f"{' or '.join(_SUFFIXES[kind])}."
        )
