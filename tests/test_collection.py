"""The benchmark collection: known before it is here, fetched whole and checked, or a sentence."""

import hashlib
import json
import multiprocessing
import socket
import threading

import pytest
from click.testing import CliRunner
from serving import serving

from amijax import ProblemError, list_problems, load_problem
from amijax.cli.main import main
from amijax.problems import DownloadError, download_problem
from amijax.problems import fetching as fetching_module
from amijax.problems.catalogue import DEFAULT_PROBLEM
from amijax.problems.collection import COMMIT, collection_url, download_dir, downloaded_yaml
from amijax.problems.features import known_features

BRUNO, BERTOZZI = "Bruno_JExpBot2016", "Bertozzi_PNAS2020"
MODEL = f"/{BRUNO}/model_{BRUNO}.xml"


def send(body, *, claimed=None):
    def fault(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) if claimed is None else claimed))
        handler.end_headers()
        handler.wfile.write(body)

    return fault


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """No local collection, an empty cache folder, nobody to download from, no patience."""
    monkeypatch.delenv("AMIJAX_COLLECTION", raising=False)
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AMIJAX_COLLECTION_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(fetching_module, "_RETRIES", 0)


@pytest.fixture
def server(alone, collection_folder, monkeypatch):  # noqa: ARG001
    """A server on the loopback address with the collection's problems."""
    with serving(collection_folder) as server:
        monkeypatch.setenv("AMIJAX_COLLECTION_URL", server.url)
        yield server


@pytest.fixture(scope="session")
def collection_folder(collection):
    return collection


def infos():
    return {info.problem_id: info for info in list_problems()}


def parts(folder):
    return [path for path in folder.rglob("*") if path.name.startswith("tmp")]


# What is known without files


@pytest.mark.usefixtures("alone")
def test_all_35_problems_are_listed_before_anything_is_here():
    known = infos()
    assert sum(1 for info in known.values() if info.source == "collection") == 34
    assert known[DEFAULT_PROBLEM].source == "embedded"
    froehlich = known["Froehlich_CellSystems2018"]
    assert (froehlich.path, froehlich.is_here) == (None, False)
    assert froehlich.features.postequilibration == 9169
    raimundez = known["Raimundez_PCB2020"].features
    assert raimundez.objective_priors == ("parameterScaleNormal", "laplace")
    assert raimundez.preequilibration == 4
    assert known["Laske_PLOSComputBiol2019"].features.reference == (
        "https://doi.org/10.1371/journal.pcbi.1006944"
    )
    assert sum(f.reference_llh is not None for f in known_features().values()) == 18


@pytest.mark.parametrize("info", [i for i in list_problems() if i.source == "embedded"])
def test_features_of_embedded_problems_are_right(info):
    problem, known = load_problem(info.problem_id), info.features
    assert known.species == problem.n_states
    assert known.estimated_parameters == problem.n_parameters
    assert known.measurements == problem.n_measurements
    assert known.conditions == len(problem.simulation_conditions)
    assert known.observables == len(problem.observables)
    assert known.reference == problem.reference


@pytest.mark.collection
def test_features_of_the_local_collection_are_right(collection):
    known = infos()
    checked = 0
    for folder in collection.iterdir():
        info = known[folder.name]
        problem = load_problem(info.problem_id)
        assert info.features.species == problem.n_states
        assert info.features.estimated_parameters == problem.n_parameters
        assert info.features.measurements == problem.n_measurements
        assert info.features.conditions == len(problem.simulation_conditions)
        checked += 1
    assert checked >= 20


@pytest.mark.usefixtures("alone")
def test_the_address_is_pinned_and_can_be_overridden(monkeypatch):
    monkeypatch.setenv("AMIJAX_COLLECTION_URL", "http://example.org/x")
    assert collection_url() == "http://example.org/x/"
    monkeypatch.delenv("AMIJAX_COLLECTION_URL")
    assert COMMIT in collection_url()
    assert collection_url().startswith("https://")
    monkeypatch.setenv("AMIJAX_COLLECTION_URL", "/data/models")
    with pytest.raises(ProblemError, match="AMIJAX_COLLECTION"):
        download_problem(BRUNO)


# Downloading over HTTP


