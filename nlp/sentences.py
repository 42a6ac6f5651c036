"""Where the sentences of an English text begin and end.

Every mark that may end a sentence, and every end of a line, is judged by the few words around it,
so the work grows with the text's length and no text makes it grow faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlp.abbreviations import (
    BEFORE_NAMES,
    BEFORE_NUMBERS,
    ENDING_TOO,
    NEVER_ENDING,
    SHORT_WORDS,
    STARTERS,
)  # fmt: skip
from nlp.spans import Span

NEAR = 40
"""Characters that are looked at on either side."""
SHORT_LINE = 50
"""A line that is at least so long may go on in the next one."""
LONG_WORD = 4
"""An unknown word of so many letters is no abbreviation."""

_MARKS = ".!?\u2026\u3002\uff01\uff1f"
_FULL_WIDTH = "\u3002\uff01\uff1f"
_CLOSERS = "\"'\u201d\u2019\u00bb)]}*_"
_OPENERS = "\"'\u201c\u2018\u00ab([{*_"
_BREAKS = "\n\r\u2028\u2029\x0b\x0c\x85"
_ENDS = re.compile(rf"[{_MARKS}]+[{re.escape(_CLOSERS)}]*|[{_BREAKS}]\s*")
_BREAK = re.compile(rf"\r\n|[{_BREAKS}]")
_NEXT_WORD = re.compile(rf"[\s{re.escape(_OPENERS)}]*([^\W_]+(?:['\u2019][^\W_]+)?)")
_LAST_WORD = re.compile(r"[^\W_](?:\S*[^\W_])?$")
_LAST_LETTERS = re.compile(r"[^\W\d_]+$")
_LETTERS = re.compile(r"[^\W\d_]+")
_NUMBER = r"(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})"
_ITEM = re.compile(
    rf"[-*\u2022\u2023\u25e6\u25aa\u2013\u2014\u00b7]\s|\(?{_NUMBER}[.)]\s|\d{{1,3}}[-:]\s"
)
_NUMBERED = re.compile(rf"(?:^|[{_BREAKS}])\s*\(?{_NUMBER}$")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?$")
_ADDRESS_BEFORE = re.compile(r"[/@=&]\S*$")
_ADDRESS_AFTER = re.compile(r"[^\s/@=&]*[/@=&]")


def sentences_of(content: str) -> list[Span]:
    """The sentences in order, without the white space around them; together they are the text."""
    found = []
    start = 0
    for end in [*_ends(content), len(content)]:
        if (span := _trimmed(content, start, end)) is not None:
            found.append(span)
        start = end
    return found


def _ends(content: str) -> Iterator[int]:
    line = 0
    for match in _ENDS.finditer(content):
        if content[match.start()] in _MARKS:
            if _mark_ends(content, match.start(), match.end()):
                yield match.end()
            continue
        if _line_ends(content, line, match):
            yield match.end()
        line = match.end()


def _trimmed(content: str, start: int, end: int) -> Span | None:
    text = content[start:end]
    bare = text.lstrip()
    first = start + len(text) - len(bare)
    bare = bare.rstrip()
    return Span(first, first + len(bare)) if bare else None


def _mark_ends(content: str, start: int, end: int) -> bool:
    """Whether the marks in content[start:end] end a sentence."""
    marks = content[start:end].rstrip(_CLOSERS)
    closed = start + len(marks) < end
    after = content[end : end + NEAR]
    if marks[-1] in _FULL_WIDTH:
        return True
    if not after.strip():
        return False  # the end of the text, or of its line, does it
    before = content[max(0, start - NEAR) : start]
    if not after[0].isspace():
        return not closed and _ends_without_space(before, marks, after)
    following = _NEXT_WORD.match(after)
    if following is None:
        return after.lstrip()[0] not in ",;:"
    if marks == ".":
        return _dot_ends(before, following[1], closed=closed)
    if following[1][0].islower():
        return _ends_before_small_letter(before, marks, closed=closed)
    return True


def _ends_without_space(before: str, marks: str, after: str) -> bool:
    """Someone forgot the space: "great.The end", "really?Yes". Addresses look alike."""
    last = _LAST_LETTERS.search(before)
    following = _LETTERS.match(after)
    if last is None or following is None or _is_address(before, after):
        return False
    word = following[0]
    if not last[0][-1].islower() or not word[0].isupper():
        return False
    return marks != "." or (len(last[0]) > 2 and (word in ("I", "A") or word[1:].islower()))


def _is_address(before: str, after: str) -> bool:
    return bool(_ADDRESS_BEFORE.search(before) or _ADDRESS_AFTER.match(after))


def _ends_before_small_letter(before: str, marks: str, *, closed: bool) -> bool:
    """Not in `"Really?" she said`, not in "Yahoo! is", not in "well... maybe"."""
    if closed or "." in marks or "\u2026" in marks:
        return False
    last = _LAST_LETTERS.search(before)
    return len(marks) > 1 or last is None or not last[0][0].isupper()


def _dot_ends(before: str, following: str, *, closed: bool) -> bool:
    """Whether a single dot does. closed: a quotation mark or bracket stands behind it."""
    last = _LAST_WORD.search(before)
    if last is None:
        return not following[0].islower()
    word = last[0].lstrip(_OPENERS)
    known = word.lower()
    if _NUMBERED.search(before) or known in NEVER_ENDING:
        return False
    if following[0].isdigit() and known in BEFORE_NUMBERS:
        return False
    if known in BEFORE_NAMES and not following[0].islower():
        return following in STARTERS
    if known in ENDING_TOO or _INITIALS.fullmatch(word) or (len(word) == 1 and word.isalpha()):
        return following[0].isupper() if word == "I" else following in STARTERS
    if following[0].islower():
        return not closed and _is_plain(known)
    return True


def _is_plain(word: str) -> bool:
    """Whether a word is likely none of the abbreviations that nobody has listed."""
    if word.isdigit() or word in SHORT_WORDS:
        return True
    return word.isalpha() and len(word) >= LONG_WORD


def _line_ends(content: str, line: int, match: re.Match[str]) -> bool:
    """Whether a sentence ends with its line; lines of a letter are broken anywhere."""
    before = content[max(line, match.start() - NEAR) : match.start()].rstrip()
    after = content[match.end() : match.end() + NEAR]
    if not before or not after or _ITEM.match(after) or len(_BREAK.findall(match[0])) > 1:
        return True
    if before.endswith(":") or before.rstrip(_CLOSERS)[-1:] in tuple(_MARKS):
        return True
    return match.start() - line < SHORT_LINE and not after[0].islower()
