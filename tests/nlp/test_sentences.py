from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings, strategies as st

from nlp.sentences import sentences_of


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences_of(text)]


# Every list is a text, its sentences joined by spaces.
PROSE = [
    ["Hello world.", "My name is Ada."],
    ["What is your name?", "My name is Ada."],
    ["There it is!", "I found it.", "Great!!"],
    ["My name is Jonas E. Smith.", "Please turn to p. 55."],
    ["Were Jane and co. at the party?", "They were."],
    ["They closed the deal with Pitt, Briggs & Co. at noon."],
    ["They closed the deal with Pitt, Briggs & Co.", "It closed yesterday."],
    ["I can see Mt. Fuji from here.", "Can you?"],
    ["St. Michael's Church is on 5th st. near the light."],
    ["That is JFK Jr.'s book.", "He wrote it in the U.K. last year."],
    ["I visited the U.S.A. last year."],
    ["I live in the E.U.", "How about you?"],
    ["I live in the U.S.", "We moved there in May."],
    ["The U.S. Senate met on Jan. 5 and again on Feb. 12, 2024."],
    ["I work for the U.S. Government in Virginia."],
    ["She works at Apple Inc. in California.", "He does not."],
    ["Apple Inc. is located in Cupertino, California."],
    ["At 5 a.m. Mr. Smith went to the bank.", "He left the bank at 6 P.M.", "Then he went on."],
    ["She has $100.00 in her bag.", "It is in her bag."],
    ["The rate rose by 3.5 per cent to 12.25.", "Nobody knew why."],
    ["Version 2.0.1 is out.", "Get it at www.example.com or mail me@example.com today."],
    ["He teaches science (He previously worked for 5 years as an engineer.) at the university."],
    ['She turned to him, "This is great." she said.'],
    ['She turned to him, "This is great."', "She held the book out."],
    ['"Really?" she asked.', "Nobody answered."],
    ["\u201cIt works,\u201d he said.", "\u201cWhy should it not?\u201d", "He went home."],
    ["Hello!!", "Long time no see."],
    ["Hello?!", "Is that you?"],
    ["He bought it at Yahoo! and sold it.", "That was that."],
    ["This is a sentence\ncut off in the middle because pdf."],
    ["I never meant that....", "She left the store."],
    ["I was not really ... well, what I mean is that it is late."],
    ["See Sec. 3 and Fig. 4, e.g. the left one, i.e. mine.", "No. 7 is missing."],
    ["Dr. Watson met Prof. Moriarty vs. Holmes.", "It was cold."],
    ["Bring pens, paper, etc. to class.", "Thanks."],
    ["He has a Ph.D. in physics.", "His wife has none."],
    ["Plan B. failed.", "So did I.", "We went on."],
    ["Look at https://example.com/search?Query=a.B and at Kevin.Doe@example.com first.", "Yes."],
    ["i love it.", "it works well and looks nice.", "five stars."],
    ["Is this \u4f60\u597d\u3002", "It is."],
    ["The N.B.A. and J. R. R. Tolkien have dots.", "This does not"],
    ["Great phone!!!", "\U0001f600 I love it \U0001f44d"],
    ["Prices: 1,000.50 dollars (approx.) for all.", "Is it worth it?"],
]  # fmt: skip


@pytest.mark.parametrize("sentences", PROSE, ids=lambda sentences: sentences[0][:30])
def test_prose_is_split_where_its_sentences_end(sentences: list[str]) -> None:
    assert split(" ".join(sentences)) == sentences


LINES = [
    ("Shopping list\n- milk\n- two eggs.\n- bread",
     ["Shopping list", "- milk", "- two eggs.", "- bread"]),
    ("1. Open the box.\n2. Take it out. Be careful.\n3) Enjoy",
     ["1. Open the box.", "2. Take it out.", "Be careful.", "3) Enjoy"]),
    ("a. first\nb. second", ["a. first", "b. second"]),
    ("\u2022 one\n\u2022 two", ["\u2022 one", "\u2022 two"]),
    ("A Heading Without A Dot\n\nThe text begins here. It ends",
     ["A Heading Without A Dot", "The text begins here.", "It ends"]),
    ("Heading\nThe text begins.", ["Heading", "The text begins."]),
    ("no dots\nNo capitals needed\nStill three lines",
     ["no dots", "No capitals needed", "Still three lines"]),
    ("This letter was broken by a program after seventy characters, as\nPrograms do, and goes on "
     "here. The end.",
     ["This letter was broken by a program after seventy characters, as\nPrograms do, and goes on "
      "here.", "The end."]),
    ("windows\r\nLines\r\n\r\nAnd more.", ["windows", "Lines", "And more."]),
    ("  \n\n  spaces around.  \n ", ["spaces around."]),
    ("The end is near.The clock stopped.Did it?Yes.",
     ["The end is near.", "The clock stopped.", "Did it?", "Yes."]),
    ("First line:\nand what follows", ["First line:", "and what follows"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sentences"), LINES, ids=lambda value: str(value)[:20])
def test_lines_lists_and_headings_are_sentences(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\t \r\n"])
def test_white_space_holds_no_sentence(text: str) -> None:
    assert split(text) == []


PIECES = st.sampled_from(
    [". ", "! ", "?", "\u2026", "\n", "\r\n", " ", "Mr. ", "e.g. ", "1. ", '"', ")", "(", "\u3002",
     "The ", "a", "U.S. ", "\U0001f600", "e\u0301", "\u0645\u0631\u062d\u0628\u0627 ", "\u2028"]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES).map("".join))


@settings(deadline=None, max_examples=500)
@given(TEXTS)
def test_sentences_are_all_of_the_text_but_white_space(text: str) -> None:
    spans = sentences_of(text)

    assert all(one.end <= following.start for one, following in pairwise(spans))
    assert all(text[start:end] == text[start:end].strip() != "" for start, end in spans)
    gaps = [0, *(place for span in spans for place in span), len(text)]
    outside = [text[start:end] for start, end in zip(gaps[::2], gaps[1::2], strict=True)]
    assert not "".join(outside).strip()


@pytest.mark.parametrize(
    "part",
    [".", ". ", "a.", "a. ", "\n", "\n ", "\r\n", "!?", "'", "x", " ", "1. ", "(", "A.", "...) ",
     "e.g. ", "Mr. A ", "\u3002", "a\n"],
)  # fmt: skip
def test_no_text_takes_long(part: str) -> None:
    def seconds(characters: int) -> float:
        text = part * (characters // len(part))
        started = time.thread_time()
        sentences_of(text)
        return time.thread_time() - started

    short = min(seconds(20_000) for _ in range(3))

    # Were it to grow with the square of the length, it would be a hundred times as long.
    assert seconds(200_000) < 30 * short + 0.01
