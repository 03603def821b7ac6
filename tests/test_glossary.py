from pathlib import Path

import pytest

from course import glossary
from course.errors import CourseError
from course.glossary import Term
from helpers import places

TERMS = (
    Term("kernel", (), "A grid."),
    Term("overfitting", ("overfit",), "Memorizing."),
    Term("Grad-CAM", (), "A map."),
    Term("Occam's bias", ("Occam's biases",), "A habit."),
)


def test_the_glossary_is_readable_and_says_what_each_term_means() -> None:
    listed = glossary.terms()
    assert len(listed) > 60
    assert len({term.anchor for term in listed}) == len(listed)
    for term in listed:
        assert len(term.text) > 20, term.name
        assert term.text.endswith("."), term.name


@pytest.mark.parametrize(
    "phrase", ["kernel", "Kernels", "KERNEL", "overfit", "Overfitting", "Occam's\nbias"]
)
def test_other_forms_of_a_term_are_found(phrase: str) -> None:
    assert glossary.find(phrase, TERMS) is not None


def test_terms_without_an_entry_are_named_and_emphasis_is_not() -> None:
    text = (
        "The **hat**, a **long\nhat**, a **kernel**. **Predict.** **Who?** **chapter 2** "
        "**one thing at a time** `**code**` Words in **bold**."
    )
    assert glossary.unexplained(text, TERMS) == ["hat", "long hat"]
    text = "A **very long hat** and **one very long hat**."
    assert glossary.unexplained(text, TERMS) == ["very long hat"]
    assert glossary.unexplained("Call the **`fit` method** now.", TERMS) == []


def test_only_the_first_use_links_to_the_glossary() -> None:
    done: set[str] = set()
    assert glossary.linked("A **kernel**, **kernels**, `**kernel**`.", TERMS, done) == (
        'A **<a href="glossary.html#term-kernel">kernel</a>**, **kernels**, `**kernel**`.'
    )
    assert glossary.linked("A **kernel**.", TERMS, done) == "A **kernel**."
    assert "#term-Grad-CAM" in glossary.linked("**Grad-CAM**", TERMS, done)
    assert glossary.linked("Of **Occam's\nBiases** a word.", TERMS, done) == (
        'Of **<a href="glossary.html#term-Occams-bias">Occam\'s Biases</a>** a word.'
    )
    assert done == {"kernel", "Grad-CAM", "Occam's bias"}


def test_the_page_lists_each_term_with_its_forms_and_chapters() -> None:
    text = glossary.page(TERMS, {"kernel": {("chapter 01", "01_convnet_basics"): None}})
    assert "kernel\n  A grid. Introduced in [chapter 01](01_convnet_basics)." in text
    assert "overfitting\n  Memorizing. Also: overfit." in text
    assert "A habit. Also: Occam's biases." in text
    plural = glossary.page([Term("kernel", ("kernels",), "A grid.")], {})
    assert "kernel\n  A grid.\n" in plural


def test_terms_are_sorted_whatever_their_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    listed = "".join(f'[[term]]\nname = "{name}"\ntext = "."\n' for name in ("b", "C", "a"))
    (tmp_path / "data" / "glossary.toml").write_text(listed, encoding="utf-8")
    monkeypatch.setattr(places, "ROOT", tmp_path)
    assert [term.name for term in glossary.terms()] == ["a", "b", "C"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "isn't a list of terms"),
        ('[[term]]\nname = "kernel"', "isn't a list of terms"),
        ('[[term]]\nname = 3\ntext = "."', "3 needs texts"),
        ('[[term]]\nname = "a"\nalso = "b"\ntext = "."', "'a' needs texts, and a list"),
        (
            '[[term]]\nname = "a"\ntext = "."\n[[term]]\nname = "A"\ntext = "."',
            'explains "a" twice',
        ),
        (
            '[[term]]\nname = "a"\nalso = ["b"]\ntext = "."\n[[term]]\nname = "B"\ntext = "."',
            'explains "b" twice',
        ),
    ],
)
def test_a_broken_glossary_gets_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, said: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "glossary.toml").write_text(content, encoding="utf-8")
    monkeypatch.setattr(places, "ROOT", tmp_path)
    with pytest.raises(CourseError, match=said):
        glossary.terms()
