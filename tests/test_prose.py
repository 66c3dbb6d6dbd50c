"""The words of the documents, and the counter that looks at them."""

import pytest

from tests import ROOT
from tests.prose import MOST_HEADLESS, MOST_WHAT, habits, python_paragraphs, sentences_of

MODULE = '''
"""Says what it does. A second
sentence: What is it? Where it lies, it stays."""
# A comment of
# two lines.
x = 1  # noqa: E501
# Another one.

LIMIT = 3
"""Of a constant."""
def f():
    """What counts."""
    return "what is no prose"
'''


def test_docstrings_and_comments_are_prose_and_code_is_not() -> None:
    assert sorted(python_paragraphs(MODULE)) == [
        "A comment of two lines.",
        "Another one.",
        "Of a constant.",
        "Says what it does. A second\nsentence: What is it? Where it lies, it stays.",
        "What counts.",
    ]


def test_habits_are_counted_but_for_questions() -> None:
    found = habits(["Says what it does.", "What is it?", "Where it lies, it stays.", "Whatever comes.", "Offer it."])
    assert found.sentences == 5
    assert found.what == ["Says what it does."]
    assert found.headless == ["Where it lies, it stays."]


@pytest.mark.parametrize("name", ["aws_s3", "aws_s3/docs", "README.md", ".github"])
def test_documents_keep_the_rules(name: str) -> None:
    found = habits(sentences_of(ROOT / name))
    assert len(found.what) <= MOST_WHAT * found.sentences, "\n".join(found.what)
    assert len(found.headless) <= MOST_HEADLESS * found.sentences, "\n".join(found.headless)
