"""README's Python blocks run as they stand, each in a fresh process."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from serving import serving

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^(#+ [^\n]+)$|^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def blocks():
    """Each block as a parameter, named after its section; with the marker of what it needs."""
    section, found = "", []
    for heading, block in BLOCKS:
        section = heading.strip("# ") or section
        if block:
            marks = [
                mark
                for needed, mark in (
                    ("download_problem", pytest.mark.collection),
                    ("DaskExecutor", pytest.mark.cluster),
                )
                if needed in block
            ]
            found.append(pytest.param(block, marks=marks, id=f"{section} {len(found) + 1}"))
    return found


@pytest.fixture
def environment(boehm):  # noqa: ARG001 - compiled beforehand
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_there_are_blocks():
    assert len(blocks()) == 7


@pytest.mark.parametrize("block", blocks())
def test_a_block_runs(block, environment, request, tmp_path):
    with ExitStack() as stack:
        if "download_problem" in block:  # from a server with the local collection
            folder = request.getfixturevalue("collection")
            environment["AMIJAX_COLLECTION_URL"] = stack.enter_context(serving(folder)).url
            environment["AMIJAX_CACHE_DIR"] = str(tmp_path / "cache")
            del environment["AMIJAX_COLLECTION"]
        if "tcp://host:8786" in block:
            pytest.importorskip("distributed", reason="Dask is not installed")
            from dask_processes import DaskProcesses

            cluster = DaskProcesses(tmp_path, Path(environment["AMIJAX_CACHE_DIR"]))
            stack.callback(cluster.end)
            cluster.add_workers(1)
            block = block.replace("tcp://host:8786", cluster.address)
        script = tmp_path / "block.py"
        script.write_text(block)
        done = subprocess.run(
            [sys.executable, "-W", "error", str(script)],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
