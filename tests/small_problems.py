"""Small PEtab problems written from a few lines, and their llh and gradient from a closed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import libsbml
import numpy as np

NOISE = 0.1


@dataclass(frozen=True)
class Event:
    """An SBML event; `when` and the assignments are formulas of SBML Level 3."""

    when: str
    assignments: Mapping[str, str]
    priority: float | None = None
    initial_value: bool = True
    values_from_trigger_time: bool = True


@dataclass(frozen=True)
class Model:
    """An SBML model in one compartment C of size 1.

    Attributes:
        species: id to initial concentration, or to the formula of an initial assignment.
        parameters: id to value, or to the formula of an initial assignment.
        reactions: (reactants, products, rate), ids separated by blanks.
        rules: id to the formula of an assignment rule; `id'` to that of a rate rule.
        algebraic: formulas that are 0.
        boundary: species that reactions don't change.
        events: what happens.
        size: of the compartment, or the formula of its initial assignment.
    """

    species: Mapping[str, float | str] = field(default_factory=dict)
    parameters: Mapping[str, float | str] = field(default_factory=dict)
    reactions: Sequence[tuple[str, str, str]] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    algebraic: Sequence[str] = ()
    boundary: Sequence[str] = ()
    amounts: Mapping[str, float] = field(default_factory=dict)
    events: Sequence[Event] = ()
    size: float | str = 1.0

    def sbml(self) -> str:
        """The document."""
        document = libsbml.SBMLDocument(3, 2)
        model = document.createModel()
        model.setId("m")
        compartment = model.createCompartment()
        compartment.setId("C")
        compartment.setSpatialDimensions(3)
        compartment.setConstant("C" not in self.rules)
        self._begin(model, compartment.setSize, "C", self.size)
        for name, value in {**self.species, **dict.fromkeys(self.amounts)}.items():
            species = model.createSpecies()
            species.setId(name)
            species.setCompartment("C")
            species.setHasOnlySubstanceUnits(False)
            species.setConstant(False)
            species.setBoundaryCondition(name in self.boundary or name in self.rules)
            if name in self.amounts:
                species.setInitialAmount(self.amounts[name])
            else:
                self._begin(model, species.setInitialConcentration, name, value)
        changed = {*self.rules, *(name.rstrip("'") for name in self.rules)}
        changed |= {name for event in self.events for name in event.assignments}
        for name, value in self.parameters.items():
            parameter = model.createParameter()
            parameter.setId(name)
            free = any(name in formula for formula in self.algebraic) and value != value
            parameter.setConstant(name not in changed and not free)
            self._begin(model, parameter.setValue, name, value)
        for name, formula in self.rules.items():
            rule = model.createRateRule() if name.endswith("'") else model.createAssignmentRule()
            rule.setVariable(name.rstrip("'"))
            rule.setMath(_math(formula))
        for formula in self.algebraic:
            model.createAlgebraicRule().setMath(_math(formula))
        for i, (reactants, products, rate) in enumerate(self.reactions):
            self._react(model, f"r{i}", reactants.split(), products.split(), rate)
        for i, event in enumerate(self.events):
            self._happen(model, f"e{i}", event)
        return libsbml.writeSBMLToString(document)

    def _begin(self, model, setter, name, value):
        if isinstance(value, str):
            assignment = model.createInitialAssignment()
            assignment.setSymbol(name)
            assignment.setMath(_math(value))
        else:
            setter(value)

    def _react(self, model, name, reactants, products, rate):
        reaction = model.createReaction()
        reaction.setId(name)
        reaction.setReversible(False)
        for create, ids in (
            (reaction.createReactant, reactants),
            (reaction.createProduct, products),
        ):
            for each in ids:
                reference = create()
                reference.setSpecies(each)
                reference.setStoichiometry(1)
                reference.setConstant(True)
        math = _math(f"C*({rate})")
        for each in {*self.species, *self.amounts} - {*reactants, *products}:
            if each in rate:
                reaction.createModifier().setSpecies(each)
        reaction.createKineticLaw().setMath(math)

    def _happen(self, model, name, event):
        made = model.createEvent()
        made.setId(name)
        made.setUseValuesFromTriggerTime(event.values_from_trigger_time)
        trigger = made.createTrigger()
        trigger.setInitialValue(event.initial_value)
        trigger.setPersistent(True)
        trigger.setMath(_math(event.when))
        if event.priority is not None:
            made.createPriority().setMath(_math(str(event.priority)))
        for variable, formula in event.assignments.items():
            assignment = made.createEventAssignment()
            assignment.setVariable(variable)
            assignment.setMath(_math(formula))


@dataclass(frozen=True)
class Case:
    """A problem with a closed form.

    Attributes:
        model: the model.
        estimated: parameter id to scale and nominal value on linear scale.
        truth: observables at a time for parameters on linear scale, by observable.
        formulas: observable id to its formula, for those of `truth`.
        conditions: lines of the condition table, tab-separated; one condition `c` if not given.
        simulated: the preequilibration (empty if there is none) and the condition measured.
        times: measured times.
    """

    model: Model
    estimated: Mapping[str, tuple[str, float]]
    truth: Callable[[Mapping[str, float], float], Mapping[str, float]]
    formulas: Mapping[str, str]
    conditions: str = "conditionId\nc\n"
    simulated: tuple[str, str] = ("", "c")
    times: Sequence[float] = (0.5, 1.0, 1.5, 2.5, 4.0, 6.0)

    def write(self, folder: Path) -> Path:
        """Write the PEtab files; return the YAML file."""
        folder.mkdir(parents=True, exist_ok=True)
        pre, condition = self.simulated
        head = "observableId\tsimulationConditionId\tmeasurement\ttime"
        rows = [f"{o}\t{condition}\t{m!r}\t{t}" for o, m, t in self._measurements()]
        if pre:
            head += "\tpreequilibrationConditionId"
            rows = [f"{row}\t{pre}" for row in rows]
        files = {
            "model.xml": self.model.sbml(),
            "conditions.tsv": self.conditions,
            "measurements.tsv": "\n".join([head, *rows]) + "\n",
            "observables.tsv": "observableId\tobservableFormula\tnoiseFormula\n"
            + "".join(f"{o}\t{f}\t{NOISE}\n" for o, f in self.formulas.items()),
            "parameters.tsv": "parameterId\tparameterScale\tlowerBound\tupperBound\t"
            "nominalValue\testimate\n"
            + "".join(
                f"{name}\t{scale}\t{-100 if scale == 'lin' else 0.001}\t1000\t{value!r}\t1\n"
                for name, (scale, value) in self.estimated.items()
            ),
            "problem.yaml": "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n"
            "- condition_files: [conditions.tsv]\n  measurement_files: [measurements.tsv]\n"
            "  observable_files: [observables.tsv]\n  sbml_files: [model.xml]\n",
        }
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder / "problem.yaml"

    def llh(self, theta: np.ndarray) -> float:
        """The log-likelihood by the closed form, at theta on the PEtab scale."""
        p = self._linear(theta)
        residuals = [(m - self.truth(p, t)[o]) / NOISE for o, m, t in self._measurements()]
        return float(
            sum(-0.5 * np.log(2 * np.pi * NOISE**2) - 0.5 * residual**2 for residual in residuals)
        )

    def gradient(self) -> np.ndarray:
        """Its derivative at nominal: differences of fourth order, good to 1e-9 here."""
        theta, step = self.nominal, 1e-3
        moves = step * np.eye(len(theta))
        return np.array(
            [
                (
                    8 * (self.llh(theta + move) - self.llh(theta - move))
                    - (self.llh(theta + 2 * move) - self.llh(theta - 2 * move))
                )
                / (12 * step)
                for move in moves
            ]
        )

    @property
    def nominal(self) -> np.ndarray:
        """Theta at the nominal values."""
        return np.array(
            [np.log10(v) if scale == "log10" else v for scale, v in self.estimated.values()]
        )

    def _linear(self, theta):
        return {
            name: 10**t if scale == "log10" else t
            for t, (name, (scale, _)) in zip(theta, self.estimated.items(), strict=True)
        }

    def _measurements(self):
        random = np.random.default_rng(3)
        p = self._linear(self.nominal)
        return [
            (o, float(self.truth(p, t)[o] + random.normal(0, NOISE)), t)
            for o in self.formulas
            for t in self.times
        ]


def _math(formula: str) -> libsbml.ASTNode:
    node = libsbml.parseL3Formula(formula)
    assert node is not None, libsbml.getLastParseL3Error()
    return node
