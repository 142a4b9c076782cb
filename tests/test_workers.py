"""Work on a Ray cluster: two machines of it, played by two real Ray nodes on loopback."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster as Nodes
from teacher import teacher
from typer.testing import CliRunner, Result

from octoplan.agent import Agent
from octoplan.cli import app
from octoplan.models.adapters import AdapterError, shipped_adapter
from octoplan.plans import read_examples
from octoplan.workers import Cluster, Threads

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data/validation/smart_home_b.jsonl"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    memory = 100 * 2**20
    nodes = Nodes(
        initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": memory}
    )
    nodes.add_node(num_cpus=1, object_store_memory=memory)
    yield nodes.address
    nodes.shutdown()


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_both_machines_work_results_are_in_order_and_errors_come_as_they_are(
    address: str, tmp_path: Path
) -> None:
    def job(item: int) -> tuple[int, int]:
        time.sleep(0.1)
        if item < 0:
            raise ValueError(f"{item} is less than nothing")
        return item, os.getpid()

    with Cluster(address) as cluster:
        assert cluster.count == 2
        found = list(cluster.map(job, range(12), at_once=2))
        assert [item for item, _ in found] == list(range(12))
        assert len({process for _, process in found}) == 2
        assert list(cluster.map(job, [], at_once=2)) == []
        with pytest.raises(ValueError, match="-1 is less than nothing"):
            list(cluster.map(job, [1, -1], at_once=1))
        planner = tmp_path / "planner"
        shutil.copytree(shipped_adapter("planner"), planner)
        with Agent.load(planner=planner) as agent:
            shutil.rmtree(planner)
            with pytest.raises(AdapterError, match="planner"):
                list(cluster.map(agent.plan, ["play jazz"], at_once=1))


def test_threads_do_the_same() -> None:
    def job(item: int) -> int:
        time.sleep(item / 50)
        return item

    assert list(Threads().map(job, [3, 1, 2], at_once=3)) == [3, 1, 2]
    assert list(Threads().map(job, [9, 1, 5], at_once=3, ordered=False)) == [1, 5, 9]


def test_a_teacher_is_asked_and_judges_by_a_cluster(address: str, tmp_path: Path) -> None:
    drafts, out = tmp_path / "drafts.jsonl", tmp_path / "data"
    with teacher() as server:
        told = ("--teacher", server.url, "--model", "m", "--out", drafts, "--examples")
        assert invoke("generate", "smart_home", *told, 20, "--ray", address).exit_code == 0
        asked = len(server.prompts)
        assert len(list(read_examples([drafts]))) == 20
        again = invoke("generate", "smart_home", *told, 20, "--ray", address)
        assert again.exit_code == 0 and len(server.prompts) == asked
        judge = ("--judge", server.url, "--judge-model", "m", "--functions", "smart_home")
        by_cluster = invoke("validate", drafts, *judge, "--out", out, "--ray", address, "--json")
        alone = invoke("validate", drafts, *judge, "--out", tmp_path / "alone", "--json")
    assert by_cluster.exit_code == alone.exit_code
    assert json.loads(by_cluster.stdout) == json.loads(alone.stdout)
    assert (out / "kept.jsonl").read_bytes() == (tmp_path / "alone/kept.jsonl").read_bytes()


def test_plans_are_made_and_measured_by_a_cluster(address: str, tmp_path: Path) -> None:
    requests = tmp_path / "requests.jsonl"
    lines = ['{"id": 1, "query": "lock the front door"}', "half a line", '{"query": "play jazz"}']
    requests.write_text("\n".join(lines) + "\n", encoding="utf-8")
    plans = [tmp_path / "cluster.jsonl", tmp_path / "alone.jsonl"]
    for out, more in zip(plans, (("--ray", address), ()), strict=True):
        result = invoke("plan", "--input", requests, "--output", out, *more)
        assert result.exit_code == 0, result.output
    told = [[json.loads(line) for line in out.read_text().splitlines()] for out in plans]
    for line in (*told[0], *told[1]):
        line.pop("seconds", None)
    assert told[0] == told[1]
    data = tmp_path / "few.jsonl"
    data.write_text("".join(DATA.read_text().splitlines(keepends=True)[:4]), encoding="utf-8")
    made = []
    for more in (("--ray", address), ()):
        result = invoke("evaluate", data, "--functions", "smart_home", "--json", *more)
        assert result.exit_code == 0, result.output
        made.append(json.loads(result.stdout))
    assert made[0]["figures"] == made[1]["figures"]


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    plan = ("plan", "--input", tmp_path / "requests.jsonl", "--ray")
    (tmp_path / "requests.jsonl").write_text('{"query": "play jazz"}\n', encoding="utf-8")
    assert "start it there with ray start --head --port 1" in error(invoke(*plan, "127.0.0.1:1"))
    assert "cannot reach the Ray cluster nowhere" in error(invoke(*plan, "nowhere"))
    assert invoke("plan", "play jazz", "--ray", "local").exit_code == 2
