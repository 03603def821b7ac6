"""Living prose: numbers in Markdown that are bound to records, and sentences that are tested.

An HTML comment behind a number binds it: ``71<!-- mnist.convnet.errors -->``. What stands between
the number and its comment says in which unit it is written: with ``%``, ``percent`` or ``points``
it is a hundred times the record, as in ``95.0 %<!-- a.test_accuracy -->`` or
``2.4 points<!-- a.test_accuracy - b.test_accuracy -->``; with ``minutes`` a sixtieth, and so on.
Decimals, thousands separators and a plus sign are part of the typed format, and are kept when the
number is renewed; whole numbers up to twelve may be words.

A comment that holds a comparison, ``<!-- a.errors < 0.5 * b.errors -->``, tests the sentence before
it. Code, formulas and comments that name no record are left alone. ``course.repeats`` describes how
a comment asks about every seed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

from course.repeats import ALONE, Repeats, asks, expanded
from helpers.expressions import (
    Expression,
    ExpressionError,
    holds,
    names_in,
    parse,
    sides,
    value_of,
)

WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve".split()
)  # what is usually not written in digits
_SCALES = {
    **dict.fromkeys(("%", "percent", "per cent", "point", "points"), Decimal(100)),
    **dict.fromkeys(("percentage point", "percentage points"), Decimal(100)),
    **dict.fromkeys(("s", "second", "seconds", "times"), Decimal(1)),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), Decimal(1000)),
    **dict.fromkeys(("minute", "minutes"), 1 / Decimal(60)),
    **dict.fromkeys(("hour", "hours"), 1 / Decimal(3600)),
    "thousand": Decimal("1e-3"),
    "million": Decimal("1e-6"),
    "billion": Decimal("1e-9"),
}
_UNITS = "|".join(sorted(map(re.escape, _SCALES), key=len, reverse=True))
_MARK = re.compile(r"\n *([-+*>]|\d+[.)])\s")  # begins a list or a quotation
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_TYPED = re.compile(
    rf"(?<![\w.,])(?P<number>[-+−]?(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?|\b(?:{'|'.join(WORDS)}))"
    rf"(?P<unit>(?:[ \u00a0]|\n *)?(?:{_UNITS}))?[*_]*\Z",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"(?P<fence>```+|~~~+).*?(?P=fence)|(?P<tick>`+)[^`](?:(?!\n\s*\n).)*?(?P=tick)", re.DOTALL
)
_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.DOTALL)
_MEASURED = re.compile(
    r"\d(?:[\d.,]*\d)?\s*(?:%|percent\b|per cent\b|percentage)"
    r"|(?<![\d.,])(?!\d{4}s\b)\d(?:[\d.,]*\d)?\s*(?:s|ms|seconds?|minutes?|hours?|milliseconds?)\b(?!\w)"
    r"|\b(?:accuracy|loss|error)\s+(?:of|is|was|reaches|reached)\s+(?:about\s+)?\d*[.]\d+",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?:])[*_)\"”]*\s+(?=\S)|\n\s*\n|\n(?=[#>*|-] )|\A")


class ProseError(ValueError):
    """A comment that is neither a binding nor a test, in words."""


@dataclass(frozen=True)
class Comment:
    """One comment in Markdown that names records.

    Attributes:
        text: the whole text around it.
        start: where the bound number begins; for a test, where the comment begins.
        end: where the bound number ends, without its unit; for a test, as ``start``.
        unit: what stands between number and comment, such as "%"; empty without a unit.
        close: where the comment ends.
    """

    text: str
    expression: Expression
    start: int
    end: int
    unit: str
    opened: int
    close: int

    @property
    def typed(self) -> str:
        """The bound number as it is written, without its unit."""
        return self.text[self.start : self.end]

    @property
    def line(self) -> int:
        """Its line in the text, from 1."""
        return self.text.count("\n", 0, self.opened) + 1

    @cached_property
    def sentence(self) -> str:
        """The sentence before a test or around a number, without its comments."""
        before = self.text[: self.opened]
        begin = max(match.end() for match in _SENTENCE.finditer(before.rstrip()))
        after = ""
        if not self.expression.is_test:
            rest = self.text[self.close :]
            end = re.search(r"[.!?](?=\s|\Z|<!--)|\n\s*\n|\Z", rest)
            after = rest[: end.end() if end else 0]
        shown = _COMMENT.sub("", before[begin:] + after)
        return " ".join(re.sub(r"(?m)^\s*(?:[>#*-] )+|</?\w+>", "", shown).split())


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", "\0", match[0])


def without_code(text: str) -> str:
    """Return a Markdown text of the same length whose code is blanked out."""
    return _CODE.sub(_blank, text)


def comments(text: str, repeats: Repeats = ALONE) -> Iterator[Comment | ProseError]:
    """Find every comment that names records in a Markdown text.

    Args:
        text: Markdown.
        repeats: the other runs of each record; without them ``lowest`` and ``highest`` are about
            the stored run alone.

    Returns:
        In order of appearance, each as a ``Comment``, or as a ``ProseError`` with its line if it is
        malformed.
    """
    visible = without_code(text)
    for match in _COMMENT.finditer(visible):
        content = match[1]
        if text[text.rfind("\n", 0, match.start()) + 1 :].lstrip(" ").startswith(">"):
            content = re.sub(r"\n *> ?", "\n", content)  # the marks of a block quote
        if names_in(content):
            line = text.count("\n", 0, match.start()) + 1
            if mark := _MARK.search(content):
                yield ProseError(
                    f'line {line}: the comment has a line that begins with "{mark[1]}", which '
                    "Markdown reads as a list or a quotation: break the line elsewhere"
                )
                continue
            try:
                yield _comment(text, visible, match, content, repeats)
            except (ProseError, ExpressionError) as error:
                yield ProseError(f"line {line}: the comment {error}")
    rest = _COMMENT.sub(_blank, visible)
    if "<!--" in rest:
        line = text.count("\n", 0, rest.index("<!--")) + 1
        yield ProseError(f"line {line}: the comment isn't closed: end it with -->")


def _comment(
    text: str, visible: str, match: re.Match[str], content: str, repeats: Repeats
) -> Comment:
    written = " ".join(content.split())
    expression = replace(parse(expanded(written, repeats)), text=written)
    opened, close = match.span()
    if expression.is_test:
        return Comment(text, expression, opened, opened, "", opened, close)
    typed = _TYPED.search(visible[:opened])
    if typed is None:
        raise ProseError(
            f"binds nothing, because no number comes right before it: {expression.text}"
        )
    start, end = typed.span("number")
    unit = " ".join((typed["unit"] or "").replace("\N{NO-BREAK SPACE}", " ").split())
    return Comment(text, expression, start, end, unit.lower(), opened, close)


def rounded(value: float, typed: str, unit: str) -> str:
    """Write a value in the format of a typed number.

    Args:
        value: of the record or expression.
        typed: a number, such as "95.0", "1,234", "+3" or "seven".
        unit: what is written behind it: "%" and "points" stand for hundredths.

    >>> rounded(0.9504, "79.9", "%"), rounded(1234.5, "7", ""), rounded(8, "Seven", "")
    ('95.0', '1,235', 'Eight')
    """
    decimals = len(typed.partition(".")[2])
    # Twelve digits are more than any record means and fewer than rounding errors of sums reach.
    scaled = Decimal(f"{value:.12g}") * _SCALES.get(unit, Decimal(1))
    number = Decimal(f"{scaled:.12g}").quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    if number == 0:
        number = abs(number)
    if typed.lower() in WORDS:
        if 0 <= number < len(WORDS):
            word = WORDS[int(number)]
            return word.capitalize() if typed[0].isupper() else word
        return f"{number:,}"
    shown = f"{abs(number)}" if re.match(r"\D?\d{4}", typed) else f"{abs(number):,}"
    if number < 0:
        return ("-" if typed.startswith("-") else "−") + shown
    return ("+" if typed.startswith("+") else "") + shown


def measured_numbers(text: str) -> Iterator[tuple[int, str]]:
    """Find numbers in prose that look measured and aren't bound: line from 1, and text."""
    visible = _FORMULA.sub(_blank, without_code(text))
    bound = [(c.start, c.opened) for c in comments(text) if isinstance(c, Comment)]
    visible = _COMMENT.sub(_blank, visible)
    for start, end in bound:
        visible = visible[:start] + re.sub(r"[^\n]", "\0", visible[start:end]) + visible[end:]
    for match in _MEASURED.finditer(visible):
        yield visible.count("\n", 0, match.start()) + 1, " ".join(match[0].split())


