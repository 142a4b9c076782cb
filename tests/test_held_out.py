"""Held-out data is never trained on: by id, and by near-duplicate text."""

from octoplan.data.held_out import without_held_out
from octoplan.plans import Example, Step


def example(id_: str, query: str) -> Example:
    return Example(id=id_, query=query, steps=(Step(text="Do it"),))


def test_examples_like_held_out_ones_are_left_out():
    training = [
        example("a", "jump to 1:04:30"),
        example("b", "Turn the WIFI off, please!"),
        example("c", "turn the kitchen lights on"),
        example("d", "wake me at six"),
    ]
    held_out = [
        example("x", "jmp to 1:04:20"),
        example("y", "please turn the wifi off"),
        example("d", "something else entirely"),
    ]
    kept, left_out = without_held_out(training, held_out)
    assert [e.id for e in kept] == ["c"]
    assert left_out == ["a", "b", "d"]


def test_without_held_out_data_everything_is_kept():
    training = [example("a", "jump to 1:04:30")]
    assert without_held_out(training, []) == (training, [])
    assert without_held_out([], training) == ([], [])
