"""Held-out data is never trained on: by id, and by near-duplicate text."""

from collections.abc import Sequence

from octoplan.plans import Example

NEAR = 85
"""From this likeness on (0 to 100), two requests count as the same."""


def without_held_out(
    training: Sequence[Example], held_out: Sequence[Example]
) -> tuple[list[Example], list[str]]:
    """The training examples that may be learned from, and the ids of the others.

    An example is left out when a held-out one has its id, or a request of nearly the same words:
    RapidFuzz's ``token_sort_ratio``, without regard to case and punctuation, of ``NEAR`` or more.
    """
    import numpy as np
    from rapidfuzz import fuzz, process, utils

    if not training or not held_out:
        return list(training), []
    likeness = process.cdist(
        [example.query for example in training],
        [example.query for example in held_out],
        scorer=fuzz.token_sort_ratio,
        processor=utils.default_process,
        score_cutoff=NEAR,
        dtype=np.uint8,
        workers=-1,
    )
    ids = {example.id for example in held_out}
    kept: list[Example] = []
    left_out: list[str] = []
    for example, nearest in zip(training, likeness.max(axis=1), strict=True):
        if nearest or example.id in ids:
            left_out.append(example.id)
        else:
            kept.append(example)
    return kept, left_out
