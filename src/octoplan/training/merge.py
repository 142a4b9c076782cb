"""Merge planner adapters into one that knows the functions of all of them.

*linear* averages the factors of the adapters, PEFT's plain merge of LoRA; *sum* adds the very
changes that they make to the base, each in full (PEFT's ``cat``: the ranks add up).
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Literal

import torch
from peft import PeftModel

from octoplan.models.adapters import Adapter, AdapterError
from octoplan.models.bases import find_base
from octoplan.training.base import load_base
from octoplan.training.export import write_adapter

_TYPES = {"linear": "linear", "sum": "cat"}


def merge(parts: Sequence[Path], out: Path, method: Literal["linear", "sum"]) -> Adapter:
    """Merge planners and write the result to ``out``, for PEFT and as GGUF.

    Args:
        parts: the folders of two adapters or more, of one base and of one rank where they are
            averaged.

    Raises:
        AdapterError: a part is missing, of another base or prompt, or a whole model.
        FunctionError: two parts have a function of the same name that differs.
        BaseError: the base is not there.
    """
    adapters = [Adapter.load(part, "planner") for part in parts]
    base = find_base(adapters[0].base)
    for adapter in adapters:
        if adapter.whole:
            raise AdapterError(f"{adapter.folder} is a whole model; only LoRA adapters are merged")
        if adapter.template != adapters[0].template:
            raise AdapterError(f"{adapter.folder} has another prompt than {adapters[0].folder}")
        adapter.check(base)
    model, _ = load_base(base, torch.float32)
    names = [str(number) for number in range(len(adapters))]
    merged = PeftModel.from_pretrained(model, str(parts[0]), adapter_name=names[0])
    for name, part in zip(names[1:], parts[1:], strict=True):
        merged.load_adapter(str(part), adapter_name=name)
    share = 1 / len(parts) if method == "linear" else 1.0
    merged.add_weighted_adapter(names, [share] * len(names), "default", _TYPES[method])
    for name in names:
        merged.delete_adapter(name)
    out.mkdir(parents=True, exist_ok=True)
    write_adapter(merged, base.name, out)
    result = adapters[0].model_copy(
        update={
            "words": tuple(sorted({word for adapter in adapters for word in adapter.words})),
            "functions": reduce(or_, (adapter.functions for adapter in adapters)),
            "folder": out,
        }
    )
    result.save(out)
    return result
