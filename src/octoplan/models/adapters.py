"""Adapters: LoRA weights for one role, with all that running them needs beside the base.

An adapter is a folder: ``adapter.gguf`` (for llama.cpp), ``adapter_model.safetensors`` and
``adapter_config.json`` (for PEFT), ``octoplan.json`` (this module's ``Adapter``) and ``README.md``
(its card). Where all weights were trained, it is a model of its own: ``model.gguf``, and a
Transformers model.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from octoplan.functions import Function, FunctionSet
from octoplan.models.bases import Base
from octoplan.plans import Told, brief, one_line

CARD_FILE = "octoplan.json"
GGUF_FILE = "adapter.gguf"
MODEL_FILE = "model.gguf"


MergeMethod = Literal[
    "linear",
    "cat",
    "svd",
    "ties",
    "dare_linear",
    "dare_ties",
    "magnitude_prune",
    "ties_svd",
    "dare_linear_svd",
    "dare_ties_svd",
    "magnitude_prune_svd",
]
"""How adapters are merged, by PEFT's names (``octoplan.training.merge``)."""

MERGE_METHODS: tuple[MergeMethod, ...] = get_args(MergeMethod)


class AdapterError(ValueError):
    """An adapter that is missing, broken or for another base; one line that says what to do."""


class Symbol(BaseModel):
    """The functional token of a function: one token of the base's own vocabulary."""

    model_config = ConfigDict(frozen=True)

    token: int
    text: str


class Adapter(BaseModel):
    """What ``octoplan.json`` says of an adapter.

    Attributes:
        role: which model it makes of the base.
        base: the base's name; base_digest: SHA-256 of its GGUF.
        whole: whether all weights were trained, so that the adapter runs without the base.
        template: the prompt, with ``{request}`` where the request stands (planner).
        plans_on: whether it learned to plan on from results and answers (planner).
        words: words of the training steps that their requests do not hold, sorted (planner).
        word_counts: in how many of the training requests (planner) or steps (action) each word
            stands (``octoplan.routing.count_words``).
        functions: the functions that it knows.
        symbols: the functional token of each function (action).
        links: by ``function.parameter``, the functions whose results stood there as ``$k`` in
            training, sorted (action).
    """

    role: Literal["planner", "action"]
    base: str
    base_digest: str
    whole: bool = False
    template: str = ""
    plans_on: bool = False
    words: tuple[str, ...] = ()
    word_counts: dict[str, int] = {}
    functions: FunctionSet
    symbols: dict[str, Symbol] = {}
    links: dict[str, tuple[str, ...]] = {}
    folder: Path = Path()

    @classmethod
    def load(cls, folder: str | Path, role: Literal["planner", "action"]) -> Self:
        """Read the folder of an adapter for a role.

        Raises:
            AdapterError: ``octoplan.json`` is missing, broken or that of another role.
        """
        adapter = cls.read(folder)
        if adapter.role != role:
            raise AdapterError(
                f"{folder} holds the {adapter.role} model; give the folder of one for: {role}"
            )
        return adapter

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read an adapter's folder, whatever its role.

        Raises:
            AdapterError: ``octoplan.json`` is missing or broken.
        """
        folder = Path(folder)
        try:
            adapter = cls.model_validate_json((folder / CARD_FILE).read_text(encoding="utf-8"))
        except OSError as error:
            raise AdapterError(
                f"no adapter in {folder} ({CARD_FILE}: {error.strerror}); "
                "give a folder that octoplan train wrote"
            ) from error
        except (ValidationError, UnicodeDecodeError) as error:
            raise AdapterError(f"{folder / CARD_FILE} is broken; train or copy it again") from error
        return adapter.model_copy(update={"folder": folder})

    def save(self, folder: Path) -> None:
        """Write ``octoplan.json`` to the folder."""
        text = self.model_dump_json(exclude={"folder"}, indent=1)
        (folder / CARD_FILE).write_text(text + "\n", encoding="utf-8")

    @property
    def gguf(self) -> Path:
        """The adapter's GGUF file, or that of the whole model."""
        return self.folder / (MODEL_FILE if self.whole else GGUF_FILE)

    @property
    def digest(self) -> str:
        """SHA-256 of the GGUF file, in hex."""
        with self.gguf.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def by_symbol(self) -> dict[str, Function]:
        """The functions by the text of their functional tokens."""
        return {symbol.text: self.functions[name] for name, symbol in self.symbols.items()}

    def check(self, base: Base) -> None:
        """Make sure that the adapter's weights are there and were made for this base.

        Raises:
            AdapterError: they are not.
        """
        if not self.whole and base.digest != self.base_digest:
            raise AdapterError(
                f"the adapter {self.folder} was made for another base ({self.base}), "
                f"not for {base.name}; train it again for this one"
            )
        try:
            with self.gguf.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            raise AdapterError(f"cannot read {self.gguf}: {error.strerror}") from error
        if magic != b"GGUF":
            raise AdapterError(f"{self.gguf} is broken; train or copy it again")

    def planner_prompt(self, request: str, told: Sequence[Told] = ()) -> str:
        """The planner's prompt: see ``planner_prompt``."""
        return planner_prompt(self.template, request, told)


def shipped_adapter(role: str) -> Path:
    """The folder of the adapter that ships for a role: in the package, or in a checkout."""
    package = Path(__file__).parents[1]
    for adapters in (package / "adapters", package.parents[1] / "adapters"):
        if (adapters / role).is_dir():
            return adapters / role
    raise AdapterError(f"this installation has no {role} adapter; give the folder of one")


def plain(text: str) -> str:
    """The text on one line and without anything that a tokenizer could read as a special token."""
    return one_line(text.replace("<|", "< |"))


def planner_prompt(template: str, request: str, told: Sequence[Told] = ()) -> str:
    """The planner's prompt: the base's chat template around the request alone.

    Where it is to plan on, a line follows for each line of the plan so far: ``TEXT -> RESULT`` for
    what was done, ``TEXT`` for what was not.
    """
    lines = [plain(request)]
    for line, result in told:
        after = "" if result is None else f" -> {plain(brief(result))}"
        lines.append(plain(line) + after)
    return template.format(request="\n".join(lines))


def action_turn(number: int, text: str) -> str:
    """What the action model reads of step ``number`` before it writes the call."""
    return f"{number}. {plain(text)}\n"
