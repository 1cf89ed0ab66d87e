"""A model while it is made ready: its tree, the values of its parameters, and what was changed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from amijax.models.entities import Entities
from amijax.models.neutral_ids import ADDED, make_neutral, with_own_ids
from amijax.models.plan import Distrust, Free, Repair, Value
from amijax.models.sbml_tree import SbmlTree, apply, ci, cn, names
from amijax.models.values import InSimulation, Simulation, Tables
from amijax.problems.problem import Problem, ProblemError


class Draft:
    """What repairs and the reading of the tables work on.

    Attributes:
        problem: the problem.
        tree: its model, with neutral ids.
        neutral: the model's own id to the neutral one.
        simulations: what the problem asks for.
        tables: parameter and condition table.
        values: for parameters of the model, by neutral id, the value in each simulation during
            preequilibration and after it; parameters that are not here keep the model's number.
        resets: for each simulation the states that it sets anew after preequilibration.
        repairs, distrusts: so far.
        period_events: events that begin periods of experiments, neutral ids.
    """

    def __init__(self, problem: Problem, tree: SbmlTree, planned: Sequence[Simulation]) -> None:
        """Give the model neutral ids.

        Args:
            problem: the problem.
            tree: its model; it is changed from now on.
            planned: the problem's simulations.
        """
        self.problem = problem
        self.tree = tree
        self.neutral = make_neutral(tree)
        self.own_ids = {made: name for name, made in self.neutral.items()}
        self.simulations = tuple(planned)
        self.tables = Tables(problem, self.simulations)
        self.values: dict[str, list[tuple[Value, Value]]] = {}
        self.resets: list[list[str]] = [[] for _ in self.simulations]
        self.repairs: list[Repair] = []
        self.distrusts: list[Distrust] = []
        self.period_events: set[str] = set()
        self._added = 0
        self._of_theta: dict[int, str] = {}
        self._indicator: str | None = None
        self._entities: Entities | None = None

    @property
    def preequilibrates(self) -> bool:
        """Whether any simulation begins with preequilibration."""
        return any(planned.preequilibration is not None for planned in self.simulations)

    @property
    def entities(self) -> Entities:
        """The model's quantities as they are now."""
        if self._entities is None:
            self._entities = Entities(self.tree)
        return self._entities

    def changed(self) -> None:
        """Note that the tree was changed."""
        self._entities = None

    def own(self, *neutral: str) -> tuple[str, ...]:
        """What the user calls some quantities."""
        return tuple(self.own_ids.get(name, name) for name in neutral)

    def repaired(self, code: str, message: str, *neutral: str) -> None:
        """Note a repair; neutral ids in the message become the user's."""
        self.changed()
        text = with_own_ids(message, self.own_ids)
        self.repairs.append(Repair(code, text, self.own(*neutral)))

    def distrust(self, code: str, message: str, *sensitivities: str) -> None:
        """Note something that AMICI computes wrongly; neutral ids become the user's."""
        self.distrusts.append(
            Distrust(code, with_own_ids(message, self.own_ids), tuple(sensitivities))
        )

    def refuse(self, message: str) -> ProblemError:
        """The error for something that can't be computed rightly; neutral ids become the user's."""
        return ProblemError(f"{self.problem.problem_id}: {with_own_ids(message, self.own_ids)}")

    def add_parameter(self, values: Sequence[tuple[Value, Value]], meaning: str) -> str:
        """A new parameter of the model.

        Args:
            values: in each simulation, during preequilibration and after it.
            meaning: what people see in place of its id.
        """
        name = f"{ADDED}_{self._added}"
        self._added += 1
        number = next((v for pair in values for v in pair if not isinstance(v, Free)), 1.0)
        element = self.tree.add_parameter(name, float(number))
        if self._entities is not None:  # nothing else about them changes
            self._entities.parameters[name] = element
        self.values[name] = list(values)
        self.own_ids[name] = meaning
        return name

    def of_theta(self, position: int) -> str:
        """The model's parameter that is a free parameter of the problem in all simulations."""
        if position not in self._of_theta:
            name = self.problem.parameter_ids[position]
            free = Free(position)
            known = self.neutral.get(name)
            everywhere = [(free, free)] * len(self.simulations)
            if (
                known is not None
                and known in self.entities.parameters
                and self.values.get(known) == everywhere
                and known not in self.entities.assignment_rules
            ):
                self._of_theta[position] = known
            else:
                self._of_theta[position] = self.add_parameter(everywhere, name)
        return self._of_theta[position]

    def formula_of(
        self, values: Sequence[tuple[Value, Value]], meaning: str, *, resettable: bool = False
    ) -> ET.Element:
        """A formula that has given values, with sensitivities where they are free parameters.

        AMICI has one vector of parameters with sensitivities for preequilibration and simulation,
        but one of constants for each: values that differ are chosen by a constant.

        Args:
            values: in each simulation, during preequilibration and after it.
            meaning: what people see in place of the ids of new parameters.
            resettable: AMICI sets a state anew only if its initial value depends on a constant.
        """
        first = values[0][0]
        free = any(isinstance(v, Free) for pair in values for v in pair)
        if not free:
            if not resettable and all(v == first for pair in values for v in pair):
                return cn(first)  # type: ignore[arg-type]
            return ci(self.add_parameter(values, meaning))
        if all(before == after for before, after in values) and not resettable:
            if isinstance(first, Free) and all(pair == values[0] for pair in values):
                return ci(self.of_theta(first.position))
            return ci(self.add_parameter(values, meaning))
        before = self.formula_of([(pre, pre) for pre, _ in values], f"{meaning} (preequilibration)")
        after = self.formula_of([(sim, sim) for _, sim in values], meaning)
        indicator = ci(self.indicator())
        return apply(
            "plus",
            apply("times", indicator, before),
            apply("times", apply("minus", cn(1.0), indicator), after),
        )

    def indicator(self) -> str:
        """A constant that is 1 during preequilibration and 0 after it."""
        if self._indicator is None:
            values: list[tuple[Value, Value]] = [
                (0.0 if planned.preequilibration is None else 1.0, 0.0)
                for planned in self.simulations
            ]
            self._indicator = self.add_parameter(values, "preequilibration")
        return self._indicator

    def is_free(self, name: str) -> bool:
        """Whether a parameter of the model is a free parameter in any simulation."""
        return any(isinstance(v, Free) for pair in self.values.get(name, ()) for v in pair)

    def depends_on_free(self, formula: ET.Element) -> bool:
        """Whether a formula refers to a parameter that is free in any simulation."""
        return any(self.is_free(name) for name in names(formula))

    def with_defaults(
        self, given: Sequence[InSimulation], default: ET.Element, meaning: str, *, resettable: bool
    ) -> ET.Element:
        """A formula that has given values, and a default where none are given.

        Args:
            given: in each simulation.
            default: a formula.
            meaning: what people see in place of the ids of new parameters.
            resettable: as in `formula_of`.
        """
        values = [(0.0 if pre is None else pre, 0.0 if sim is None else sim) for pre, sim in given]
        formula = self.formula_of(values, meaning, resettable=resettable)
        flags = [(float(pre is not None), float(sim is not None)) for pre, sim in given]
        if all(flag == (1.0, 1.0) for flag in flags):
            return formula
        flag = self.formula_of(flags, f"whether {meaning} is set")
        return apply(
            "plus",
            apply("times", flag, formula),
            apply("times", apply("minus", cn(1.0), flag), default),
        )
