"""Fine-tune the planner or the action model: LoRA on all linear layers, or all weights.

    octoplan train planner --data data/train --validation data/validation --out adapters/planner
    octoplan train action  --data data/train --validation data/validation --out adapters/action

A planner that has made mistakes on training examples learns from them with ``--mistakes``: to
prefer the right plan to its own wrong one.

Started again after an interruption, with the same settings, it goes on from its last checkpoint;
learning from mistakes, which takes minutes, starts anew.

In several processes, which share each batch:

    torchrun --standalone --nproc_per_node 2 -m octoplan.cli train planner …
    accelerate launch --multi_gpu --num_processes 2 -m octoplan.cli train planner …
"""

import json
import math
import os
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from peft.optimizers import create_loraplus_optimizer
from pydantic import BaseModel, Field, model_validator
from transformers import PrinterCallback, TrainerCallback, set_seed
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from octoplan.data.augment import variations
from octoplan.data.held_out import without_held_out
from octoplan.functions import FunctionSet
from octoplan.models.adapters import MODEL_FILE, Adapter, Symbol, planner_prompt
from octoplan.models.bases import DEFAULT_BASE, Base, find_base
from octoplan.plans import Example, Line, write_plan
from octoplan.training import encode
from octoplan.training.base import load_base
from octoplan.training.card import model_card
from octoplan.training.export import check_architecture, model_to_gguf, write_adapter
from octoplan.training.knowledge import knowledge, load_start, symbols_of
from octoplan.training.processes import processes

Progress = Callable[[int, int, str], None]
"""Told of training as it goes: steps done, steps in all, and what is happening."""


_WEIGHT_DECAY = 0.01

_PREFERRING = {"lr": 5e-5, "epochs": 1, "augment": False}
"""The defaults where mistakes are learned from: little is to change, and nothing is varied."""


