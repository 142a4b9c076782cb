"""Write a PEFT adapter as GGUF, the form in which llama.cpp loads it."""

from pathlib import Path

import gguf
import numpy as np
import torch
from peft import PeftModel

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
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(lora.lora_alpha))
    for key, weight in model.state_dict().items():
        if ".lora_A." not in key and ".lora_B." not in key:
            continue
        layer, _, rest = key.removeprefix("base_model.model.").partition(".lora_")
        name = names.get_name(f"{layer}.weight", try_suffixes=(".weight",))
        if name is None:
            raise ValueError(f"the layer {layer} has no name in GGUF")
        value = weight.detach().float().cpu()
        if rest.startswith("B") and config.model_type == "llama":
            if layer.endswith("q_proj"):
                value = _permuted(value, config.num_attention_heads)
            elif layer.endswith("k_proj"):
                value = _permuted(value, config.num_key_value_heads)
        blocks = value.shape[1] % gguf.GGML_QUANT_SIZES[_Q8_0][0] == 0
        writer.add_tensor(
            f"{name}.lora_{rest[0].lower()}",
            gguf.quantize(value.numpy(), _Q8_0) if blocks else value.numpy().astype(np.float16),
            raw_dtype=_Q8_0 if blocks else None,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
