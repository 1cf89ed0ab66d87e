"""The precisions that JAX may compute in."""

from typing import Literal, get_args

Precision = Literal["float32", "float64"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