def faults(
    text: str,
    values: Mapping[str, float],
    lacking: Callable[[str], str],
    repeats: Repeats = ALONE,
) -> Iterator[str]:
    """Find everything in a Markdown text that disagrees with the records.

    Args:
        text: Markdown.
        values: the records by name.
        lacking: says why there is no record of a name.
        repeats: as ``comments`` takes them.

    Returns:
        One sentence per fault, with its line, the sentence in the text and both values.
    """
    for comment in comments(text, repeats):
        if isinstance(comment, ProseError):
            yield f"{comment}."
            continue
        expression = comment.expression
        place = f'line {comment.line}, "{comment.sentence}"'
        missing = [name for name in expression.names if name not in values]
        if missing:
            yield f"{place}: {lacking(missing[0])}"
            continue
        try:
            if expression.is_test and not holds(expression, values):
                said = ", ".join(sides(expression, values))
                yield f"{place}: {expression.text} is false: {said}."
            elif not expression.is_test:
                number = value_of(expression, values)
                right = rounded(number, comment.typed, comment.unit)
                if right != comment.typed:
                    unit = f" {comment.unit}" if comment.unit else ""
                    yield (
                        f"{place}: {comment.typed}{unit} is written, but {expression.text} is "
                        f"{right}{unit} ({number:.6g}); run `course sync` to renew the number."
                    )
        except ExpressionError as error:
            yield f"{place}: the comment {error}."


