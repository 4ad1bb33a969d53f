"""PGN files cut into games: tags as a dict, move text without its comments.

A game begins with a tag, or with move 1 after the end of another one. A blank line ends it only
after its result: text that goes on below the blank is its own. A comment that is not closed before
the next game begins ends there, and the game that it stands in is marked.
"""

from __future__ import annotations

import itertools
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sandwich_jax.training import san
from sandwich_jax.training.pgn_tags import AROUND, KNOWN, TAG, USUAL, Tags, tags_in
from sandwich_jax.training.text_files import read_lines

LONGEST_COMMENT = 1 << 20
"""Characters from the first game inside a comment on, after which it counts as not closed."""

_COMMENT = re.compile(r"\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}|\{[^}]*\}")
"""One that ends on its line; braces in it may be in pairs."""
_COMMENTS = re.compile(rf"{_COMMENT.pattern}|;.*")
_OPENING = re.compile("[{;]")
_RESULTS = (" 1-0", " 0-1", " 1/2-1/2")
_FIRST_MOVE = re.compile(r"\s*1\s*\.")


class PgnGame(NamedTuple):
    """One game as it stands in the file."""

    tags: dict[str, str]
    """Those of `pgn_tags.USED` that it has."""
    moves: list[str]
    """Lines of move text, comments taken out."""
    tagged: bool
    """It has tags, of any name."""
    unclosed: bool
    """A comment in it has no end: what was played is not all there."""


def read_games(
    path: pathlib.Path, progress: Callable[[int], None] = lambda size: None
) -> Iterator[PgnGame]:
    """The games of a PGN file, one after the other; arguments and errors as of `read_lines`."""
    return cut(read_lines(path, progress))


def cut(lines: Iterable[str]) -> Iterator[PgnGame]:
    """Cuts the lines of a PGN, without their line ends, into games."""
    source, game = _Lines(lines), _Draft()
    for line in source:
        if not line or line.isspace():
            if line is None:
                break
            if game.has_result():
                yield game.done()
                game = _Draft()
            game.gap = game.tagged or bool(game.moves)
            continue
        first = line[0]
        if first == "[" and not game.last and (usual := USUAL.match(line)):
            # The short way for nearly all tags.
            name = KNOWN.get(usual[1].lower())
            if name not in game.tags and not game.unclosed:
                game.tagged = True
                if name:
                    game.tags[name] = usual[2].strip()
                continue
        if first == "%" or first == ";":
            continue
        if first in AROUND:
            source.put_back(line.lstrip(AROUND))  # without them it is a line as any other
            continue
        if first == "[" and (found := tags_in(line, bool(game.last))) is not None:
            found = _whole(found, line, source) if found.torn else found
            if game.ends_at(found):
                yield game.done()
                game = _Draft()
            game.tagged |= found.certain
            if found.names:
                game.tags.update(found.names)
            line = found.rest
            if not line:
                continue
        elif game.gap and game.has_text() and _FIRST_MOVE.match(line):
            yield game.done()
            game = _Draft()
        if "{" in line or ";" in line:
            line, unclosed = _without_comments(line, source)
            game.unclosed |= unclosed
        elif "[" in line:
            line = _until_tag(line, source)
        game.moves.append(line)
        if not line.isspace():
            game.last = line
    if game.tagged or game.moves:
        yield game.done()


class _Draft:
    """A game that is being read."""

    __slots__ = ("gap", "last", "moves", "tagged", "tags", "unclosed")

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.moves: list[str] = []
        self.last = ""
        """The last line of moves that is more than a comment."""
        self.gap = self.tagged = self.unclosed = False
        """`gap`: there was a blank line in it."""

    def ends_at(self, found: Tags) -> bool:
        """Whether tags are those of the next game; one without moves has none of them twice."""
        if self.last or self.unclosed:
            return True
        return any(name in self.tags and (self.gap or name == "Event") for name in found.names)

    def has_text(self) -> bool:
        """Whether there are moves already, or were perhaps in a comment without end."""
        return bool(self.last) or (self.unclosed and not self.tagged)

    def has_result(self) -> bool:
        """Whether its result stands at the end of the moves."""
        last = self.last
        return last.endswith(_RESULTS) or bool(last and san.result_of(last.rsplit(None, 1)[-1]))

    def done(self) -> PgnGame:
        self.tags.pop("Event", None)
        return PgnGame(self.tags, self.moves, self.tagged, self.unclosed)


class _Lines:
    """Lines, of which some may be put back, and None again and again behind the last one."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.again: list[str] = []
        self.each = self._each(lines)

    def __iter__(self) -> Iterator[str | None]:
        return self.each

    def _each(self, lines: Iterable[str]) -> Iterator[str | None]:
        again = self.again
        for line in itertools.chain(lines, itertools.repeat(None)):
            yield line
            while again:
                yield again.pop()

    def put_back(self, *lines: str) -> None:
        self.again += reversed(lines)


def _whole(torn: Tags, line: str, source: _Lines) -> Tags:
    """A tag that may go on in the next line, which is then used up."""
    following = next(source.each) or ""
    found = None if following.startswith("[") else tags_in(f"{line} {following}")
    if found is None:
        source.put_back(following)
    return found or torn


def _until_tag(line: str, source: _Lines) -> str:
    """Move text up to a tag on the same line, which is put back: where line ends were lost."""
    tag = TAG.search(line)
    if tag is None:
        return line
    source.put_back(line[tag.start() :])
    return line[: tag.start()]


def _without_comments(line: str, source: _Lines) -> tuple[str, bool]:
    """Move text, taken from as many lines as its comments go over; whether one has no end."""
    parts: list[str] = []
    while True:
        text, opened = _text_of(line)
        parts.append(text)
        if not opened:
            return " ".join(parts), False
        rest = _after_comment(source)
        if rest is None:
            return " ".join(parts), True
        line = rest


def _text_of(line: str) -> tuple[str, bool]:
    """A line without its comments, and whether it ends in one that goes on."""
    if line.rfind("{") < line.rfind("}"):
        return _COMMENTS.sub(" ", line), False
    parts, place = [], 0
    while opening := _OPENING.search(line, place):
        parts.append(line[place : opening.start()])
        comment = _COMMENT.match(line, opening.start())
        if comment is None:
            return " ".join(parts), opening[0] == "{"
        place = comment.end()
    return " ".join((*parts, line[place:])), False


def _after_comment(source: _Lines) -> str | None:
    """What follows a comment on the line of its end; None if it has none before the next game.

    A game may be quoted in a comment. So one that begins in there is the next one only if another
    comment begins before this one ends, or if this one goes on for too long.
    """
    held: list[str] = []
    blank, size = False, 0
    for line in source:
        if line is None:
            break
        if held or _begins_game(line.lstrip(AROUND), blank):
            held.append(line)
            size += len(line)
        end, opening = line.find("}"), line.find("{")
        if held and (size > LONGEST_COMMENT or 0 <= opening < (end if end >= 0 else len(line))):
            break
        if end >= 0:
            return line[end + 1 :]
        blank = not line or line.isspace()
    source.put_back(*held)
    return None


def _begins_game(line: str, blank: bool) -> bool:
    if line.startswith("["):
        return tags_in(line) is not None
    return blank and _FIRST_MOVE.match(line) is not None
