"""The bits of one number in float64 and float32, to be flipped by a click."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from amijax.bit_patterns import (
    BitPattern,
    Float32Rounding,
    flip_bit,
    float32_rounding,
    next_float32,
)
from amijax.ui.markdown import plain

_HTML = """
<div id="formats"></div>
"""
# Bits in rows that fit: all of a format in one on wide screens, else the mantissa below the rest.
# Lost bits are struck through as well as pale.
_CSS = """
:host { display: block; }
#formats { container-type: inline-size; font-family: var(--st-font); color: var(--st-text-color);
  font-size: 0.875rem; }
.format { margin-bottom: 0.7rem; }
.name { display: flex; flex-wrap: wrap; gap: 0 0.8rem; margin-bottom: 0.2rem; }
.name b { font-weight: 650; }
.bits { display: grid; grid-template-columns: repeat(64, minmax(0, 1fr)); gap: 1px; }
button { all: unset; box-sizing: border-box; cursor: pointer; text-align: center; min-width: 0;
  height: 1.7rem; line-height: 1.7rem; border-radius: 2px; overflow: hidden;
  font: 600 min(0.85rem, 1.35cqw)/1.7rem var(--st-code-font, monospace); }
button:hover, button:focus-visible { outline: 2px solid var(--st-primary-color); }
.sign { background: light-dark(#f3c1bd, #7a2e29); }
.exponent { background: light-dark(#c4e3c6, #2c5b33); }
.mantissa { background: light-dark(#c3d9f2, #274a73); }
.lost { background: light-dark(#e4e4e4, #3c3c42); text-decoration: line-through; }
.one { font-weight: 800; box-shadow: inset 0 -3px 0 currentColor; }
.gap { grid-column: span 3; }
@container (max-width: 760px) {
  .bits { grid-template-columns: repeat(26, minmax(0, 1fr)); }
  .gap { display: none; }
  .break { grid-column: 1; }
  button { font-size: min(0.85rem, 3.1cqw); }
}
"""
# A run of the script may change the page between pressing and releasing the mouse. So that the box
# that was pressed gets the click, boxes are made once and changed in place, and the one that is
# pressed captures the pointer: what is above it may come or go, and move it.
_JS = """
function made(tag, className) {
  const element = document.createElement(tag)
  element.className = className
  return element
}

function formatBlock(root, format) {
  const block = made("div", "format"), name = made("div", "name"), bits = made("div", "bits")
  name.append(made("b", ""), made("span", "value"), made("span", "legend"))
  format.bits.forEach((_, position) => {
    if (position === 9 && format.precision === "float32") bits.append(made("span", "gap"))
    const box = made("button", "")
    box.type = "button"
    box.dataset.bit = `${format.precision}-${position}`
    box.onpointerdown = (event) => box.setPointerCapture(event.pointerId)
    box.onclick = () => root.flip(format.precision, position)
    bits.append(box)
  })
  block.append(name, bits)
  return block
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component
  const root = parentElement.querySelector("#formats")
  if (!root || !data) return
  root.flip = (precision, position) => setTriggerValue("flip", [precision, position])
  data.formats.forEach((format, i) => {
    const block = root.children[i] ?? root.appendChild(formatBlock(root, format))
    block.querySelector("b").textContent = format.precision
    block.querySelector(".value").textContent = format.value
    block.querySelector(".legend").textContent = format.legend
    const boxes = block.querySelectorAll("button")
    format.bits.forEach((bit, position) => {
      const box = boxes[position]
      box.textContent = bit.value
      box.className = bit.kind + (bit.value ? " one" : "") + (bit.breaks ? " break" : "")
      box.title = `bit ${position} of ${format.precision}, ${bit.kind}: flip it`
      box.setAttribute("aria-label", `${box.title}, now ${bit.value}`)
    })
  })
}
"""

_boxes = st.components.v2.component("amijax_bits", html=_HTML, css=_CSS, js=_JS)


def bit_view(theta: float, *, key: str, lower: float = -np.inf, upper: float = np.inf) -> float:
    """Draw the bits of a number; return it, or what was made of it just now.

    A click on a bit flips it; a flip in float32 gives a number that float32 holds. Beside the bits
    there are a field to type the number into and the neighbouring float32. The caller keeps the
    number: where another one is returned, it should store that and rerun the script.

    Args:
        theta: the number.
        key: of the view; widgets' keys begin with it.
        lower: bound; what lies below it gets a sentence and is not returned.
        upper: the same from above.
    """
    rounding = float32_rounding(theta)
    patterns = (rounding.float64, rounding.float32)
    clicked = _boxes(
        key=f"{key}_boxes",
        data={"formats": [_format(rounding, pattern) for pattern in patterns]},
        on_flip_change=lambda: None,
    ).flip
    asked = st.session_state.pop(_asked(key), None)
    _fields(theta, key)
    st.caption(plain(rounding.sentence))
    if clicked is not None:
        precision, position = clicked
        asked = repr(flip_bit(theta, int(position), precision))
    if asked is None:
        return theta
    value = _read(str(asked), lower, upper)
    if isinstance(value, str):
        st.warning(value)
        return theta
    return value


def _asked(key: str) -> str:
    return f"{key}_asked"


def _fields(theta: float, key: str) -> None:
    """The number as text, and steps to the neighbouring float32."""
    typed = f"{key}_value_{theta!r}"  # starts afresh when the number changes

    def take() -> None:
        st.session_state[_asked(key)] = st.session_state[typed]

    def step(direction: Any) -> None:
        st.session_state[_asked(key)] = repr(next_float32(theta, direction))

    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Value", repr(theta), key=typed, width=230, on_change=take)
        for direction, label, icon in (
            (-1, "Next float32 below", ":material/remove:"),
            (1, "Next float32 above", ":material/add:"),
        ):
            st.button(
                label, key=f"{key}_step_{direction}", icon=icon, on_click=partial(step, direction)
            )


def _read(text: str, lower: float, upper: float) -> float | str:
    """A number within its bounds, or a sentence."""
    try:
        value = float(text)
    except ValueError:
        return f"{plain(text[:40])!r} is not a number."
    if not np.isfinite(value):
        return "With that bit the exponent means no finite number: nothing was changed."
    if not lower <= value <= upper:
        return f"{value:.6g} is outside the bounds {lower:g} to {upper:g}: nothing was changed."
    return value


def _format(rounding: Float32Rounding, pattern: BitPattern) -> dict[str, Any]:
    """A format's bits as the component draws them."""
    lost = set(rounding.lost) if pattern.precision == "float64" else set()
    first = next(i for i in range(64) if pattern.part(i) == "mantissa")
    return {
        "precision": pattern.precision,
        "value": repr(pattern.value),
        "legend": f"sign, exponent (2 to the power {pattern.exponent}), mantissa"
        + (f", of which the last {len(lost)} bits are lost in float32" if lost else ""),
        "bits": [
            {
                "value": bit,
                "kind": "lost" if i in lost else pattern.part(i),
                "breaks": i == first,
            }
            for i, bit in enumerate(pattern.bits)
        ],
    }
