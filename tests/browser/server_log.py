"""What a server's log must not hold."""

import re

# What no server's log may hold, whatever the tests did.
_TROUBLE = re.compile(r"Traceback|\b(WARNING|ERROR|CRITICAL|FATAL)\b|\w(Warning|Error|Exception)\b")

# Streamlit says so of a click that is overtaken by another one, which turns the page or runs it
# anew: what was clicked is not there any more when its turn comes, and nothing is left to do.
_OVERTAKEN = "Couldn't find fragment with id "


def troubles(log):
    """The lines of a log that tell of trouble, each with those around it."""
    lines = log.splitlines()
    hits = [i for i, line in enumerate(lines) if _TROUBLE.search(line) and _OVERTAKEN not in line]
    return ["\n".join(lines[max(i - 3, 0) : i + 12]) for i in hits]
