from collections import Counter
from importlib.resources import files

import pytest

from coordinator.demo.language import LanguageModel, Sampling, spaced, tokenise

TEXT = files("coordinator.demo").joinpath("corpus.txt").read_text(encoding="utf-8")
GREEDY = Sampling(temperature=0)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel(TEXT)


def said(model: LanguageModel, prompt: str, sampling: Sampling = GREEDY) -> list[str]:
    return list(model.generate([prompt], sampling))


def test_the_text_is_of_the_promised_size_and_survives_tokenising() -> None:
    assert 6_000 <= len(TEXT) <= 10_000
    for line in filter(None, TEXT.splitlines()):
        tokens = tokenise(line)
        assert "".join(spaced(token, not index) for index, token in enumerate(tokens)) == line


def test_temperature_zero_is_deterministic_in_every_model_of_the_text(model: LanguageModel) -> None:
    assert said(model, "a letter about a debt") == said(LanguageModel(TEXT), "a letter about a debt")


def test_a_seed_repeats_a_sample_and_another_seed_does_not(model: LanguageModel) -> None:
    warm = said(model, "hello", Sampling(1.0, 1.0, 7))
    assert warm == said(model, "hello", Sampling(1.0, 1.0, 7))
    assert warm != said(model, "hello", Sampling(1.0, 1.0, 8))


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("My landlord wants me to leave", "landlord"),
        ("I cannot pay the energy bill", "bill"),
        ("What does the coordinator do?", "coordinator"),
        ("how can I become a volunteer", "volunteer"),
    ],
)
def test_the_prompt_steers_the_first_sentence(model: LanguageModel, prompt: str, word: str) -> None:
    tokens = said(model, prompt)
    assert word in [token.lower() for token in tokens[: tokens.index(".")]]


def test_an_older_prompt_counts_less_than_the_newest(model: LanguageModel) -> None:
    newest_first = list(model.generate(["the landlord", "the balancer"], GREEDY))
    assert "landlord" in newest_first[: newest_first.index(".")]


@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_replies_end_and_never_repeat_a_trigram(model: LanguageModel, temperature: float, seed: int) -> None:
    tokens = said(model, "lent machines", Sampling(temperature, 1.0, seed))
    assert 10 < len(tokens) < 400
    assert tokens[-1] == "."
    sentences = " ".join(tokens).split(" . ")
    trigrams = Counter(tuple(words[i : i + 3]) for words in map(str.split, sentences) for i in range(len(words) - 2))
    assert max(trigrams.values()) == 1


def test_a_tiny_top_p_is_greedy_token_choice(model: LanguageModel) -> None:
    relevance = model.relevance(["the landlord"])
    likeliest = max(model.distribution([], relevance).items(), key=lambda item: item[1])[0]
    assert said(model, "the landlord", Sampling(1.0, 0.0, 3))[0] == likeliest


def test_a_tiny_temperature_does_not_overflow(model: LanguageModel) -> None:
    assert said(model, "debt", Sampling(5e-324, 1.0, 1))[0] == said(model, "debt")[0]


def test_continuation_is_the_open_sentence_where_the_model_knows_its_end(model: LanguageModel) -> None:
    assert model.continuation("Hello there. The adviser") == ["The", "adviser"]
    assert model.continuation("The adviser came.") == []
    assert model.continuation("The zyxwv") == []
    assert model.continuation("") == []


def test_a_continued_sentence_goes_on_with_what_followed_it(model: LanguageModel) -> None:
    tokens = model.generate(["The load balancer"], GREEDY, start=["The", "load", "balancer"])
    assert next(tokens) == "spreads"


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ValueError, match="no text"):
        LanguageModel(" \n\n ")


def test_a_text_of_one_word_still_ends() -> None:
    assert list(LanguageModel("Hello").generate(["x"], GREEDY)) == ["Hello", "."]
