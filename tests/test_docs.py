"""README and documentation: Python blocks run as they stand, links lead somewhere.

Notebooks, whose code is in `{code-cell}` blocks, are run when the site is built (`.ci/run`).
"""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from serving import serving

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if "_build" not in page.parts),
]  # fmt: skip
# Pages whose blocks go on from each other, and whose results are looked at, by their test.
TESTED_ELSEWHERE = {"jax": "test_jax_docs.py", "posteriors": "test_jax_posterior.py"}
HEADING_OR_BLOCK = re.compile(r"^(#+ [^\n]+)$|^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^(`{3,}|:{3,}).*?^\1$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def blocks():
    """Each block as a parameter, named after its page and section; marked by what it needs."""
    found = []
    for page in PAGES:
        if page.stem in TESTED_ELSEWHERE:
            continue
        section = ""
        for heading, block in HEADING_OR_BLOCK.findall(page.read_text()):
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
                found.append(pytest.param(block, marks=marks, id=f"{page.stem}: {section}"))
    return found


@pytest.fixture
def environment(boehm):  # noqa: ARG001 - compiled beforehand
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_there_are_blocks():
    assert len(blocks()) >= 7
    for page, test in TESTED_ELSEWHERE.items():
        assert f"{page}.md" in (Path(__file__).with_name(test)).read_text()


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


def anchors(page: Path) -> set[str]:
    """Names of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path, text: str) -> list[str]:
    """Links to files or headings of ours that are not there."""
    found = []
    for link in LINK.findall(CODE.sub("", BLOCK.sub("", text))):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        there = target.is_file() and ROOT in target.parents
        if not there or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert broken_links(page, page.read_text()) == []


def test_broken_links_are_found():
    text = "[a](docs/none.md) [b](#nowhere) [c](#start) [d](https://x.org) `[e](f)`\n"
    text += "```\n[g](h)\n```"
    assert broken_links(ROOT / "README.md", text) == ["docs/none.md", "#nowhere"]


def test_pages_of_the_site_link_to_the_site_only():
    """What lies outside of docs/ is not on the site, but for what it includes."""
    docs = ROOT / "docs"
    for page in PAGES:
        if docs in page.parents:
            for link in LINK.findall(CODE.sub("", BLOCK.sub("", page.read_text()))):
                path = link.partition("#")[0]
                if path and "://" not in link:
                    assert docs in (page.parent / path).resolve().parents, f"{page}: {link}"


def test_every_environment_variable_is_documented():
    page = (ROOT / "docs/reference/environment.md").read_text()
    sources = "".join(path.read_text() for path in (ROOT / "amijax").rglob("*.py"))
    assert set(re.findall(r"AMIJAX_[A-Z_]+[A-Z]", sources)) <= set(
        re.findall(r"`(AMIJAX_[A-Z_]+)", page)
    )


def test_every_public_name_is_in_the_reference():
    import amijax

    pages = "".join(page.read_text() for page in (ROOT / "docs/reference/api").glob("*.md"))
    documented = set(re.findall(r"^\.\. auto\w+:: amijax\.(\w+)$", pages, re.MULTILINE))
    assert set(amijax.__all__) - documented <= {"__version__"}
