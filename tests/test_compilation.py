"""Compile jobs: dedupe, cancel, kill, failures, and the environment that they run in."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from petab_files import tiny_problem
from waiting import until

from amijax.models import compilation
from amijax.models.cache import PHASES, ModelFolders
from amijax.models.compilation import latest_compile, start_compile
from amijax.models.lookup import CompileError, find_model, get_model, model_key

ROOT = Path(__file__).parents[1]
GET = (
    "import sys; from amijax import get_model, load_problem\n"
    "get_model(load_problem(sys.argv[1]), on_progress=lambda p: print(p.state, flush=True))\n"
)
# A C++ compiler that waits for a file, once it has the model's code (not CMake's own checks).
WAITING_COMPILER = """#!/bin/sh
case "$*" in *building*Unity*) : > "$0.works"; until [ -e "$0.go" ]; do sleep 0.05; done;; esac
exec c++ "$@"
"""


@pytest.fixture
def problem(tmp_path, monkeypatch):
    """A tiny problem and an empty cache."""
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    return tiny_problem(tmp_path / "problem")


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A compiler: the file that appears when it has the model's code, and the one it waits for."""
    script = tmp_path / "waiting-c++"
    script.write_text(WAITING_COMPILER)
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    return Path(f"{script}.works"), Path(f"{script}.go")


def processes_below(folder: Path) -> dict[int, str]:
    """The processes that work below a folder: id and command line."""
    if not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line and int(entry.name) != os.getpid():
            found[int(entry.name)] = line
    return found


def test_a_job_shows_phases_and_is_found_by_a_reloaded_page(problem, compiler):
    works, go_on = compiler
    threads = ThreadPoolExecutor(8)
    jobs = set(threads.map(lambda _: start_compile(problem), range(8)))
    assert len(jobs) == 1
    job = jobs.pop()
    assert latest_compile(model_key(problem)) is job
    until(works.exists)
    assert job.progress().phase == "C++ build"
    assert [phase for phase, _ in job.progress().phases] == ["import", "code generation"]
    assert job.progress().log_tail
    go_on.touch()
    done = job.wait()
    assert done.state == "done"
    assert [phase for phase, _ in done.phases] == list(PHASES)
    assert job.failure is None
    assert latest_compile(job.key).state == "done"
    assert find_model(problem) is not None
    folders = ModelFolders.of(job.key)
    assert not folders.building.exists()
    assert not folders.source.exists()
    tried = {path.stem: json.loads(path.read_text())["end"] for path in folders.verdicts.iterdir()}
    assert tried == {"none--": "survived", "forward--": "survived", "adjoint--": "survived"}


def test_cancel_stops_the_compilers_and_the_next_try_works(problem, compiler, tmp_path):
    works, go_on = compiler
    job = start_compile(problem)
    until(works.exists)
    job.cancel()
    assert job.wait().state == "cancelled"
    assert processes_below(tmp_path / "cache") == {}
    assert latest_compile(job.key) is job
    assert find_model(problem) is None
    go_on.touch()
    assert get_model(problem).load() is not None


@pytest.mark.parametrize("whole_group", [True, False])
def test_a_killed_compile_leaves_nothing_that_disturbs(problem, compiler, tmp_path, whole_group):
    works, go_on = compiler
    job = start_compile(problem)
    until(works.exists)
    [worker] = [
        process
        for process, line in processes_below(tmp_path / "cache").items()
        if "amijax.simulation.worker" in line
    ]
    (os.killpg if whole_group else os.kill)(worker, signal.SIGKILL)
    progress = job.wait()
    assert progress.state == "failed"
    assert "status -9" in job.failure.message
    assert job.failure.log_tail
    if not whole_group:  # else ninja could not end the compilers: they work on into the void
        assert processes_below(tmp_path / "cache") == {}
    go_on.touch()
    assert get_model(problem).load() is not None


def test_two_processes_compile_once_and_both_get_it(problem, compiler, tmp_path):
    _, go_on = compiler
    command = [sys.executable, "-c", GET, str(tmp_path / "problem" / "tiny.yaml")]
    outputs = [tmp_path / "first", tmp_path / "second"]
    processes = []
    for output in outputs:
        with output.open("w") as stdout:
            processes.append(subprocess.Popen(command, cwd=ROOT, stdout=stdout))
    until(lambda: any("waiting" in output.read_text().split() for output in outputs))
    go_on.touch()
    assert [process.wait() for process in processes] == [0, 0]
    assert sum("waiting" in output.read_text().split() for output in outputs) == 1
    folders = ModelFolders.of(model_key(problem))
    assert folders.phases.read_text().count('"phase": "C++ build"') == 1
    assert find_model(problem) is not None


@pytest.mark.usefixtures("problem")
def test_a_process_that_ends_takes_its_job_along(compiler, tmp_path):
    works, _ = compiler
    code = GET.splitlines()[0] + (
        "\nimport pathlib, time; from amijax.models.compilation import start_compile\n"
        "start_compile(load_problem(sys.argv[1]))\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.02)"
    )
    yaml = str(tmp_path / "problem" / "tiny.yaml")
    subprocess.run([sys.executable, "-c", code, yaml, str(works)], cwd=ROOT, check=True)
    assert processes_below(tmp_path / "cache") == {}


