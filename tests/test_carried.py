"""What is carried to a bare machine: a compact corpus, and wheels."""

import pathlib
import sys
import zipfile

import numpy as np
import pytest

from sandwich_jax.training import corpus_file
from sandwich_jax.types import SettingError
from scripts import on_accelerator
from scripts.accelerator import compact, wheels

# --- what is carried -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("corpus") / "games.npz"
    writer, rng = corpus_file.Writer(path), np.random.default_rng(0)
    for game in range(40):
        labels = rng.integers(0, 4672, 5 + game).astype("<u2").tobytes()
        writer.add(labels, int(rng.integers(-1, 2)), (2000, 2100), game % 10 == 0)
    writer.finish({"counts": {"kept": 40}})
    writer.discard()
    return path


def test_a_compact_corpus_is_the_first_games(corpus, tmp_path):
    count, size = compact.write(corpus, tmp_path / "small.npz", 30, 40)
    whole, small = corpus_file.load(corpus), compact.load(tmp_path / "small.npz")
    assert count == 30 and size == (tmp_path / "small.npz").stat().st_size
    np.testing.assert_array_equal(small.starts, whole.starts[:31])
    np.testing.assert_array_equal(small.moves, whole.moves[: whole.starts[30]])
    for name in ("result", "test"):
        np.testing.assert_array_equal(getattr(small, name), getattr(whole, name)[:30])
    assert small.stats == whole.stats


def test_a_compact_corpus_is_no_larger_than_wanted(corpus, tmp_path):
    whole, _ = compact.write(corpus, tmp_path / "whole.npz", 10**9, 40)
    limit = 0.7 * (tmp_path / "whole.npz").stat().st_size
    count, size = compact.write(corpus, tmp_path / "small.npz", 10**9, limit / compact.MIB)
    assert whole == 40 and 1 < count < 40 and size <= limit


@pytest.mark.parametrize("text", [None, b"", b"no archive", b"PK\x03\x04 torn"])
def test_what_is_no_compact_corpus_is_told(text, tmp_path, capsys):
    path = tmp_path / "games.npz"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(SettingError, match="no compact corpus"):
        compact.load(path)
    assert on_accelerator.main(["train", "--corpus", str(path), "--toy"]) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1 and "no compact corpus" in said.err and not said.out


def test_an_uncompressed_corpus_is_told(corpus, capsys):
    assert on_accelerator.main(["train", "--corpus", str(corpus)]) == 2
    assert "on_accelerator.py corpus" in capsys.readouterr().err


@pytest.mark.parametrize("about", [["--games", "0"], ["--mib", "0"], ["--corpus", "nowhere.npz"]])
def test_a_corpus_that_cannot_be_written_is_told(about, corpus, tmp_path, capsys):
    given = ["corpus", "--corpus", str(corpus), "--out", str(tmp_path / "out.npz"), *about]
    assert on_accelerator.main(given) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.glob("*out*"))


def test_no_output_takes_the_place_of_what_it_is_made_of(corpus, capsys):
    before = corpus.read_bytes()
    assert on_accelerator.main(["corpus", "--corpus", str(corpus), "--out", str(corpus)]) == 2
    assert "choose another" in capsys.readouterr().err and corpus.read_bytes() == before


@pytest.mark.parametrize("verb", [["measure"], ["train", "--corpus"], ["corpus", "--corpus"]])
def test_an_output_that_cannot_be_is_told_before_any_work(verb, corpus, tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.write_text("mine")
    given = [*verb, *([str(corpus)] if verb[1:] else []), "--out", str(blocked / "out")]
    assert on_accelerator.main(given) == 2
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1 and str(blocked) in said.err and not said.out
    assert blocked.read_text() == "mine"


def test_a_budget_of_nothing_is_told(capsys):
    assert on_accelerator.main(["measure", "--seconds", "0"]) == 2
    assert "above 0" in capsys.readouterr().err


def test_wheels_are_unpacked_behind_what_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    with zipfile.ZipFile(tmp_path / "thing-1-py3-none-any.whl", "w") as archive:
        archive.writestr("carried_thing.py", "ANSWER = 42\n")
    place = wheels.unpack(tmp_path)
    assert sys.path[-1] == str(place) and (place / "carried_thing.py").exists()


def test_a_folder_without_wheels_is_told(tmp_path, capsys):
    assert on_accelerator.main(["measure", "--wheels", str(tmp_path)]) == 2
    assert "--list-wheels" in capsys.readouterr().err


def test_wheels_are_listed_with_versions(capsys):
    assert on_accelerator.main(["--list-wheels"]) == 0
    line = capsys.readouterr().out
    assert "pgx==" in line and f"flax=={wheels.OTHER['flax']}" in line
    assert line.count("==") == len(wheels.NAMES)
