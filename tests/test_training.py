"""Training, from examples to an adapter's folder, on tiny random models of four architectures."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GemmaConfig,
    LlamaConfig,
    MixtralConfig,
    Phi3Config,
    PretrainedConfig,
    Qwen2Config,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from octoplan.functions import FunctionSet, load_function_set, load_function_sets
from octoplan.models.adapters import Adapter, AdapterError, planner_prompt
from octoplan.models.bases import find_base
from octoplan.models.llamacpp import load_engines
from octoplan.planner import Planner
from octoplan.plans import (
    Example,
    Step,
    read_examples,
    told,
    write_call,
    write_example,
    write_plan,
)
from octoplan.training.base import load_base
from octoplan.training.card import losses_by_epoch, model_card
from octoplan.training.encode import (
    action_rows,
    choose_symbols,
    plan_words,
    planner_rows,
    planner_template,
)
from octoplan.training.merge import merge
from octoplan.training.train import Settings, train

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data" / "train"
KNOWN = load_function_sets("all")
WIDTH = 64
SHAPE = {
    "vocab_size": 49152,
    "hidden_size": WIDTH,
    "intermediate_size": 2 * WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 2,
    # Wide enough that LoRA, which leaves embedding and head alone, can make a token likely.
    "initializer_range": 0.3,
}
FAMILIES: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2": Qwen2Config(**SHAPE),
    "gemma": GemmaConfig(**SHAPE, head_dim=16),
    "phi3": Phi3Config(**SHAPE),
    "mixtral": MixtralConfig(**SHAPE, num_local_experts=2),
}
ADAPTER_FILES = {
    "README.md",
    "adapter.gguf",
    "adapter_config.json",
    "adapter_model.safetensors",
    "octoplan.json",
    "training.json",
}


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    """The default base's, read from its GGUF."""
    return load_base(find_base(), torch.bfloat16)[1]


@pytest.fixture(scope="module")
def tiny(
    tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], str]:
    """Makes a tiny random model of a family, once, and gives the path that names it as a base."""
    folder = tmp_path_factory.mktemp("bases")

    def make(family: str) -> str:
        if not (folder / family).is_dir():
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(FAMILIES[family])
            model.save_pretrained(folder / family)
            tokenizer.save_pretrained(folder / family)
        return str(folder / family)

    return make


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    """Plans of several domains, and plans that go on after results."""
    files = ("cross_a", "iterative_a")
    return [row for name in files for row in list(read_examples([DATA / f"{name}.jsonl"]))[:12]]


def fit(settings: Settings, rows: list[Example], out: Path, **more: Any) -> dict[str, Any]:
    more = {"validation": [], "progress": lambda *_: None, "provenance": {}} | more
    return train(settings, rows, **({"functions": KNOWN, "out": out} | more))


# ---------------------------------------------------------------- what is read and learned


def learned(row: dict[str, list[int]]) -> list[int]:
    """The tokens to learn, which are those of the text at their places."""
    pairs = list(zip(row["input_ids"], row["labels"], strict=True))
    assert all(label in (-100, token) for token, label in pairs)
    return [label for _, label in pairs if label != -100]


def test_the_planner_learns_the_plan_and_its_end_alone(
    tokenizer: PreTrainedTokenizerBase, examples: list[Example]
) -> None:
    template = planner_template(tokenizer)
    rows = list(planner_rows(examples, tokenizer, template))
    expected = []
    for example in examples:
        expected.append((planner_prompt(template, example.query), example.steps))
        for branch in example.branches:
            so_far = told(example.steps, branch)
            expected.append((planner_prompt(template, example.query, so_far), branch.steps))
    assert len(expected) > len(examples)
    for row, (prompt, steps) in zip(rows, expected, strict=True):
        plan = write_plan(steps) + "<|im_end|>"
        assert tokenizer.decode(learned(row)) == plan
        assert tokenizer.decode(row["input_ids"]) == prompt + plan


