"""What makes the built site light: parts that no page needs go, and pictures and scripts shrink."""

import re
import shutil
from pathlib import Path

from PIL import Image

PAGE_WIDTH = 860

# The parts of MathJax that ``docs/conf.py`` asks for. The ready-made bundle holds its menu as well,
# a third of its weight, and the book switches that off.
_MATHJAX = (
    *("startup.js", "core.js", "input/tex.js", "output/chtml.js", "output/chtml/fonts/tex.js"),
    "a11y/assistive-mml.js",  # reads formulas to those who cannot see them
)
_FONTS = "output/chtml/fonts/woff-v2"

# An icon in the script of Font Awesome: its name, its size, other names, code and outline.
_ICON = re.compile(
    r'(?:"([a-z0-9-]+)"|([a-z][a-z0-9]*)):'
    r'\[\d+,\d+,\[([^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?'
)


def bring_mathjax(installed: Path, target: Path) -> None:
    """Copy the parts of MathJax that the book uses, fonts included.

    Args:
        installed: the folder ``es5`` of the package.
        target: a folder that isn't there yet.
    """
    for part in _MATHJAX:
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(installed / part, target / part)
    shutil.copytree(installed / _FONTS, target / _FONTS)


def drop_unread(site: Path) -> None:
    """Drop source maps, the theme's translations and spare fonts, and what only Sphinx reads."""
    for path in [*site.rglob("*.map"), site / ".buildinfo", site / "objects.inv"]:
        path.unlink(missing_ok=True)
    for path in (site / "_static").rglob("*.[cj]s*"):
        replace(path, r"(?://[#@] |/\*# )sourceMappingURL=\S+(?: ?\*/)?", "")
    shutil.rmtree(site / "_static" / "locales", ignore_errors=True)
    for path in (site / "_static").rglob("*.woff2"):
        # The theme draws icons by its script; its style sheet uses characters of one font alone.
        if path.name != "fa-solid-900.woff2":
            path.unlink()


def drop_icons(site: Path) -> None:
    """Keep only those of Font Awesome's two thousand icons that a page or a script names."""
    script = site / "_static" / "scripts" / "fontawesome.js"
    readers = [*site.rglob("*.html"), *(site / "_static").rglob("*.js")]
    used: set[str] = set()
    for path in readers:
        if path != script:
            text = path.read_text(encoding="utf-8", errors="replace")
            used.update(re.findall(r"\bfa-([a-z0-9-]+)", text))
    script.write_text(kept_icons(script.read_text(encoding="utf-8"), used), encoding="utf-8")


def kept_icons(script: str, used: set[str]) -> str:
    """Drop the icons that nothing uses from the script of Font Awesome.

    Args:
        script: its text.
        used: names without ``fa-``, of which some may be other names of an icon.

    Returns:
        The script with fewer icons and all of its code.
    """

    def kept(icon: re.Match[str]) -> str:
        names = {icon[1] or icon[2], *re.findall(r'"([a-z0-9-]+)"', icon[3])}
        return icon[0] if names & used else ""

    return _ICON.sub(kept, script)


def shrink_pictures(folder: Path) -> str:
    """Store photographs as wide as a page and as WebP.

    Args:
        folder: of the site's pictures.

    Returns:
        A regular expression for the names, without suffix, of the pictures that are WebP now.
    """
    photographs = [path for path in folder.iterdir() if path.suffix in (".png", ".jpg")]
    shown = [_shrink(path) for path in photographs]
    return "|".join(re.escape(path.stem) for path in shown if path.suffix == ".webp") or "(?!)"


def _shrink(path: Path) -> Path:
    """Store a picture of the site as wide as a page and as WebP, where that is smaller."""
    smaller = path.with_suffix(".webp")
    with Image.open(path) as picture:
        if getattr(picture, "is_animated", False):
            return path
        shown = picture.convert("RGB")
        shown.thumbnail((PAGE_WIDTH, shown.height))
        shown.save(smaller, quality=80)
    unwanted = path if smaller.stat().st_size < path.stat().st_size else smaller
    unwanted.unlink()
    return smaller if unwanted is path else path


def replace(path: Path, pattern: str, by: str) -> None:
    """Replace a pattern in a text file of the site, byte for byte elsewhere."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    changed = re.sub(pattern, by, text)
    if changed != text:
        path.write_bytes(changed.encode("utf-8", "surrogateescape"))
