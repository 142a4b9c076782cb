"""An adapter's card: the ``README.md`` that tells people what it is, how it was made and runs."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from octoplan.models.adapters import Adapter

_RUN = {"planner": "octoplan plan --planner DIR", "action": "octoplan act --action DIR"}


def model_card(adapter: Adapter, record: Mapping[str, Any]) -> str:
    """The card in Markdown.

    Args:
        adapter: what was trained.
        record: what ``training.json`` holds of the training.
    """
    settings = record["settings"]
    full = settings["method"] == "full"
    form = "all weights" if full else "a LoRA adapter"
    digest = f", SHA-256 `{adapter.base_digest}`" if adapter.base_digest else ""
    time = f"{record['seconds']:.0f} s"
    if record["resumed_after"]:
        time += f" (since step {record['resumed_after']}, where it went on after an interruption)"
    names = adapter.functions.name.replace("+", ", ")
    parts = [
        f"# An octoplan {adapter.role}",
        f"This is {form} for octoplan's {adapter.role} model. "
        + "DIR is the folder that holds this page.",
        f'```sh\n{_RUN[adapter.role]} "…"\n```',
        f"- Base: {adapter.base}{digest}\n"
        f"- Functions: {names} ({len(adapter.functions)} functions, `{adapter.functions.digest}`)\n"
        f"- Trained: {record['date']}, {time}, on {record['hardware']}",
        *([f"Made by: `{command}`"] if (command := record["provenance"].get("command")) else []),
        "## Data",
        _table(
            ("", "sequences", "tokens", "learned tokens"),
            (
                (split, *(record[split][key] for key in ("rows", "tokens", "learned_tokens")))
                for split in ("training", "validation")
            ),
        ),
    ]
    if left_out := record["left_out"]:
        parts.append(f"Left out as nearly the same as validation examples: {len(left_out)}.")
    if data := record["provenance"].get("data"):
        rows = ((name, file["examples"], f"`{file['sha256']}`") for name, file in data.items())
        parts.append(_table(("file", "examples", "SHA-256"), rows))
    parts += [
        "## Settings",
        _table(("setting", "value"), settings.items()),
        "## Losses",
        _table(("epoch", "training", "validation"), losses_by_epoch(record["losses"])),
    ]
    return "\n\n".join(parts) + "\n"


def merged_card(adapter: Adapter, parts: Iterable[tuple[Adapter, float]], method: str) -> str:
    """The card of an adapter that was merged of parts with their weights."""
    names = adapter.functions.name.replace("+", ", ")
    rows = (
        (part.folder.name, len(part.functions), f"{weight:g}", f"`{part.digest}`")
        for part, weight in parts
    )
    return (
        "\n\n".join(
            [
                f"# An octoplan {adapter.role}, merged",
                "This is a LoRA adapter that was merged of others, without training. "
                "DIR is the folder that holds this page.",
                f'```sh\n{_RUN[adapter.role]} "…"\n```',
                f"- Base: {adapter.base}, SHA-256 `{adapter.base_digest}`\n"
                f"- Functions: {names} ({len(adapter.functions)}, `{adapter.functions.digest}`)\n"
                f"- Method: {method}",
                _table(("part", "functions", "weight", "SHA-256 of its GGUF"), rows),
            ]
        )
        + "\n"
    )


def losses_by_epoch(losses: Iterable[Mapping[str, float]]) -> list[tuple[int, str, str]]:
    """Each epoch's number, mean training loss and last validation loss; a dash for none."""
    training: dict[int, list[float]] = {}
    validation: dict[int, float] = {}
    for entry in losses:
        epoch = math.ceil(round(entry["epoch"], 6))
        if "loss" in entry:
            training.setdefault(epoch, []).append(entry["loss"])
        if "eval_loss" in entry:
            validation[epoch] = entry["eval_loss"]
    return [
        (
            epoch,
            f"{sum(of) / len(of):.4f}" if (of := training.get(epoch)) else "–",
            f"{validation[epoch]:.4f}" if epoch in validation else "–",
        )
        for epoch in sorted(training.keys() | validation.keys())
    ]


def _table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    head = tuple(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