@pytest.mark.collection
@pytest.mark.parametrize(("problem_id", "yaml"), [(BRUNO, f"{BRUNO}.yaml"), (BERTOZZI, None)])
def test_a_download_has_all_files_of_the_yaml_and_no_others(
    server, collection_folder, problem_id, yaml
):
    seen = []
    problem = load_problem(problem_id, on_download=seen.append)
    assert problem.problem_id == problem_id
    assert problem.source.name == (yaml or "problem.yaml")
    assert infos()[problem_id].source == "downloaded"
    folder = download_dir(problem_id)
    files = [path.relative_to(folder).as_posix() for path in folder.iterdir()]
    names = sorted(name for name in files if not name.startswith("amijax"))
    assert names == sorted(path.rpartition("/")[2] for path in server.requests)
    assert len(names) == len(set(server.requests)) == 7  # YAML, model, 4 tables, visualization
    for name in names:
        assert (folder / name).read_bytes() == (collection_folder / problem_id / name).read_bytes()
    assert seen[0].files_total == 1
    assert (seen[-1].files_done, seen[-1].files_total, seen[-1].file) == (7, 7, "")
    assert seen[-1].bytes_done == sum((folder / name).stat().st_size for name in names)
    assert [p.bytes_done for p in seen] == sorted(p.bytes_done for p in seen)


@pytest.mark.collection
def test_what_is_here_is_not_fetched_again_and_what_is_damaged_is(server):
    download_problem(BRUNO)
    server.requests.clear()
    download_problem(BRUNO)
    load_problem(BRUNO)
    assert server.requests == []
    (download_dir(BRUNO) / f"model_{BRUNO}.xml").write_text("something else")
    load_problem(BRUNO)
    assert server.requests == [MODEL]


@pytest.mark.collection
def test_a_changed_file_is_refused_and_not_kept(server, collection_folder):
    original = (collection_folder / MODEL[1:]).read_bytes()
    server.faults[MODEL] = send(original.replace(b"0", b"1", 1))
    with pytest.raises(DownloadError, match="SHA-256 differs") as caught:
        load_problem(BRUNO)
    assert caught.value.reason == "digest"
    assert DEFAULT_PROBLEM in str(caught.value)
    assert not (download_dir(BRUNO) / f"model_{BRUNO}.xml").exists()
    assert downloaded_yaml(BRUNO) is None
    assert parts(download_dir(BRUNO)) == []


@pytest.mark.collection
@pytest.mark.parametrize(
    ("status", "reason", "asked", "sentence"),
    [(404, "missing", 1, "no such file"), (503, "server", 3, "answers with status 503")],
)
def test_an_error_status_gets_a_sentence(server, monkeypatch, status, reason, asked, sentence):
    monkeypatch.setattr(fetching_module, "_RETRIES", 2)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    server.faults[MODEL] = status
    with pytest.raises(DownloadError, match=sentence) as caught:
        download_problem(BRUNO)
    assert caught.value.reason == reason
    assert server.requests.count(MODEL) == asked


@pytest.mark.collection
def test_a_download_goes_on_after_a_broken_connection(server, collection_folder):
    whole = (collection_folder / MODEL[1:]).read_bytes()
    table = f"/{BRUNO}/parameters_{BRUNO}.tsv"
    server.faults[table] = send(whole[:100], claimed=len(whole))
    with pytest.raises(DownloadError, match="try again to go on") as caught:
        download_problem(BRUNO)
    assert caught.value.reason == "broken"
    assert infos()[BRUNO].source == "collection"
    assert parts(download_dir(BRUNO)) == []
    (download_dir(BRUNO) / "tmpx1y2").write_text("left by a process that was killed")
    server.faults.clear()
    server.requests.clear()
    download_problem(BRUNO)
    assert MODEL not in server.requests
    assert server.requests[0] == table
    assert parts(download_dir(BRUNO)) == []


@pytest.mark.collection
def test_retries_outlast_a_short_break(server, monkeypatch):
    monkeypatch.setattr(fetching_module, "_RETRIES", 2)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)

    def once(handler):
        del handler.server.faults[MODEL]
        send(b"half", claimed=100)(handler)

    server.faults[MODEL] = once
    download_problem(BRUNO)
    assert server.requests.count(MODEL) == 2


@pytest.mark.collection
def test_a_slow_server_and_a_shy_one(server, monkeypatch):
    monkeypatch.setattr(fetching_module, "_TIMEOUT", (0.2, 0.2))
    silence = threading.Event()
    server.faults[MODEL] = lambda _handler: silence.wait(5)
    with pytest.raises(DownloadError, match="does not answer in time") as caught:
        download_problem(BRUNO)
    silence.set()
    assert caught.value.reason == "timeout"
    server.faults[MODEL] = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
    with pytest.raises(DownloadError) as caught:
        download_problem(BRUNO)
    assert caught.value.reason == "broken"


