"""Merged adapters: the sum of what the parts do, or the average of their factors."""

import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest

from octoplan.functions import load_function_set
from octoplan.models.adapters import Adapter, AdapterError
from octoplan.plans import read_examples
from octoplan.training.merge import merge
from octoplan.training.train import Settings, train

DATA = Path(__file__).parents[1] / "data" / "train"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two planners of one rank, each trained for a few steps on another domain."""
    made = []
    for number, domain in enumerate(("android", "travel")):
        out = tmp_path_factory.mktemp(domain)
        settings = Settings(role="planner", rank=4, alpha=8, epochs=1, lr=1e-2, seed=number)
        examples = list(read_examples([DATA / f"{domain}_a.jsonl"]))[:32]
        known = load_function_set(domain)
        train(settings, examples, [], known, out, lambda *_: None, {})
        made.append(out)
    return made


def change(folder: Path) -> dict[str, np.ndarray]:
    """What a GGUF adapter adds to each matrix of the base."""
    reader = gguf.GGUFReader(folder / "adapter.gguf")
    alpha = reader.fields["adapter.lora.alpha"].contents()
    tensors = {t.name: gguf.dequantize(t.data, t.tensor_type) for t in reader.tensors}
    changes = {}
    for name in {name.rpartition(".")[0] for name in tensors}:
        a, b = tensors[f"{name}.lora_a"], tensors[f"{name}.lora_b"]
        changes[name] = (alpha / len(a)) * (b @ a)
    return changes


@pytest.mark.slow
def test_the_sum_is_exact_and_the_average_is_of_the_factors(
    parts: list[Path], tmp_path: Path
) -> None:
    first, second = map(change, parts)
    merged = merge(parts, tmp_path / "sum", "sum")
    total = change(tmp_path / "sum")
    assert total.keys() == first.keys()
    for name, added in total.items():
        expected = first[name] + second[name]
        assert np.abs(added - expected).max() < 0.02 * np.abs(expected).max()
    assert {f.name for f in merged.functions} == {
        f.name for part in parts for f in Adapter.load(part, "planner").functions
    }
    assert set(merged.words) >= set(Adapter.load(parts[0], "planner").words)

    # PEFT's linear merge: the factors are averaged, so the cross terms come in.
    merge(parts, tmp_path / "average", "linear")
    average = change(tmp_path / "average")
    name = next(iter(average))
    assert average[name].shape == total[name].shape
    assert not np.allclose(average[name], total[name] / 2, atol=0.1 * np.abs(total[name]).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"whole": True}, "is a whole model"),
        ({"template": "{request}"}, "has another prompt"),
        ({"base_digest": "0"}, "was made for another base"),
    ],
)
def test_what_cannot_be_merged_is_said(
    parts: list[Path], tmp_path: Path, changed: dict[str, object], problem: str
) -> None:
    other = shutil.copytree(parts[1], tmp_path / "other")
    Adapter.load(other, "planner").model_copy(update=changed).save(other)
    with pytest.raises(AdapterError, match=problem):
        merge([parts[0], other], tmp_path / "merged", "sum")
    assert not (tmp_path / "merged").exists()