def test_the_action_model_learns_the_calls_alone(
    tokenizer: PreTrainedTokenizerBase, examples: list[Example]
) -> None:
    embedding = torch.randn(len(tokenizer), 8, generator=torch.Generator().manual_seed(0))
    embedding /= embedding.norm(dim=1, keepdim=True)
    symbols = choose_symbols(KNOWN, [], tokenizer, embedding)

    def written(steps: list[Step]) -> str:
        return "".join(
            write_call(symbols[step.call.function].text, KNOWN[step.call.function], arguments)
            + "\n"
            for step in steps
            if step.call and (arguments := step.call.arguments) is not None
        )

    def spoken(steps: list[Step]) -> str:
        return "".join(f"{n}. {s.text}\n{written([s])}" for n, s in enumerate(steps, start=1))

    branches = 0
    for example in examples:
        first = [line for line in example.steps if isinstance(line, Step)]
        expected = [([], first)] if first else []
        for branch in example.branches:
            if rest := [line for line in branch.steps if isinstance(line, Step)]:
                expected.append((first, rest))
                branches += 1
        rows = list(action_rows([example], tokenizer, KNOWN, symbols))
        for row, (before, new) in zip(rows, expected, strict=True):
            assert tokenizer.decode(learned(row)) == written(new)
            assert tokenizer.decode(row["input_ids"]) == spoken(before + new)
    assert branches > 5


def test_symbols_are_single_tokens_that_no_text_holds(
    tokenizer: PreTrainedTokenizerBase, examples: list[Example]
) -> None:
    texts = [f"{row.query}\n{write_plan(row.steps)}" for row in examples]
    texts.append("Absolutely\nZebra Canada")
    embedding = torch.randn(len(tokenizer), 8, generator=torch.Generator().manual_seed(0))
    embedding /= embedding.norm(dim=1, keepdim=True)
    symbols = choose_symbols(KNOWN, texts, tokenizer, embedding)
    assert list(symbols) == [function.name for function in KNOWN]
    assert len({symbol.token for symbol in symbols.values()}) == len(KNOWN)
    used = set().union(*tokenizer(texts, add_special_tokens=False)["input_ids"])
    for symbol in symbols.values():
        assert tokenizer(symbol.text, add_special_tokens=False)["input_ids"] == [symbol.token]
        assert symbol.token not in used
    embedding *= torch.logspace(-9, 9, len(tokenizer)).unsqueeze(1)  # few are alike in length
    with pytest.raises(ValueError, match="too few for"):
        choose_symbols(KNOWN, texts, tokenizer, embedding)


def test_the_planners_words_are_those_that_requests_lack() -> None:
    example = Example(
        id="1",
        query="Lights off in the hall, please",
        steps=({"text": "Turn off the hall's lights"}, {"cannot": "please"}),
    )
    assert plan_words([example]) == ("cannot", "s", "turn")


