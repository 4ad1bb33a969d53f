"""The code of the notebooks in examples/ runs, here on a small game; no Jupyter is needed."""

import json
import pathlib

import matplotlib
import pytest
from helpers import SMALL

import sandwich_jax
from sandwich_jax.misalign.transforms import TRANSFORMS
from scripts.notebooks import source_of

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
CHOSEN = ("protocol", "misalignment", "p", "zeal")
"""Settings of a notebook that stay as they are; what makes its run large does not."""


def _fitting(**settings) -> sandwich_jax.Config:
    small = SMALL | {"rounds": 1, "p": (0.5,)}
    return sandwich_jax.Config(**small | {n: v for n, v in settings.items() if n in CHOSEN})


def _run(name: str, capsys) -> str:
    notebook = json.loads((EXAMPLES / name).read_text())
    assert notebook["nbformat"] == 4
    names = {"fitting": _fitting, "__name__": "__main__"}
    for code in source_of(notebook):
        exec(compile(code.replace("sandwich_jax.Config(", "fitting("), name, "exec"), names)
    matplotlib.pyplot.close("all")
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    """Temporary folders here, pictures nowhere, and the registries as they were."""
    import matplotlib.pyplot as plt

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(plt, "show", lambda: None)
    monkeypatch.chdir(EXAMPLES)
    matplotlib.use("Agg")
    yield
    TRANSFORMS.pop("contrary", None)  # pyright: ignore


def test_comparing_two_protocols(capsys):
    table = _run("compare.ipynb", capsys)
    for protocol in ("always_follow", "never_ask", "prior_gate"):
        assert protocol in table


def test_a_misalignment_of_one_s_own(capsys):
    told = _run("own_misalignment.ipynb", capsys)
    assert "zeal is 100: it must be between 0 and 10." in told
    assert "always_follow contrary p=0.5" in told and "never_ask" in told


def test_reading_rows_with_pandas(capsys):
    pytest.importorskip("pandas")
    told = _run("read_a_run.ipynb", capsys)
    assert "3 seeds" in told and "share of seeds in regime" in told


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_with_its_output(path):
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    assert any(cell["outputs"] for cell in cells)
    kept = json.dumps([cell["outputs"] for cell in cells])
    for place in ("home", "root", pathlib.Path(__file__).resolve().parts[1]):
        assert f"/{place}/" not in kept
    if path.stem != "compare":
        assert "image/png" in kept
