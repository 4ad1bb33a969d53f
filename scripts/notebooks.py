"""Runs notebooks and keeps their output and pictures: python -m scripts.notebooks PATH ...

Needs no Jupyter: cells are run as Python, in order, and what a cell prints or draws is kept.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import pathlib
import sys
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def source_of(notebook: dict[str, Any]) -> list[str]:
    """The code of a notebook, cell by cell."""
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def run(path: pathlib.Path) -> None:
    """Runs a notebook in this process and writes it with what came out."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    with contextlib.chdir(path.parent):  # as Jupyter does
        for count, cell in enumerate(cells, 1):
            found = _outputs("".join(cell["source"]), names)
            cell |= {"execution_count": count, "outputs": found}
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _outputs(code: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "cell", "exec"), names)
    found: list[dict[str, Any]] = []
    if said.getvalue():
        lines = said.getvalue().splitlines(keepends=True)
        found.append({"output_type": "stream", "name": "stdout", "text": lines})
    for number in plt.get_fignums():
        drawn = io.BytesIO()
        plt.figure(number).savefig(drawn, format="png", dpi=80)
        picture = base64.b64encode(drawn.getvalue()).decode()
        data = {"image/png": picture, "text/plain": ["a figure"]}
        found.append({"output_type": "display_data", "metadata": {}, "data": data})
    plt.close("all")
    return found


if __name__ == "__main__":
    for name in sys.argv[1:]:
        run(pathlib.Path(name))
