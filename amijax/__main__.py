"""`python -m amijax`."""

from amijax.cli.main import main

main(prog_name="python -m amijax")
