"""Uploads: good ones open, hostile ones get a sentence, and nothing of those stays on disk."""

import io
import stat
import struct
import warnings
import zipfile

import libsbml
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from petab_files import write_decay

from amijax import ProblemError
from amijax.paths import cache_dir
from amijax.problems import bundle as bundle_module
from amijax.problems.bundle import Bundle, open_bundle, remove_bundle, reopen_bundle
from amijax.problems.expansion import expanded_extent
from amijax.problems.limits import BundleLimits
from amijax.problems.rehearsal import read_everything

PACKAGES = "http://www.sbml.org/sbml/level3/version1"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("AMIJAX_UPLOADS", raising=False)


@pytest.fixture
def in_this_process(monkeypatch):
    """Spare the second process where it isn't what is tested."""
    monkeypatch.setattr(bundle_module, "rehearse", read_everything)


@pytest.fixture(scope="session")
def decay(tmp_path_factory):
    """The files of a small problem by name."""
    folder = tmp_path_factory.mktemp("decay")
    write_decay(folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def kept():
    uploads = cache_dir() / "uploads"
    return sorted(path.name for path in uploads.iterdir()) if uploads.is_dir() else []


def zipped(files, **options):
    buffer = io.BytesIO()
    options = {"compression": zipfile.ZIP_DEFLATED, **options}
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", **options) as file:
        warnings.filterwarnings("ignore", "Duplicate name")  # hostile zips have them
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def refused(data, sentence, **options):
    with pytest.raises(ProblemError, match=sentence) as caught:
        open_bundle(data, **options)
    assert kept() == []
    assert str(cache_dir()) not in str(caught.value)
    assert len(str(caught.value)) < 1500


# Good ones


def test_a_zip_opens_and_opens_again(decay, tmp_path):
    extras = {"mine/notes.md": b"", "__MACOSX/mine/._decay.yaml": b"\0", "mine/script.py": b"1/0"}
    data = zipped({"mine/": b"", **{f"mine/{k}": v for k, v in decay.items()}, **extras})
    opened = open_bundle(data)
    assert isinstance(opened, Bundle)
    assert opened.problem.problem_id == "decay"
    assert opened.problem.parameter_ids == ("rate",)
    assert opened.problem.warnings == ()
    assert opened.problem.source.is_relative_to(cache_dir() / "uploads" / opened.key)
    assert {path.name for path in opened.problem.source.parent.iterdir()} == set(decay)
    assert kept() == [opened.key]
    (tmp_path / "mine.zip").write_bytes(data)
    again = open_bundle(tmp_path / "mine.zip")
    assert again.key == opened.key == reopen_bundle(opened.key).key
    remove_bundle(opened.key)
    assert kept() == []
    with pytest.raises(ProblemError, match="upload it again"):
        reopen_bundle(opened.key)
    with pytest.raises(ProblemError, match="upload it again"):
        reopen_bundle("../../etc")


@pytest.mark.usefixtures("in_this_process")
def test_single_files_open_and_the_linter_is_heard(decay):
    table = decay["parameters.tsv"].replace(b"\t0.8\t", b"\t\t")
    opened = open_bundle({**decay, "parameters.tsv": table})
    assert [finding.code for finding in opened.problem.warnings] == ["nominal_missing"]
    assert reopen_bundle(opened.key).problem.warnings == opened.problem.warnings
    remove_bundle(opened.key)
    refused({**decay, "parameters.tsv": table + b"idle\tlin\t0.1\t1\t0.5\t1\n"}, "idle is neither")


@pytest.mark.usefixtures("in_this_process")
def test_problem_yaml_is_named_after_its_folder(decay):
    files = {f"my model ä/{k}".replace("decay.yaml", "problem.yaml"): v for k, v in decay.items()}
    assert open_bundle(zipped(files)).problem.problem_id == "my_model"
    assert open_bundle({k.rpartition("/")[2]: v for k, v in files.items()}).problem.problem_id == (
        "upload"
    )


@pytest.mark.usefixtures("in_this_process")
def test_which_yaml_of_several(decay):
    other = decay["decay.yaml"].replace(b"model.xml", b"other.xml")
    refused({**decay, "second.yaml": other}, "several YAML files.*decay.yaml, second.yaml")
    chosen = open_bundle({**decay, "second.yaml": other}, yaml_file="decay.yaml")
    assert chosen.problem.problem_id == "decay"
    deeper = open_bundle({**decay, "test/second.yaml": other})
    assert deeper.key == chosen.key
    with pytest.raises(ProblemError, match="has no file"):
        open_bundle(decay, yaml_file="third.yaml")


@pytest.mark.usefixtures("in_this_process")
def test_the_oldest_uploads_make_room(decay):
    keys = []
    for i in range(4):
        notes = decay["parameters.tsv"].replace(b"0.8", f"0.8{i}".encode())
        keys.append(open_bundle({**decay, "parameters.tsv": notes}, BundleLimits(kept=3)).key)
    assert kept() == sorted(keys[1:])


@pytest.mark.collection
@pytest.mark.parametrize("problem_id", ["Bertozzi_PNAS2020", "Blasi_CellSystems2016"])
def test_folders_of_the_collection_open(collection, problem_id):
    files = {
        f"{problem_id}/{path.relative_to(collection / problem_id)}": path.read_bytes()
        for path in (collection / problem_id).rglob("*")
        if path.is_file()
    }
    assert open_bundle(zipped(files)).problem.problem_id == problem_id


# Switched off, or no problem at all


@pytest.mark.parametrize("value", ["off", "0", "False"])
def test_uploads_can_be_switched_off(decay, monkeypatch, value):
    monkeypatch.setenv("AMIJAX_UPLOADS", value)
    refused(decay, "switched off")


def test_what_is_no_problem(decay, tmp_path):
    refused(b"", "not a zip archive")
    refused(b"MZ\x90\0", "not a zip archive")
    refused(zipped({}), "not a zip archive")
    refused({}, "has no YAML file")
    refused(tmp_path / "nothing.zip", "can't be read")
    refused({"decay.yaml": decay["decay.yaml"]}, "which the upload does not hold")
    refused(zipped(decay)[:-30], "damaged")
    data = bytearray(zipped(decay, compression=zipfile.ZIP_STORED))
    data[data.index(b"<sbml") + 1] ^= 1
    refused(bytes(data), "damaged")


def test_other_formats_are_refused_before_they_are_read(decay):
    petab2 = b"format_version: 2.0.0\nmodel_files: {m: {location: evil.py, language: pysb}}\n"
    refused({**decay, "decay.yaml": petab2}, "written in pysb; only SBML")
    pysb = decay["decay.yaml"] + b"  model_files: {m: {location: evil.py, language: pysb}}\n"
    evil = {**decay, "decay.yaml": pysb, "evil.py": b"raise SystemExit"}
    refused(evil, "written in pysb; only SBML")
    named = decay["decay.yaml"].replace(b"model.xml", b"evil.py")
    refused({**evil, "decay.yaml": named}, r"as a model; the name of one ends in \.xml")


# Names


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("/etc/passwd", "absolute"),
        ("~/x.tsv", "absolute"),
        ("../x.tsv", "leaves the bundle"),
        ("a/../../x.tsv", "leaves the bundle"),
        ("a/./x.tsv", "empty or begins or ends"),
        ("a//x.tsv", "empty or begins or ends"),
        ("C:/x.tsv", "characters that file names"),
        ("a\\x.tsv", "characters that file names"),
        ("a\nx.tsv", "characters that file names"),
        ("x.tsv:stream", "characters that file names"),
        ("a./x.tsv", "ends with a space or a dot"),
        ("x.tsv ", "ends with a space or a dot"),
        ("a/nul.tsv", "device"),
        ("COM1", "device"),
        ("a" * 300, "longer than 200"),
        ("MODEL.XML", "upper and lower case"),
        ("model.xml/x.tsv", "as a file and as a folder"),
        ("inner.zip", "archive inside"),
        ("table.tsv.gz", "archive inside"),
        ("", "characters that file names"),
    ],
)
def test_names(decay, name, sentence):
    refused({**decay, name: b""}, sentence)
    refused(zipped({**decay, name: b""}), sentence)