def renewed(
    text: str,
    values: Mapping[str, float],
    repeats: Repeats = ALONE,
) -> str:
    """Return a Markdown text with its bound numbers taken from the records.

    Numbers whose comment is malformed or whose records are missing stay as they are.
    """
    parts, place = [], 0
    for comment in comments(text, repeats):
        if isinstance(comment, ProseError) or comment.expression.is_test:
            continue
        if any(name not in values for name in comment.expression.names):
            continue
        try:
            number = value_of(comment.expression, values)
        except ExpressionError:
            continue
        parts += [text[place : comment.start], rounded(number, comment.typed, comment.unit)]
        place = comment.end
    return "".join([*parts, text[place:]])


def linked(text: str, address: Callable[[str], str | None]) -> str:
    """Return a Markdown text whose bound numbers are links, as HTML, without the comments.

    Args:
        text: Markdown.
        address: for a record's name the place that measured it, such as
            "01_convnet_basics.html#cell-12", or None for one without a place; asked for
            ``every.<name>``, the place of the kept runs that have it.

    >>> linked("It makes 71<!-- mnist.errors --> mistakes.", lambda name: "01.html#cell-3")
    'It makes <a href="01.html#cell-3" title="mnist.errors">71</a> mistakes.'
    """
    parts, place = [], 0
    for comment in comments(text):
        if isinstance(comment, ProseError):
            continue
        names = comment.expression.names
        if asks(comment.expression.text):
            names = tuple(f"every.{name}" for name in names)
        there = next(filter(None, map(address, names)), None)
        if comment.expression.is_test or there is None:
            parts.append(text[place : comment.opened])
        else:
            # Marks of emphasis stay outside, since Markdown isn't read inside of HTML.
            shown = text[comment.start : comment.opened]
            marks = shown[len(shown.rstrip("*_")) :]
            number = " ".join(shown.removesuffix(marks).split())
            title = comment.expression.text.replace("&", "&amp;").replace('"', "&quot;")
            title = title.replace("<", "&lt;").replace(">", "&gt;")
            parts.append(text[place : comment.start])
            parts.append(f'<a href="{there}" title="{title}">{number}</a>{marks}')
        place = comment.close
    return "".join([*parts, text[place:]])
