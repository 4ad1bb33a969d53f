"""Tags of PGN games, in the layouts that are found: spaces, letter case, quotes, several a line."""

from __future__ import annotations

import re
from typing import NamedTuple

USED = ("Result", "WhiteElo", "BlackElo", "Variant", "FEN")
"""The tags that are kept, and Event, with which most games begin."""
AROUND = " \t\v\f\r\x00\x1a\xa0\N{ZERO WIDTH NO-BREAK SPACE}"
"""Characters that may stand before a tag and mean nothing."""

USUAL = re.compile(r'\[([A-Za-z][A-Za-z0-9]*) "([^"\\]*)"\]$')
"""How nearly all tags are written: name and value."""
KNOWN = {name.lower(): name for name in (*USED, "Event")}
"""Tags that matter, by their names in small letters."""
_CURLY = "'\xab\xbb\u2018\u2019\u201a\u201c\u201d\u201e"
_NAME = r"\[\s*([A-Za-z0-9][A-Za-z0-9_+#=:-]*)"
TAG = re.compile(rf'{_NAME}\s*(?:"((?:[^"\\]|\\.)*)"|[{_CURLY}]([^{_CURLY}"\]]*)[{_CURLY}])\s*\]')
"""A whole tag."""
_WITH_QUOTES_INSIDE = re.compile(rf'{_NAME}\s+"(.*)"\s*\]\s*$')
_SPACE = re.compile(r"[\s\x00\ufeff]*")
_LOOSE = re.compile(rf'{_NAME}[\s"{_CURLY}]*(.*)')


class Tags(NamedTuple):
    """The tags of one line."""

    names: dict[str, str]
    """Values by name, of `USED` and Event alone."""
    rest: str = ""
    """What follows them on their line."""
    certain: bool = True
    """They are tags; otherwise they only begin so."""
    torn: bool = False
    """The last one is not all there; it may go on in the next line."""


def tags_in(line: str, in_moves: bool = True) -> Tags | None:
    """The tags that a line begins with, which begins with "["; None if they are no tags.

    Args:
        line: without white space before it.
        in_moves: only what is certainly a tag is one; elsewhere all that begins so is.
    """
    names: dict[str, str] = {}
    place, certain, torn = 0, False, False
    while line.startswith("[", place):
        if tag := TAG.match(line, place):
            _add(names, tag[1], tag[2] or tag[3] or "")
            place, certain = _SPACE.match(line, tag.end()).end(), True  # pyright: ignore
            continue
        # It has quotes inside, or is not whole; it ends where another one begins that is.
        other = TAG.search(line, place + 1)
        end = other.start() if other else len(line)
        inside = _WITH_QUOTES_INSIDE.match(line, place, end)
        if inside is None and in_moves and not certain:
            return None
        if loose := inside or _LOOSE.match(line, place, end):
            value = loose[2] if inside else loose[2].rstrip(f' \t]"{_CURLY}')
            _add(names, loose[1].strip(":="), value)
        certain |= inside is not None or bool(names)
        torn = inside is None and other is None and not line.rstrip().endswith("]")
        place = end
    return Tags(names, line[place:].strip(AROUND).lstrip("],"), certain, torn)


def _add(names: dict[str, str], name: str, value: str) -> None:
    """Takes a tag if it is one of use; letter case and white space around it do not matter."""
    known = KNOWN.get(name.lower())
    if known:
        names[known] = value.strip()