def test_names_with_nul_are_seen_whole(decay):
    data = zipped({**decay, "model.xmlXevil": b""}).replace(b"model.xmlXevil", b"model.xml\0evil")
    refused(data, "characters that file names")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_the_same_name_twice(decay):
    buffer = io.BytesIO(zipped(decay))
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr("model.xml", b"another")
    refused(buffer.getvalue(), "twice")


@pytest.mark.parametrize(
    ("kind", "sentence"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "not a regular file")]
)
def test_links_and_pipes(decay, kind, sentence):
    buffer = io.BytesIO(zipped(decay))
    with zipfile.ZipFile(buffer, "a") as file:
        entry = zipfile.ZipInfo("link.tsv")
        entry.external_attr = (kind | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    refused(buffer.getvalue(), sentence)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ("../model.xml", "must lie inside"),
        ("a/../model.xml", "must lie inside"),
        ("/etc/model.xml", "relative to the YAML file"),
        ("https://example.org/model.xml", "address"),
        ("file:model.xml", "address"),
        ("s3://bucket/model.xml", "address"),
        ("elsewhere/model.xml", "does not hold"),
        ("model.xml.gz", "ends in"),
    ],
)
def test_references(decay, reference, sentence):
    yaml = decay["decay.yaml"].replace(b"model.xml", reference.encode())
    refused({**decay, "decay.yaml": yaml}, sentence)


