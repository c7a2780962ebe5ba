"""The notebooks, executed from the first cell to the last by a real kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOKS = sorted((Path(__file__).resolve().parent.parent / "notebooks").glob("*.ipynb"))

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of the notebook machinery, not ours
    pytest.mark.foreign_threads,
    pytest.mark.watchdog(300),
]


def test_there_are_notebooks():
    """The lessons are where this file looks for them."""
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_committed_clean(path):
    """Outputs are stripped before a notebook is committed."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path):
    """Every cell runs; what a handler prints appears in the cell that waits for it."""
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        printed = "".join(output.get("text", "") for output in cell.outputs)
        for tag in cell.metadata.get("tags", []):
            kind, _, word = tag.partition(":")
            if kind == "prints":
                assert word in printed, f"{word!r} is not printed by the cell\n{cell.source}\n{printed}"
