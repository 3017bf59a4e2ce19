"""Events in, decisions out: each file in transcripts/ is one story, and must come out as it is written.

After a change that is meant, write them anew: `python -m tests.coordinator.test_transcripts`, and read the
difference.
"""

from pathlib import Path

import pytest

from tests.coordinator.transcript import World

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def test_there_are_stories() -> None:
    assert len(TRANSCRIPTS) >= 12


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_story_comes_out_as_written(path: Path) -> None:
    written = path.read_text()
    assert World().run(written) == written


if __name__ == "__main__":
    for path in TRANSCRIPTS:
        path.write_text(World().run(path.read_text()))