# Sizes


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"archive_bytes": 500}, "more than 500 bytes"),
        ({"unpacked_bytes": 500}, "unpacked, is too large"),
        ({"files": 3}, "more than 3 files"),
        ({"yaml_bytes": 50}, "more than the 50"),
        ({"sbml_bytes": 500}, "model.xml is too large: more than 500 bytes"),
        ({"sbml_elements": 10}, "more than 10 XML elements"),
        ({"sbml_depth": 5}, "more than 5 deep"),
        ({"species": 0}, "more than 0 species"),
        ({"reactions": 0}, "more than 0 reactions"),
        ({"parameters": 0}, "more than 0 parameters"),
        ({"table_bytes": 30}, "more than 30 bytes"),
        ({"table_rows": 3}, "measurements.tsv is too large: more than 3 rows"),
        ({"table_cells": 11}, "more than 11 cells"),
        ({"field_length": 12}, "more than 12 characters in one field"),
    ],
)
def test_every_limit(decay, limits, sentence):
    refused(zipped(decay), sentence, limits=BundleLimits(**limits))


def test_bombs(decay):
    refused(zipped({**decay, "zeros.txt": bytes(50_000_000)}), "more than 200 times its size")
    nested = zipped({"inner.zip": zipped({"zeros.txt": bytes(1_000_000)})})
    refused(nested, "archive inside")
    many = zipped({f"{i}.txt": b"" for i in range(5000)})
    refused(many, "entries")
    refused(zipped(decay, compression=zipfile.ZIP_LZMA), "unusual way")


def test_a_zip_that_lies_about_sizes(decay):
    data = bytearray(zipped({**decay, "zeros.txt": bytes(50_000_000)}))
    at = data.rindex(b"PK\x01\x02")
    assert struct.unpack_from("<I", data, at + 24) == (50_000_000,)
    struct.pack_into("<I", data, at + 24, 10)
    refused(bytes(data), "damaged")


def test_an_encrypted_zip(decay):
    data = bytearray(zipped(decay))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refused(bytes(data), "encrypted")


# Contents


def with_model(decay, text, encoding="utf-8"):
    return {**decay, "model.xml": text.encode(encoding)}


DTD = '<!DOCTYPE sbml [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("prolog", "encoding", "sentence"),
    [
        (f'<?xml version="1.0"?>{DTD}', "utf-8", "DOCTYPE declaration"),
        (f'<?xml version="1.0"?>{DTD.lower()}', "utf-8", "DOCTYPE declaration"),
        (f'<?xml version="1.0" encoding="UTF-16"?>{DTD}', "utf-16", "not encoded in UTF-8"),
        (f'<?xml version="1.0" encoding="UTF-16"?>{DTD}', "utf-16-be", "not encoded in UTF-8"),
        (f'<?xml version="1.0"?>{DTD}', "utf-32", "not encoded in UTF-8"),
        ('<?xml version="1.0" encoding="UTF-7"?>', "utf-8", "not encoded in UTF-8"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?>', "utf-8", "not encoded in UTF-8"),
        ('<?xml version="1.0" x=">" encoding="UTF-7"?>', "utf-8", "not encoded in UTF-8"),
        ("\n<!ENTITY x 'y'>", "utf-8", "ENTITY declaration"),
        ("<x/>", "utf-8", "not SBML"),
        ("&lol;", "utf-8", "not well-formed"),
    ],
)
def test_xml_that_could_harm(decay, prolog, encoding, sentence):
    model = decay["model.xml"].decode().partition("?>")[2].lstrip()
    refused(with_model(decay, prolog + model, encoding), sentence)


