"""Write a PEFT adapter, or a base with all weights trained, as GGUF: what llama.cpp loads."""

import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from peft import PeftModel
from transformers import PreTrainedModel

from octoplan.models.adapters import GGUF_FILE

_ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "gemma": gguf.MODEL_ARCH.GEMMA,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
    "phi3": gguf.MODEL_ARCH.PHI3,
}
"""GGUF's architectures by Transformers' ``model_type``."""

_Q8_0 = gguf.GGMLQuantizationType.Q8_0


def _permuted(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The rows of a query or key projection in llama.cpp's order for rotary embeddings.

    Llama's halves of each head are interleaved there, as in convert_hf_to_gguf's ``permute``.
    """
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)


def check_architecture(model_type: str) -> gguf.MODEL_ARCH:
    """GGUF's architecture for a Transformers ``model_type``.

    Raises:
        ValueError: it has none here.
    """
    if model_type not in _ARCHITECTURES:
        raise ValueError(f"adapters of {model_type} models cannot be written as GGUF yet")
    return _ARCHITECTURES[model_type]


def write_adapter(model: PeftModel, base: str, folder: Path) -> None:
    """Write the adapter named "default" of a PEFT model, for PEFT and as GGUF.

    PEFT's file is in half precision: what is lost by that, llama.cpp never sees.

    Args:
        base: the base's name; where its copy lies is this machine's business.

    Raises:
        ValueError: see ``adapter_to_gguf``.
    """
    model.peft_config["default"].base_model_name_or_path = base
    weights = {key: value.half() for key, value in model.state_dict().items() if ".lora_" in key}
    model.save_pretrained(str(folder), state_dict=weights, save_embedding_layers=False)
    adapter_to_gguf(model, folder / GGUF_FILE)


def adapter_to_gguf(model: PeftModel, path: Path) -> None:
    """Write the LoRA weights of a PEFT model as a GGUF adapter.

    In 8 bits (Q8_0), but a matrix whose rows are no multiple of its blocks in half precision: B
    has rows of the rank's length, so a rank of 32 or 64 makes the smallest file.

    Raises:
        ValueError: the base's architecture, or one of the adapted layers, has no GGUF name.
    """
    config = model.config
    architecture = check_architecture(config.model_type)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    lora = model.peft_config["default"]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_string(gguf.Keys.General.TYPE, gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    # llama.cpp scales by alpha / r; rsLoRA by alpha / sqrt(r).
    alpha = lora.lora_alpha * (math.sqrt(lora.r) if lora.use_rslora else 1)
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(alpha))
    for key, weight in model.state_dict().items():
        if ".lora_A." not in key and ".lora_B." not in key:
            continue
        layer, _, rest = key.removeprefix("base_model.model.").partition(".lora_")
        name = names.get_name(f"{layer}.weight", try_suffixes=(".weight",))
        if name is None:
            raise ValueError(f"the layer {layer} has no name in GGUF")
        value = weight.detach().float().cpu()
        if rest.startswith("B"):
            value = _ordered(layer, value, config)
        _add(writer, f"{name}.lora_{rest[0].lower()}", value)
    _finish(writer)


def model_to_gguf(model: PreTrainedModel, base: Path, path: Path) -> None:
    """Write a model that was trained from a GGUF base as one of its own.

    The weights are in 8 bits (Q8_0); tokenizer and settings are the base's.

    Args:
        base: the GGUF that the model was made of.

    Raises:
        ValueError: the base's architecture, or one of its layers, has no GGUF name.
    """
    config = model.config
    architecture = check_architecture(config.model_type)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    written_anyway = {gguf.Keys.General.ARCHITECTURE, gguf.Keys.General.FILE_TYPE}
    for field in reader.fields.values():
        if field.name not in written_anyway and not field.name.startswith("GGUF."):
            kind, part = field.types[0], field.types[-1]
            array = kind == gguf.GGUFValueType.ARRAY
            writer.add_key_value(field.name, field.contents(), kind, part if array else None)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    wanted = {tensor.name for tensor in reader.tensors}
    for key, weight in model.state_dict().items():
        layer, _, kind = key.rpartition(".")
        name = names.get_name(layer)
        if name is None:
            raise ValueError(f"the layer {layer} has no name in GGUF")
        if f"{name}.{kind}" not in wanted:  # the head, where it is the embedding
            continue
        value = _ordered(layer, weight.detach().float().cpu(), config)
        if config.model_type.startswith("gemma") and name.endswith("norm"):
            value = value + 1  # GGUF's Gemma norms are multipliers, Transformers' are added to 1
        _add(writer, f"{name}.{kind}", value)
        wanted.remove(f"{name}.{kind}")
    if wanted:
        raise ValueError(f"the model has no weights for {sorted(wanted)[0]} of its base")
    _finish(writer)


def _ordered(layer: str, weight: torch.Tensor, config: Any) -> torch.Tensor:
    """A weight with its rows in llama.cpp's order."""
    if config.model_type == "llama" and layer.endswith("q_proj"):
        return _permuted(weight, config.num_attention_heads)
    if config.model_type == "llama" and layer.endswith("k_proj"):
        return _permuted(weight, config.num_key_value_heads)
    return weight


def _add(writer: gguf.GGUFWriter, name: str, value: torch.Tensor) -> None:
    """Add a tensor: vectors as they are, matrices in the fewest bits that their rows admit."""
    array = value.numpy()
    if array.ndim == 1:
        writer.add_tensor(name, array)
    elif array.shape[1] % gguf.GGML_QUANT_SIZES[_Q8_0][0] == 0:
        writer.add_tensor(name, gguf.quantize(array, _Q8_0), raw_dtype=_Q8_0)
    else:
        writer.add_tensor(name, array.astype(np.float16))


def _finish(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
