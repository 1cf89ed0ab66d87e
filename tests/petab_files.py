"""Small PEtab problems written to disk: one state that decays, with all that tests vary."""

from pathlib import Path

from amijax.problems import Problem, load_problem

MATH = 'xmlns="http://www.w3.org/1998/Math/MathML"'
RATE = "<apply><times/><cn> -1 </cn><ci> kd </ci><ci> A </ci></apply>"

TIMES = (0.5, 1.0, 2.0, 4.0)
DATA = (1.31, 0.62, 0.35, 0.02)

_SBML = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">
  <model id="{model_id}">
    {functions}
    <listOfCompartments>
      <compartment id="cell" size="1" spatialDimensions="3" constant="true"/>
    </listOfCompartments>
    <listOfSpecies>
      <species id="A" name="{species_name}" compartment="cell" initialConcentration="2"
        hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"/>
    </listOfSpecies>
    <listOfParameters><parameter id="{parameter}" value="1" constant="true"/></listOfParameters>
    {initial}
    {dynamics}
    {events}
  </model>
</sbml>
"""
_RULE = """<listOfRules>
      <rateRule variable="A"><math {math}>{rate}</math></rateRule>
    </listOfRules>"""
_REACTION = """<listOfReactions>
      <reaction id="decay" reversible="false" fast="false">
        <listOfReactants>
          <speciesReference species="A" stoichiometry="1" constant="true"/>
        </listOfReactants>
        <kineticLaw><math {math}>
          <apply><times/><ci>cell</ci><ci>{parameter}</ci><ci>A</ci></apply></math></kineticLaw>
      </reaction>
    </listOfReactions>"""


def write_decay(
    folder: Path,
    *,
    scale: str = "log10",
    nominal: float = 0.8,
    rate: str = "rate",
    extra_parameters: str = "",
    noise: str = "0.1",
    model_id: str = "decay_model",
    species_name: str = "A",
    transformation: str = "",
    distribution: str = "",
) -> Path:
    """Write dA/dt = -rate A with A(0) = 2, a reaction, as a PEtab problem; return its YAML file."""
    header, row = "observableId\tobservableFormula\tnoiseFormula", f"obs_A\tA\t{noise}"
    for column, value in (
        ("observableTransformation", transformation),
        ("noiseDistribution", distribution),
    ):
        if value:
            header, row = f"{header}\t{column}", f"{row}\t{value}"
    return _write(
        folder / "decay.yaml",
        model=_model(
            _REACTION.format(math=MATH, parameter=rate),
            model_id=model_id,
            species_name=species_name,
            parameter=rate,
        ),
        parameters=f"{rate}\t{scale}\t0.001\t100\t{nominal}\t1\n{extra_parameters}",
        observables=f"{header}\n{row}\n",
        measurements="".join(f"obs_A\tc0\t{y}\t{t}\n" for t, y in zip(TIMES, DATA, strict=True)),
    )


def tiny_problem(
    folder: Path,
    *,
    species_name: str = "A",
    rate: str = RATE,
    functions: str = "",
    initial: str = "",
    events: str = "",
    observable: str = "A",
    noise: str = "0.1",
    observable_name: str = "A",
    nominal: float = 0.8,
) -> Problem:
    """Write dA/dt = -kd A, a rule, as a PEtab problem and open it.

    It has places for what must not reach the code generator, or makes it do something else.
    """
    path = _write(
        folder / "tiny.yaml",
        model=_model(
            _RULE.format(math=MATH, rate=rate),
            model_id="tiny",
            species_name=species_name,
            parameter="kd",
            functions=functions,
            initial=initial,
            events=events,
        ),
        parameters=f"kd\tlog10\t0.001\t100\t{nominal}\t1\n",
        observables="observableId\tobservableName\tobservableFormula\tnoiseFormula\n"
        f"obs_A\t{observable_name}\t{observable}\t{noise}\n",
        measurements="obs_A\tc0\t1.3\t0.5\n",
    )
    return load_problem(path)


def _model(
    dynamics: str,
    *,
    model_id: str,
    species_name: str,
    parameter: str,
    functions: str = "",
    initial: str = "",
    events: str = "",
) -> str:
    return _SBML.format(
        dynamics=dynamics,
        model_id=model_id,
        species_name=species_name,
        parameter=parameter,
        functions=functions,
        initial=initial,
        events=events,
    )


def _write(yaml: Path, *, model: str, parameters: str, observables: str, measurements: str) -> Path:
    files = {
        "model.xml": model,
        "parameters.tsv": "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\t"
        f"estimate\n{parameters}",
        "conditions.tsv": "conditionId\nc0\n",
        "observables.tsv": observables,
        "measurements.tsv": "observableId\tsimulationConditionId\tmeasurement\ttime\n"
        + measurements,
        yaml.name: "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n"
        "- condition_files: [conditions.tsv]\n  measurement_files: [measurements.tsv]\n"
        "  observable_files: [observables.tsv]\n  sbml_files: [model.xml]\n",
    }
    yaml.parent.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (yaml.parent / name).write_text(text)
    return yaml