@pytest.mark.usefixtures("alone")
def test_offline_says_so_and_names_what_is_here():
    with pytest.raises(DownloadError, match="no connection") as caught:
        load_problem(BRUNO)
    assert caught.value.reason == "offline"
    assert f"{DEFAULT_PROBLEM}, Constant_Ligand, Conversion_Reaction" in str(caught.value)
    assert "embedded" in str(caught.value)


@pytest.mark.collection
def test_a_local_collection_comes_first(server, collection_folder, monkeypatch):
    monkeypatch.setenv("AMIJAX_COLLECTION", str(collection_folder))
    assert infos()[BRUNO].source == "local collection"
    load_problem(BRUNO)
    assert server.requests == []


@pytest.mark.collection
def test_a_file_without_known_digest_is_taken_once_and_named(server, monkeypatch):
    from amijax.problems import download as module

    digests = {k: dict(v) for k, v in module.digests().items()}
    del digests[BRUNO][f"model_{BRUNO}.xml"]
    monkeypatch.setattr(module, "digests", lambda: digests)
    seen = []
    assert download_problem(BRUNO, seen.append).unverified == (f"model_{BRUNO}.xml",)
    assert seen[-1].unverified == (f"model_{BRUNO}.xml",)
    record = json.loads((download_dir(BRUNO) / "amijax-download.json").read_text())
    model = download_dir(BRUNO) / f"model_{BRUNO}.xml"
    assert record["unverified"] == {model.name: hashlib.sha256(model.read_bytes()).hexdigest()}
    # From now on it must stay what it was.
    server.faults[MODEL] = send(b"<sbml/>")
    model.write_bytes(b"damaged")
    with pytest.raises(DownloadError, match="SHA-256 differs"):
        download_problem(BRUNO)


@pytest.mark.collection
@pytest.mark.parametrize("body", [b"", b"version https://git-lfs.github.com/spec/v1\noid x\n"])
def test_nothing_in_place_of_a_file_is_noticed(server, body):
    server.faults[MODEL] = send(body)
    with pytest.raises(DownloadError, match="no content"):
        download_problem(BRUNO)


@pytest.mark.collection
def test_a_callback_can_stop_a_download(server):
    def stop(progress):
        if progress.file.startswith("model"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download_problem(BRUNO, stop)
    assert infos()[BRUNO].source == "collection"
    download_problem(BRUNO)
    assert server.requests.count(f"/{BRUNO}/{BRUNO}.yaml") == 1


@pytest.mark.collection
def test_two_processes_fetch_each_file_once(server):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=download_problem, args=(BRUNO,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(server.requests) == len(set(server.requests)) == 7


@pytest.mark.usefixtures("alone")
def test_an_unknown_problem_is_not_looked_for():
    with pytest.raises(ProblemError, match="has no problem 'Bohm'"):
        download_problem("Bohm")


# The command line


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.collection
def test_download_command(server):
    server.faults[f"/{BERTOZZI}/model.xml"] = 404
    result = run("download", BERTOZZI, BRUNO, DEFAULT_PROBLEM)
    assert result.exit_code == 1
    assert "no such file" in result.stderr
    assert f"file 2 of 7, model_{BRUNO}.xml" in result.stderr
    assert f"{BRUNO}: {download_dir(BRUNO)}" in result.stdout
    assert f"{DEFAULT_PROBLEM}: embedded" in result.stdout
    server.faults.clear()
    again = run("download", BERTOZZI, BRUNO)
    assert again.exit_code == 0
    assert BRUNO not in again.stderr
    rows = {row["problem"]: row for row in json.loads(run("list", "--json").stdout)["problems"]}
    assert (rows[BRUNO]["source"], rows[BRUNO]["here"]) == ("downloaded", True)
    assert (rows["Chen_MSB2009"]["source"], rows["Chen_MSB2009"]["path"]) == ("collection", None)
    assert rows["Chen_MSB2009"]["parameters"] == 155


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["download"], 2, "or give --all"),
        (["download", "--all", BRUNO], 2, "or give --all"),
        (["download", "Bohm"], 2, "There is no problem Bohm"),
        (["evaluate", BRUNO], 1, "no connection"),
        (["compile", BRUNO], 1, "no connection"),
    ],
)
def test_what_the_command_line_says(arguments, status, sentence):
    result = run(*arguments)
    assert result.exit_code == status
    assert sentence in " ".join(result.stderr.split())
    assert "Traceback" not in result.output
