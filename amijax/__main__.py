"""`python -m amijax`."""

from amijax.cli import main

main(prog_name="python -m amijax")
