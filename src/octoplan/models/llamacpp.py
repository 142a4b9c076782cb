"""The default engine: llama.cpp in this process, through xllamacpp.

One base is resident, and each role has slots (KV caches) of its own, so that a plan and the calls
of its steps do not displace one another; an adapter more of a role takes no cache of its own.
Within a slot the longest common prefix is reused: the action model's conversation grows by one step
at a time. What was computed under one adapter never serves another: llama.cpp empties a slot when
the adapter that is applied there changes.
"""

import json
import os
import queue
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from octoplan.models.adapters import Adapter
from octoplan.models.bases import Base, find_base
from octoplan.models.engine import EngineError, Prompt, Token

CONTEXT = 1024
"""Tokens that one slot holds: a request of 2,000 characters with its plan needs about 700."""


def load_library() -> Any:
    """xllamacpp, loaded so that its threads soon sleep where they wait for one another.

    Spinning, as is the default, makes a request take minutes where other programs want the cores
    too. The variable is read when the library is loaded.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import xllamacpp

    return xllamacpp


def load_engines(
    base: str | None,
    adapters: Sequence[Adapter],
    threads: int | None = None,
    parallel: int = 1,
) -> list["LlamaCpp"]:
    """The engine of each adapter: one for all that share a base, one for each whole model.

    Args:
        base: the name or path of the base of all adapters; the one that each names where None.

    Raises:
        BaseError: the base is needed and not there.
        AdapterError, EngineError: see ``LlamaCpp``.
    """
    sharing: dict[str, list[Adapter]] = {}
    for adapter in adapters:
        if not adapter.whole:
            sharing.setdefault(base or adapter.base, []).append(adapter)
    shared = {
        name: LlamaCpp(find_base(name), of_it, threads, parallel) for name, of_it in sharing.items()
    }
    return [
        LlamaCpp(Base(adapter.base, adapter.gguf), [adapter], threads, parallel)
        if adapter.whole
        else shared[base or adapter.base]
        for adapter in adapters
    ]


class LlamaCpp:
    """A base with its adapters, or a whole model, loaded."""

    def __init__(
        self,
        base: Base,
        adapters: Sequence[Adapter],
        threads: int | None = None,
        parallel: int = 1,
    ) -> None:
        """Load the base and the adapters.

        Args:
            base: a base with a GGUF file, or the file of the one whole model.
            adapters: all that ``stream`` may be asked for.
            threads: CPU threads; all cores that the process may use where left out.
            parallel: slots of each role: so many prompts for one role are computed at once.

        Raises:
            AdapterError: an adapter is broken or was made for another base.
            EngineError: llama.cpp cannot load the base or an adapter.
        """
        xllamacpp = load_library()
        if base.gguf is None:
            raise EngineError(f"{base.name} is no GGUF; llama.cpp needs a .gguf file")
        for adapter in adapters:
            adapter.check(base)
        self._ids = {adapter.folder: number for number, adapter in enumerate(adapters)}
        roles = sorted({adapter.role for adapter in adapters})
        self._free: dict[str, queue.LifoQueue[int]] = {role: queue.LifoQueue() for role in roles}
        for slot in range(len(roles) * parallel):
            self._free[roles[slot // parallel]].put(slot)
        params = xllamacpp.CommonParams()
        params.model.path = str(base.gguf)
        params.lora_adapters = [
            xllamacpp.CommonAdapterLoraInfo(str(adapter.gguf), 1.0)
            for adapter in adapters
            if not adapter.whole
        ]
        params.lora_init_without_apply = True
        params.n_parallel = len(roles) * parallel
        params.n_ctx = CONTEXT * params.n_parallel
        params.cpuparams.n_threads = threads or _cores()
        params.cache_ram_mib = 0
        params.cache_idle_slots = False
        params.slot_prompt_similarity = 0.0
        params.warmup = False
        params.verbosity = -1
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            names = ", ".join(str(adapter.gguf) for adapter in adapters)
            raise EngineError(
                f"llama.cpp cannot load {base.gguf} with {names or 'no adapter'}; "
                "one of these files is broken: install or train it again"
            ) from error

    def stream(
        self,
        prompt: Prompt,
        adapter: Adapter,
        *,
        grammar: str,
        stop: Sequence[str] = (),
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[Token]:
        """See ``Engine.stream``. Closing the iterator early stops llama.cpp at the next token.

        Args:
            temperature: above 0 the tokens are drawn, by ``seed``.
        """
        number = self._ids[adapter.folder]
        slot = self._free[adapter.role].get()
        request = {
            # llama.cpp takes a list of nothing but texts for several prompts.
            "prompt": prompt
            if any(isinstance(p, int) for p in prompt)
            else "".join(map(str, prompt)),
            "temperature": temperature,
            "seed": seed,
            "max_tokens": max_tokens,
            "stop": list(stop),
            "grammar": grammar,
            "lora": []
            if adapter.whole
            else [{"id": i, "scale": float(i == number)} for i in self._ids.values()],
            "id_slot": slot,
            "cache_prompt": True,
            "n_probs": 1,
            "stream": True,
        }
        chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        closed = threading.Event()

        def receive(chunk: Any) -> bool:
            chunks.put(chunk)
            return closed.is_set()

        def work() -> None:
            try:
                chunks.put(self._server.handle_completions(request, receive))
            finally:
                chunks.put(None)

        # llama.cpp runs in a thread of its own so that Ctrl-C reaches the caller at once.
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            while (chunk := chunks.get()) is not None:
                yield from _tokens(chunk)
        finally:
            closed.set()
            thread.join()
            self._free[adapter.role].put(slot)


def _cores() -> int:
    """The cores that this process may use; all of them where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _tokens(chunk: Any) -> Iterator[Token]:
    chunk = json.loads(chunk) if isinstance(chunk, str | bytes) else chunk
    if not isinstance(chunk, dict):
        return
    if "error" in chunk:
        raise EngineError(f"llama.cpp refused the prompt: {chunk['error'].get('message', chunk)}")
    for choice in chunk.get("choices", []):
        logprobs = (choice.get("logprobs") or {}).get("content") or []
        total = sum(entry["logprob"] for entry in logprobs)
        if choice.get("text") or logprobs:
            yield Token(choice["text"], total)
