"""The offline Weights & Biases run holds what rows.jsonl holds."""

import json
import pathlib
import struct

from helpers import small
from wandb.proto import wandb_internal_pb2

import sandwich_jax
from sandwich_jax.folders import log

BLOCK, FULL, LAST = 32768, 1, 4


def _records(path: pathlib.Path) -> list[wandb_internal_pb2.Record]:
    """Records of a .wandb file: a 7-byte header, then LevelDB's log format in 32 KiB blocks."""
    data, at, whole, records = path.read_bytes(), 7, b"", []
    assert data[:4] == b":W&B"
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:  # too little room for a header: padding
            at += BLOCK - at % BLOCK
            continue
        length, kind = struct.unpack("<HB", data[at + 4 : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (FULL, LAST):
            records.append(wandb_internal_pb2.Record.FromString(whole))
            whole = b""
    return records


def test_the_wandb_file_holds_the_rows(tmp_path):
    folder = tmp_path / "small"
    sandwich_jax.run(small(), folder, wandb="offline")
    rows = log.read_rows(folder / "rows.jsonl")
    found = {}
    for path in sorted((folder / "wandb").glob("offline-run-*/*.wandb")):
        records = _records(path)
        run = next(r.run for r in records if r.WhichOneof("record_type") == "run")
        config = {u.key: json.loads(u.value_json) for u in run.config.update}
        assert config["rounds"] == 2 and run.run_group == "small"
        for record in records:
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                row = {i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items}
                found[run.display_name, row["round"]] = row
    assert len(found) == len(rows) == 6
    for row in rows:
        logged = found[row["member"], row["round"]]
        expected = {k: v for k, v in row.items() if v is not None}
        assert {k: logged[k] for k in expected} == expected


def test_rows_of_rounds_to_be_played_again_are_dropped(tmp_path):
    logger = log.Logger(tmp_path, {}, "disabled")
    logger.rows([{"round": 1, "member": "a"}, {"round": 1, "member": "b"}])
    logger.rows([{"round": 2, "member": "a", "pgr": float("nan")}])
    assert [r["round"] for r in log.read_rows(logger.path)] == [1, 1, 2]
    assert log.read_rows(logger.path)[-1]["pgr"] is None
    logger.forget_after(1)
    assert [r["round"] for r in log.read_rows(logger.path)] == [1, 1]
