"""The process that runs starts of a fit, or other work: `python -m amijax.fit.worker`.

It reads pickles, which this package wrote, from standard input: what a job is (the objective's
recipe and the plan), then its tasks one after the other, None, and then the next job; and writes
answers, under way and over, to standard output, or an exception in the place of one.
"""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import suppress

from amijax.fit.work import Answer
from amijax.logs import quiet_amici


def main() -> None:
    """Run jobs until standard input ends."""
    # What native code or a library prints must not come between the pickles.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    quiet_amici()

    def tell(answer: Answer | Exception) -> None:
        pickle.dump(answer, answers)
        answers.flush()

    # Nobody is there any more: at the end of input, or where answers go.
    with suppress(EOFError, BrokenPipeError):
        while True:
            recipe, plan = pickle.load(sys.stdin.buffer)
            objective = None
            while (task := pickle.load(sys.stdin.buffer)) is not None:
                try:
                    objective = objective or recipe.rebuild()
                    tell(plan.run(objective, task, tell))
                except BrokenPipeError:
                    raise
                except Exception as error:  # raised where the fit was called
                    tell(error)


if __name__ == "__main__":
    main()
