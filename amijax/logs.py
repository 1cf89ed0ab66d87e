"""Quiet loggers: AMICI and PEtab leave DEBUG logging on and report failures that are data here."""

import logging


def quiet_petab() -> None:
    """Let PEtab's readers log errors only."""
    _raise_level("petab", logging.ERROR)


def quiet_amici() -> None:
    """Let AMICI log nothing: what it says of a simulation is in the simulation's result."""
    _raise_level("amici", logging.CRITICAL)


def _raise_level(package: str, level: int) -> None:
    logging.getLogger(package).setLevel(level)
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith(f"{package}.") and isinstance(logger, logging.Logger):
            logger.setLevel(level)