def test_deep_formulas_never_reach_libsbml(decay):
    deep = "<apply><minus/>" * 30_000 + "<cn>1</cn>" + "</apply>" * 30_000
    model = decay["model.xml"].decode().replace("<ci>rate</ci>", deep)
    refused(with_model(decay, model), "more than 100 deep")


@pytest.mark.parametrize("package", ["comp", "spatial", "arrays"])
def test_packages_that_reach_elsewhere(decay, package):
    reach = (
        f' xmlns:{package}="{PACKAGES}/{package}/version1" {package}:required="true">'
        f'<{package}:listOfExternalModelDefinitions><{package}:externalModelDefinition id="e" '
        f'{package}:source="file:///etc/passwd"/></{package}:listOfExternalModelDefinitions>'
    )
    model = (
        decay["model.xml"]
        .decode()
        .replace('level="3" version="1">', 'level="3" version="1"' + reach)
    )
    refused(with_model(decay, model), f"SBML package '{package}'")


def test_yaml_bombs(decay):
    laughs = "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 20))
    refused({**decay, "decay.yaml": b"a0: &a0 [x]\n" + laughs.encode()}, "full of aliases")
    refused({**decay, "decay.yaml": b"!!python/object/apply:os.system [ls]"}, "not a readable YAML")
    refused({**decay, "decay.yaml": b"[" * 90_000}, "nested deeply")
    refused({**decay, "decay.yaml": b"\xff\xfe\0"}, "not a readable YAML")


@pytest.mark.usefixtures("in_this_process")
def test_tables_that_are_none(decay):
    refused({**decay, "parameters.tsv": b"\0\1"}, "not text")
    refused({**decay, "parameters.tsv": b"\xff"}, "not encoded in UTF-8")
    refused({**decay, "parameters.tsv": b""}, "parameters.tsv: the table is empty")
    refused({**decay, "parameters.tsv": b"parameterId\n"}, "no column estimate and no column lower")
    broken = decay["parameters.tsv"].replace(b"0.8", b"abc")
    refused({**decay, "parameters.tsv": broken}, "nominalValue: “abc” is not a number")
    swapped = decay["parameters.tsv"].replace(b"0.001\t100", b"100\t0.001")
    refused({**decay, "parameters.tsv": swapped}, "the lower one must come first")


@pytest.mark.parametrize(
    "formula", ["__import__('os').system('id')", "A if 1 else 2", "lambda: 1", "A.__class__"]
)
@pytest.mark.usefixtures("in_this_process")
def test_formulas_are_not_python(decay, formula):
    table = decay["observables.tsv"].replace(b"\tA\t", f"\t{formula}\t".encode())
    refused({**decay, "observables.tsv": table}, "not a formula that PEtab allows")


def test_a_formula_that_never_ends(decay):
    table = decay["observables.tsv"].replace(b"0.1", b"9^9^9^9^9")
    refused({**decay, "observables.tsv": table}, "took more than 5 s", limits=IMPATIENT)


IMPATIENT = BundleLimits(check_seconds=5.0, check_bytes=1_500_000_000)


def with_functions(decay, count, body):
    """A model whose functions f0 ... call each other; `body` is what one makes of the last."""
    math = '<math xmlns="http://www.w3.org/1998/Math/MathML"><lambda><bvar><ci>x</ci></bvar>'
    functions = ""
    for i in range(count):
        last = f"<apply><ci>f{i - 1}</ci><ci>x</ci></apply>" if i else "<ci>x</ci>"
        functions += (
            f'<functionDefinition id="f{i}">{math}{body(last)}</lambda></math></functionDefinition>'
        )
    model = decay["model.xml"].decode()
    model = model.replace(
        "<listOfCompartments>",
        f"<listOfFunctionDefinitions>{functions}</listOfFunctionDefinitions><listOfCompartments>",
    ).replace("<ci>rate</ci>", f"<apply><ci>f{count - 1}</ci><ci>rate</ci></apply>")
    return with_model(decay, model)


def test_function_definitions_that_double(decay):
    bomb = with_functions(decay, 40, lambda last: f"<apply><plus/>{last}{last}</apply>")
    refused(bomb, "becomes too large")
    calls = "<ci>x</ci>"
    for _ in range(40):
        calls = f"<apply><ci>f0</ci>{calls}</apply>"
    model = with_functions(decay, 1, lambda last: f"<apply><plus/>{last}{last}</apply>")
    bomb = model["model.xml"].decode().replace("<ci>rate</ci>", calls)
    refused(with_model(decay, bomb), "becomes too large")


