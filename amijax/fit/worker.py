"""The process that runs starts of a fit, or other work: `python -m amijax.fit.worker`.

It reads pickles, which this package wrote, from standard input: the objective's recipe and the
plan, then one task after the other; and writes answers, under way and over, to standard output, or
an exception in the place of one.
"""

from __future__ import annotations

import os
import pickle
import sys

from amijax.fit.work import Answer
from amijax.logs import quiet_amici


def main() -> None:
    """Run tasks until standard input ends."""
    # What native code or a library prints must not come between the pickles.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    quiet_amici()

    def tell(answer: Answer) -> None:
        pickle.dump(answer, answers)
        answers.flush()

    recipe, plan = pickle.load(sys.stdin.buffer)
    objective = recipe.rebuild()
    while True:
        try:
            task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            tell(plan.run(objective, task, tell))
        except BrokenPipeError:  # nobody waits for it any more
            return
        except Exception as error:  # a fault of ours, which is raised where the fit was called
            pickle.dump(error, answers)
            answers.flush()


if __name__ == "__main__":
    main()
