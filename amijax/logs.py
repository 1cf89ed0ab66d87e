"""What people get to read: loggers kept quiet, since AMICI and PEtab leave DEBUG logging on and
report failures that are data here, and a sentence for what nobody expected.
"""

import logging


def quiet_petab() -> None:
    """Let PEtab's readers log errors only."""
    _raise_level("petab", logging.ERROR)


def quiet_amici() -> None:
    """Let AMICI log nothing: what it says of a simulation is in the simulation's result."""
    _raise_level("amici", logging.CRITICAL)


def unexpected(error: Exception) -> str:
    """A sentence for an exception that no code expected, in the place of a traceback."""
    words = " ".join(f"{type(error).__name__}: {error}".split())[:250].rstrip(":")
    return (
        f"Something went wrong inside amijax ({words}). "
        "Please report it with the command or the problem that led here; with AMIJAX_DEBUG=1 the "
        "command line shows where it happened."
    )


def _raise_level(package: str, level: int) -> None:
    logging.getLogger(package).setLevel(level)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith(f"{package}.") and isinstance(logger, logging.Logger):
            logger.setLevel(level)
