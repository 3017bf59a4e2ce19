import math
import subprocess
import sys

import pytest

from coordinator.demo.vectors import cosine, embed

NEAR_AND_FAR = [
    ("my landlord wants to evict me", "the landlord evicts the tenant", "a graphics card runs the model"),
    ("how do I apply for benefits", "applying for a benefit", "the balancer checks a machine"),
    ("the heating bill is too high", "high energy bills for heating", "an interpreter for the meeting"),
    ("Debt Letter", "debt letters", "volunteer training"),
]


@pytest.mark.parametrize(("text", "near", "far"), NEAR_AND_FAR)
def test_similar_texts_are_closer_than_others(text: str, near: str, far: str) -> None:
    vector = embed(text)
    assert cosine(vector, embed(near)) > cosine(vector, embed(far)) + 0.15


def test_function_words_alone_do_not_make_texts_similar() -> None:
    assert cosine(embed("what is the rent for"), embed("what is the laptop for")) < 0.3


@pytest.mark.parametrize("text", ["", " ", "...", "☂", "a", "word " * 1000, "x" * 10_000])
@pytest.mark.parametrize("dimensions", [1, 2, 256])
def test_every_vector_has_length_one(text: str, dimensions: int) -> None:
    vector = embed(text, dimensions)
    assert len(vector) == dimensions
    assert math.isclose(cosine(vector, vector), 1.0, abs_tol=1e-9)


def test_another_process_computes_the_same_vector() -> None:
    code = "from coordinator.demo.vectors import embed; print(embed('the same everywhere'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert other.stdout.strip() == str(embed("the same everywhere"))


def test_order_of_words_and_case_do_not_matter() -> None:
    assert cosine(embed("Rent arrears"), embed("arrears RENT")) > 0.999
