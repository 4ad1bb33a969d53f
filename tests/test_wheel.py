"""A wheel from a clean checkout: what is in it, and that it works without the repository."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv
import zipfile

import pytest
from test_docs import ROOT

TOY = ("run", "--p", "0", "0.5", "--game", "tic_tac_toe", "--expert", "fresh:1", "--weak",
       "fresh:2", "--rounds", "1", "--games", "8", "--lanes", "8", "--max-plies", "8",
       "--arena-max-plies", "8", "--updates", "2", "--batch", "8", "--window", "1",
       "--round-openings", "4", "--final-openings", "4", "--wandb", "disabled")  # fmt: skip
BUILD = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> pathlib.Path:
    """Built from what git has, as a clean checkout would."""
    pytest.importorskip("setuptools", minversion="77", reason="setuptools 77 builds the wheel")
    place = tmp_path_factory.mktemp("wheel")
    source, out = place / "source", place / "out"
    source.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
    )
    if listed.returncode:
        pytest.skip("no git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    command = [sys.executable, "-c", BUILD, str(out)]
    out.mkdir()
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = out.glob("*.whl")
    return made


def test_the_wheel_has_all_that_the_package_reads(wheel):
    held = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "sandwich_jax"
    kept = {"__pycache__"}
    files = {p.relative_to(ROOT).as_posix() for p in package.rglob("*") if p.is_file()
             and not kept & set(p.parts) and p.suffix not in (".pyc", ".so")}  # fmt: skip
    assert files <= held, sorted(files - held)
    assert {"sandwich_jax/openings.npz", "sandwich_jax/kinds.json"} <= held
    assert any(name.startswith("sandwich_jax/training/zoo/expert/") for name in held)
    assert "sandwich_jax/report/assets/vendor.js" in held
    assert not [name for name in held if name.startswith(("tests/", "experiments/", "docs/"))]


def test_versions_come_from_one_place(wheel):
    version = wheel.name.split("-")[1]
    about = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version}\n" in about
    assert f"\n## {version}" in (ROOT / "CHANGELOG.md").read_text()
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.slow
def test_it_works_in_an_empty_environment(wheel, tmp_path):
    """Minutes: all dependencies are installed anew."""
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel]
    # Else pip would take what lies there for installed.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(install, check=True, env=environment)
    place = tmp_path / "elsewhere"
    place.mkdir()

    def call(*arguments: str) -> str:
        command = [tmp_path / "env" / "bin" / "sandwich-jax", *arguments]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    call(*TOY, "--out", "runs/demo")
    rows = [json.loads(x) for x in (place / "runs/demo/rows.jsonl").read_text().splitlines()]
    assert {row["member"] for row in rows} >= {"never_ask"}
    call("report", "runs/demo")
    page = (place / "runs/demo/report.html").read_text()
    assert "cm-chessboard" in page and "Observable" in page
    assert (place / "runs/demo/figures").is_dir()
    match = call("match", "zoo:weak", "random", "--openings", "2", "--max-plies", "8")
    assert "zoo:weak against random" in match
