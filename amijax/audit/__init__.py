"""Numbers confirmed, or contradicted, by somebody other than AMICI."""
