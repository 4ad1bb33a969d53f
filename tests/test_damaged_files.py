"""Files of a run that are cut, emptied or written over."""

import numpy as np
import pytest
from damage import TORN, cut, torn_rows
from report_folder import sweep as invented

from sandwich_jax import arrays
from sandwich_jax.evaluation import work
from sandwich_jax.evaluation.ledger import Ledger
from sandwich_jax.folders import log, store
from sandwich_jax.training import bank
from sandwich_jax.types import SettingError

# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [*TORN, "text", "none", "objects"])
def test_a_damaged_npz_is_one_sentence(tmp_path, damage):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(100), b=np.ones((3, 4)))
    if damage == "text":
        path.write_text("no archive")
    elif damage == "none":
        path.unlink()
    elif damage == "objects":
        np.savez(path, a=np.asarray([{}], object))
    else:
        damage(path)
    with pytest.raises(
        SettingError, match=r"a\.npz: missing or damaged \(.+\); make it\.$"
    ) as told:
        arrays.read(path, "make it")
    assert "\n" not in str(told.value)


def test_any_byte_of_an_npz_may_be_wrong(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(8, dtype=np.int16), b=np.float32(1))
    data, outcomes = path.read_bytes(), set()
    for place in range(len(data)):
        for bit in (place % 8, 7):
            wrong = bytearray(data)
            wrong[place] ^= 1 << bit
            path.write_bytes(wrong)
            try:  # what is read is what was written; dates and the like have no checksum
                found = arrays.read(path)
                assert np.array_equal(next(iter(found.values())), np.arange(8))
                outcomes.add("read")
            except SettingError:
                outcomes.add("told")
    assert outcomes == {"read", "told"}


def test_a_bank_that_is_damaged_may_be_removed(tmp_path):
    np.savez(tmp_path / "bank.npz", a=np.ones(3))
    with pytest.raises(SettingError, match="remove it, and it is made again"):
        bank.load(tmp_path / "bank.npz")


@pytest.mark.parametrize(
    ("text", "rows", "says"),
    [
        (b'{"a": 1}\n\n{"a": 2}\n', 2, ""),
        (b'{"a": 1}\n{"a": 2}', 2, ""),
        (b'{"a": 1}\n{"a": \n', 1, "line 2 is not a whole row"),
        (b'{"a": 1}\n3\nnull\n', 1, r"line 2 \(and 1 more\) is not"),
        (b'{"a": 1}\n' + bytes(50), 1, "line 2 is not"),
        (b"\xff\xfe{\n", 0, "line 1 is not"),
        (b"[" * 100_000 + b"\n", 0, "line 1 is not"),
    ],
)
def test_lines_that_are_whole_are_read_and_others_told(tmp_path, text, rows, says):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text)
    found = log.lines_of(path)
    assert len(found.rows) == rows and bool(found.damage) == bool(says)
    if says:
        with pytest.raises(SettingError, match=rf"rows\.jsonl: {says}"):
            log.read_rows(path)


def test_rows_that_cannot_be_read_are_told(tmp_path):
    assert log.lines_of(tmp_path / "none.jsonl") == ([], "")
    assert "it cannot be read" in log.lines_of(tmp_path).damage


@pytest.mark.parametrize(
    "card",
    ["null", "[]", '{"game": 3, "network": {}}', '{"game": "chess", "network": {"width": "32"}}',
     '{"game": "chess", "network": {"width": 1e9}}', '{"game": "chess", "network": {}, "about": 3}',
     '{"game": "chess", "network": null}', '{"game": "chess", "network": {"wdith": 32}}'],
)  # fmt: skip
def test_a_damaged_card_is_told(tmp_path, card):
    (tmp_path / "network.json").write_text(card)
    with pytest.raises(SettingError, match=r"network\.json"):
        store.read_card(tmp_path)


def test_an_evaluation_leaves_out_what_is_damaged(tmp_path):
    run = min((invented(tmp_path / "s", strengths=1, rounds=2) / "members").iterdir())
    (network,) = (run / "networks").iterdir()
    cut(network / "params.npz")
    torn_rows(run)
    with (run / "evaluation.jsonl").open("a") as file:
        file.write('{"measure": "calibration", "subject": "x", "network": "W", "ece": "low"}\n')
    notes: list[str] = []
    found = work.open_run(run, notes)
    assert set(found.networks) == {"W", "E"} and len(found.rows) == 1 and found.games
    ledger = Ledger(run, notes)
    assert ledger.rows and not any(row["subject"] == "x" for row in ledger.rows)
    assert len(notes) == 3 and all("\n" not in note for note in notes)
    for name, note in zip(("params.npz", "rows.jsonl", "evaluation.jsonl"), notes, strict=True):
        assert name in note
