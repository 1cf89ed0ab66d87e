"""Plotly's figures in the documentation: data in the page, drawn by its figures.js.

Each kernel runs this when it starts. Plotly's own renderers either ask a CDN for plotly.js or put
all of it into every notebook, and none follows the page from light to dark.
"""

import plotly.io as pio
from plotly.io.base_renderers import MimetypeRenderer


class PageRenderer(MimetypeRenderer):
    """A figure as an element that holds its JSON."""

    def to_mimebundle(self, fig_dict):
        """HTML alone: text would be a dump of the data."""
        fig_dict["layout"].pop("template", None)
        data = pio.to_json(fig_dict, validate=False).replace("<", "\\u003c")
        script = f'<script type="application/json">{data}</script>'
        return {"text/html": f'<div class="plotly-figure">{script}</div>'}


pio.renderers["page"] = PageRenderer()
pio.renderers.default = "page"
