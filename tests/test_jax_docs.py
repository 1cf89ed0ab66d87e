"""The blocks of docs/howto/jax.md run one after the other, as a reader would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "howto" / "jax.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_page_s_blocks_run(conversion, tmp_path):  # noqa: ARG001 - compiled beforehand
    assert len(BLOCKS) >= 8
    script = tmp_path / "page.py"
    script.write_text("\n".join(BLOCKS))
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", re.findall(r"test_\w+\.py", PAGE))
def test_the_tests_that_the_page_names_are_there(name):
    assert (ROOT / "tests" / name).is_file()
