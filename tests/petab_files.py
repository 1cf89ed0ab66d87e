"""A small PEtab problem written to disk, with everything that can be varied for tests."""

from pathlib import Path

_SBML = """<?xml version="1.0" encoding="UTF-8"?>
<sbml xmlns="http://www.sbml.org/sbml/level3/version1/core" level="3" version="1">
  <model id="{model_id}">
    <listOfCompartments>
      <compartment id="cell" size="1" spatialDimensions="3" constant="true"/>
    </listOfCompartments>
    <listOfSpecies>
      <species id="A" name="{species_name}" compartment="cell" initialConcentration="2"
        hasOnlySubstanceUnits="false" boundaryCondition="false" constant="false"/>
    </listOfSpecies>
    <listOfParameters><parameter id="rate" value="1" constant="true"/></listOfParameters>
    <listOfReactions>
      <reaction id="decay" reversible="false" fast="false">
        <listOfReactants>
          <speciesReference species="A" stoichiometry="1" constant="true"/>
        </listOfReactants>
        <kineticLaw><math xmlns="http://www.w3.org/1998/Math/MathML">
          <apply><times/><ci>cell</ci><ci>rate</ci><ci>A</ci></apply></math></kineticLaw>
      </reaction>
    </listOfReactions>
  </model>
</sbml>
"""

TIMES = (0.5, 1.0, 2.0, 4.0)
DATA = (1.31, 0.62, 0.35, 0.02)


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
) -> Path:
    """Write dA/dt = -rate A with A(0) = 2 as a PEtab problem; return its YAML file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.xml").write_text(
        _SBML.format(model_id=model_id, species_name=species_name).replace("rate", rate)
    )
    (folder / "parameters.tsv").write_text(
        "parameterId\tparameterScale\tlowerBound\tupperBound\tnominalValue\testimate\n"
        f"{rate}\t{scale}\t0.001\t100\t{nominal}\t1\n{extra_parameters}"
    )
    (folder / "conditions.tsv").write_text("conditionId\nc0\n")
    (folder / "observables.tsv").write_text(
        f"observableId\tobservableFormula\tnoiseFormula\nobs_A\tA\t{noise}\n"
    )
    rows = "".join(f"obs_A\tc0\t{y}\t{t}\n" for t, y in zip(TIMES, DATA, strict=True))
    (folder / "measurements.tsv").write_text(
        "observableId\tsimulationConditionId\tmeasurement\ttime\n" + rows
    )
    path = folder / "decay.yaml"
    path.write_text(
        "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n"
        "- condition_files: [conditions.tsv]\n  measurement_files: [measurements.tsv]\n"
        "  observable_files: [observables.tsv]\n  sbml_files: [model.xml]\n"
    )
    return path
