r"""Regular expressions over header names, matched in time linear in the name.

Python's own `re` can take ages over a name that a client chose; Triton's RE2 cannot, nor can this. The syntax is the
part of RE2's that names need: literals, `.`, classes, groups, `|`, `* + ? {m,n}`, `^` and `$`, `\d \w \s` and their
opposites. Letters match in either case, and a match anywhere in the name is enough (Triton: `(?i)` and PartialMatch).

A pattern becomes states, each of which takes one of some characters or leads on to two others (Thompson's way); a name
is read once, with the set of states that it may be in.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, field

from naiad.core.errors import InvalidConfiguration

Chars = frozenset[str]

_ALL: Chars = frozenset(map(chr, range(128)))
_CLASSES: dict[str, Chars] = {
    "d": frozenset(string.digits),
    "w": frozenset(string.ascii_letters + string.digits + "_"),
    "s": frozenset(" \t\n\r\f"),
}
_CLASSES |= {name.upper(): _ALL - chars for name, chars in _CLASSES.items()}
_MOST_STATES = 2000
_MOST_REPEATS = 1000
_DEEPEST = 50
_LONGEST_NAME = 256
"""Characters; longer names match nothing. Together these bound what one name can cost."""

_REMEMBERED = 1024
"""Names whose answer is kept; clients send the same few."""


@dataclass(slots=True)
class _State:
    """Takes one of `chars`, or is `at` a place (^ or $), or is free to pass; then goes on to `following`."""

    chars: Chars | None = None
    at: str = ""
    following: list[int] = field(default_factory=list)


class NamePattern:
    """A compiled pattern."""

    def __init__(self, text: str) -> None:
        """Raises InvalidConfiguration, saying where and why, for what is no pattern or not of this kind."""
        compiler = _Compiler(text)
        self._states = compiler.states
        self._start = compiler.compile()
        self._known: dict[str, bool] = {}

    def matches(self, name: str) -> bool:
        """Whether a name, or a part of it, is as the pattern says."""
        if len(name) > _LONGEST_NAME:
            return False
        known = self._known.get(name)
        if known is None:
            known = self._search(name.lower())
            if len(self._known) < _REMEMBERED:
                self._known[name] = known
        return known

    def _search(self, name: str) -> bool:
        current: set[int] = set()
        for place, char in enumerate(name):
            reached = self._closure(current | {self._start}, place, len(name))
            if _Compiler.MATCH in reached:
                return True
            current = {
                after
                for number in reached
                if (chars := self._states[number].chars) is not None and char in chars
                for after in self._states[number].following
            }
        return _Compiler.MATCH in self._closure(current | {self._start}, len(name), len(name))

    def _closure(self, begun: set[int], place: int, end: int) -> set[int]:
        """Every state that can be reached without a character."""
        reached, waiting = set(begun), list(begun)
        while waiting:
            state = self._states[waiting.pop()]
            if state.chars is not None or (state.at == "^" and place) or (state.at == "$" and place != end):
                continue
            for after in state.following:
                if after not in reached:
                    reached.add(after)
                    waiting.append(after)
        return reached


Node = tuple[str, object]
"""What was read: ("chars", set), ("at", place), ("all", nodes), ("any", nodes) or ("repeat", (node, least, most))."""


class _Compiler:
    """Reads a pattern by recursive descent, then makes states from the end to the beginning."""

    MATCH = 0

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self.states = [_State()]

    def compile(self) -> int:
        node = self._alternatives()
        if self._at < len(self._text):
            raise self._wrong("a ) without its (")
        return self._emit(node, self.MATCH)

    # reading

    def _alternatives(self) -> Node:
        choices = [self._sequence()]
        while self._take("|"):
            choices.append(self._sequence())
        return choices[0] if len(choices) == 1 else ("any", choices)

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            parts.append(self._repeated(self._atom()))
        return ("all", parts)

    def _atom(self) -> Node:
        char = self._next()
        if char == "(":
            return self._group()
        if char == "[":
            return ("chars", self._class())
        if char == ".":
            return ("chars", _ALL)
        if char in "^$":
            return ("at", char)
        if char in "*+?{":
            raise self._wrong(f"a {char} with nothing before it to repeat")
        return ("chars", self._escape() if char == "\\" else _either_case(char))

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"more than {_DEEPEST} groups inside each other")
        if self._text.startswith("?i)", self._at):  # letters match in either case anyway
            self._at += 3
            self._depth -= 1
            return ("all", [])
        if self._take("?") and not (self._take(":") or self._take_name()):
            raise self._wrong("a kind of group that is not known here")
        node = self._alternatives()
        if not self._take(")"):
            raise self._wrong("a ( without its )")
        self._depth -= 1
        return node

    def _take_name(self) -> bool:
        """Take the name of a group, (?P<name>...) or (?<name>...); it makes no difference."""
        start = next((len(mark) for mark in ("P<", "<") if self._text.startswith(mark, self._at)), 0)
        name, closing, _ = self._text[self._at + start :].partition(">")
        if not (start and closing and name.isidentifier()):
            return False
        self._at += start + len(name) + 1
        return True

    def _class(self) -> Chars:
        is_negated = self._take("^")
        chars: Chars = frozenset()
        is_first = True
        while is_first or not self._take("]"):
            is_first = False
            low = self._class_item()
            if len(low) == 1 and self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                high = self._class_item()
                if len(high) != 1 or max(high) < max(low):
                    raise self._wrong("a range whose end is before its beginning")
                low = frozenset(map(chr, range(ord(max(low)), ord(max(high)) + 1)))
            chars |= low
        chars = frozenset(form for char in chars for form in _either_case(char))
        return _ALL - chars if is_negated else chars

    def _class_item(self) -> Chars:
        char = self._next()
        if char == "[" and self._text.startswith((":", "=", "."), self._at):
            raise self._wrong("a named class; write its characters out")
        return self._escape() if char == "\\" else frozenset(char)

    def _escape(self) -> Chars:
        char = self._next()
        if char in _CLASSES:
            return _CLASSES[char]
        if char.isalnum():
            raise self._wrong(f"\\{char}, which is not known here")
        return frozenset(char)

    def _repeated(self, node: Node) -> Node:
        if self._at < len(self._text) and self._text[self._at] in "*+?{":
            least, most = self._bounds()
            self._take("?")  # lazy or not makes no difference to whether there is a match
            node = ("repeat", (node, least, most))
        return node

    def _bounds(self) -> tuple[int, int | None]:
        char = self._next()
        if char != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        inside, closing, _ = self._text[self._at :].partition("}")
        least, comma, most = inside.partition(",")
        if not closing or not least.isdecimal() or not (most.isdecimal() or not most) or len(inside) > 9:
            raise self._wrong("a { that is not {m}, {m,} or {m,n}")
        self._at += len(inside) + 1
        bounds = int(least), (int(most) if most else None) if comma else int(least)
        if bounds[0] > _MOST_REPEATS or (bounds[1] is not None and not bounds[0] <= bounds[1] <= _MOST_REPEATS):
            raise self._wrong(f"numbers in {{}} that are not in order, or above {_MOST_REPEATS}")
        return bounds

    def _next(self) -> str:
        if self._at >= len(self._text):
            raise self._wrong("an end too early")
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, char: str) -> bool:
        found = self._text.startswith(char, self._at)
        self._at += found
        return found

    def _wrong(self, what: str) -> InvalidConfiguration:
        return InvalidConfiguration(f"'{self._text}' is not a pattern for headers: {what}, at character {self._at}")

    # making states

    def _emit(self, node: Node, following: int) -> int:
        """Make the states of a node, and return the first."""
        kind, value = node
        if kind == "chars":
            return self._add(_State(chars=value, following=[following]))  # type: ignore[arg-type]
        if kind == "at":
            return self._add(_State(at=str(value), following=[following]))
        if kind == "all":
            for part in reversed(value):  # type: ignore[call-overload]
                following = self._emit(part, following)
            return following
        if kind == "any":
            return self._add(_State(following=[self._emit(choice, following) for choice in value]))  # type: ignore[attr-defined]
        return self._emit_repeat(*value, following=following)  # type: ignore[misc]

    def _emit_repeat(self, node: Node, least: int, most: int | None, following: int) -> int:
        if most is None:
            again = self._add(_State(following=[following]))
            self.states[again].following.append(self._emit(node, again))
            following = again
        else:
            end = following
            for _ in range(most - least):
                following = self._add(_State(following=[end, self._emit(node, following)]))
        for _ in range(least):
            following = self._emit(node, following)
        return following

    def _add(self, state: _State) -> int:
        if len(self.states) >= _MOST_STATES:
            raise InvalidConfiguration(
                f"'{self._text}' is too large a pattern for headers: write it with less repetition"
            )
        self.states.append(state)
        return len(self.states) - 1


def _either_case(char: str) -> Chars:
    return frozenset((char.lower(), char.upper()))
