"""MathML formulas as SymPy expressions, and SymPy expressions as text that AMICI reads."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cache
from typing import Any

import sympy as sp
from sympy.printing.str import StrPrinter

from amijax.models.sbml_tree import MATHML, cn, number

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


def to_mathml(expression: sp.Basic) -> ET.Element:
    """An expression in PEtab's functions as a formula of the model, numbers to the last bit.

    Raises:
        ValueError: it holds something that SBML has no word for.
    """
    from sbmlmath import SBMLMathMLPrinter

    known = expression.replace(
        lambda e: isinstance(e, sp.Min | sp.Max | sp.sign | sp.Heaviside),
        lambda e: e.rewrite(sp.Piecewise),
    )
    text = SBMLMathMLPrinter().doprint(known)
    root = ET.fromstring(text.partition("?>")[2] if text.startswith("<?xml") else text)
    return _plain(root[0])


def _plain(element: ET.Element) -> ET.Element:
    """A formula without units, its numbers as this project writes them."""
    if element.tag == f"{{{MATHML}}}cn" and (value := number(element)) is not None:
        return cn(value)
    plain = ET.Element(element.tag, {k: v for k, v in element.attrib.items() if "}" not in k})
    plain.text = element.text
    plain.extend(_plain(child) for child in element)
    return plain


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
