"""How the documentation is built: Sphinx, with MyST-NB, which runs the notebooks. No network."""

import os
import re
import shutil
import sys
from pathlib import Path

import plotly.offline

HERE = Path(__file__).parent
ROOT = HERE.parent
BUILT = HERE / "_build"
sys.path.insert(0, str(ROOT))
# Notebooks run in processes of their own.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))

from amijax import __version__  # noqa: E402

project = "amijax"
author = "the amijax developers"
project_copyright = author
release = version = __version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["_build", "_kernel"]
root_doc = "index"
default_role = "code"  # docstrings write `name` for code
toc_object_entries_show_parents = "hide"
nitpicky = True
suppress_warnings = ["ref.python"]  # names of attributes, which several classes have

# --- notebooks ---

nb_execution_mode = "force"  # a cache would not see that amijax has changed
nb_execution_raise_on_error = True
nb_execution_timeout = 110  # seconds for a cell, as for a test
nb_output_stderr = "warn"  # and so an error: nothing may be printed there
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# The kernel's start-up file draws plotly's figures: see there.
_profile = BUILT / "ipython" / "profile_default" / "startup"
_profile.mkdir(parents=True, exist_ok=True)
shutil.copy(HERE / "_kernel" / "figures.py", _profile)
os.environ["IPYTHONDIR"] = str(BUILT / "ipython")

# --- reference ---

autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autoclass_content = "both"  # with what `__init__` says of its arguments
python_maximum_signature_line_length = 80
autodoc_default_options = {"members": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
nitpick_ignore_regex = [
    # Without the network there are no links to other projects' pages.
    (r"py:.*", r"(?!amijax\.).*"),
    # What objectives and simulators are made of; nobody makes these by hand.
    (r"py:class", r"amijax\.(simulation|models)\..*"),
    (r"py:class", r"amijax\.(tuning\.search\.OnProgress|whatif\.layout\.Layout)"),
    # Aliases of types.
    (r"py:class", r"amijax\.problems\.(scale_choice\.ScaleChoice|priors\.Prior)"),
]

# --- pages ---

html_theme = "furo"
html_title = f"amijax {version}"
html_favicon = "../amijax/ui/icon.svg"
html_show_sphinx = False
html_copy_source = False
html_css_files = ["pages.css"]
html_js_files = ["figures.js"]
pygments_style = "default"
pygments_dark_style = "github-dark"

# plotly.js as the installed plotly brings it, for the pages that have figures.
_libraries = BUILT / "libraries"
_libraries.mkdir(parents=True, exist_ok=True)
(_libraries / "plotly.min.js").write_text(plotly.offline.get_plotlyjs(), encoding="utf-8")
html_static_path = ["_static", "_build/libraries"]


_CODE_OR_BAR = re.compile(r"`[^`]*`|\|")


def setup(app):
    """Docstrings write |x| for sizes; plotly.js is loaded where a figure is."""

    def escape_bars(_app, _what, _name, _obj, _options, lines):
        for i, line in enumerate(lines):
            lines[i] = _CODE_OR_BAR.sub(lambda m: r"\|" if m[0] == "|" else m[0], line)

    def add_plotly(app, _page, _template, context, _doctree):
        if "plotly-figure" in context.get("body", ""):
            app.add_js_file("plotly.min.js", priority=100)

    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("html-page-context", add_plotly)
