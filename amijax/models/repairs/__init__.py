"""Changes of a model that make AMICI's numbers right, one small function for each kind."""
