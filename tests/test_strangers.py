"""Files made by an enemy run no code, fill neither memory nor disk, and write nowhere else."""

import gzip
import io
import json
import pathlib
import pickle
import tracemalloc
import zipfile

import member_folders
import numpy as np
import pytest
import zstandard
from hostile.common import call

from sandwich_jax import arrays
from sandwich_jax.config import Config
from sandwich_jax.folders import places, store
from sandwich_jax.report import build
from sandwich_jax.report.settings import ReportConfig
from sandwich_jax.training import text_files
from sandwich_jax.types import SettingError

EVIL = '<img src=x onerror="document.title=1">\x1b[2J\u202e</script><script>alert(1)</script>=1+1'


class Bomb:
    """What a pickle can do when it is read."""

    def __init__(self, path: pathlib.Path):
        self.path = str(path)

    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path(self.path),)


def _npz(path, arrays_by_name):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays_by_name.items():
            archive.writestr(name, data)
    return path


def _pickled(trace) -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize(
    "command",
    [
        ("match", "ckpt:{folder}", "random", "--openings", "1"),
        ("shift", "zoo:weak", "ckpt:{folder}", "--count", "2"),
        ("evaluate", "{folder}", "--corpus", "{folder}/params.npz"),
        ("pretrain", "--corpus", "{folder}/params.npz", "--out", "n", "--role", "weak",
         "--games", "1", "--steps", "1"),
    ],
    ids=lambda command: command[0],
)  # fmt: skip
def test_a_pickle_is_never_opened(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trace, folder = tmp_path / "it ran", tmp_path / "net"
    folder.mkdir()
    card = {"game": "chess", "network": {"width": 8}, "about": {}}
    (folder / "network.json").write_text(json.dumps(card))
    _npz(folder / "params.npz", {"moves.npy": _pickled(trace)})
    done = call(*(word.format(folder=folder) for word in command))
    assert done.status == 2 and len(done.err.strip().splitlines()) == 1, done
    assert not trace.exists()
    with pytest.raises(SettingError, match="Object arrays cannot be loaded"):
        arrays.read(folder / "params.npz")
    assert pickle.loads(pickle.dumps(Bomb(trace))) is None and trace.exists()  # it would have


def test_an_archive_of_arrays_that_expands_is_refused_unread(tmp_path):
    path = _npz(tmp_path / "a.npz", {"a.npy": bytes(100)})
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):  # says how large it becomes
        at = data.find(mark) + place
        data[at : at + 4] = (3 << 30).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(SettingError, match="unpacks to 3,221,225,472 bytes"):
        arrays.read(path)


def test_a_header_that_wishes_for_all_memory(tmp_path):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        out, {"descr": "<f8", "fortran_order": False, "shape": (1 << 58,)}
    )
    path = _npz(tmp_path / "a.npz", {"a.npy": out.getvalue()})
    with pytest.raises(SettingError, match="missing or damaged"):
        arrays.read(path)


@pytest.mark.parametrize("name", ["a.pgn.zst", "a.pgn.gz"])
def test_packed_text_that_expands_without_end(name, tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "FREE", 1 << 24)
    path = tmp_path / name
    text = b"\n" * (1 << 27)
    pack = zstandard.ZstdCompressor(19).compress if name.endswith("zst") else gzip.compress
    path.write_bytes(pack(text))
    del text
    tracemalloc.start()
    with pytest.raises(SettingError, match="it unpacks to more than 200 times its size"):
        for _ in text_files.read_lines(path):
            pass
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1 << 30 and path.stat().st_size < 1 << 18
    done = call("corpus", "build", path, "--out", tmp_path / "a.npz")
    assert done.status == 2 and sorted(p.name for p in tmp_path.iterdir()) == [name]


def test_a_line_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MOST_LETTERS", 1 << 20)
    (tmp_path / "a.pgn").write_text("a" * (1 << 22))
    with pytest.raises(SettingError, match="a line has more than"):
        list(text_files.read_lines(tmp_path / "a.pgn"))


@pytest.fixture
def folder(tmp_path):
    """A finished run in which every text is an attack."""
    place, config = tmp_path / "run", Config(p=(0.5,), control=False)
    member_folders.write(place, config, member_folders.figures(config))
    rows = [json.loads(x) for x in (place / "rows.jsonl").read_text().splitlines()]
    for row in rows:
        row |= {"member": EVIL, "role": EVIL, "pgr_verdict": EVIL, "misalignment": EVIL}
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = json.loads((place / "manifest.json").read_text())
    manifest |= {"commit": EVIL, "device": EVIL, "versions": {"jax": EVIL}}
    store.write_json(place / "manifest.json", manifest)
    notes = [{"measure": EVIL, "subject": EVIL}, {"measure": "advice", "subject": EVIL}]
    (place / "evaluation.jsonl").write_text("".join(json.dumps(n) + "\n" for n in notes))
    return place


def test_nothing_that_a_folder_says_is_markup(folder):
    made = build.report([folder], config=ReportConfig(games=0, figures=False))
    page = made.page.read_text()
    assert "alert(1)" in page  # as a text, where no character of it can end the element
    assert "<img src=x" not in page and "<script>alert" not in page and "</script><" not in page


def test_no_control_characters_reach_the_terminal(folder):
    for verb in ("report", "evaluate"):
        done = call(verb, folder)
        assert not [c for c in done.out + done.err if not c.isprintable() and c not in "\n\t"]


NAMES = ("../../up", "/etc/passwd", "a/../../b", "..", "", "C:\\x", "\0", "a\nb")


@pytest.mark.parametrize("name", NAMES)
def test_a_member_s_name_leads_nowhere_else(name):
    for said in (places.slug(name), places.games_file(pathlib.Path("run"), name).name):
        assert said not in ("", ".", "..") and not set(said) & set("/\\\0\n")
    path = places.games_file(pathlib.Path("run"), name)
    assert path.parent == pathlib.Path("run/games")
