"""A tiny word-level language model: n-grams with back-off, weighted by how well their source fits the prompt.

Pure: no I/O and no clock. A token is a word or a punctuation mark. Every n-gram remembers the sentence in
which it was seen, and counts as much as that sentence has in common with the prompt; so one table serves
every prompt, and the prompt steers both where a reply starts and which way it turns. Contexts do not cross
the end of a sentence. A reply's length is learned from the paragraphs. No trigram occurs twice in a reply,
so that it cannot go round in circles.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from coordinator.demo.vectors import FUNCTION_WORDS

ORDER = 4  # longest n-gram; beyond that a text of 9 KB is only recited
BACK_OFF = 0.1  # what a context one word shorter counts for; "stupid back-off" (Brants 2007), interpolated
UNRELATED = 0.02  # weight of a sentence that has nothing in common with the prompt: possible, seldom chosen
STEM = 6  # characters that make two words the same matter: "volunteer", "volunteers"
MEMORY = 8  # prompts that matter; the ninth would count for 1/256
SENTENCE_ENDS = frozenset(".!?")

_TOKEN = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")
_NO_SPACE_BEFORE = frozenset(".,;:!?)")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen: temperature 0 takes the likeliest, else p ** (1/temperature) in top_p."""

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None


def tokenise(text: str) -> list[str]:
    return _TOKEN.findall(text)


def spaced(token: str, first: bool) -> str:
    """The token as it is written: with a space before it unless it starts the text or is punctuation."""
    return token if first or token in _NO_SPACE_BEFORE else " " + token


def _matter(tokens: Sequence[str]) -> set[str]:
    words = (token.lower() for token in tokens if token[0].isalnum())
    return {word[:STEM] for word in words if word not in FUNCTION_WORDS}


class LanguageModel:
    """Trained once on a text whose paragraphs are divided by blank lines; then only read."""

    def __init__(self, text: str) -> None:
        paragraphs = [_sentences(tokenise(paragraph)) for paragraph in text.split("\n\n") if paragraph.strip()]
        self._sentences = [sentence for paragraph in paragraphs for sentence in paragraph]
        if not self._sentences:
            raise ValueError("there is no text to learn from")
        self._matters = [_matter(sentence) for sentence in self._sentences]
        self._neighbours = [set().union(*map(_matter, paragraph)) for paragraph in paragraphs for _ in paragraph]
        self._rarity = _rarities(self._matters)
        self._lengths = [len(paragraph) for paragraph in paragraphs]
        self._next: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
        for index, sentence in enumerate(self._sentences):
            self._learn(index, sentence)
        self.fingerprint = "fp_" + hashlib.sha256(text.encode()).hexdigest()[:10]

    def _learn(self, index: int, sentence: list[str]) -> None:
        for position, token in enumerate(sentence):
            for length in range(min(position, ORDER - 1) + 1):
                if length or not position:
                    self._next[tuple(sentence[position - length : position])].append((token, index))

    def relevance(self, prompts: Sequence[str]) -> list[float]:
        """A weight for each sentence; `prompts` newest first, each older one counting half."""
        weights: Counter[str] = Counter()
        for age, prompt in enumerate(prompts[:MEMORY]):
            for matter in _matter(tokenise(prompt)):
                weights[matter] += self._rarity.get(matter, 0.0) / 2**age
        scores = [
            sum(weights[matter] for matter in own) + 0.3 * sum(weights[matter] for matter in around)
            for own, around in zip(self._matters, self._neighbours, strict=True)
        ]
        best = max(scores) or 1.0
        return [UNRELATED + (score / best) ** 2 for score in scores]

    def distribution(self, sentence: Sequence[str], relevance: Sequence[float]) -> dict[str, float]:
        """Weights, not normalised, of the tokens that may follow; empty when the sentence has to end."""
        context = tuple(sentence[-(ORDER - 1) :])
        weights: dict[str, float] = defaultdict(float)
        factor = 1.0
        while True:
            seen = self._next.get(context, ())
            total = sum(relevance[source] for _, source in seen)
            for token, source in seen:
                weights[token] += factor * relevance[source] / total
            if len(context) <= 1:
                return dict(weights)
            context, factor = context[1:], factor * BACK_OFF

    def ends_after(self, sentences: int) -> float:
        """How likely a text of so many sentences is complete, as the paragraphs of the training text were."""
        reached = sum(length >= sentences for length in self._lengths)
        return sum(length == sentences for length in self._lengths) / reached if reached else 1.0

    def generate(self, prompts: Sequence[str], sampling: Sampling, start: Sequence[str] = ()) -> Iterator[str]:
        """Tokens of one reply, one by one; finite. `start` is a sentence to be continued."""
        chooser = _Chooser(sampling)
        relevance = self.relevance(prompts)
        sentence, said, finished = list(start), set(_trigrams(start)), 0
        while True:
            weights = self.distribution(sentence, relevance)
            token = chooser.pick({token: w for token, w in weights.items() if (*sentence[-2:], token) not in said})
            if token is None:
                token = "."
            said.add((*sentence[-2:], token))
            sentence.append(token)
            yield token
            if token in SENTENCE_ENDS:
                sentence, finished = [], finished + 1
                if chooser.happens(self.ends_after(finished)) or not self._may_start(said):
                    return

    def continuation(self, text: str) -> list[str]:
        """The unfinished sentence at the end of a text, as a `start` for `generate`; or empty."""
        sentence = (_sentences(tokenise(text)) or [[]])[-1]
        known = bool(sentence) and bool(self._next.get(tuple(sentence[-1:])))
        return sentence[-(ORDER - 1) :] if known else []

    def _may_start(self, said: set[tuple[str, ...]]) -> bool:
        return any((token,) not in said for token, _ in self._next[()])


