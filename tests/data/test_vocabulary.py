"""Vocabularies of words, characters and bigrams."""

import pytest

from poeem.data.vocabulary import Vocabulary, words_of


def test_tokens_by_frequency_then_by_themselves():
    vocabulary = Vocabulary.of_texts({"oat milk": 3, "Milk": 1, "rare": 1}, min_count=2)
    assert list(vocabulary.words) == ["milk", "oat"]
    assert vocabulary.characters[:4] == ["a", "i", "k", "l"]
    assert set(vocabulary.bigrams) == {"oa", "at", "mi", "il", "lk"}


def test_a_text_is_its_known_tokens():
    vocabulary = Vocabulary.of_texts({"oat milk": 2})
    tokens = vocabulary.encode(["MILK, of oats", "", "xyz"])
    names = lambda numbers, of: [[of[n] for n in row if n >= 0] for row in numbers]  # noqa: E731
    assert names(tokens.words, vocabulary.words) == [["milk"], [], []]
    assert names(tokens.bigrams, vocabulary.bigrams) == [["mi", "il", "lk", "oa", "at"], [], []]
    assert names(tokens.characters, vocabulary.characters)[2] == []
    assert tokens.words.shape == (3, 1)


def test_what_is_not_understood_is_said():
    vocabulary = Vocabulary.of_texts(["milk"], min_count=1)
    assert vocabulary.unknown("some milk") is None
    assert "is read by its characters" in vocabulary.unknown("kilm")
    assert "perhaps because of its script" in vocabulary.unknown("молоко")


def test_scripts_and_forms():
    assert words_of("Ｍilk_молоко 牛奶!") == ["milk", "молоко", "牛奶"]


def test_no_frequent_word():
    with pytest.raises(ValueError, match=r"no word occurs min_count \(=2\) times"):
        Vocabulary.of_texts(["milk"])
