"""A small UCI engine, a real process, that fails when told to."""

import pathlib
import sys
import time

SOURCE = """\
#!{python}
"Plays a legal move; `fault` befalls its searches number `after` to `after + times`."
import os, pathlib, subprocess, sys, time
import chess

fault, times, after, marks = {fault!r}, {times}, {after}, pathlib.Path({folder!r})
answer, lead = {answer!r}, {lead!r}


def faulty():
    (marks / f"search-{{time.monotonic_ns()}}-{{os.getpid()}}").touch()
    searches = len(list(marks.glob("search-*")))
    return after < searches <= after + times


def hang():
    child = subprocess.Popen(["sleep", "1000"])
    (marks / f"pid-{{child.pid}}").touch()
    while True:
        time.sleep(100)


(marks / f"pid-{{os.getpid()}}").touch()
board = chess.Board()
for line in sys.stdin:
    word, _, rest = line.strip().partition(" ")
    if word == "uci":
        if fault == "dumb":
            sys.exit()
        print(lead + "id name Fake", lead + "uciok", sep="\\n", flush=True)
    elif word == "isready":
        print(lead + "readyok", flush=True)
    elif word == "position":
        start, _, moves = rest.partition("moves")
        start = start.strip()
        board = chess.Board() if start == "startpos" else chess.Board(start.removeprefix("fen "))
        for move in moves.split():
            board.push_uci(move)
    elif word == "go":
        with open(marks / "asked", "a") as asked:
            asked.write(board.epd() + "\\n")
        wrong = bool(fault) and faulty()
        if wrong and fault == "crash":
            os._exit(3)
        if wrong and fault == "hang":
            hang()
        legal = sorted(board.legal_moves, key=lambda m: m.promotion is None)  # the first promotes
        move = "e1e5" if wrong else legal[0].uci()
        said = answer.format(move=move, MOVE=move.upper(), tail=move[:4] + move[4:].upper())
        print(lead + "info depth 1 multipv 1 score cp 42 nodes 1 pv", said.split(" ")[0])
        print(lead + "bestmove", said, flush=True)
    elif word == "quit":
        break
"""


def make(
    folder: pathlib.Path,
    fault: str = "",
    times: int = 0,
    after: int = 0,
    answer: str = "{move}",
    lead: str = "",
) -> str:
    """The path of a new engine in `folder`.

    It leaves a file `pid-N` a process there, and in `asked` the positions that it searched.

    Args:
        folder: an empty one.
        fault: "crash", "hang", "nonsense" (an illegal move), "dumb" (no UCI), or none.
        times: so many searches go wrong ...
        after: ... after so many that do not, all its processes together.
        answer: what follows "bestmove": {move}, {MOVE} or {tail} (a capital promotes) in it.
        lead: before every line.
    """
    path = folder / "engine"
    settings = dict(python=sys.executable, fault=fault, times=times, after=after)
    settings |= dict(answer=answer, lead=lead)
    path.write_text(SOURCE.format(folder=str(folder), **settings))
    path.chmod(0o755)
    return str(path)


def alive(folder: pathlib.Path) -> list[int]:
    """Processes that engines in `folder` told of and that still run (zombies are dead)."""
    found = []
    for mark in folder.glob("pid-*"):
        try:
            status = pathlib.Path(f"/proc/{mark.name[4:]}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status.rsplit(")", 1)[1].split()[0] != "Z":
            found.append(int(mark.name[4:]))
    return found


def die_out(folder: pathlib.Path) -> bool:
    """Whether all processes of `folder` end; SIGKILL is on its way, and takes a moment."""
    for _ in range(6000):
        if not alive(folder):
            return True
        time.sleep(0.01)
    return False