def test_without_a_compiler_the_failure_says_how_to_get_one(problem, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(CompileError, match=r"No C\+\+ compiler was found.*apt install") as caught:
        get_model(problem)
    assert "conda" in caught.value.failure.remedy


def test_a_compiler_that_is_not_there_is_named(problem, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CompileError, match="'no-such-compiler' that CXX names"):
        get_model(problem)


def test_a_failing_build_is_readable_and_a_retry_works(problem, tmp_path, monkeypatch):
    broken = tmp_path / "broken-c++"
    broken.write_text("#!/bin/sh\necho this compiler is broken >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    with pytest.raises(CompileError, match=r"C\+\+ build of the model failed"):
        get_model(problem)
    log = ModelFolders.of(model_key(problem)).log.read_text()
    assert "this compiler is broken" in log
    assert "building file by file" in log
    job = latest_compile(model_key(problem))
    assert job.progress().state == "failed"
    monkeypatch.delenv("CXX")
    assert get_model(problem).load() is not None


def test_failing_code_generation_is_readable(tmp_path, monkeypatch):
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    delay = (
        '<apply><csymbol encoding="text" '
        'definitionURL="http://www.sbml.org/sbml/symbols/delay"> delay </csymbol>'
        "<ci> A </ci><cn> 1 </cn></apply>"
    )
    problem = tiny_problem(tmp_path / "problem", rate=delay)
    with pytest.raises(CompileError, match="AMICI can't turn this model into code") as caught:
        get_model(problem)
    assert any("delay" in line for line in caught.value.failure.log_tail)
    assert "Traceback" in ModelFolders.of(model_key(problem)).log.read_text()


def test_what_amici_says_has_the_ids_of_the_problem(tmp_path, monkeypatch):
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    rate = "<apply><floor/><apply><times/><ci> kd </ci><ci> A </ci></apply></apply>"
    with pytest.raises(CompileError, match=r"floor\(kd\*A\)|floor\(A\*kd\)") as caught:
        get_model(tiny_problem(tmp_path / "problem", rate=rate))
    failure = caught.value.failure
    assert "floor" in failure.log_tail[-1]
    for text in (failure.message, *failure.log_tail):
        assert "s_0" not in text
        assert "p_0" not in text


def test_no_environment_needs_to_be_activated_and_the_parent_stays_quiet(
    problem, monkeypatch, capfd
):
    monkeypatch.setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert get_model(problem) is not None
    assert capfd.readouterr() == ("", "")


def test_a_unity_build_that_fails_falls_back_to_the_plain_one(problem, tmp_path, monkeypatch):
    # A compiler that knows no unity units.
    picky = tmp_path / "picky-c++"
    picky.write_text('#!/bin/sh\ncase "$*" in *Unity*) exit 1;; esac\nexec c++ "$@"\n')
    picky.chmod(0o755)
    monkeypatch.setenv("CXX", str(picky))
    assert get_model(problem).load() is not None
    assert "building file by file" in ModelFolders.of(model_key(problem)).log.read_text()


def test_macros_of_one_file_do_not_reach_the_next(tmp_path, monkeypatch):
    # Events bring `#define sx0 sx[0]`; the initial assignment a function with a `double *sx0`.
    math = 'xmlns="http://www.w3.org/1998/Math/MathML"'
    initial = (
        f'<listOfInitialAssignments><initialAssignment symbol="A"><math {math}><ci> kd </ci></math>'
        "</initialAssignment></listOfInitialAssignments>"
    )
    events = (
        "<listOfEvents>"
        f'<event id="dose" useValuesFromTriggerTime="true"><trigger initialValue="true" '
        f'persistent="true"><math {math}><apply><lt/><ci> A </ci><cn> 0.1 </cn></apply></math>'
        f'</trigger><listOfEventAssignments><eventAssignment variable="A"><math {math}>'
        "<cn> 1 </cn></math></eventAssignment></listOfEventAssignments></event></listOfEvents>"
    )
    problem = tiny_problem(tmp_path / "problem", initial=initial, events=events)
    before = problem.petab_problem.model.sbml_model
    assert before.getNumEvents() == before.getNumInitialAssignments() == 1
    monkeypatch.setenv("AMIJAX_CACHE_DIR", str(tmp_path / "cache"))
    assert get_model(problem).load() is not None
    log = ModelFolders.of(model_key(problem)).log.read_text()
    assert "file by file" not in log
    assert "redefined" not in log


def test_the_time_limit_ends_a_build(problem, tmp_path, monkeypatch):
    slow = tmp_path / "slow-c++"  # for the model's code, not for CMake's own checks
    slow.write_text('#!/bin/sh\ncase "$*" in *building*Unity*) sleep 60;; esac\nexec c++ "$@"\n')
    slow.chmod(0o755)
    monkeypatch.setenv("CXX", str(slow))
    monkeypatch.setenv("AMIJAX_COMPILE_TIMEOUT", "6")
    with pytest.raises(CompileError, match=r"longer than the limit of 6 s"):
        get_model(problem)
    assert processes_below(tmp_path / "cache") == {}


def test_waiting_has_an_end_but_the_job_goes_on(problem):
    with pytest.raises(CompileError, match=r"not compiled within 0.1 s"):
        get_model(problem, timeout=0.1)
    job = latest_compile(model_key(problem))
    assert not job.progress().is_over
    job.cancel()


def test_jobs_use_no_threads_once_they_are_over(problem, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    job = start_compile(problem)
    job.wait()
    until(lambda: not [t for t in threading.enumerate() if t.name == f"compile {job.key}"])
    assert compilation.latest_compile(job.key) is job
