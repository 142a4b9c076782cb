"""Measure what generating and validating examples cost, and what a million would:

    python benchmarks/teaching.py --functions android --out benchmarks/results/teaching.json

The questions to the teacher are the real ones. It answers at once, in this process, with examples
from `data/train`, which large models wrote: so the tokens are those that a teacher would read and
write, and the seconds are octoplan's own share, to which the teacher's come. Tokens are counted by
the default base's tokenizer; a large model's, with its larger vocabulary, mostly counts fewer.
"""

import argparse
import json
import os
import platform
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from octoplan.data.generate import Progress, generate
from octoplan.data.orders import BATCH
from octoplan.data.validate import read_drafts, validate
from octoplan.evaluation.judge import ExampleJudge
from octoplan.functions import load_function_set
from octoplan.models.bases import find_base
from octoplan.models.prompted import Reply
from octoplan.plans import fingerprint, read_examples
from octoplan.training.base import load_tokenizer

DATA = Path(__file__).parents[1] / "data/train"
VALID = json.dumps({"reason": "Each step is asked for, and nothing is missing.", "valid": True})


class Scripted:
    """A teacher that answers at once, and counts what it reads and writes.

    Args:
        files: the files whose examples it answers with.
    """

    def __init__(self, files: list[Path]) -> None:
        kept = {"query", "steps", "branches"}
        self._examples = [
            example.model_dump(mode="json", include=kept, exclude_none=True)
            for example in read_examples(files)
        ]
        self._rng = random.Random(0)
        self._tokenizer = load_tokenizer(find_base())
        self.judged: list[tuple[int, int]] = []

    def ask(self, messages, answer, *, strict=False, temperature=0.0) -> Reply:
        """Answer as a teacher, or as a judge."""
        prompt = messages[0]["content"]
        if answer.__name__ == "_Valid":
            self.judged.append((self._count(prompt), self._count(VALID)))
            return Reply(VALID, *self.judged[-1])
        found = self._rng.sample(self._examples, BATCH)
        text = json.dumps({"examples": found}, ensure_ascii=False)
        return Reply(text, self._count(prompt), self._count(text))

    def _count(self, text: str) -> int:
        return len(self._tokenizer(text)["input_ids"])


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", default="android")
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    functions = load_function_set(arguments.functions)
    files = sorted(DATA.glob(f"{arguments.functions}_*.jsonl"))
    teacher = Scripted(files)
    with tempfile.TemporaryDirectory() as folder:
        drafts = Path(folder) / "drafts.jsonl"
        started = time.perf_counter()
        made: Progress = generate(functions, teacher, drafts, arguments.examples)
        generated = time.perf_counter()
        found = validate(read_drafts([drafts]), functions, judge=ExampleJudge(teacher, functions))
        validated = time.perf_counter()
    judging_read, judging_written = map(sum, zip(*teacher.judged, strict=True))
    million = 1e6 / made.written
    report = {
        "command": f"python benchmarks/teaching.py --functions {arguments.functions} "
        f"--examples {arguments.examples}",
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{os.cpu_count()} CPU cores, {platform.machine()}",
        "data": {Path(name).name: each["sha256"] for name, each in fingerprint(files).items()},
        "seed": 0,
        "functions": len(functions),
        "examples": made.written,
        "kept": len(found.kept),
        "judged": len(teacher.judged),
        "tokens_read_generating": made.prompt_tokens,
        "tokens_written_generating": made.completion_tokens,
        "tokens_read_judging": judging_read,
        "tokens_written_judging": judging_written,
        "own_seconds_generating": round(generated - started, 1),
        "own_seconds_validating": round(validated - generated, 1),
        "a_million": {
            "tokens_read_millions": round((made.prompt_tokens + judging_read) * million / 1e6),
            "tokens_written_millions": round(
                (made.completion_tokens + judging_written) * million / 1e6
            ),
            "own_hours": round((validated - started) * million / 3600, 1),
        },
    }
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
