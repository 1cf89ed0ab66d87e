"""Opening one's own PEtab problem from files."""

from __future__ import annotations

import streamlit as st

from amijax.problems import ProblemError
from amijax.problems.bundle import open_bundle
from amijax.problems.limits import uploads_allowed
from amijax.ui.picker import link_to
from amijax.ui.session import Session


def show(session: Session) -> None:
    """Take a zip or the files of a PEtab problem, show the linter's findings, and open it."""
    st.markdown("#### Your own problem")
    if not uploads_allowed():
        st.info("Uploads are switched off on this server. Run amijax on your own machine instead.")
        return
    st.markdown(
        "A zip of a PEtab problem (v1 or v2), or its files: the YAML file, the tables and the SBML "
        "model. Its model is compiled on the machine that this dashboard runs on. The files are "
        "checked first, and nothing of a refused upload is kept."
    )
    files = st.file_uploader(
        "Files", accept_multiple_files=True, key="upload", label_visibility="collapsed",
        type=["zip", "yaml", "yml", "tsv", "txt", "csv", "xml", "sbml"],
    )  # fmt: skip
    if not files:
        return
    archive = len(files) == 1 and files[0].name.lower().endswith(".zip")
    try:
        with st.spinner("Checking the files"):
            bundle = open_bundle(
                files[0].getvalue() if archive else {file.name: file.getvalue() for file in files}
            )
    except ProblemError as error:
        st.error(f"Not opened. {error}")
        st.markdown(
            "**What to do next:** correct this in your files, then choose them all again, here or "
            "as a zip. Nothing was kept, and the problem in the sidebar is still the open one."
        )
        return
    name = session.add_upload(bundle.problem.problem_id, bundle.key)
    for finding in bundle.problem.warnings:
        st.warning(str(finding))
    if not bundle.problem.warnings:
        st.success(f"{bundle.problem.problem_id}: the linter finds nothing to object to.")
    link_to(name)
