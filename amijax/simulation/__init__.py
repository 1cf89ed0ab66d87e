"""One simulation and many: settings, preparation, runs, evaluations and their failures."""
