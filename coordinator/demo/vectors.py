"""Text embeddings by feature hashing, pure and the same in every process.

A text's features are its words, and the character n-grams of each word, so that "benefit" and "benefits"
are near. Each feature is hashed to one dimension and a sign (Weinberger et al. 2009, "Feature Hashing for
Large Scale Multitask Learning": signs make collisions cancel out on average); counts are damped, function
words count little, and the vector has length 1, so that a dot product is the cosine.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b

DIMENSIONS = 256
WORD_WEIGHT = 1.0
NGRAM_WEIGHT = 0.6  # for all n-grams of a word together, as one more word would count
FUNCTION_WORD_WEIGHT = 0.1
NGRAMS = (3, 4, 5)
LONGEST_WORD = 64  # characters that are looked at; longer "words" are noise or an attack

_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
FUNCTION_WORDS = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have he her his how i if in
    into is it its me my no not of on or our out she so some than that the their them then there they
    this to up us was we were what when where which who why will with would you your
    """.split()  # noqa: SIM905
)


def words(text: str) -> list[str]:
    return [word[:LONGEST_WORD] for word in _WORD.findall(text.lower())]


def embed(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A vector of length 1; a text without a word is told apart by its characters."""
    vector = [0.0] * dimensions
    for word, count in Counter(words(text) or [text[:LONGEST_WORD]]).items():
        damped = 1.0 + math.log(count)
        for slot, weight in _features(word):
            vector[slot % dimensions] += weight * damped
    return _normalised(vector)


def cosine(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


@lru_cache(maxsize=4096)
def _features(word: str) -> tuple[tuple[int, float], ...]:
    importance = FUNCTION_WORD_WEIGHT if word in FUNCTION_WORDS else 1.0
    grams = list(_ngrams(f"<{word}>"))
    each = NGRAM_WEIGHT / math.sqrt(len(grams)) if grams else 0.0
    weighted = [(word, WORD_WEIGHT), *((gram, each) for gram in grams)]
    return tuple((slot, sign * weight * importance) for feature, weight in weighted for slot, sign in [_hash(feature)])


def _ngrams(word: str) -> Iterator[str]:
    return (word[start : start + size] for size in NGRAMS for start in range(len(word) - size + 1))


def _hash(feature: str) -> tuple[int, float]:
    number = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "little")
    return number >> 1, 1.0 if number & 1 else -1.0


def _normalised(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    if length < 1e-9:  # features cancelled out, which takes very few dimensions
        return [1.0, *vector[1:]]
    return [value / length for value in vector]
