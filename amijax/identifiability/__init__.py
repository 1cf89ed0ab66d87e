"""How sure estimates are: curvature at a point, profiles along parameters, and verdicts."""
