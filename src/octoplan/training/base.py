"""The base as PyTorch trains it: the very weights of the GGUF that the adapter will run on.

A GGUF base is dequantised once (Transformers reads it with ``gguf_file``) and the copy is cached in
the user's cache folder, so that later runs start in seconds. Hub names are loaded as they are.
"""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from octoplan.models.bases import Base, cache_folder


def _dequantised(gguf: Path, digest: str) -> Path:
    folder = cache_folder() / f"{gguf.stem}-{digest[:12]}"
    if not folder.is_dir():
        place: dict[str, Any] = {"gguf_file": gguf.name}
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), **place)
        model = AutoModelForCausalLM.from_pretrained(str(gguf.parent), dtype=torch.float32, **place)
        # Transformers refuses to save what it read from a GGUF; the weights are plain by now.
        model.hf_quantizer = None
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        # Renamed when it is whole, so that an interruption leaves no broken copy behind.
        part = folder.with_name(f"{folder.name}.{os.getpid()}")
        tokenizer.save_pretrained(part)
        model.save_pretrained(part)
        part.rename(folder)
    return folder


def load_base(base: Base, dtype: torch.dtype) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The base and its tokenizer, in PyTorch.

    Args:
        base: the base; a GGUF is dequantised and cached.
        dtype: of the weights: float32 for full fine-tuning, bfloat16 under LoRA.
    """
    source = _source(base)
    # For the short sequences of plans, eager attention trains a third faster on CPUs than SDPA.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    model = AutoModelForCausalLM.from_pretrained(source, dtype=dtype, attn_implementation=attention)
    return model, load_tokenizer(base)


def load_tokenizer(base: Base) -> PreTrainedTokenizerBase:
    """The base's tokenizer alone."""
    return AutoTokenizer.from_pretrained(_source(base))


def _source(base: Base) -> str:
    return str(_dequantised(base.gguf, base.digest)) if base.gguf else base.name
