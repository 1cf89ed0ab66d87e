"""A one-state PEtab problem with places to put what must not reach the code generator."""

from pathlib import Path

from amijax.problems import Problem, load_problem

_SBML = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">
  <model id="tiny">
    {functions}
    <listOfCompartments>
      <compartment id="cell" size="1" spatialDimensions="3" constant="true"/>
    </listOfCompartments>
    <listOfSpecies>
      <species id="A" name="{species_name}" compartment="cell" initialConcentration="2"
        hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"/>
    </listOfSpecies>
    <listOfParameters><parameter id="kd" value="1" constant="true"/></listOfParameters>
    {initial}
    <listOfRules>
      <rateRule variable="A"><math xmlns="http://www.w3.org/1998/Math/MathML">
        {rate}</math></rateRule>
    </listOfRules>
    {events}
  </model>
</sbml>
"""
RATE = "<apply><times/><cn> -1 </cn><ci> kd </ci><ci> A </ci></apply>"


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
    """Write dA/dt = -kd A as a PEtab problem and open it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.xml").write_text(
        _SBML.format(
            species_name=species_name,
            rate=rate,
            functions=functions,
            initial=initial,
            events=events,
        )
    )
    (folder / "parameters.tsv").write_text(
        "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate\n"
        f"kd\tlog10\t0.001\t100\t{nominal}\t1\n"
    )
    (folder / "conditions.tsv").write_text("conditionId\nc0\n")
    (folder / "observables.tsv").write_text(
        "observableId\tobservableName\tobservableFormula\tnoiseFormula\n"
        f"obs_A\t{observable_name}\t{observable}\t{noise}\n"
    )
    (folder / "measurements.tsv").write_text(
        "observableId\tsimulationConditionId\tmeasurement\ttime\nobs_A\tc0\t1.3\t0.5\n"
    )
    path = folder / "tiny.yaml"
    path.write_text(
        "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n"
        "- condition_files: [conditions.tsv]\n  measurement_files: [measurements.tsv]\n"
        "  observable_files: [observables.tsv]\n  sbml_files: [model.xml]\n"
    )
    return load_problem(path)
