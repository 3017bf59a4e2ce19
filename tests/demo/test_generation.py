from hypothesis import given
from hypothesis import strategies as st

from coordinator.demo.generation import Generation


def made(words: str, *, limit: int = 100, stops: list[str] | None = None) -> tuple[Generation, list[str]]:
    generation = Generation(iter(words.split()), limit, 1, stops or [])
    return generation, list(generation)


def test_a_source_that_ends_is_a_stop() -> None:
    generation, pieces = made("one two .")
    assert pieces == ["one", " two", ".", ""]
    assert (generation.finish_reason, generation.completion_tokens) == ("stop", 3)


def test_the_token_limit_is_a_length_and_the_source_is_not_asked_further() -> None:
    source = iter(["one", "two", "three", "four"])
    generation = Generation(source, 2, 1)
    assert "".join(generation) == "one two"
    assert generation.finish_reason == "length"
    assert next(source) == "three"


def test_a_stop_string_that_spans_tokens_is_never_let_out() -> None:
    generation, pieces = made("one two three four", stops=["two th"])
    assert "".join(pieces) == "one "
    assert (generation.finish_reason, generation.completion_tokens) == ("stop", 3)


def test_text_that_only_began_like_a_stop_string_comes_out_in_the_end() -> None:
    generation, pieces = made("one two", stops=["two three"])
    assert "".join(pieces) == "one two"
    assert pieces[1] == " "
    assert generation.finish_reason == "stop"


def test_a_stop_at_the_limit_counts_as_stop() -> None:
    generation, pieces = made("one two", limit=2, stops=["two"])
    assert "".join(pieces) == "one "
    assert generation.finish_reason == "stop"


def test_a_continued_sentence_starts_with_a_space() -> None:
    assert "".join(Generation(iter(["pays"]), 9, 1, continues=True)) == " pays"


words = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=12)
stops = st.lists(st.text("ab ", min_size=1, max_size=4), max_size=4)


@given(words, stops)
def test_pieces_are_the_text_up_to_the_first_stop_to_be_completed(words: list[str], stops: list[str]) -> None:
    text, expected = "", None
    for word in words:
        text = f"{text} {word}" if text else word
        if found := [at for stop in stops if (at := text.find(stop)) >= 0]:
            expected = text[: min(found)]
            break
    assert "".join(Generation(iter(words), 100, 1, stops)) == (text if expected is None else expected)
