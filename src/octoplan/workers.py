"""Where much work is done: by threads of this process, or by the machines of a Ray cluster.

    with Cluster("auto") as cluster:
        answers = list(cluster.map(job, items, at_once=4))

A job is pickled once for every machine: what it was loaded from goes there, not the models
themselves (``Agent`` and ``Endpoint`` know how). So files that it names must lie at the same place
on every machine; Ray and the same octoplan must be installed there. Items are spread by Ray Data,
which starts what a lost machine was doing again on another one.
"""

import logging
import os
import pickle
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, Protocol, Self, TypeVar

from octoplan.plans import one_line

S = TypeVar("S")
T = TypeVar("T")

_PATIENCE = 10.0
"""So many seconds a cluster may take to be reached."""

_BLOCKS = 1000
"""So many blocks of items each machine is given, at most: each costs some milliseconds."""


class ClusterError(OSError):
    """A cluster that cannot be used; one line that says what to do."""


class Workers(Protocol):
    """What does one job on many items.

    Attributes:
        count: how many machines there are.
    """

    count: int

    def map(
        self, job: Callable[[S], T], items: Iterable[S], at_once: int, ordered: bool = True
    ) -> Iterator[T]:
        """Do a job on every item.

        Args:
            at_once: how many are under way at once on each machine.
            ordered: whether the results come in the order of the items, or as they are there.

        Raises:
            Exception: what the job raised.
        """
        ...


class Threads:
    """This process; one thread is the caller's own, which takes an item when it is done."""

    count = 1

    def map(
        self, job: Callable[[S], T], items: Iterable[S], at_once: int, ordered: bool = True
    ) -> Iterator[T]:
        """See ``Workers``."""
        if at_once == 1:
            yield from map(job, items)
            return
        with ThreadPoolExecutor(at_once) as pool:
            if ordered:
                yield from pool.map(job, items)
                return
            futures = [pool.submit(job, item) for item in items]
            try:
                for future in as_completed(futures):
                    yield future.result()
            finally:
                for future in futures:
                    future.cancel()


THREADS = Threads()
"""Where work is done unless something else is said."""


class Cluster:
    """A Ray cluster; one worker on each of its machines.

    Args:
        address: ``HOST:PORT``; ``auto`` for the cluster that this machine belongs to; ``local`` for
            a cluster of this machine alone, which ends with it.

    Raises:
        ClusterError: there is none, or it has no CPUs.
    """

    def __init__(self, address: str) -> None:
        _knock(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        import ray

        try:
            ray.init(address, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ClusterError(
                f"cannot reach the Ray cluster {address}: {one_line(str(error))}; "
                "start it with ray start --head, or give --ray local"
            ) from error
        cpus = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        cpus = [count for count in cpus if count]
        if not cpus:
            self.close()
            raise ClusterError(f"the Ray cluster {address} has no CPUs; add machines to it")
        self.count = len(cpus)
        self._cpus = min(cpus)

    def map(
        self, job: Callable[[S], T], items: Iterable[S], at_once: int, ordered: bool = True
    ) -> Iterator[T]:
        """See ``Workers``."""
        import ray.data
        from ray import cloudpickle

        rows = [{"item": cloudpickle.dumps(item)} for item in items]
        if not rows:
            return
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = ordered
        # A block is handed on when all of it is done: the smaller, the less a crash undoes.
        size = max(at_once, len(rows) // (_BLOCKS * self.count))
        blocks = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // size))
        done = blocks.map_batches(
            _Worker,
            fn_constructor_args=(cloudpickle.dumps(job), at_once),
            batch_size=None,
            num_cpus=self._cpus,
            compute=ray.data.ActorPoolStrategy(size=self.count),
        )
        for row in done.iter_rows():
            found: T | _Raised = pickle.loads(row["found"])
            if isinstance(found, _Raised):
                raise found.error
            yield found

    def close(self) -> None:
        """Leave the cluster."""
        import ray

        ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _knock(address: str) -> None:
    """Make sure that somebody listens: Ray itself would try for minutes, and then end us."""
    host, _, port = address.rpartition(":")
    if "/" in address or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise ClusterError(
            f"cannot reach the Ray cluster {address}: {error}; start it there with "
            f"ray start --head --port {port}"
        ) from error


class _Raised:
    """What a job raised."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Worker:
    """Does a job on one machine; what it raises, also when it is loaded, is a result too."""

    def __init__(self, job: bytes, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(at_once)
        self._job: Callable[[Any], Any] | None = None
        try:
            self._job = pickle.loads(job)
        except Exception as error:
            self._failed = _Raised(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"found": list(self._pool.map(self._done, batch["item"]))}

    def _done(self, item: bytes) -> bytes:
        from ray import cloudpickle

        found: Any
        if self._job is None:
            found = self._failed
        else:
            try:
                found = self._job(pickle.loads(item))
            except Exception as error:
                found = _Raised(error)
        pickled: bytes = cloudpickle.dumps(found)
        return pickled
