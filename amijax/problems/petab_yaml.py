"""The YAML file of a PEtab problem: read without being run over, and reduced to its file names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from amijax.problems.limits import BundleLimits
from amijax.problems.problem import PetabVersion, ProblemError

_MAX_DEPTH = 12
_MAX_ALIASES = 20  # PyYAML writes one for a list that is used twice; a bomb nests dozens
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SUFFIXES = {"model": (".xml", ".sbml"), "table": (".tsv", ".txt", ".csv")}
_EXPECTED = (
    "a YAML file with format_version and the names of a problem's files (PEtab v1 or v2) was "
    "expected"
)
_MODEL_ID = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class PetabFiles:
    """The files of a PEtab problem, named relative to its YAML file.

    Conditions may be left out, and so may PEtab v2's experiments and mappings. Visualization files
    are named but never read: they have no influence on any number.

    Attributes:
        version: of PEtab: 1 or 2.
        model_id: what PEtab v2 calls the model; empty in PEtab v1.
    """

    model: str
    parameters: tuple[str, ...]
    conditions: tuple[str, ...]
    measurements: tuple[str, ...]
    observables: tuple[str, ...]
    visualizations: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()
    version: PetabVersion = "1"
    model_id: str = ""

    @property
    def tables(self) -> tuple[str, ...]:
        """All tables that are read, each once."""
        names = (
            *self.parameters, *self.conditions, *self.measurements, *self.observables,
            *self.experiments, *self.mappings,
        )  # fmt: skip
        return tuple(dict.fromkeys(names))


def read_petab_yaml(data: bytes, name: str, limits: BundleLimits) -> PetabFiles:
    """Read a problem's YAML file; none of the files that it names is touched.

    Args:
        data: its content.
        name: what it is called in sentences.
        limits: how large it may be.

    Raises:
        ProblemError: it is no PEtab problem with one SBML model; the message says why.
    """
    content = _load(data, name, limits)
    if not isinstance(content, dict):
        raise ProblemError(f"{name} is not a PEtab problem: {_EXPECTED}.")
    return _read_v2(content, name) if _version(content, name) == "2" else _read_v1(content, name)


def _read_v1(content: dict[Any, Any], name: str) -> PetabFiles:
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


def _read_v2(content: dict[Any, Any], name: str) -> PetabFiles:
    _check_extensions(content, name)
    if "problems" in content or "parameter_file" in content:
        old = "problems" if "problems" in content else "parameter_file"
        raise ProblemError(
            f"{name} has `{old}`, which belongs to PEtab v1, but says that it is PEtab v2; "
            "v2 names all files at the top: parameter_files, model_files and so on."
        )
    model_id, model = _v2_model(content.get("model_files"), name)
    parts = {
        key: _names(content, f"{key}_files", "table", name, one_is_a_list=key == "parameter")
        for key in ("parameter", "condition", "experiment", "measurement", "observable", "mapping")
    }
    needed = ("parameter", "measurement", "observable")
    if missing := [f"{key}_files" for key in needed if not parts[key]]:
        raise ProblemError(f"{name} has no {' and no '.join(missing)}; a PEtab problem needs them.")
    return PetabFiles(
        model=model,
        parameters=parts["parameter"],
        conditions=parts["condition"],
        measurements=parts["measurement"],
        observables=parts["observable"],
        experiments=parts["experiment"],
        mappings=parts["mapping"],
        version="2",
        model_id=model_id,
    )


def _v2_model(models: object, name: str) -> tuple[str, str]:
    """The id and the file of the one model, which is in SBML."""
    if not isinstance(models, dict) or not models:
        raise ProblemError(f"{name} has no model_files; a PEtab problem needs a model.")
    _refuse_other_languages(models, name)
    if len(models) != 1:
        raise ProblemError(f"{name} names {len(models)} models; exactly one is supported.")
    ((model_id, entry),) = models.items()
    if not isinstance(model_id, str) or not _MODEL_ID.fullmatch(model_id):
        raise ProblemError(
            f"{name}: the model's id {str(model_id)[:40]!r} is not valid; ids have letters, digits "
            "and underscores."
        )
    location = entry.get("location") if isinstance(entry, dict) else None
    if not isinstance(location, str) or not location:
        raise ProblemError(f"{name}: the model {model_id} has no location, the name of its file.")
    _check_name(location, "model", name)
    return model_id, location


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


def _version(content: dict[Any, Any], name: str) -> PetabVersion:
    version = content.get("format_version")
    major = str(version).strip().partition(".")[0]
    if major == "2":
        return "2"
    if ("problems" in content or "model_files" in content) and major != "1":
        raise ProblemError(
            f"{name} has format_version {str(version)[:40]!r}: only PEtab v1 and v2 are supported."
        )
    return "1"


def _check_models(models: object, name: str) -> None:
    if not models:
        return
    _refuse_other_languages(models, name)
    raise ProblemError(f"{name} has model_files, which belong to PEtab v2: name it in sbml_files.")


def _refuse_other_languages(models: object, name: str) -> None:
    entries = models.values() if isinstance(models, dict) else ()
    languages = {str(entry.get("language")) for entry in entries if isinstance(entry, dict)}
    if other := sorted(languages - {"sbml"}):
        raise ProblemError(
            f"{name}: the model is written in {', '.join(other)[:80]}; only SBML models are "
            "supported, since models in some other languages are programs."
        )


def _check_extras(content: dict[Any, Any], problem: dict[Any, Any], name: str) -> None:
    _check_extensions(content, name)
    if content.get("mapping_files") or problem.get("mapping_files"):
        raise ProblemError(f"{name} has mapping_files, which belong to PEtab v2.")


def _check_extensions(content: dict[Any, Any], name: str) -> None:
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


def _names(
    owner: dict[Any, Any], key: str, kind: str, name: str, *, one_is_a_list: bool = False
) -> tuple[str, ...]:
    value = owner.get(key)
    if value is None:
        return ()
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item for item in names) or (
        key.endswith("_files") and not isinstance(value, list) and not one_is_a_list
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