class _Chooser:
    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        self._random = random.Random(sampling.seed)

    def happens(self, probability: float) -> bool:
        if self._sampling.temperature == 0:
            return probability >= 0.5
        return self._random.random() < probability

    def pick(self, weights: dict[str, float]) -> str | None:
        if not weights:
            return None
        ranked = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
        if self._sampling.temperature == 0:
            return ranked[0][0]
        nucleus = _nucleus(_heated(ranked, self._sampling.temperature), self._sampling.top_p)
        return self._random.choices([token for token, _ in nucleus], [weight for _, weight in nucleus])[0]


def _heated(ranked: list[tuple[str, float]], temperature: float) -> list[tuple[str, float]]:
    """p ** (1 / temperature), relative to the likeliest; in logarithms, lest a tiny temperature overflow."""
    top = math.log(ranked[0][1])
    return [(token, math.exp(max((math.log(weight) - top) / temperature, -700.0))) for token, weight in ranked]


def _nucleus(ranked: list[tuple[str, float]], top_p: float) -> list[tuple[str, float]]:
    """The fewest likeliest tokens whose weights make up top_p of the whole; at least one."""
    left = top_p * sum(weight for _, weight in ranked)
    for count, (_, weight) in enumerate(ranked, 1):
        left -= weight
        if left <= 0:
            return ranked[:count]
    return ranked


def _sentences(tokens: list[str]) -> list[list[str]]:
    ends = [index + 1 for index, token in enumerate(tokens) if token in SENTENCE_ENDS]
    bounds = [0, *ends] if ends and ends[-1] == len(tokens) else [0, *ends, len(tokens)]
    return [tokens[begin:end] for begin, end in pairwise(bounds) if begin < end]


def _rarities(matters: Sequence[set[str]]) -> dict[str, float]:
    """Inverse sentence frequency, squared: a common word says little about what a prompt is about."""
    seen = Counter(matter for sentence in matters for matter in sentence)
    return {matter: math.log(len(matters) / count) ** 2 for matter, count in seen.items()}


def _trigrams(tokens: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return (tuple(tokens[max(0, end - 3) : end]) for end in range(1, len(tokens) + 1))
