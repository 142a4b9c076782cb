"""What the training of all weights has changed, as a LoRA adapter: small, and beside the base."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

from octoplan.models.adapters import Adapter, AdapterError
from octoplan.models.bases import find_base
from octoplan.training.base import load_base
from octoplan.training.card import merged_card
from octoplan.training.export import write_adapter


def difference(whole: Path, out: Path, rank: int) -> Adapter:
    """Write a whole model's difference from its base as an adapter of a rank.

    The best of that rank for each linear layer, by singular value decomposition (Eckart and Young,
    1936); what changed in the embedding and the norms is left out.

    Args:
        whole: the folder of a model of which all weights were trained.

    Raises:
        AdapterError: it is none.
        BaseError: the base is not there.
    """
    adapter = Adapter.read(whole)
    if not adapter.whole:
        raise AdapterError(f"{whole} is an adapter already; give the folder of a whole model")
    base = find_base(adapter.base)
    model, _ = load_base(base, torch.float32)
    trained = AutoModelForCausalLM.from_pretrained(str(whole), dtype=torch.float32).state_dict()
    config = LoraConfig(r=rank, lora_alpha=rank, target_modules="all-linear", task_type="CAUSAL_LM")
    lora = get_peft_model(model, config)
    torch.manual_seed(0)  # the decomposition begins at random
    for name, layer in lora.named_modules():
        if isinstance(layer, LoraLayer):
            key = f"{name.removeprefix('base_model.model.')}.weight"
            change = trained[key] - layer.get_base_layer().weight
            left, values, right = torch.svd_lowrank(change, q=rank, niter=4)
            roots = values.sqrt()
            layer.lora_A["default"].weight.data = (right * roots).T.contiguous()
            layer.lora_B["default"].weight.data = (left * roots).contiguous()
    out.mkdir(parents=True, exist_ok=True)
    write_adapter(lora, base.name, out)
    found = adapter.model_copy(update={"whole": False, "folder": out})
    found.save(out)
    card = merged_card(found, [(adapter, 1.0)], f"difference from the base, rank {rank}, by SVD")
    (out / "README.md").write_text(card, encoding="utf-8")
    return found
