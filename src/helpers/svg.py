"""Drawings of Matplotlib, written shorter."""

import re


def lighter(svg: str) -> str:
    """Write a drawing of Matplotlib shorter, such that it looks the same.

    Comments, ids that nothing refers to, and line breaks between elements go, ids of letters become
    short, and places keep two decimals, a hundredth of a pixel.

    Args:
        svg: the text of the drawing; one in which words are text, where a space may count, keeps
            its line breaks.

    >>> lighter('<g id="axes_1">\\n <path d="M 1.2345 7 \\nL 2 3.5 \\n"/>\\n</g>')
    '<g><path d="M1.23 7L2 3.5"/></g>'
    """
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' transform="rotate\(-?0(?: [^")]*)?\)"', "", svg)
    meant = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r'(<g) id="([^"]*)"', lambda g: g[0] if g[2] in meant else g[1], svg)
    if "<text" not in svg:
        svg = re.sub(r">\s*\n\s*<", "><", svg)
    # Each letter of a text refers to an outline, and these references are most of a drawing.
    svg = re.sub(r'(["#])DejaVuSans-', r"\1g-", svg)
    svg = re.sub(
        r'(<use xlink:href="#[^"]*") transform="translate\((-?[\d.]+) (-?[\d.]+)\)"',
        r'\1 x="\2" y="\3"',
        svg,
    ).replace(' y="0"', "")
    svg = re.sub(r'(?<=style=")[^"]*', lambda style: re.sub("([:;]) ", r"\1", style[0]), svg)
    places = r'(?<=\s)(?:x|y)="[^"]*"|translate\([^)]*\)'
    svg = re.sub(places, lambda place: _rounded(place[0]), svg)
    return re.sub(r'(?<= d=")[^"]*', lambda path: _tight(_rounded(path[0])), svg)


def _rounded(numbers: str) -> str:
    """Cut all numbers in a text to two decimals."""
    return re.sub(r"(\.\d\d)\d+", r"\1", numbers)


def _tight(path: str) -> str:
    """Drop the spaces around the letters of a path."""
    return re.sub(r"\s*([A-DF-Za-df-z])\s*", r"\1", path).strip()
