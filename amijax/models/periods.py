"""Experiments of PEtab v2 in the model: what each of their periods changes, and when.

The first period decides how the model begins. Later ones change constant parameters by rules that
switch in time, if the new value does not depend on states, and everything else by events: one event
for each time, which in experiments that change nothing then leaves everything as it is. In
experiments that begin with preequilibration the first period after it changes parameters and
states as PEtab v1's conditions do, where that is enough.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sympy as sp
from petab.v1.math import sympify_petab

from amijax.models.draft import Draft
from amijax.models.plan import Free, Value
from amijax.models.sbml_tree import MATHML, apply, ci, cn, names, number, substitute, time_symbol
from amijax.models.symbolic import symbol, to_mathml, to_sympy
from amijax.problems.experiments import Period

type Given = Value | ET.Element  # a number, a free parameter, or a formula
type Pair = tuple[Given, Given]  # during preequilibration and after it


def set_periods(draft: Draft) -> None:
    """Let the model do what the experiments say.

    Raises:
        ProblemError: a change can't be expressed.
    """
    if draft.problem.petab_version == "1":
        return
    starts: list[tuple[Value, Value]] = [(s.first_time,) * 2 for s in draft.simulations]
    draft.tree.start = draft.formula_of(starts, "start time")
    draft.changed()
    _Periods(draft).write()


@dataclass
class _Course:
    """What changes in one simulation, in neutral ids; formulas refer to values before the change.

    Attributes:
        first: how the model begins.
        main: what is changed when preequilibration is over; None without preequilibration.
        main_time: when that is.
        later: what is changed at later times.
    """

    first: dict[str, sp.Expr]
    main: dict[str, sp.Expr] | None
    main_time: float
    later: list[tuple[float, dict[str, sp.Expr]]]
    # In the same order: values of constant parameters in force after each of these steps.
    constants: list[dict[str, sp.Expr]] = field(default_factory=list)

    @property
    def steps(self) -> list[dict[str, sp.Expr]]:
        """All changes, in order."""
        main = [] if self.main is None else [self.main]
        return [self.first, *main, *(changes for _, changes in self.later)]


class _Periods:
    """Writes what periods change into a draft."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._add_outputs()
        self._courses = [self._course(s.experiment) for s in draft.simulations]
        targets = dict.fromkeys(t for c in self._courses for step in c.steps for t in step)
        self._targets = tuple(targets)
        for target in targets:
            if target in draft.entities.assignment_rules:
                raise draft.refuse(
                    f"{target} is set by an assignment rule of the model, so no condition can "
                    "change it."
                )
        self._constants = {
            name
            for name in targets
            if name in draft.entities.parameters and not draft.entities.changes(name)
        }
        self._resolve()

    def write(self) -> None:
        """Change the draft."""
        states = [name for name in self._targets if name not in self._constants]
        switched = self._switched()
        bases = {name: self._base(name) for name in switched}
        defaults = {name: substitute(self._own_start(name), bases) for name in states}
        self._free_initial_values(bases)
        for name in self._targets:
            if name in self._constants:
                self._write_constant(name, bases.get(name))
        for name in states:
            self._write_start(name, defaults[name])
        self._write_events(states)

    # What the tables say

    def _add_outputs(self) -> None:
        """Add parameters that only formulas of observables and conditions know."""
        draft = self._draft
        for planned in draft.simulations:
            for period in planned.experiment.periods if planned.experiment else ():
                for change in period.changes:
                    if change.target not in draft.neutral:
                        name = draft.add_parameter(
                            [(0.0, 0.0)] * len(draft.simulations), change.target
                        )
                        del draft.values[name]
                        draft.neutral[change.target] = name
        draft.changed()

    def _course(self, experiment: object) -> _Course:
        from amijax.problems.experiments import Experiment

        assert isinstance(experiment, Experiment)
        simulated = list(experiment.simulated)
        if (before := experiment.preequilibration) is not None:
            main = self._changes(simulated.pop(0)) if simulated else {}
            first = self._changes(before, time=0.0)
        else:
            main = None
            first = self._changes(simulated.pop(0)) if simulated else {}
        later = [(p.time, self._changes(p)) for p in simulated if p.changes]
        return _Course(first, main, experiment.start, later)

    def _changes(self, period: Period, time: float | None = None) -> dict[str, sp.Expr]:
        at = period.time if time is None else time
        return {
            self._draft.neutral[change.target]: self._parsed(change.value, at)
            for change in period.changes
        }

    def _parsed(self, text: str, time: float) -> sp.Expr:
        """A formula of PEtab's in neutral ids, time a number."""
        draft = self._draft
        try:
            expression = sympify_petab(text)
        except Exception as error:  # its parser raises what it likes
            raise draft.refuse(
                f"the value {text[:120]!r} in the condition table is not a formula that PEtab "
                f"allows: {str(error)[:200]}"
            ) from error
        by: dict[sp.Basic, sp.Basic] = {}
        for s in sorted(expression.free_symbols, key=str):
            name = str(s)
            if (made := draft.neutral.get(name)) is not None:
                by[s] = symbol(made)
            elif (value := draft.tables.parameter(name)) is not None:
                by[s] = (
                    symbol(draft.of_theta(value.position))
                    if isinstance(value, Free)
                    else sp.Float(value)
                )
            elif name == "time":
                by[s] = sp.Float(time)
            else:
                raise draft.refuse(
                    f"the condition table's {text[:120]!r} uses {name}, which is neither in the "
                    "model nor in the parameter table."
                )
        return expression.xreplace(by)

    # Constant parameters

    def _resolve(self) -> None:
        """Find out which parameters stay constant between changes, and what they are."""
        while True:
            for course in self._courses:
                self._follow(course)
            left = {name for name in self._constants if not self._stays_constant(name)}
            if not left:
                return
            self._constants -= left

    def _follow(self, course: _Course) -> None:
        """Values of constant parameters after each step, without other targets in them."""
        start = {name: course.first[name] for name in self._constants & course.first.keys()}
        start = {name: self._at_start(value) for name, value in start.items()}
        for name in self._constants - start.keys():
            start[name] = self._default(name).xreplace(_by_symbol(start))
        now = {name: value.xreplace(_by_symbol(start)) for name, value in start.items()}
        course.constants = [now]
        for step in course.steps[1:]:
            changed = {
                name: step[name].xreplace(_by_symbol(now)) for name in self._constants & step.keys()
            }
            now = {**now, **changed}
            course.constants.append(now)

    def _at_start(self, value: sp.Expr) -> sp.Expr:
        """A value of a first period; what it refers to has the model's own initial value."""
        by: dict[sp.Basic, sp.Basic] = {}
        for s in value.free_symbols:
            name = str(s)
            if name in self._targets or not self._draft.entities.is_plain_parameter(name):
                by[s] = self._default(name)
        return value.xreplace(by)

    def _default(self, name: str) -> sp.Expr:
        """How the model itself lets something begin."""
        return to_sympy(self._own_start(name))

    def _own_start(self, name: str) -> ET.Element:
        """The same as a formula; a number that the model leaves open is 0, and unused."""
        entities = self._draft.entities
        if entities.is_plain_parameter(name):
            own = entities.number_of(name)
            return cn(own if own == own else 0.0)
        return entities.initial(name)

    def _is_settled(self, value: sp.Basic) -> bool:
        """Whether a value depends on nothing that changes or that is another target."""
        entities = self._draft.entities
        return all(
            str(s) not in self._targets and entities.is_plain_parameter(str(s))
            for s in value.free_symbols
        )

    def _stays_constant(self, name: str) -> bool:
        if not all(self._is_settled(now[name]) for c in self._courses for now in c.constants):
            return False
        return not (self._times(name) and self._is_used_in_events(name))

    def _times(self, name: str) -> list[float]:
        """When a target is changed after the beginning."""
        return sorted({t for c in self._courses for t, step in c.later if name in step})

    def _is_used_in_events(self, name: str) -> bool:
        """AMICI can't compile events whose formulas switch in time."""
        draft = self._draft
        tag = f"{{{MATHML}}}math"
        return any(
            name in names(draft.entities.written_out(formula))
            for event in draft.tree.elements("event")
            for container in event.iter(tag)
            for formula in container
        )

    def _switched(self) -> list[str]:
        """Constant parameters that later periods change."""
        return [n for n in self._targets if n in self._constants and self._times(n)]

    def _start_pairs(self, name: str) -> list[Pair]:
        """A constant parameter's value during preequilibration and when the simulation begins."""
        pairs = []
        for course in self._courses:
            first = self._given(course.constants[0][name])
            main = first if course.main is None else self._given(course.constants[1][name])
            pairs.append((first, main))
        return pairs

    def _base(self, name: str) -> ET.Element:
        """A constant parameter before the first of its later changes."""
        return self._chosen(self._start_pairs(name), self._own(name))

    def _write_constant(self, name: str, base: ET.Element | None) -> None:
        draft = self._draft
        pairs = self._start_pairs(name)
        values = [pair for pair in pairs if _are_values(pair)]
        draft.tree.drop_initial_assignment(name)
        draft.changed()
        if base is None and len(values) == len(pairs):
            free = any(isinstance(v, Free) for pair in values for v in pair)
            if not free or all(pre == main for pre, main in values):
                draft.values[name] = values  # type: ignore[assignment]
                return
        rule = base if base is not None else self._chosen(pairs, self._own(name))
        pieces: list[ET.Element] = []
        for time in self._times(name):
            after = [
                (pair[0], self._given(self._in_force(course, name, time)))
                for course, pair in zip(self._courses, pairs, strict=True)
            ]
            value = self._chosen(after, f"{self._own(name)} from {time:g}")
            # The latest time that has passed decides.
            pieces.insert(0, _piece(value, apply("geq", time_symbol(), cn(time))))
        draft.tree.set_assignment_rule(name, _piecewise(pieces, rule) if pieces else rule)
        draft.changed()

    def _in_force(self, course: _Course, name: str, time: float) -> sp.Expr:
        """A constant parameter's value at a time of the simulation."""
        began = len(course.steps) - len(course.later)
        passed = sum(t <= time for t, _ in course.later)
        return course.constants[began - 1 + passed][name]

    def _free_initial_values(self, bases: Mapping[str, ET.Element]) -> None:
        """Let initial assignments refer to how switched parameters begin."""
        draft = self._draft
        for name, formula in draft.entities.initial_assignments.items():
            written = draft.entities.written_out(formula)
            if names(written) & bases.keys():
                draft.tree.set_initial_assignment(name, substitute(written, bases))
        draft.changed()

    # States

    def _write_start(self, name: str, default: ET.Element) -> None:
        """Let a state begin with what the first periods say, and set it anew after equilibration.

        Args:
            name: neutral id.
            default: how the model itself lets it begin.
        """
        draft = self._draft
        own = number(default)
        default_given: Given = default if own is None else own
        pairs: list[Pair] = []
        resettable = False
        for i, course in enumerate(self._courses):
            first = default_given
            if name in course.first:
                begins = self._at_start(course.first[name])
                first = self._given(begins.xreplace(_by_symbol(course.constants[0])))
            main = first
            if course.main is not None and name in course.main and not self._needs_event(course):
                constants = _by_symbol(course.constants[0])
                main = self._given(course.main[name].xreplace(constants))
                draft.resets[i].append(name)
                resettable = True
            pairs.append((first, main))
        if resettable or name in draft.entities.parameters or any(
            name in course.first for course in self._courses
        ):  # fmt: skip
            formula = self._chosen(
                pairs, f"initial value of {self._own(name)}", resettable=resettable
            )
            draft.tree.set_initial_assignment(name, formula)
            draft.changed()

    def _needs_event(self, course: _Course) -> bool:
        """Whether what changes after preequilibration depends on states, or is a compartment.

        AMICI sets states anew from their initial values, one after the other.
        """
        if course.main is None:
            return False
        states = course.main.keys() - self._constants
        by = _by_symbol(course.constants[0])
        return any(
            name in self._draft.entities.compartments
            or not self._is_settled(course.main[name].xreplace(by))
            for name in states
        )

    def _write_events(self, states: Sequence[str]) -> None:
        """Let states change at their times."""
        changes: dict[tuple[float, bool], list[dict[str, sp.Expr]]] = {}
        n = len(self._courses)
        for i, course in enumerate(self._courses):
            began = len(course.steps) - len(course.later)
            found = []
            if course.main is not None and self._needs_event(course):
                found.append((course.main_time, True, course.main, course.constants[0]))
            for k, (time, step) in enumerate(course.later):
                found.append((time, False, step, course.constants[began - 1 + k]))
            for time, at_start, step, constants in found:
                if now := self._of_states(step, constants, states):
                    changes.setdefault((time, at_start), [{} for _ in range(n)])[i] = now
        for time, at_start in sorted(changes):
            self._write_event(time, changes[time, at_start], at_start=at_start)

    def _of_states(
        self, step: Mapping[str, sp.Expr], constants: Mapping[str, sp.Expr], states: Iterable[str]
    ) -> dict[str, sp.Expr]:
        """What a step changes of states, by values before it."""
        by = _by_symbol(constants)
        found = {name: step[name].xreplace(by) for name in states if name in step}
        return self._with_species(found)

    def _with_species(self, changes: dict[str, sp.Expr]) -> dict[str, sp.Expr]:
        """Changes, with those of concentrations in compartments whose size changes.

        PEtab keeps concentrations when a compartment changes, SBML keeps amounts: what is assigned
        is multiplied by what the change of the size will divide it by.
        """
        entities = self._draft.entities
        sized = {name: value for name, value in changes.items() if name in entities.compartments}
        if not sized:
            return changes
        result = dict(changes)
        for name, species in entities.species.items():
            compartment = species.get("compartment", "")
            if compartment not in sized or species.get("hasOnlySubstanceUnits") == "true":
                continue
            if name in entities.assignment_rules:
                continue
            value = changes.get(name, symbol(name))
            result[name] = value * sized[compartment] / symbol(compartment)
        return result

    def _write_event(
        self, time: float, changes: Sequence[Mapping[str, sp.Expr]], *, at_start: bool
    ) -> None:
        """One event, or several.

        At the end of preequilibration AMICI goes on with what it knows of triggers: one that was
        true there does not become true at the start. So the trigger of an event at the start is a
        constant that says where it happens. An event with a formula that may have no value in
        other simulations has a constant for time, which has passed there.
        """
        total = all(
            value.is_polynomial(*value.free_symbols) for step in changes for value in step.values()
        )
        if total and not at_start:
            self._happen(apply("geq", time_symbol(), cn(time)), time, changes)
            return
        groups: dict[str, list[int]] = {}
        for i, step in enumerate(changes):
            if step:
                key = repr(sorted((name, str(value)) for name, value in step.items()))
                groups.setdefault(key, []).append(i)
        past = min(0.0, *(s.start for s in self._draft.simulations)) - 1.0
        for members in groups.values():
            here = [i in members for i in range(len(changes))]
            if at_start:
                flags: list[tuple[Value, Value]] = [(0.0, float(is_here)) for is_here in here]
                flag = ci(self._draft.add_parameter(flags, f"whether a change at {time:g} is due"))
                trigger = apply("geq", flag, cn(0.5))
            else:
                times: list[tuple[Value, Value]] = [
                    (past, time if is_here else past) for is_here in here
                ]
                when = ci(self._draft.add_parameter(times, f"time of a change at {time:g}"))
                trigger = apply("geq", time_symbol(), when)
            same = [changes[members[0]]] * len(changes)
            self._happen(trigger, time, same, alone=True, at_start=at_start)

    def _happen(
        self, when: ET.Element, time: float, changes: Sequence[Mapping[str, sp.Expr]], *,
        alone: bool = False, at_start: bool = False,
    ) -> None:  # fmt: skip
        """Add an event.

        Args:
            when: its trigger.
            time: when it happens.
            changes: in each simulation; what is not changed stays as it is.
            alone: whether it happens only where its changes are meant.
            at_start: whether it happens where simulations begin at this time.
        """
        draft = self._draft
        assignments = {}
        for name in dict.fromkeys(name for step in changes for name in step):
            pairs: list[Pair] = []
            for course, step in zip(self._courses, changes, strict=True):
                main = self._given(step[name]) if name in step else ci(name)
                equilibrates = course.main is not None and not alone
                pairs.append((ci(name) if equilibrates else main, main))
            assignments[name] = self._chosen(pairs, f"{self._own(name)} at {time:g}")
        has_others = any(
            e.get("id") not in draft.period_events for e in draft.tree.elements("event")
        )
        name = f"e_{len(draft.tree.elements('event'))}"
        draft.tree.add_event(
            name, when, assignments, at_start=at_start,
            priority=self._priority() if has_others else None,
        )  # fmt: skip
        draft.own_ids[name] = f"period at {time:g}"
        draft.period_events.add(name)
        draft.changed()

    def _priority(self) -> float:
        """Above that of all events of the model, which happen after a period has begun."""
        tree = self._draft.tree
        known = [
            value
            for element in tree.elements("priority")
            if (value := number(tree.formula(element))) is not None
        ]
        return max([0.0, *known]) + 1.0

    # Formulas that differ between simulations

    def _own(self, name: str) -> str:
        return self._draft.own(name)[0]

    def _given(self, value: sp.Expr) -> Given:
        """A value as a number or a free parameter, if it is one."""
        draft = self._draft
        if value.is_number:
            return float(value)
        if isinstance(value, sp.Symbol):
            name = str(value)
            known = draft.values.get(name)
            if name not in self._targets and draft.entities.is_plain_parameter(name):
                if known is None:
                    return draft.entities.number_of(name)
                if all(pair == known[0] for pair in known) and known[0][0] == known[0][1]:
                    return known[0][0]
        try:
            return to_mathml(value)
        except Exception as error:  # the printer raises what it likes
            raise draft.refuse(
                f"the value {value} of the condition table can't be written in SBML."
            ) from error

    def _chosen(
        self, pairs: Sequence[Pair], meaning: str, *, resettable: bool = False
    ) -> ET.Element:
        """A formula that has given values in each simulation.

        Args:
            pairs: in each simulation, during preequilibration and after it.
            meaning: what people see in place of the ids of new parameters.
            resettable: as in `Draft.formula_of`.
        """
        draft = self._draft
        if all(_are_values(pair) for pair in pairs):
            return draft.formula_of(pairs, meaning, resettable=resettable)  # type: ignore[arg-type]
        formulas: dict[bytes, ET.Element] = {}
        for pair in pairs:
            for given in pair:
                if isinstance(given, ET.Element):
                    formulas.setdefault(ET.tostring(given), given)
        keys = [tuple(_key(given) for given in pair) for pair in pairs]
        if not resettable and len({key for pair in keys for key in pair}) == 1:
            return next(iter(formulas.values()))
        parts: list[ET.Element] = []
        values: list[tuple[Value, Value]] = [
            tuple(0.0 if isinstance(g, ET.Element) else g for g in pair)  # type: ignore[misc]
            for pair in pairs
        ]
        if any(value != 0.0 for pair in values for value in pair):
            parts.append(draft.formula_of(values, meaning))
        for i, (key, formula) in enumerate(formulas.items()):
            flags: list[tuple[Value, Value]] = [
                (float(pre == key), float(main == key)) for pre, main in keys
            ]
            case = f"formula {i + 1} of {meaning}" if len(formulas) > 1 else meaning
            flag = draft.formula_of(flags, f"whether {case} counts", resettable=True)
            parts.append(apply("times", flag, formula))
        return parts[0] if len(parts) == 1 else apply("plus", *parts)


def _by_symbol(values: Mapping[str, sp.Expr]) -> dict[sp.Basic, sp.Basic]:
    return {symbol(name): value for name, value in values.items()}


def _are_values(pair: Pair) -> bool:
    return not any(isinstance(given, ET.Element) for given in pair)


def _key(given: Given) -> bytes | None:
    return ET.tostring(given) if isinstance(given, ET.Element) else None


def _piece(value: ET.Element, condition: ET.Element) -> ET.Element:
    element = ET.Element(f"{{{MATHML}}}piece")
    element.extend([value, condition])
    return element


def _piecewise(pieces: Sequence[ET.Element], otherwise: ET.Element) -> ET.Element:
    element = ET.Element(f"{{{MATHML}}}piecewise")
    element.extend(pieces)
    ET.SubElement(element, f"{{{MATHML}}}otherwise").append(otherwise)
    return element
