"""The models that exported scripts compile in AMICI's way: 20 s each, once for all runs."""

import os
import shutil
from pathlib import Path

from amijax import AmiciObjective


def script_model_folder(objective: AmiciObjective) -> Path:
    """The folder for the model of an objective's exported script, in the tests' cache."""
    root = Path(os.environ["AMIJAX_CACHE_DIR"]).absolute() / "script_models"
    folder = root / f"{objective.problem.problem_id}-{objective.model.key}"
    if folder.is_dir() and not list(folder.glob("*/*/_*.so")) + list(folder.glob("*/_*.so")):
        shutil.rmtree(folder)  # a build that was interrupted
    return folder