def test_function_definitions_in_any_order_and_in_a_circle(decay):
    bomb = with_functions(decay, 40, lambda last: f"<apply><plus/>{last}{last}</apply>")
    first, *rest = bomb["model.xml"].decode().split("<functionDefinition ")
    *rest, last = rest
    last, end = last.split("</listOfFunctionDefinitions>")
    backwards = "<functionDefinition ".join([first, last, *reversed(rest)])
    refused(with_model(decay, f"{backwards}</listOfFunctionDefinitions>{end}"), "too large")
    circle = with_functions(decay, 3, lambda last: last)["model.xml"].decode()
    circle = circle.replace("<ci>x</ci></lambda>", "<apply><ci>f2</ci><ci>x</ci></apply></lambda>")
    refused(with_model(decay, circle), "too deeply nested")


@pytest.mark.usefixtures("in_this_process")
def test_function_definitions_that_nest(decay):
    def body(last):
        return "<apply><minus/>" * 50 + last + "</apply>" * 50

    assert open_bundle(with_functions(decay, 3, body)).problem.n_states == 1
    remove_bundle(kept()[0])
    refused(with_functions(decay, 300, body), "becomes too deeply nested")


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_the_extent_of_expanded_functions_is_libsbmls(decay, count):
    def body(last):
        return f"<apply><minus/>{last}<apply><divide/>{last}<cn>2</cn></apply></apply>"

    model = with_functions(decay, count, body)["model.xml"]
    document = libsbml.readSBMLFromString(model.decode())
    document.convert(libsbml.SBMLFunctionDefinitionConverter().getDefaultProperties())
    expected = expanded_extent(libsbml.writeSBMLToString(document).encode())
    assert expected.size > 2**count
    assert expanded_extent(model) == expected


# What nobody thought of

NAMES = st.one_of(
    st.sampled_from(["decay.yaml", "model.xml", "a/b.tsv", "../x", "/x", "a\\b", "x\0y", "", "."]),
    st.text(max_size=20),
)
FUZZ = settings(
    deadline=None,
    database=None,
    derandomize=True,  # CI tries the same cases each time
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def opens_or_refuses(data):
    before = kept()
    try:
        opened = open_bundle(data)
    except ProblemError:
        assert kept() == before
    else:
        assert opened.key in kept()
        assert len(opened.problem.simulation_conditions) >= 1
        remove_bundle(opened.key)


@pytest.mark.usefixtures("in_this_process")
@settings(FUZZ, max_examples=150)
@given(st.one_of(st.binary(max_size=300), st.binary(max_size=300).map(lambda b: b"PK\x03\x04" + b)))
def test_fuzz_bytes(data):
    opens_or_refuses(data)


@pytest.mark.usefixtures("in_this_process")
@settings(FUZZ, max_examples=150)
@given(files=st.dictionaries(NAMES, st.binary(max_size=60), max_size=4), as_zip=st.booleans())
def test_fuzz_names(decay, files, as_zip):
    files = {**decay, **files}
    try:
        data = zipped(files) if as_zip else files
    except UnicodeEncodeError:  # lone surrogates have no place in a zip
        return
    opens_or_refuses(data)


@pytest.mark.usefixtures("in_this_process")
@settings(FUZZ, max_examples=150)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_fuzz_damaged_zips(decay, changes, method):
    data = bytearray(zipped(decay, compression=method))
    for at, value in changes:
        data[at % len(data)] = value
    opens_or_refuses(bytes(data))


@pytest.mark.usefixtures("in_this_process")
@settings(FUZZ, max_examples=200)
@given(
    name=st.sampled_from(
        [
            "decay.yaml",
            "model.xml",
            *(f"{t}.tsv" for t in ("parameters", "conditions", "observables", "measurements")),
        ]
    ),
    at=st.integers(0, 10**6),
    cut=st.integers(0, 12),
    text=st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [b"\t", b"\n", b"\r", b'"', b"nan", b"inf", b"<", b"&x;", b"- ", b": ", b"\\"]
        ),
    ),
)
def test_fuzz_contents(decay, name, at, cut, text):
    content = decay[name]
    at %= len(content)
    opens_or_refuses({**decay, name: content[:at] + text + content[at + cut :]})
