"""Exceptions and failures as reasons short enough for a table."""

import re

REQUIREMENTS = "tests/benchmarks/requirements.txt"
_LONGEST = 160
_BOILERPLATE = re.compile(r"^(Traceback|-{3,}|The above|For simplicity|An error occurred during)")


def reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    if isinstance(error, ModuleNotFoundError):
        return f"not installed ({error.name}): pip install -r {REQUIREMENTS}"
    lines = [line.strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line and not _BOILERPLATE.match(line)]
    first = lines[0] if lines else ""
    name = type(error).__name__
    text = first if name == "NoResultError" else f"{name}: {first}".rstrip(": ")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def short(failure) -> str:
    """What a `Failure` says, without AMICI's own messages and the remedy."""
    where = f" in condition {failure.condition}" if failure.condition else ""
    code = f" ({failure.status_name})" if failure.status_name else ""
    return f"{failure.message.split(' (AMICI:')[0]}{where}{code}"