# Chat templates in the manner of several families, and the planner's template for each.
TURNS = "{% for m in messages %}"
CHATML = (
    TURNS + "{% if loop.first and m['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are an {able} assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}" + TURNS + ""
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{% set role = 'model' if m['role'] == 'assistant' else m['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PHI3 = (
    TURNS + "{{ '<|' + m['role'] + '|>\n' + m['content'] + '<|end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}" + TURNS + "{% if m['role'] == 'user' %}"
    "{{ '[INST] ' + m['content'] + ' [/INST]' }}{% else %}"
    "{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
BRACES = (
    TURNS + "{{ '{' + m['role'] + '} ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '{assistant} ' }}{% endif %}"
)


@pytest.mark.parametrize(
    ("chat", "prompt"),
    [
        (CHATML, "<|im_start|>user\nHi {x}<|im_end|>\n<|im_start|>assistant\n"),
        (GEMMA, "<start_of_turn>user\nHi {x}<end_of_turn>\n<start_of_turn>model\n"),
        (PHI3, "<|user|>\nHi {x}<|end|>\n<|assistant|>\n"),
        (MISTRAL, "[INST] Hi {x} [/INST]"),
        (BRACES, "{user} Hi {x}\n{assistant} "),
        (None, "Hi {x}\n"),
    ],
    ids=["qwen", "gemma", "phi3", "mistral", "braces", "none"],
)
def test_the_prompt_is_the_users_turn_alone(
    tokenizer: PreTrainedTokenizerBase,
    monkeypatch: pytest.MonkeyPatch,
    chat: str | None,
    prompt: str,
) -> None:
    monkeypatch.setattr(tokenizer, "chat_template", chat)
    assert planner_template(tokenizer).format(request="Hi {x}") == prompt


def test_the_default_bases_prompt(tokenizer: PreTrainedTokenizerBase) -> None:
    assert planner_template(tokenizer) == (
        "<|im_start|>user\n{request}<|im_end|>\n<|im_start|>assistant\n"
    )


# ---------------------------------------------------------------- adapters

ROLES = ("planner", "action")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma", "phi3"])
def test_training_writes_an_adapter(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path, family: str, role: Any
) -> None:
    settings = Settings(role=role, base=tiny(family), rank=4, alpha=6, epochs=1, batch_size=8)
    seen: list[tuple[int, int]] = []
    record = fit(
        settings,
        examples,
        tmp_path,
        validation=examples[:2],
        progress=lambda done, total, _: seen.append((done, total)),
        provenance={"data": {"cross_a.jsonl": {"sha256": "abc", "examples": 24}}},
    )
    assert {path.name for path in tmp_path.iterdir()} == ADAPTER_FILES
    assert seen == [(step + 1, len(seen)) for step in range(len(seen))]

    other = next(name for name in ROLES if name != role)
    with pytest.raises(AdapterError, match=f"give the folder of one for: {other}"):
        Adapter.load(tmp_path, other)
    adapter = Adapter.load(tmp_path, role)
    adapter.check(find_base(settings.base))
    assert adapter.functions == KNOWN
    assert bool(adapter.template) == bool(adapter.words) == (role == "planner")
    assert len(adapter.symbols) == (len(KNOWN) if role == "action" else 0)

    assert record == json.loads((tmp_path / "training.json").read_text("utf-8"))
    assert record["settings"] == settings.model_dump()
    assert record["hardware"]
    assert record["left_out"] == [row.id for row in examples[:2]]
    assert record["training"]["rows"] >= 22
    assert record["validation"]["rows"] >= 2
    assert {key for loss in record["losses"] for key in loss} == {"epoch", "loss", "eval_loss"}
    card = (tmp_path / "README.md").read_text("utf-8")
    assert card == model_card(adapter, record)
    check_weights(tmp_path, settings, family)


def check_weights(folder: Path, settings: Settings, family: str) -> None:
    """PEFT's weights fit the base, and the GGUF holds the same ones in llama.cpp's order."""
    base = AutoModelForCausalLM.from_pretrained(settings.base)
    layers = {
        name: module
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and name != "lm_head"
    }
    weights = load_file(folder / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    assert len(weights) == 2 * len(layers)
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == settings.base
    loaded = PeftModel.from_pretrained(base, str(folder)).state_dict()
    for key, weight in weights.items():
        there = loaded[key.replace(".weight", ".default.weight")]
        assert torch.equal(there.float(), weight.float())

    reader = gguf.GGUFReader(folder / "adapter.gguf")
    fields = {
        "general.architecture": family,
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": settings.alpha,
    }
    assert {name: reader.fields[name].contents() for name in fields} == fields
    written = {
        tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type) for tensor in reader.tensors
    }
    assert all(
        (tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0) == (tensor.shape[0] % 32 == 0)
        for tensor in reader.tensors
    )
    assert len(written) == len(weights)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[family.upper()], 2)
    for layer, module in layers.items():
        name = names.get_name(layer) + ".weight"
        a, b = (weights[f"base_model.model.{layer}.lora_{x}.weight"].numpy() for x in "AB")
        assert a.shape == (settings.rank, module.in_features)
        assert b.shape == (module.out_features, settings.rank)
        assert b.any()
        if family == "llama" and layer.endswith(("q_proj", "k_proj")):
            # Row i of a head's first half goes to its row 2i, row i of its second half to 2i + 1.
            order = [half * 8 + i for i in range(8) for half in range(2)]
            b = np.concatenate([head[order] for head in np.split(b, len(b) // 16)])
        for here, there in ((written[f"{name}.lora_a"], a), (written[f"{name}.lora_b"], b)):
            assert np.allclose(here, there, rtol=0, atol=np.abs(there).max() / 127)


@pytest.mark.parametrize(
    ("family", "role", "steps", "problem"),
    [
        ("mixtral", "planner", [{"text": "Go"}], "mixtral models cannot be written as GGUF yet"),
        ("llama", "action", [{"cannot": "fly"}], "nothing to learn"),
    ],
)
def test_what_cannot_be_trained_is_said_before_training(
    tiny: Callable[[str], str],
    tmp_path: Path,
    family: str,
    role: Any,
    steps: list[Any],
    problem: str,
) -> None:
    rows = [Example(id="1", query="q", steps=tuple(steps))]
    with pytest.raises(ValueError, match=problem):
        fit(Settings(role=role, base=tiny(family)), rows, tmp_path)


def test_lora_learns(tiny: Callable[[str], str], examples: list[Example], tmp_path: Path) -> None:
    settings = Settings(
        role="action", base=tiny("llama"), lr=1e-2, rank=16, alpha=32, epochs=4, batch_size=4
    )
    record = fit(settings, examples[:4] * 10, tmp_path)
    losses = [entry["loss"] for entry in record["losses"] if "loss" in entry]
    assert losses[-1] < 0.8 * losses[0]


def test_full_training_memorises_and_writes_a_model(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path
) -> None:
    settings = Settings(
        role="planner", base=tiny("llama"), method="full", lr=1e-2, epochs=4, batch_size=4
    )
    fit(settings, examples[:4] * 30, tmp_path)
    assert not {"training_args.bin", "checkpoints"} & {path.name for path in tmp_path.iterdir()}
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    adapter = Adapter.load(tmp_path, "planner")
    assert planner_template(tokenizer) == adapter.template
    for example in examples[:4]:
        prompt = tokenizer(adapter.planner_prompt(example.query), return_tensors="pt")
        answer = model.generate(**prompt, max_new_tokens=100, do_sample=False)
        plan = answer[0, prompt["input_ids"].shape[1] :]
        assert tokenizer.decode(plan, skip_special_tokens=True) == write_plan(example.steps)


def test_an_interrupted_training_goes_on_where_it_was(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path
) -> None:
    settings = Settings(role="planner", base=tiny("llama"), rank=4, epochs=2, batch_size=4)
    seen: list[int] = []

    def interrupt(done: int, total: int, text: str) -> None:
        assert total == 28  # twelve steps an epoch, one of joined requests, one of steps alone
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(settings, examples, tmp_path, progress=interrupt)
    checkpoints = tmp_path / "checkpoints"
    assert [path.name for path in checkpoints.glob("checkpoint-*")] == ["checkpoint-7"]
    # One that was being written when the power failed has no trainer's state yet.
    shutil.copytree(checkpoints / "checkpoint-7", checkpoints / "checkpoint-12")
    (checkpoints / "checkpoint-12" / "trainer_state.json").unlink()

    record = fit(settings, examples, tmp_path, progress=lambda done, *_: seen.append(done))
    assert seen == list(range(8, 29))
    assert record["resumed_after"] == 7
    assert {path.name for path in tmp_path.iterdir()} == ADAPTER_FILES


@pytest.mark.slow
def test_two_processes_learn_as_one_does(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("".join(write_example(each) + "\n" for each in examples), "utf-8")
    command = ["-m", "octoplan.cli", "train", "planner", "--data", str(data), "--base"]
    command += [tiny("llama"), "--rank", "4", "--epochs", "1", "--no-augment", "--batch-size", "24"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for out, launched in (("one", []), ("two", launch)):
        done = subprocess.run(
            [sys.executable, *launched, *command, "--out", str(tmp_path / out)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"wrote the planner adapter to {tmp_path / out}\n"
        assert {path.name for path in (tmp_path / out).iterdir()} == ADAPTER_FILES
    cards = (tmp_path / out / "training.json" for out in ("one", "two"))
    one, two = (json.loads(card.read_text("utf-8")) for card in cards)
    assert "2 processes" in two["hardware"] and "processes" not in one["hardware"]
    assert two["train_loss"] == pytest.approx(one["train_loss"], rel=0.01)
    weights = (load_file(tmp_path / out / "adapter_model.safetensors") for out in ("one", "two"))
    # B alone: it starts from zero, A from the same random numbers.
    alone, shared = (
        torch.cat([w.float().flatten() for name, w in each.items() if "lora_B" in name])
        for each in weights
    )
    assert alone.abs().max() > 0
    assert torch.nn.functional.cosine_similarity(alone, shared, dim=0) > 0.95


def test_processes_share_batches_equally(
    tiny: Callable[[str], str],
    examples: list[Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    settings = Settings(role="planner", base=tiny("llama"), rank=4, batch_size=8)
    with pytest.raises(ValueError, match="3 processes cannot share batches of 8"):
        fit(settings, examples, tmp_path)


# ---------------------------------------------------------------- the card


def record_of(**fields: Any) -> dict[str, Any]:
    counts = {"rows": 24, "tokens": 2400, "learned_tokens": 600}
    return {
        "settings": Settings(role="action").model_dump(),
        "provenance": {},
        "date": "2026-05-06",
        "hardware": "2 CPU cores",
        "seconds": 61.4,
        "resumed_after": 0,
        "left_out": [],
        "training": counts,
        "validation": counts,
        "losses": [{"epoch": 0.5, "loss": 2.0}, {"epoch": 1.0, "loss": 1.0}],
    } | fields


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ["# An octoplan action", "LoRA", 'octoplan act --action DIR "…"', "`feed`"]),
        ({}, ["android, travel", "smollm2-135m", "2026-05-06, 61 s, on 2 CPU cores"]),
        ({}, ["| training | 24 | 2400 | 600 |", "| rank | 24 |", "| 1 | 1.5000 | – |"]),
        ({"resumed_after": 7}, ["61 s (since step 7"]),
        ({"left_out": ["a", "b"]}, ["nearly the same as validation examples: 2."]),
        (
            {"provenance": {"data": {"a.jsonl": {"sha256": "beef", "examples": 3}}}},
            ["| a.jsonl | 3 | `beef` |"],
        ),
        ({"settings": Settings(role="action", method="full").model_dump()}, ["all weights"]),
    ],
)
def test_the_card_says_what_the_adapter_is(fields: dict[str, Any], said: list[str]) -> None:
    adapter = Adapter(
        role="action",
        base="smollm2-135m",
        base_digest="feed",
        functions=load_function_sets("android,travel"),
    )
    card = model_card(adapter, record_of(**fields))
    for words in said:
        assert words in card


def test_losses_are_gathered_by_epoch() -> None:
    losses = [
        {"epoch": 0.5, "loss": 2.0},
        {"epoch": 1.0000000001, "loss": 1.0},
        {"epoch": 1.0, "eval_loss": 1.25},
        {"epoch": 1.2, "loss": 0.5},
        {"epoch": 2.0},
        {"epoch": 3.0, "eval_loss": 0.75},
    ]
    assert losses_by_epoch(losses) == [
        (1, "1.5000", "1.2500"),
        (2, "0.5000", "–"),
        (3, "–", "0.7500"),
    ]


@pytest.mark.slow
def test_a_whole_model_runs_in_llamacpp(tmp_path: Path) -> None:
    learned = [
        Example(id=f"{n}", query=query, steps=(Step(text=text),))
        for n, (query, text) in enumerate(
            [
                ("lights out in the den", "Turn the den lights off"),
                ("who is Ama", "Look up Ama in the contacts"),
                ("how cold is it in Oslo", "Get the weather forecast for Oslo"),
                ("selfie please", "Take a selfie with the front camera"),
            ]
        )
    ]
    settings = Settings(
        role="planner", method="full", lr=2e-4, epochs=12, batch_size=4, augment=False, warmup=0
    )
    fit(settings, learned, tmp_path)
    adapter = Adapter.load(tmp_path, "planner")
    assert adapter.whole
    (engine,) = load_engines(None, [adapter])
    planner = Planner(engine, adapter)
    assert [planner.plan(e.query).lines for e in learned] == [list(e.steps) for e in learned]
    adapter.gguf.unlink()
    with pytest.raises(AdapterError, match="cannot read"):
        load_engines(None, [adapter])


@pytest.mark.parametrize("variant", ["rslora", "lora+", "ffa"])
def test_variants_of_lora_learn(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path, variant: Any
) -> None:
    settings = Settings(
        role="planner", base=tiny("llama"), variant=variant, lr=5e-3, rank=16, alpha=32, epochs=4
    )
    record = fit(settings, examples[:8] * 4, tmp_path)
    losses = [entry["loss"] for entry in record["losses"] if "loss" in entry]
    assert losses[-1] < losses[0]
    reader = gguf.GGUFReader(tmp_path / "adapter.gguf")
    alpha = 32 * 16**0.5 if variant == "rslora" else 32
    assert reader.fields["adapter.lora.alpha"].contents() == alpha


def test_adapters_of_a_shared_a_are_merged_without_cross_terms(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path
) -> None:
    settings = Settings(role="planner", base=tiny("llama"), variant="ffa", lr=5e-3, epochs=2)
    parts = [tmp_path / "one", tmp_path / "two"]
    for number, part in enumerate(parts):
        fit(settings, examples[number * 4 : number * 4 + 4], part)
    merge(parts, tmp_path / "averaged", "linear", [1.0, 1.0])
    merge(parts, tmp_path / "summed", "cat", [1.0, 1.0])
    one, two = (load_file(part / "adapter_model.safetensors") for part in parts)
    assert all(torch.equal(one[name], two[name]) for name in one if "lora_A" in name)
    assert any(not torch.equal(one[name], two[name]) for name in one if "lora_B" in name)
    averaged, summed = (
        load_file(tmp_path / name / "adapter_model.safetensors") for name in ("averaged", "summed")
    )
    for name in (name for name in one if "lora_A" in name):
        b = name.replace("lora_A", "lora_B")
        # PEFT adds the factors: twice A times the sum of the Bs is twice the exact sum.
        assert torch.allclose(averaged[b] @ averaged[name], 2 * summed[b] @ summed[name], atol=1e-4)


def test_training_goes_on_from_an_adapter(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path
) -> None:
    first = Settings(role="action", base=tiny("llama"), lr=1e-2, rank=4, alpha=12, epochs=2)
    fit(first, examples[:8] * 4, tmp_path / "first")
    more = first.model_copy(update={"start": str(tmp_path / "first"), "rank": 9, "lr": 1e-4})
    record = fit(more, examples[:8] * 4, tmp_path / "second")
    one, two = (Adapter.load(tmp_path / name, "action") for name in ("first", "second"))
    assert two.symbols == one.symbols
    assert (record["settings"]["rank"], record["settings"]["alpha"]) == (4, 12)
    ended = json.loads((tmp_path / "first" / "training.json").read_text("utf-8"))["losses"]
    assert record["losses"][0]["loss"] < ended[0]["loss"]

    with pytest.raises(AdapterError, match="give the folder of one for: planner"):
        fit(more.model_copy(update={"role": "planner"}), examples, tmp_path / "third")
    one.model_copy(update={"whole": True}).save(tmp_path / "first")
    with pytest.raises(ValueError, match="is a whole model"):
        fit(more, examples, tmp_path / "fifth")
    with pytest.raises(ValueError, match="only LoRA trains on"):
        Settings(role="action", method="full", start="x")


def test_training_goes_on_to_other_functions(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path
) -> None:
    first = Settings(role="action", base=tiny("llama"), lr=1e-2, rank=4, alpha=12, epochs=1)
    fit(first, examples[:8], tmp_path / "first")
    one = Adapter.load(tmp_path / "first", "action")
    travel = load_function_set("travel")
    renamed = [f.model_copy(update={"name": f"my_{f.name}"}) for f in travel]
    functions = FunctionSet(name="mine", functions=(KNOWN["set_wifi"], *renamed))
    step = Step(text="Find flights to Oslo", function="my_search_flights")
    step = step.model_copy(update={"arguments": {"destination": "Oslo"}})
    learned = [Example(id="a", domains=("travel",), query="flights to Oslo?", steps=(step,))]
    more = first.model_copy(update={"start": str(tmp_path / "first")})
    fit(more, learned, tmp_path / "second", functions=functions)
    two = Adapter.load(tmp_path / "second", "action")
    assert two.functions == functions
    assert two.symbols["set_wifi"] == one.symbols["set_wifi"]
    new = {symbol.token for name, symbol in two.symbols.items() if name != "set_wifi"}
    assert len(new) == len(travel)
    assert not new & {symbol.token for symbol in one.symbols.values()}
    assert two.word_counts["flights"] == 1  # nothing of the first one's requests is counted
    assert set(two.word_counts) == {"find", "flights", "to", "oslo"} | {
        "find flights",
        "flights to",
        "to oslo",
    }
    assert all(name.partition(".")[0] in functions for name in two.links)


def preference(folder: Path, base: str, example: Example, wrong: list[Step]) -> float:
    """By how much the planner finds the right plan likelier than the wrong one, log-odds."""
    model, tokenizer = load_base(find_base(base), torch.float32)
    model = PeftModel.from_pretrained(model, str(folder))
    template = planner_template(tokenizer)
    likely: list[float] = []
    for lines in (example.steps, wrong):
        tried = example.model_copy(update={"steps": tuple(lines), "branches": ()})
        (row,) = planner_rows([tried], tokenizer, template)
        ids, labels = torch.tensor([row["input_ids"]]), torch.tensor([row["labels"]])
        with torch.no_grad():
            logprobs = model(input_ids=ids).logits[:, :-1].log_softmax(-1)
        chosen = logprobs.gather(-1, ids[:, 1:, None])[..., 0]
        likely.append(float(chosen[labels[:, 1:] != -100].sum()))
    return likely[0] - likely[1]


def test_a_planner_learns_from_its_mistakes(
    tiny: Callable[[str], str], examples: list[Example], tmp_path: Path
) -> None:
    base = tiny("llama")
    first = Settings(role="planner", base=base, lr=1e-2, rank=4, alpha=8, epochs=1)
    fit(first, examples, tmp_path / "first")
    wrong = {e.id: [Step(text="Close the garage"), Step(text="Sing")] for e in examples[:8]}
    wrong[examples[8].id] = list(examples[8].steps)  # right all the same: nothing to learn
    wrong["unknown"] = wrong[examples[0].id]
    settings = Settings(
        role="planner",
        base=base,
        start=str(tmp_path / "first"),
        mistakes=True,
        lr=1e-2,
        epochs=4,
        batch_size=4,
    )
    record = fit(settings, examples, tmp_path / "second", wrong=wrong)
    assert record["training"]["rows"] == 8 and not record["settings"]["augment"]
    assert {path.name for path in (tmp_path / "second").iterdir()} == ADAPTER_FILES
    for example in examples[:8]:
        before, after = (
            preference(tmp_path / name, base, example, wrong[example.id])
            for name in ("first", "second")
        )
        assert after > before + 5
    with pytest.raises(ValueError, match="got none of the examples wrong"):
        fit(settings, examples, tmp_path / "third", wrong={})


def test_only_a_trained_planner_has_mistakes() -> None:
    assert Settings(role="planner", start="x", mistakes=True).lr == 5e-5
    assert Settings(role="planner", start="x", mistakes=True, lr=1e-4).lr == 1e-4
    for given in ({"role": "planner"}, {"role": "action", "start": "x"}):
        with pytest.raises(ValueError, match="only a planner has mistakes"):
            Settings(**given, mistakes=True)
