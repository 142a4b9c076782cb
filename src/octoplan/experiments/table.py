"""The table and the picture of an experiment's results."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from octoplan.evaluation.metrics import Mean, Score, score
from octoplan.experiments.experiment import Result, Results, Run


def _rows(results: Results) -> list[tuple[Run, list[Result]]]:
    by_run = [
        (run, [result for result in results.results if result.run == run.name])
        for run in results.experiment.runs
    ]
    return [(run, found) for run, found in by_run if found]


def _pooled(scores: Sequence[Score | Mean]) -> Score | Mean:
    """The scores of several seeds as one; of means, the first stands for all."""
    counted = [found for found in scores if isinstance(found, Score)]
    if len(counted) < len(scores):
        return scores[0]
    right, n = sum(s.right for s in counted), sum(s.n for s in counted)
    return score([True] * right + [False] * (n - right))


def table(results: Results) -> str:
    """The table in Markdown, beside the published figures."""
    experiment = results.experiment
    rows = _rows(results)
    measured = list(rows[0][1][0].scores) if rows else []
    beside = any(run.paper is not None for run, _ in rows)
    heads = ["run", *(["published"] if beside else []), *measured, "n", "prompt tokens"]
    heads += ["examples", "seeds", "minutes each"]
    lines = [
        f"# {experiment.title}",
        "",
        f"Published: {experiment.paper}. Ours: {', '.join(results.bases)}; by the exact oracle, "
        "with 95 % intervals (over all seeds together).",
        "",
        f"| {' | '.join(heads)} |",
        "|---" * len(heads) + "|",
    ]
    for line in experiment.published:
        cells = [f"{line.scores[name]:.1f} %" if name in line.scores else "" for name in measured]
        tokens = f"{line.prompt_tokens:,.0f}" if line.prompt_tokens else ""
        cells = [line.name, *([""] if beside else []), *cells, "", tokens, "", "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    for run, found in rows:
        cells = [run.name]
        if beside:
            cells.append("–" if run.paper is None else f"{run.paper:.1f} %")
        for number, name in enumerate(measured):
            spread = ", ".join(f"{result.scores[name].percent:.1f}" for result in found)
            every = f" ({spread})" if len(found) > 1 and number == 0 else ""
            cells.append(f"{_pooled([result.scores[name] for result in found])}{every}")
        minutes = statistics.mean(result.training_seconds for result in found) / 60
        cells += [
            str(sum(result.scores[measured[0]].n for result in found)),
            f"{found[0].prompt_tokens:.0f}",
            str(found[0].examples),
            ", ".join(str(result.seed) for result in found),
            f"{minutes:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def picture(results: Results, path: Path) -> None:
    """The table's first score as bars with their intervals, and the published figures as marks."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    rows = _rows(results)
    first = next(iter(rows[0][1][0].scores))
    published = results.experiment.published
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.45 * (len(published) + len(rows))))
    marks = [(n, line.scores[first]) for n, line in enumerate(published) if first in line.scores]
    for place, (run, found) in enumerate(rows, start=len(published)):
        pooled = _pooled([result.scores[first] for result in found])
        share = pooled.percent or 0.0
        errors = [[share - pooled.interval[0]], [pooled.interval[1] - share]]
        axes.barh(place, share, 0.6, color="tab:blue", xerr=errors, capsize=3)
        if run.paper is not None:
            marks.append((place, run.paper))
    places, shares = [place for place, _ in marks], [share for _, share in marks]
    axes.plot(shares or math.nan, places or math.nan, "D", color="tab:orange", label="published")
    names = [line.name for line in published] + [run.name for run, _ in rows]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"{first}, %")
    axes.set_title(results.experiment.title)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120, bbox_inches="tight", metadata={"Software": None})
    pyplot.close(figure)