class Settings(BaseModel):
    """How to train. The defaults suit a planner that is trained from the base.

    The cards of the adapters that ship say how those were made.

    Attributes:
        start: the folder of an adapter to train on from, with its rank and alpha; it may be of
            other functions. A new adapter where left out.
        variant: how LoRA is scaled or optimised: plain; rsLoRA (arXiv 2312.03732), by alpha over
            the rank's root; LoRA+ (arXiv 2402.12354), with a rate 16 times as high for B; FFA-LoRA
            (arXiv 2403.12313), with A as it was drawn, so that adapters of one seed share it and
            are merged without cross terms.
        beside: folders of action models that this one shall be merged with: it leaves their
            functional tokens alone.
        mistakes: whether the planner learns from its own wrong plans.
        augment: whether each epoch learns a variation of the data (``octoplan.data.augment``).
    """

    role: Literal["planner", "action"]
    base: str = DEFAULT_BASE
    method: Literal["lora", "full"] = "lora"
    rank: int = Field(default=24, ge=1)
    alpha: float = Field(default=48, gt=0)
    variant: Literal["plain", "rslora", "lora+", "ffa"] = "plain"
    start: str | None = None
    beside: list[str] = []
    mistakes: bool = False
    lr: float = Field(default=1e-3, gt=0)
    epochs: int = Field(default=4, ge=1)
    augment: bool = True
    batch_size: int = Field(default=16, ge=1)
    warmup: float = Field(default=0.05, ge=0, le=1)
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _defaults_for_mistakes(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("mistakes"):
            return _PREFERRING | given
        return given

    @model_validator(mode="after")
    def _start_is_an_adapter(self) -> Self:
        if self.mistakes and (self.role != "planner" or self.start is None):
            raise ValueError("only a planner has mistakes to learn from; give it with --start")
        if self.start is not None and self.method == "full":
            raise ValueError("only LoRA trains on from an adapter; leave --start or --method out")
        return self


class _Report(TrainerCallback):
    """Passes the trainer's progress on, and keeps its losses."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.text = "training"

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Show the newest loss."""
        for key, name in (("loss", "loss"), ("eval_loss", "validation loss")):
            if key in (logs or {}):
                self.text = f"{name} {logs[key]:.4f}"

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show one more step."""
        self.progress(state.global_step, state.max_steps, self.text)


class _Trainer(SFTTrainer):
    """TRL's trainer, with the language-model head run on the learned positions alone.

    On a CPU, TRL's fused head scores every position in float32, as long a job as all the rest.
    """

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The mean negative log-likelihood of the learned tokens."""
        labels = inputs["labels"][:, 1:]
        learned = labels != -100
        head = self.accelerator.unwrap_model(model).get_output_embeddings()
        hook = head.register_forward_pre_hook(lambda _, hidden: (hidden[0][:, :-1][learned],))
        try:
            outputs = model(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                use_cache=False,
            )
        finally:
            hook.remove()
        total = torch.nn.functional.cross_entropy(
            outputs.logits.float(), labels[learned], reduction="sum"
        )
        loss = total / (learned.sum() if num_items_in_batch is None else num_items_in_batch)
        if num_items_in_batch is not None:  # all processes' tokens; DDP takes the losses' mean
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss


def train(
    settings: Settings,
    examples: list[Example],
    validation: list[Example],
    functions: FunctionSet,
    out: Path,
    progress: Progress,
    provenance: dict[str, Any],
    wrong: Mapping[str, Sequence[Line]] | None = None,
    *,
    measure_loss: bool = True,
) -> dict[str, Any]:
    """Train one adapter and write it to ``out``; returns what its card records.

    Of several processes (``octoplan.training.processes``), the first one writes it.

    Args:
        examples: what to learn from.
        validation: held-out examples; what is nearly the same as one of them is not learned.
        functions: the functions that the examples use.
        provenance: what the card shall say of command and data (names, hashes).
        wrong: for ``settings.mistakes``, and only for that: the planner's own wrong plans by the
            example's id; of the examples those alone are learned.
        measure_loss: whether the loss on ``validation`` is measured, at every epoch.

    Raises:
        BaseError: the base is not there.
        ValueError: the base has too few free tokens to name the functions, or an architecture
            that GGUF adapters cannot have, or the examples hold nothing to learn, or the processes
            cannot share a batch equally.
    """
    assert settings.mistakes == (wrong is not None)
    if settings.batch_size % processes():
        raise ValueError(
            f"{processes()} processes cannot share batches of {settings.batch_size}; give a "
            "--batch-size that is a multiple"
        )
    set_seed(settings.seed)
    base = find_base(settings.base)
    examples, left_out = without_held_out(examples, validation)
    start = load_start(settings.start, settings.role, base) if settings.start else None
    model, tokenizer, settings = _model(settings, base, start)
    template = encode.planner_template(tokenizer)
    symbols: dict[str, Symbol] = {}
    if settings.role == "action":
        beside = [Adapter.load(folder, "action") for folder in settings.beside]
        embedding = model.get_input_embeddings().weight.detach()
        symbols = symbols_of(functions, examples, start, beside, tokenizer, embedding)

    def rows(some: list[Example]) -> list[encode.Row]:
        if settings.role == "planner":
            return list(encode.planner_rows(some, tokenizer, template))
        return list(encode.action_rows(some, tokenizer, functions, symbols))

    checkpoints, report = out / "checkpoints", _Report(progress)
    trainer: SFTTrainer | DPOTrainer
    held_out_rows: list[encode.Row] = []
    if settings.mistakes:
        pairs = _pairs(examples, wrong or {})
        examples = [example for example, _ in pairs]
        learned_rows = rows(examples)
        trainer = _preferring(model, tokenizer, template, settings, checkpoints, pairs, report)
    else:
        learned = examples * settings.epochs
        if settings.augment:
            varied = list(variations(examples, functions, settings.epochs, settings.seed))
            learned, _ = without_held_out(varied, validation)
        learned_rows = rows(learned)
        # In order of length: batches without much padding.
        measured = rows(validation) if measure_loss else []
        held_out_rows = sorted(measured, key=lambda row: len(row["input_ids"]))
        trainer = _imitating(
            model, tokenizer, settings, checkpoints, learned_rows, held_out_rows, report
        )
    started = time.monotonic()
    checkpoint = _last_checkpoint(checkpoints)
    trainer.remove_callback(PrinterCallback)  # whoever called shows the progress
    with warnings.catch_warnings():
        # For each checkpoint PEFT would look for the base on the hub, where it need not be.
        warnings.filterwarnings("ignore", module="peft")
        result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    card = {
        "settings": settings.model_dump(),
        "provenance": provenance,
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": _hardware(),
        "seconds": round(time.monotonic() - started, 1),
        "resumed_after": _steps(checkpoint) if checkpoint else 0,
        "left_out": left_out,
        "training": encode.describe(learned_rows),
        "validation": encode.describe(held_out_rows),
        "train_loss": result.training_loss,
        "losses": _losses(trainer, settings.epochs),
    }
    if not trainer.is_world_process_zero():
        return card
    _write(trainer, out, base, settings.method == "full")
    adapter = Adapter(
        role=settings.role,
        base=base.name,
        base_digest=base.digest,
        whole=settings.method == "full",
        template=template if settings.role == "planner" else "",
        functions=functions,
        symbols=symbols,
        **knowledge(settings.role, functions, examples, start),
    )
    adapter.save(out)
    (out / "training.json").write_text(json.dumps(card, indent=1), encoding="utf-8")
    (out / "README.md").write_text(model_card(adapter, card), encoding="utf-8")
    shutil.rmtree(checkpoints, ignore_errors=True)
    return card


def _imitating(
    model: Any,
    tokenizer: Any,
    settings: Settings,
    checkpoints: Path,
    learned: list[encode.Row],
    held_out: list[encode.Row],
    report: TrainerCallback,
) -> SFTTrainer:
    """Learns the right plans or calls."""
    if not learned:
        raise ValueError("the examples hold nothing to learn; give examples with steps and calls")
    return _Trainer(
        model=model,
        processing_class=tokenizer,
        args=SFTConfig(
            **_arguments(settings, checkpoints, len(learned), bool(held_out)),
            train_sampling_strategy="group_by_length",
        ),
        train_dataset=Dataset.from_list(learned),
        eval_dataset=Dataset.from_list(held_out) if held_out else None,
        optimizers=(_optimizer(model, settings), None),
        callbacks=[report],
    )


def _preferring(
    model: Any,
    tokenizer: Any,
    template: str,
    settings: Settings,
    checkpoints: Path,
    pairs: Sequence[tuple[Example, str]],
    report: TrainerCallback,
) -> DPOTrainer:
    """Learns to prefer the right plan of each pair to the wrong one.

    Direct preference optimisation (arXiv 2305.18290), with the right plans' own likelihood beside
    it (arXiv 2404.19733): else it may sink as long as that of the wrong ones sinks faster.
    """
    if not pairs:
        raise ValueError("the planner got none of the examples wrong; evaluate it on more of them")
    learned = [
        {
            "prompt": planner_prompt(template, example.query),
            "chosen": write_plan(example.steps),
            "rejected": wrong,
        }
        for example, wrong in [*pairs] * settings.epochs
    ]
    return DPOTrainer(
        model=model,
        processing_class=tokenizer,
        args=DPOConfig(
            **_arguments(settings, checkpoints, len(learned), validated=False)
            # A checkpoint would hold a second adapter, and that is not restored.
            | {"save_strategy": "no"},
            loss_type=["sigmoid", "sft"],
        ),
        train_dataset=Dataset.from_list(learned),
        optimizers=(_optimizer(model, settings), None),
        callbacks=[report],
    )


def _pairs(
    examples: Sequence[Example], wrong: Mapping[str, Sequence[Line]]
) -> list[tuple[Example, str]]:
    """The examples that the planner got wrong, without their branches, and its plan for each."""
    return [
        (example.model_copy(update={"branches": ()}), mistaken)
        for example in examples
        if example.id in wrong
        and (mistaken := write_plan(wrong[example.id])) != write_plan(example.steps)
    ]


def _model(settings: Settings, base: Base, start: Adapter | None) -> tuple[Any, Any, Settings]:
    """What is trained, its tokenizer, and the settings with the rank and alpha that it has."""
    if settings.method == "full":
        return *load_base(base, torch.float32), settings
    model, tokenizer = load_base(base, torch.bfloat16)
    check_architecture(model.config.model_type)
    model = _with_adapter(model, settings, start)
    lora = model.peft_config["default"]
    update = {"rank": lora.r, "alpha": lora.lora_alpha}
    return model, tokenizer, settings.model_copy(update=update)


def _losses(trainer: SFTTrainer | DPOTrainer, epochs: int) -> list[dict[str, float]]:
    """The losses by epoch of the data; the trainer's own epoch is all of ours."""
    return [
        {"epoch": round(entry["epoch"] * epochs, 4)}
        | {k: entry[k] for k in ("loss", "eval_loss") if k in entry}
        for entry in trainer.state.log_history
    ]


def _with_adapter(model: Any, settings: Settings, start: Adapter | None) -> Any:
    """The base with an adapter to train: a new one on all linear layers, or ``start``."""
    if start is not None:
        return PeftModel.from_pretrained(model, str(start.folder), is_trainable=True)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        use_rslora=settings.variant == "rslora",
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    if settings.variant == "ffa":
        for name, weights in adapted.named_parameters():
            weights.requires_grad_("lora_B" in name)
    return adapted


def _optimizer(model: Any, settings: Settings) -> Any:
    """LoRA+'s optimizer; None for the trainer's own."""
    if settings.variant != "lora+":
        return None
    return create_loraplus_optimizer(
        model, torch.optim.AdamW, lr=settings.lr, loraplus_lr_ratio=16, weight_decay=_WEIGHT_DECAY
    )


def _arguments(settings: Settings, checkpoints: Path, rows: int, validated: bool) -> dict[str, Any]:
    """What TRL's trainers are told. The rows hold all epochs, so the trainer's own is one."""
    share = settings.batch_size // processes()
    steps_per_epoch = max(1, math.ceil(rows / settings.batch_size) // settings.epochs)
    return dict(
        output_dir=str(checkpoints),
        learning_rate=settings.lr,
        num_train_epochs=1,
        per_device_train_batch_size=share,
        per_device_eval_batch_size=share,
        warmup_steps=int(settings.warmup * settings.epochs * steps_per_epoch),
        lr_scheduler_type="cosine",
        weight_decay=_WEIGHT_DECAY,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        max_length=1024,
        eval_strategy="steps" if validated else "no",
        eval_steps=steps_per_epoch,
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=max(1, steps_per_epoch // 2),
        save_total_limit=1,
        logging_steps=min(10, steps_per_epoch),
        disable_tqdm=True,
        report_to="none",
        seed=settings.seed,
    )


def _steps(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _last_checkpoint(checkpoints: Path) -> Path | None:
    """The newest checkpoint that is complete: the trainer's state is the last file of one."""
    complete = (state.parent for state in checkpoints.glob("checkpoint-*/trainer_state.json"))
    return max(complete, key=_steps, default=None)


def _write(trainer: SFTTrainer | DPOTrainer, out: Path, base: Base, full: bool) -> None:
    """Write the weights: a Transformers model with its tokenizer, or an adapter; either as GGUF.

    Only a base that is GGUF itself can be written as a whole; of others, convert-hf-to-gguf makes
    ``model.gguf``.
    """
    if not full:
        if "ref" in trainer.model.peft_config:  # what preferring compares with
            trainer.model.delete_adapter("ref")
        write_adapter(trainer.model, base.name, out)
        return
    trainer.save_model(str(out))
    (out / "training_args.bin").unlink(missing_ok=True)
    if base.gguf is not None:
        model_to_gguf(trainer.model, base.gguf, out / MODEL_FILE)


def _hardware() -> str:
    number = processes()
    several = f", {number} processes" if number > 1 else ""
    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}{several}"
    threads = f"{torch.get_num_threads()} threads{several}"
    return f"{os.cpu_count()} CPU cores, {platform.machine()}, {threads}"
