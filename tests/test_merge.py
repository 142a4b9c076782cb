"""Merged adapters: the sum of what the parts do, or the average of their factors."""

import shutil
from pathlib import Path

import gguf
import numpy as np
import pytest

from octoplan.functions import load_function_set
from octoplan.models.adapters import Adapter, AdapterError, shipped_adapter
from octoplan.plans import read_examples
from octoplan.training.merge import merge, search
from octoplan.training.train import Settings, train

pytestmark = pytest.mark.slow

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


def test_the_sum_is_exact_and_the_average_is_of_the_factors(
    parts: list[Path], tmp_path: Path
) -> None:
    first, second = map(change, parts)
    merged = merge(parts, tmp_path / "sum", "cat")
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
        merge([parts[0], other], tmp_path / "merged", "cat")
    assert not (tmp_path / "merged").exists()


def test_the_card_names_the_parts(parts: list[Path], tmp_path: Path) -> None:
    merge(parts, tmp_path / "ties", "ties", weights=[1.0, 0.5], density=0.3)
    card = (tmp_path / "ties" / "README.md").read_text("utf-8")
    assert "Method: ties, density 0.3" in card
    for part in parts:
        assert Adapter.load(part, "planner").digest in card


def test_methods_of_one_rank_say_so(parts: list[Path], tmp_path: Path) -> None:
    wide = tmp_path / "wide"
    settings = Settings(role="planner", rank=6, alpha=8, epochs=1)
    examples = list(read_examples([DATA / "travel_a.jsonl"]))[:16]
    train(settings, examples, [], load_function_set("travel"), wide, lambda *_: None, {})
    with pytest.raises(AdapterError, match="different ranks; ties needs one, cat does not"):
        merge([parts[0], wide], tmp_path / "merged", "ties")
    assert merge([parts[0], wide], tmp_path / "merged", "cat").functions


def test_action_models_with_one_token_for_two_functions_are_not_merged(tmp_path: Path) -> None:
    made = []
    for domain, beside in (("android", ()), ("travel", ()), ("travel", ("0-android",))):
        out = tmp_path / f"{len(made)}-{domain}"
        folders = [str(tmp_path / name) for name in beside]
        settings = Settings(role="action", rank=4, alpha=8, epochs=1, beside=folders)
        examples = list(read_examples([DATA / f"{domain}_a.jsonl"]))[:16]
        train(settings, examples, [], load_function_set(domain), out, lambda *_: None, {})
        made.append(out)
    android, travel, apart = made
    with pytest.raises(AdapterError, match=r"for .*another part for .*--beside"):
        merge([android, travel], tmp_path / "merged", "cat")
    merged = merge([android, apart], tmp_path / "merged", "cat")
    assert len({symbol.token for symbol in merged.symbols.values()}) == len(merged.symbols)
    assert len(merged.symbols) == len(merged.functions)
    with pytest.raises(AdapterError, match="merge those of one role"):
        merge([android, shipped_adapter("planner")], tmp_path / "mixed", "cat")


def test_a_search_leaves_the_best(parts: list[Path], tmp_path: Path) -> None:
    examples = list(read_examples([DATA / "android_b.jsonl"]))[:2]
    tried = list(search(parts, tmp_path / "best", examples))
    assert {each.method for each in tried} >= {"linear", "cat", "svd", "ties", "dare_ties"}
    best = max(each.right.right for each in tried)
    first = next(each for each in tried if each.right.right == best)
    card = (tmp_path / "best" / "README.md").read_text("utf-8")
    assert f"Method: {first.method}" in card
    assert Adapter.load(tmp_path / "best", "planner").gguf.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
