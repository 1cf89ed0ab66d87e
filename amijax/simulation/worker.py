"""The process that compiles a model and, while it is at hand, tries it.

`python -m amijax.simulation.worker CACHE_ROOT KEY`; `amijax.models.worker` tells what it prints.
"""

from __future__ import annotations

from pathlib import Path

from amijax.models.cache import ModelFolders
from amijax.models.worker import main


def _try(folders: ModelFolders, library: Path) -> None:
    from amijax.simulation.trial import try_after_build  # takes AMICI with it, hence a second

    try_after_build(folders, library)


if __name__ == "__main__":
    main(_try)
