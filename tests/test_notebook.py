"""The code of examples/compare.ipynb runs, here on a small game; no Jupyter is needed."""

import dataclasses
import json
import pathlib

from helpers import SMALL

import sandwich_jax

NOTEBOOK = pathlib.Path(__file__).parents[1] / "examples" / "compare.ipynb"


def test_the_notebook_runs(capsys, monkeypatch, tmp_path):
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["nbformat"] == 4
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    small = SMALL | {"rounds": 1, "p": (0.5,)}

    def fitting(**settings) -> sandwich_jax.Config:
        return dataclasses.replace(sandwich_jax.Config(**small), protocol=settings["protocol"])

    names = {"fitting": fitting}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]).replace("sandwich_jax.Config(", "fitting("), names)
    table = capsys.readouterr().out
    for protocol in ("always_follow", "never_ask", "prior_gate"):
        assert protocol in table
