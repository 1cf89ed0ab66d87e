"""This package with the settings that `amijax.tuning` finds for an error as small as AMICI's."""

from amijax.tuning.search import tune

from . import ours


def set_up(objective):
    found = tune(objective, None, n_drawn=0)  # at nominal, where all contenders are measured
    return ours.set_up(objective.with_solver(found.settings))
