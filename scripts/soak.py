"""Kills a sweep again and again, and compares what is left with an undisturbed one: make soak.

    python -m scripts.soak kills --kills 1000 --processes 2
    python -m scripts.soak folder --kills 100
    python -m scripts.soak disk --kills 100
    python -m scripts.soak memory --hours 8

Each prints what it counted as one JSON object, also when it is stopped by Ctrl-C.

`kills`: SIGKILL, at random moments, of all processes of a sweep at once. Whenever a sweep has come
to its end its rows are compared with those of an undisturbed one, to the last bit but for seconds,
and a new one begins. `folder`: the same of a run, its report and its evaluation, one after another.
`disk`: a run on a small disk with a random amount of room; what it says, and its rows once there is
enough (root alone may mount such a disk). `memory`: one long sweep, whose resident memory is read
once a second; a line through the second half of it, with the interval of its slope by blocks.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from typing import Any, Literal

import numpy as np
import tyro

SMALL = {
    "game": "tic_tac_toe", "expert": "fresh:1", "weak": "fresh:2", "network": "nano", "games": 16,
    "lanes": 16, "max_plies": 10, "arena_max_plies": 10, "updates": 3, "batch": 16, "window": 2,
    "round_openings": 8, "final_openings": 8, "misalignment": "random_move",
}  # fmt: skip
CLI = [sys.executable, "-m", "sandwich_jax.cli"]
QUIET = subprocess.DEVNULL


@dataclasses.dataclass(frozen=True)
class Soak:
    """What is done, and how much of it."""

    what: tyro.conf.Positional[Literal["kills", "folder", "disk", "memory"]]
    kills: int = 1000
    """Or full disks."""
    processes: int = 2
    """That share a sweep."""
    hours: float = 8.0
    """Of memory; kills stop after so long as well."""
    rounds: int = 6
    seed: int = 0
    """Of the moments."""


def main(args: Soak) -> None:
    """Does it and prints what came out."""
    with tempfile.TemporaryDirectory() as place:
        work = {"kills": _sweeps, "folder": _runs, "disk": _disks, "memory": _memory}[args.what]
        print(json.dumps(work(args, pathlib.Path(place))), flush=True)


# --- sweeps that are killed ---------------------------------------------------------------------


def _sweeps(args: Soak, place: pathlib.Path) -> dict[str, Any]:
    grid = SMALL | {"p": [0.0, 0.5], "seeds": 2, "rounds": args.rounds}
    toml = place / "grid.toml"
    toml.write_text("".join(f"{name} = {json.dumps(v)}\n" for name, v in grid.items()))
    started = time.monotonic()
    _finish(_started(args.processes, toml, place / "whole"))
    seconds = time.monotonic() - started
    whole = _rows(place / "whole" / "rows.jsonl")
    rng, counts = random.Random(args.seed), Counter(lost=0, doubled=0, different=0)
    end = started + 3600 * args.hours
    try:
        while counts["kills"] < args.kills and time.monotonic() < end:
            processes = _started(args.processes, toml, place / "out")
            if _killed(processes, rng.uniform(0, 1.1 * seconds)):
                counts["kills"] += 1
            else:
                _compare(_rows(place / "out" / "rows.jsonl"), whole, counts)
                shutil.rmtree(place / "out")
        _finish(_started(args.processes, toml, place / "out"))
        _compare(_rows(place / "out" / "rows.jsonl"), whole, counts)
    except KeyboardInterrupt:
        counts["stopped"] += 1
    return {"what": "kills", "processes": args.processes, "rows a sweep": len(whole), **counts}


def _started(count: int, toml: pathlib.Path, out: pathlib.Path) -> list[subprocess.Popen]:
    command = [*CLI, "sweep", str(toml), "--out", str(out), "--wandb", "disabled"]
    if count > 1:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        command += ["--distributed", "--coordinator", f"localhost:{port}", "--processes",
                    str(count)]  # fmt: skip
    return [
        subprocess.Popen(
            command + (["--process-id", str(i)] if count > 1 else []),
            stdout=QUIET,
            stderr=subprocess.PIPE,
            env=os.environ | {"NPROC": "1"},
        )
        for i in range(count)
    ]


def _killed(processes: list[subprocess.Popen], after: float) -> bool:
    """Whether SIGKILL came before the end of the first of them, to all at once."""
    end = time.monotonic() + after
    while time.monotonic() < end and all(p.poll() is None for p in processes):
        time.sleep(0.01)
    if any(p.poll() is not None for p in processes):
        _finish(processes)
        return False
    for process in processes:
        process.send_signal(signal.SIGKILL)
    for process in processes:
        process.communicate()
    return True


def _finish(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        _, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(f"exit status {process.returncode}: {errors.decode()[-2000:]}")


def _rows(path: pathlib.Path) -> list[dict]:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def _compare(found: list[dict], whole: list[dict], counts: Counter) -> None:
    names = [[(row.get("run"), row["member"], row["round"]) for row in rows]
             for rows in (found, whole)]  # fmt: skip
    there, wanted = map(Counter, names)
    counts["compared"] += 1
    counts["lost"] += sum((wanted - there).values())
    counts["doubled"] += sum((there - wanted).values())
    by_name = dict(zip(names[1], whole, strict=True))
    counts["different"] += sum(
        row != by_name[name] for name, row in zip(names[0], found, strict=True) if name in by_name
    )


# --- a run's folder -----------------------------------------------------------------------------


def _runs(args: Soak, place: pathlib.Path) -> dict[str, Any]:
    """Kills while networks, games, evaluation and report are written."""
    settings = [f"--{n.replace('_', '-')}={v}" for n, v in SMALL.items()]
    settings += ["--rounds", "2", "--p", "0.5", "--wandb", "disabled"]
    out, whole = place / "out", place / "whole"

    def commands(folder: pathlib.Path) -> dict[str, list[str]]:
        return {
            "run": [*CLI, "run", "--out", str(folder), *settings],
            "evaluate": [*CLI, "evaluate", str(folder)],
            "report": [*CLI, "report", str(folder)],
        }

    lasts = {}
    for name, command in commands(whole).items():
        start = time.monotonic()
        subprocess.run(command, stdout=QUIET, stderr=QUIET, check=True)
        lasts[name] = time.monotonic() - start
    wanted = _rows(whole / "rows.jsonl")
    rng, counts = random.Random(args.seed), Counter(lost=0, doubled=0, different=0)
    names = list(lasts)
    try:
        while sum(counts[f"kills of {name}"] for name in names) < args.kills:
            for name in names:
                for _ in range(3):
                    command = commands(out)[name]
                    process = subprocess.Popen(command, stdout=QUIET, stderr=subprocess.PIPE)
                    # In its second half, in which files are written.
                    if not _killed([process], rng.uniform(0.5, 1.05) * lasts[name]):
                        break
                    counts[f"kills of {name}"] += 1
                else:
                    subprocess.run(command, stdout=QUIET, stderr=QUIET, check=True)
            _compare(_rows(out / "rows.jsonl"), wanted, counts)
            counts["pages whole"] += "</html>" in (out / "report.html").read_text()[-200:]
            shutil.rmtree(out)
    except KeyboardInterrupt:
        counts["stopped"] += 1
    return {"what": "folder", **counts}


# --- full disks ---------------------------------------------------------------------------------


def _disks(args: Soak, place: pathlib.Path) -> dict[str, Any]:
    """Runs that meet a full disk somewhere, and go on once there is room."""
    import sandwich_jax
    from sandwich_jax import Config
    from sandwich_jax.folders import checkpoints
    from sandwich_jax.types import SettingError

    config = Config(**SMALL, p=(0.5,), rounds=args.rounds)
    sandwich_jax.run(config, place / "whole", wandb="disabled")
    wanted = _rows(place / "whole" / "rows.jsonl")
    needed = sum(x.stat().st_size for x in (place / "whole").rglob("*") if x.is_file())
    disk = place / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)], check=True)
    rng, counts = random.Random(args.seed), Counter(lost=0, doubled=0, different=0)
    try:
        for _ in range(args.kills):
            filler, out = disk / "filler", disk / "run"
            room = rng.randrange(2 * needed + checkpoints.MARGIN)
            filler.write_bytes(bytes(shutil.disk_usage(disk).free - room))
            try:
                sandwich_jax.run(config, out, wandb="disabled")
                counts["had room"] += 1
            except SettingError as error:
                counts["one sentence" if _of_room(str(error)) else "other words"] += 1
            filler.unlink()
            sandwich_jax.run(config, out, wandb="disabled")
            _compare(_rows(out / "rows.jsonl"), wanted, counts)
            shutil.rmtree(out)
    except KeyboardInterrupt:
        counts["stopped"] += 1
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
    return {"what": "disk", "bytes of a run": needed, **counts}


def _of_room(said: str) -> bool:
    return "no space left" in said and len(said.splitlines()) == 1


# --- memory -------------------------------------------------------------------------------------


def _memory(args: Soak, place: pathlib.Path) -> dict[str, Any]:
    grid = SMALL | {"p": [i / 1000 for i in range(1000)], "seeds": 5, "rounds": args.rounds}
    toml = place / "grid.toml"
    toml.write_text("".join(f"{name} = {json.dumps(v)}\n" for name, v in grid.items()))
    (process,) = _started(1, toml, place / "out")
    status = pathlib.Path(f"/proc/{process.pid}/statm")
    page, end = os.sysconf("SC_PAGE_SIZE") / 2**20, time.monotonic() + 3600 * args.hours
    found: list[tuple[float, float]] = []
    try:
        while time.monotonic() < end and process.poll() is None:
            found.append((time.monotonic(), int(status.read_text().split()[1]) * page))
            time.sleep(1.0)
    except (KeyboardInterrupt, OSError):
        pass
    process.kill()
    process.communicate()
    return {"what": "memory", **slope(np.asarray(found))}


def slope(found: np.ndarray) -> dict[str, float]:
    """MiB an hour over the second half, with the 95% interval of the slopes of ten blocks."""
    late = found[len(found) // 2 :]
    slopes = [np.polyfit(*block.T, 1)[0] * 3600 for block in np.array_split(late, 10)]
    mean, error = float(np.mean(slopes)), float(np.std(slopes, ddof=1) / np.sqrt(len(slopes)))
    hours = (found[-1, 0] - found[0, 0]) / 3600
    ends = {"low": mean - 2.26 * error, "high": mean + 2.26 * error}
    told = {"hours": hours, "MiB": float(late[-1, 1]), "MiB an hour": mean, **ends}
    return {name: round(value, 3) for name, value in told.items()}


if __name__ == "__main__":
    main(tyro.cli(Soak, description=__doc__))
