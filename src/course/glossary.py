"""The glossary: ``data/glossary.toml`` explains each term that a chapter sets in bold."""

import functools
import html
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from course.errors import CourseError
from course.prose import without_code
from helpers.places import TableError, read_table

PAGE = "glossary"
_BOLD = re.compile(r"\*\*([^*\n]+(?:\n[^*\n]+)?)\*\*")
_WORDS = 3  # a longer phrase in bold is emphasis
# What is set in bold without being a term: headings in a paragraph, and the word itself.
_NO_TERM = re.compile(r".*[.:?!,\d].*|bold", re.DOTALL)


@dataclass(frozen=True)
class Term:
    """One entry of the glossary.

    Attributes:
        name: as the glossary lists it.
        also: other forms, such as a verb or an abbreviation.
        text: its explanation in Markdown.
    """

    name: str
    also: tuple[str, ...]
    text: str

    @property
    def anchor(self) -> str:
        """Its place on the glossary page, as Sphinx names it."""
        return "term-" + re.sub(r"[^\w]+", "-", re.sub(r"['’]", "", self.name)).strip("-")


def terms() -> tuple[Term, ...]:
    """Read the glossary, in alphabetical order.

    Raises:
        CourseError: the file cannot be read, an entry is incomplete, or a form is listed twice.
    """
    try:
        listed = read_table("data/glossary.toml")["term"]
        found = [
            Term(entry["name"], tuple(entry.get("also", [])), entry["text"]) for entry in listed
        ]
        for term, entry in zip(found, listed, strict=True):
            if isinstance(entry.get("also"), str) or not all(
                isinstance(text, str) for text in (term.name, *term.also, term.text)
            ):
                raise TypeError(f"{term.name!r} needs texts, and a list of them for also")
    except (TableError, KeyError, TypeError) as error:
        said = str(error).rstrip(".")
        raise CourseError(
            f"data/glossary.toml isn't a list of terms with name and text: {said}."
        ) from error
    forms = [form.lower() for term in found for form in (term.name, *term.also)]
    if twice := next((form for form in forms if forms.count(form) > 1), None):
        raise CourseError(f'data/glossary.toml explains "{twice}" twice.')
    return tuple(sorted(found, key=lambda term: term.name.lower()))


@functools.cache
def by_form(listed: tuple[Term, ...]) -> Mapping[str, Term]:
    """Return the terms by each of their forms, in lower case."""
    return {form.lower(): term for term in listed for form in (term.name, *term.also)}


def find(phrase: str, listed: tuple[Term, ...]) -> Term | None:
    """Return the term that a phrase in bold means, or None.

    >>> find("Feature  maps", (Term("feature map", (), ""),)).name
    'feature map'
    """
    forms, plain = by_form(listed), " ".join(phrase.lower().split())
    return forms.get(plain) or forms.get(plain.removesuffix("s"))


def bold(text: str) -> Iterator[re.Match[str]]:
    """Find the phrases in a Markdown text that are set in bold; code isn't read."""
    yield from _BOLD.finditer(without_code(text))


def unexplained(text: str, listed: tuple[Term, ...]) -> list[str]:
    """Return the terms in bold that the glossary doesn't explain.

    A phrase of more than three words, with a digit or with a mark such as a full stop is emphasis.

    >>> unexplained("The **kernel** and the **hat**. **Look here.**", (Term("kernel", (), ""),))
    ['hat']
    """
    return [
        " ".join(match[1].split())
        for match in bold(text)
        if "\0" not in match[1]  # of blanked code
        and len(match[1].split()) <= _WORDS
        and not _NO_TERM.fullmatch(match[1])
        and find(match[1], listed) is None
    ]


def linked(text: str, listed: tuple[Term, ...], done: set[str]) -> str:
    """Return a Markdown text in which the first bold use of each term links to the glossary.

    Args:
        text: Markdown.
        listed: all terms.
        done: names of those that are linked already; the new ones are added.
    """
    parts, place = [], 0
    for match in bold(text):
        term = find(match[1], listed)
        if term is not None and term.name not in done:
            done.add(term.name)
            shown = " ".join(match[1].split())
            address = f"{PAGE}.html#{html.escape(term.anchor)}"
            parts += [text[place : match.start()], f'**<a href="{address}">{shown}</a>**']
            place = match.end()
    return "".join([*parts, text[place:]])


def page(listed: Iterable[Term], used_in: Mapping[str, Collection[tuple[str, str]]]) -> str:
    """Write the glossary page in MyST Markdown.

    Args:
        listed: all terms.
        used_in: for each term's name the title and the page of the chapters that set it in bold.
    """
    entries = []
    for term in listed:
        others = [form for form in term.also if form.rstrip("s") != term.name]
        also = f" Also: {', '.join(others)}." if others else ""
        chapters = ", ".join(f"[{title}]({name})" for title, name in used_in.get(term.name, ()))
        place = f" Introduced in {chapters}." if chapters else ""
        entries.append(f"{term.name}\n  {term.text}{also}{place}\n")
    return (
        "# Glossary\n\nThe words of the field, as this course uses them.\n\n"
        "```{glossary}\n" + "\n".join(entries) + "```\n"
    )
