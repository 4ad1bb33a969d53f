"""What a GUI says to a UCI engine and hears from it, over two pipes, blocking.

At a few thousand nodes an engine answers in milliseconds, and a general client that parses all it
says leaves it waiting for much of the time: here only the lines that count are looked at.
Source of the protocol: https://www.shredderchess.com/chess-features/uci-universal-chess-interface.html
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import time
from collections.abc import Mapping

CHUNK = 1 << 16


class Fault(Exception):
    """The engine can be used no longer."""


class Ended(Fault):
    """It closed its output."""


class TooSlow(Fault):
    """It did not answer in time."""


class Nonsense(Fault):
    """Its answer is none."""


class Client:
    """One engine process; every call waits for the engine."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float):
        """Says "uci" and hears the engine out.

        Raises:
            Fault: it ended, or said no `uciok` within `seconds`.
        """
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process needs pipes")
        self.process = process
        self._input, self._output = process.stdin.fileno(), process.stdout.fileno()
        self._poll = select.poll()
        self._poll.register(self._output, select.POLLIN)
        self._rest = b""
        self._set: dict[str, str] = {}
        self._send("uci")
        said = self._until("uciok", seconds)
        names = [line[8:].strip() for line in said if line.startswith("id name ")]
        self.name = names[0] if names else "unnamed"
        self.options = dict(filter(None, map(_option, said)))
        """By name; the least and the most of it where it is a number."""

    def search(
        self, position: str, nodes: int, options: Mapping[str, str], seconds: float
    ) -> list[str]:
        """The engine's lines on a position that it knows nothing of yet, `bestmove` the last.

        Args:
            position: as after the word "position".
            nodes: searched.
            options: of this search alone.
            seconds: it may take so long.

        Raises:
            Fault: it ended or took longer.
        """
        self._choose(options)
        self._send("ucinewgame", "isready")
        deadline = time.monotonic() + seconds
        self._until("readyok", seconds)
        self._send(f"position {position}", f"go nodes {nodes}")
        return self._until("bestmove", deadline - time.monotonic())

    def set(self, name: str, value: str) -> None:
        """Sets an option for good, if the engine has it."""
        if name in self.options:
            self._send(f"setoption name {name} value {value}")

    def _choose(self, options: Mapping[str, str]) -> None:
        for name, value in (DEFAULTS | dict(options)).items():
            if self._set.get(name, DEFAULTS.get(name)) != value:
                self.set(name, value)
                self._set[name] = value

    def _send(self, *lines: str) -> None:
        try:
            os.write(self._input, "".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            raise self._ended() from error

    def _until(self, word: str, seconds: float) -> list[str]:
        """Whole lines up to the first that begins with `word`."""
        deadline, mark = time.monotonic() + seconds, word.encode()
        lines: list[str] = []
        while True:
            *whole, self._rest = self._rest.split(b"\n")
            for i, line in enumerate(whole):
                lines.append(line.decode(errors="replace").strip())
                if line.lstrip().startswith(mark):
                    self._rest = b"\n".join([*whole[i + 1 :], self._rest])
                    return lines
            self._rest += self._read(deadline)

    def _read(self, deadline: float) -> bytes:
        left = deadline - time.monotonic()
        if left <= 0 or not self._poll.poll(1000 * left):
            raise TooSlow
        found = os.read(self._output, CHUNK)
        if not found:
            raise self._ended()
        return found

    def _ended(self) -> Ended:
        try:
            return Ended(f"exit code {self.process.wait(1.0)}")
        except subprocess.TimeoutExpired:
            return Ended("it closed its output")


DEFAULTS = {"MultiPV": "1", "UCI_LimitStrength": "false"}
"""Options of a search that asks for no others."""

Range = tuple[int, int] | None
OPTION = re.compile(r"option name (.+?) type (\w+)(?:.* min (-?\d+) max (-?\d+))?")


def _option(line: str) -> tuple[str, Range] | None:
    found = OPTION.match(line)
    if found is None:
        return None
    name, _, low, high = found.groups()
    return name, (int(low), int(high)) if low else None


def number_after(word: str, info: list[str]) -> int | None:
    """The number behind a word of an `info` line, cut into words; None where there is none.

    Raises:
        Nonsense: it is no number.
    """
    try:
        return int(info[info.index(word) + 1]) if word in info else None
    except (ValueError, IndexError) as error:
        raise Nonsense(" ".join(info)[:80]) from error
