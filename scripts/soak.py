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
once a second; a line through the means of ten blocks of its second half.

Every process is forked from one that has loaded the program, but asked for no device yet, so that
kills fall into work, not into imports. What they compile is kept in a cache of this soak.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.context import ForkProcess
from typing import Any, Literal

import numpy as np
import tyro
from scipy import stats

SMALL = {
    "game": "tic_tac_toe", "expert": "fresh:1", "weak": "fresh:2", "network": "nano", "games": 16,
    "lanes": 16, "max_plies": 10, "arena_max_plies": 10, "updates": 3, "batch": 16, "window": 2,
    "round_openings": 8, "final_openings": 8, "misalignment": "random_move",
}  # fmt: skip
LOADED = ("running.sweep_folder", "running.run_folder", "running.result_tables",
          "evaluation.evaluate", "report.build", "cli.sweep", "cli.run", "cli.evaluate",
          "cli.report")  # fmt: skip
_fork = multiprocessing.get_context("fork")


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
    within: float = 1.1
    """Kills come so soon after a start at the latest, as a share of what a whole sweep takes."""
    seed: int = 0
    """Of the moments."""


def main(args: Soak) -> None:
    """Does it and prints what came out."""
    with tempfile.TemporaryDirectory() as place:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{place}/compiled"
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["NPROC"] = "1"  # threads of a process's computations
        for name in LOADED:
            importlib.import_module(f"sandwich_jax.{name}")
        work = {"kills": _sweeps, "folder": _runs, "disk": _disks, "memory": _memory}[args.what]
        print(json.dumps(work(args, pathlib.Path(place))), flush=True)


# --- sweeps that are killed ---------------------------------------------------------------------


def _sweeps(args: Soak, place: pathlib.Path) -> dict[str, Any]:
    grid = SMALL | {"p": [0.0, 0.5], "seeds": 2, "rounds": args.rounds, "control": False}
    toml = place / "grid.toml"
    toml.write_text("".join(f"{name} = {json.dumps(v)}\n" for name, v in grid.items()))
    for _ in range(2):  # the first one compiles
        shutil.rmtree(place / "whole", ignore_errors=True)
        started = time.monotonic()
        _finish(_started(args.processes, toml, place / "whole"))
        seconds = time.monotonic() - started
    whole = _rows(place / "whole" / "rows.jsonl")
    rng, counts = random.Random(args.seed), Counter(lost=0, doubled=0, different=0, failed=0)
    end = started + 3600 * args.hours
    try:
        while counts["kills"] < args.kills and time.monotonic() < end:
            processes = _started(args.processes, toml, place / "out")
            try:
                if _killed(processes, rng.uniform(0, args.within * seconds)):
                    counts["kills"] += 1
                    continue
                _compare(_rows(place / "out" / "rows.jsonl"), whole, counts)
            except Failed as failure:  # goes on with a new folder, and is counted
                counts["failed"] += 1
                print(failure, file=sys.stderr)
            shutil.rmtree(place / "out")
            print(dict(counts), file=sys.stderr, flush=True)
        _finish(_started(args.processes, toml, place / "out"))
        _compare(_rows(place / "out" / "rows.jsonl"), whole, counts)
    except KeyboardInterrupt:
        counts["stopped"] += 1
    return {"what": "kills", "processes": args.processes, "rows a sweep": len(whole),
            "seconds a sweep": round(seconds, 1), **counts}  # fmt: skip


def _started(count: int, toml: pathlib.Path, out: pathlib.Path) -> list[ForkProcess]:
    command = ["sweep", str(toml), "--out", str(out), "--wandb", "disabled"]
    if count > 1:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        command += ["--distributed", "--coordinator", f"localhost:{port}", "--processes",
                    str(count)]  # fmt: skip
    return [_start(command + (["--process-id", str(i)] if count > 1 else [])) for i in range(count)]


def _start(command: list[str]) -> ForkProcess:
    process = _fork.Process(target=_work, args=(command,))
    process.start()
    return process


def _work(command: list[str]) -> None:
    """What a forked process does: one command, and a word of it only where it fails."""
    from sandwich_jax import cli

    with tempfile.TemporaryFile() as said:
        own = os.dup(2)
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
        try:
            cli.main(command)
        except BaseException:
            said.seek(0)
            os.write(own, said.read()[-2000:])
            raise


def _killed(processes: list[ForkProcess], after: float) -> bool:
    """Whether SIGKILL came before the end of the first of them, to all at once."""
    end = time.monotonic() + after
    while time.monotonic() < end and all(p.is_alive() for p in processes):
        time.sleep(0.01)
    if not all(p.is_alive() for p in processes):
        _finish(processes)
        return False
    for process in processes:
        process.kill()
    for process in processes:
        process.join()
    return True


class Failed(RuntimeError):
    """A command ended by itself, and not with exit status 0."""


def _finish(processes: list[ForkProcess]) -> None:
    for process in processes:
        process.join()
    for process in processes:
        if process.exitcode:
            raise Failed(f"exit status {process.exitcode}; what it said stands above")


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
            "run": ["run", "--out", str(folder), *settings],
            "evaluate": ["evaluate", str(folder)],
            "report": ["report", str(folder)],
        }

    lasts = {}
    for _ in range(2):  # the first one compiles
        shutil.rmtree(whole, ignore_errors=True)
        for name, command in commands(whole).items():
            start = time.monotonic()
            _finish([_start(command)])
            lasts[name] = time.monotonic() - start
    wanted = _rows(whole / "rows.jsonl")
    rng, counts = random.Random(args.seed), Counter(lost=0, doubled=0, different=0)
    names = list(lasts)
    try:
        while sum(counts[f"kills of {name}"] for name in names) < args.kills:
            for name in names:
                for _ in range(3):
                    command = commands(out)[name]
                    process = _start(command)
                    # In its second half, in which files are written.
                    if not _killed([process], rng.uniform(0.5, 1.05) * lasts[name]):
                        break
                    counts[f"kills of {name}"] += 1
                else:
                    _finish([_start(command)])
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
        while time.monotonic() < end and process.is_alive():
            found.append((time.monotonic(), int(status.read_text().split()[1]) * page))
            time.sleep(1.0)
    except (KeyboardInterrupt, OSError):
        pass
    process.kill()
    process.join()
    return {"what": "memory", **slope(np.asarray(found))}


def slope(found: np.ndarray) -> dict[str, float]:
    """MiB an hour over the second half: least squares over the means of ten blocks of it, which are
    nearly independent where seconds are not, and the 95% interval by Student's t."""
    late = found[len(found) // 2 :]
    blocks = np.asarray([block.mean(axis=0) for block in np.array_split(late, 10)])
    (mean, _), covariance = np.polyfit(blocks[:, 0] / 3600, blocks[:, 1], 1, cov=True)
    error = stats.t.ppf(0.975, len(blocks) - 2) * np.sqrt(covariance[0, 0])
    ends = {"low": mean - error, "high": mean + error}
    hours = (found[-1, 0] - found[0, 0]) / 3600
    told = {"hours": hours, "MiB": float(late[-1, 1]), "MiB an hour": mean, **ends}
    return {name: round(float(value), 3) for name, value in told.items()}


if __name__ == "__main__":
    main(tyro.cli(Soak, description=__doc__))
