"""MathML formulas as SymPy expressions, and SymPy expressions as text that AMICI reads."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cache
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from amijax.models.sbml_tree import MATHML

TIME = sp.Symbol("time", real=True)


def symbol(name: str) -> sp.Symbol:
    """The symbol of an id."""
    return sp.Symbol(name, real=True)


def to_sympy(formula: ET.Element) -> sp.Basic:
    """A formula of the model as a SymPy expression; the model's time is `TIME`.

    Raises:
        ValueError: it holds something that the parser doesn't know.
    """
    from sbmlmath import TimeSymbol

    container = ET.Element(f"{{{MATHML}}}math")
    container.append(formula)
    parsed = _parser().parse_str(ET.tostring(container, encoding="unicode"))
    return parsed.replace(TimeSymbol, lambda *_: TIME)


def amici_text(expression: sp.Basic) -> str:
    """An expression as text that AMICI reads, numbers to the last bit."""
    return str(_Printer().doprint(_with_integers(expression)))


@cache
def _parser() -> Any:
    from sbmlmath import SBMLMathMLParser

    return SBMLMathMLParser(
        sbml_level=3,
        sbml_version=2,
        symbol_kwargs={"real": True},
        ignore_units=True,
        evaluate=True,
    )


def _with_integers(expression: sp.Basic) -> sp.Basic:
    """x**2.0 is pow(x, 2.0) in C++, x**2 is x*x."""
    return expression.replace(
        lambda e: (
            isinstance(e, sp.Float) and e == int(e) and abs(e) < 2**53
            if isinstance(e, sp.Float) and e.is_finite
            else False
        ),
        lambda e: sp.Integer(int(e)),
    )


class _Printer(StrPrinter):
    def _print_Float(self, expr: sp.Float) -> str:
        return repr(float(expr))
