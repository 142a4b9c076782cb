"""An evaluation as a person reads it: Markdown, and one HTML page with pictures.

Both say the same; the page is whole in itself (the pictures are SVG within it).
"""

import html
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from octoplan.evaluation.evaluate import ALONE, Case, Evaluation
from octoplan.evaluation.metrics import Difference, Score, mcnemar
from octoplan.plans import Line, Step, write_line

Table = tuple[Sequence[str], list[Sequence[str]]]
"""The names of the columns, and the rows."""

_TITLES = {
    "plan": "the sequence of functions is right",
    "call": "every argument of every call is right too (exact)",
    "lenient": "every call is right, free text only alike",
    "executed": "carried out, it changes and tells the same as the gold plan",
    "judge": "a large model finds it right",
}


class ReportError(ValueError):
    """Evaluations that cannot be compared; one line that says why."""


def compare(first: Evaluation, second: Evaluation) -> dict[str, Difference]:
    """Whether two evaluations of the same requests differ, by oracle.

    Requests that only one of them has, or that an oracle could not tell of, are left out.

    Raises:
        ReportError: they have no request, or no oracle, in common.
    """
    theirs = {case.id: case for case in second.cases}
    pairs = [
        (case, theirs[case.id])
        for case in first.cases
        if case.id in theirs and case.query == theirs[case.id].query
    ]
    if not pairs:
        raise ReportError("the two evaluations have no request in common; evaluate the same data")
    found: dict[str, Difference] = {}
    for name in pairs[0][0].verdicts:
        told = [(a.verdicts.get(name), b.verdicts.get(name)) for a, b in pairs]
        both = [(a, b) for a, b in told if a is not None and b is not None]
        if both:
            found[name] = mcnemar([a for a, _ in both], [b for _, b in both])
    if not found:
        raise ReportError("the two evaluations have no oracle in common; ask the same oracles")
    return found


def markdown(evaluation: Evaluation) -> str:
    """The report in Markdown."""
    parts = ["# An evaluation", *(f"- {line}" for line in _about(evaluation)), ""]
    for title, note, table in _tables(evaluation):
        parts += [f"## {title}", note, _markdown_table(table)]
    parts.append("## Wrong plans")
    for case in _wrong(evaluation):
        parts.append(f"**{case.id}** {_escaped(case.query)}\n\n{_verdicts(case)}\n")
        parts.append("\n".join(f"    {line}" for line in _side_by_side(case)) + "\n")
    return "\n\n".join(parts).replace("\n\n\n", "\n\n") + "\n"


def write(evaluation: Evaluation, out: Path) -> None:
    """Write ``evaluation.json``, ``.md`` and ``.html`` to a new folder."""
    # All is made before anything is written: half a result would look like a whole one.
    texts = {
        "json": evaluation.model_dump_json(indent=1) + "\n",
        "md": markdown(evaluation),
        "html": page(evaluation),
    }
    out.mkdir(parents=True)
    for ending, text in texts.items():
        (out / f"evaluation.{ending}").write_text(text, encoding="utf-8")


def page(evaluation: Evaluation) -> str:
    """The report as one self-contained HTML page."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>An evaluation</title>",
        f"<style>{_STYLE}</style><h1>An evaluation</h1><ul>",
        *(f"<li>{html.escape(line)}" for line in _about(evaluation)),
        "</ul>",
        _bars(evaluation),
        _reliability(evaluation),
    ]
    for title, note, (columns, rows) in _tables(evaluation):
        parts.append(f"<h2>{html.escape(title)}</h2><p>{html.escape(note)}</p><table><tr>")
        parts += [f"<th>{html.escape(column)}" for column in columns]
        for row in rows:
            parts.append("<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in row))
        parts.append("</table>")
    parts.append("<h2>Wrong plans</h2>")
    for case in _wrong(evaluation):
        lines = html.escape("\n".join(_side_by_side(case)))
        parts.append(
            f"<details><summary>{html.escape(case.id)}: {html.escape(case.query)}</summary>"
            f"<p>{html.escape(_verdicts(case))}</p><pre>{lines}</pre></details>"
        )
    return "\n".join(parts) + "\n"


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .15rem .7rem; text-align: left }
tr { border-bottom: 1px solid #ddd } pre { background: #f6f6f6; padding: .5rem; overflow-x: auto }
summary { cursor: pointer } svg { max-width: 100%; height: auto }
"""


def _about(evaluation: Evaluation) -> list[str]:
    return [
        f"{name.replace('_', ' ')}: {value}"
        for name, value in evaluation.about.items()
        if not isinstance(value, dict)
    ] + [
        f"{name}: " + ", ".join(f"{key} ({str(digest)[:12]}…)" for key, digest in value.items())
        for name, value in evaluation.about.items()
        if isinstance(value, dict)
    ]


def _tables(evaluation: Evaluation) -> Iterable[tuple[str, str, Table]]:
    """Title, note and table, one after another."""
    oracles = list(evaluation.figures.get("all", {}))
    note = "; ".join(f"{name}: {_TITLES.get(name, name)}" for name in oracles)
    yield (
        "Right plans",
        f"Share of requests, with Wilson's 95 % interval. {note}.",
        (
            ["requests", "n", *oracles],
            [
                [group, str(max((s.n for s in scores.values()), default=0))]
                + [str(scores[name]) if name in scores else "–" for name in oracles]
                for group, scores in evaluation.figures.items()
                if group != ALONE
            ],
        ),
    )
    if scores := evaluation.figures.get(ALONE):
        rows: list[Sequence[str]] = [[name, str(s.n), str(s)] for name, s in scores.items()]
        yield ("The action model alone", "On gold steps.", (["", "n", "right"], rows))
    yield (
        "Agreement of the oracles",
        "Share of plans of which both say the same.",
        (
            ["oracles", "n", "agree"],
            [[k, str(s.n), str(s)] for k, s in evaluation.agreement.items()],
        ),
    )
    for name, found in evaluation.reliability.items():
        yield (
            f"Confidence: {name}",
            "The model's own probability of what it wrote has an expected calibration error of "
            f"{found.error:.3f}; calibrated on the other four fifths, {found.calibrated_error:.3f} "
            f"(n = {found.n}). Handing on the least confident answers leaves:",
            (
                ["handed on", "right among the rest", "wrong ones caught"],
                [[f"{h.share:.0%}", f"{h.right:.1%}", f"{h.caught:.1%}"] for h in found.handed_on],
            ),
        )
    yield (
        "Confusion of functions",
        "What stood in a gold line's place where the two sequences differ.",
        (
            ["gold", "predicted"],
            [
                [gold, ", ".join(f"{name} {count}" for name, count in others.items())]
                for gold, others in evaluation.confusion.items()
            ],
        ),
    )
    if evaluation.misread:
        yield (
            "Gold steps that the action model misread",
            "",
            (
                ["gold", "read"],
                [[_line(gold), _line(read, text=False)] for gold, read in evaluation.misread],
            ),
        )


def _wrong(evaluation: Evaluation) -> list[Case]:
    cases = (*evaluation.cases, *evaluation.planned_on)
    return [case for case in cases if not all(case.verdicts.values())]


def _verdicts(case: Case) -> str:
    words = {True: "right", False: "wrong", None: "could not tell"}
    told = [f"{name}: {words[right]}" for name, right in case.verdicts.items()]
    told += [f"{name} says: {why}" for name, why in case.reasons.items() if name != "plan"]
    return "; ".join([*told, *(f"problem: {problem}" for problem in case.problems)])


def _side_by_side(case: Case) -> list[str]:
    return [f"gold       {_line(line)}" for line in case.gold] + [
        f"predicted  {_line(line)}" for line in case.predicted
    ]


def _line(line: Line, text: bool = True) -> str:
    if not isinstance(line, Step):
        return write_line(line)
    arguments = ", ".join(f"{name}={value!r}" for name, value in (line.arguments or {}).items())
    call = f"{line.function}({arguments})" if line.function else "unreadable"
    return f"{line.text} → {call}" if text else call


def _escaped(text: str) -> str:
    return text.replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


def _markdown_table(table: Table) -> str:
    columns, rows = table
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _bars(evaluation: Evaluation) -> str:
    """The shares by group as bars with their intervals, an SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    groups = {
        name: scores
        for name, scores in evaluation.figures.items()
        if "all" in name.split() or "step" in name or "domain" in name or name.startswith("file ")
    }
    oracles = list(evaluation.figures.get("all", {}))
    figure, axes = pyplot.subplots(figsize=(9, 1 + 0.28 * len(groups) * max(1, len(oracles)) / 1.6))
    height = 0.8 / max(1, len(oracles))
    for number, oracle in enumerate(oracles):
        found = [(place, s[oracle]) for place, s in enumerate(groups.values()) if oracle in s]
        shares = [_share(s) for _, s in found]
        axes.barh(
            [place + number * height for place, _ in found],
            shares,
            height,
            label=oracle,
            xerr=[
                [share - s.interval[0] for share, (_, s) in zip(shares, found, strict=True)],
                [s.interval[1] - share for share, (_, s) in zip(shares, found, strict=True)],
            ],
            error_kw={"lw": 0.8, "capsize": 2},
        )
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(groups))], list(groups))
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("right, %")
    axes.legend()
    return _svg(figure)


def _reliability(evaluation: Evaluation) -> str:
    """The reliability diagram, and what handing on leaves, as an SVG."""
    if not evaluation.reliability:
        return ""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, (diagram, curve) = pyplot.subplots(1, 2, figsize=(9, 4))
    diagram.plot([0, 1], [0, 1], color="lightgrey")
    for name, found in evaluation.reliability.items():
        points = [b.confidence for b in found.bins], [b.right for b in found.bins]
        diagram.plot(*points, "o-", label=name)
        handed = [100 * h.share for h in found.handed_on]
        curve.plot(handed, [100 * h.right for h in found.handed_on], "o-", label=name)
    diagram.set_xlabel("calibrated confidence")
    diagram.set_ylabel("share of right ones")
    curve.set_xlabel("handed on, the least confident first, %")
    curve.set_ylabel("right among the rest, %")
    curve.legend()
    return _svg(figure)


def _svg(figure: Any) -> str:
    from matplotlib import pyplot

    picture = io.StringIO()
    figure.savefig(picture, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    return picture.getvalue().partition("<svg")[2].join(["<svg", ""])


def _share(found: Score) -> float:
    return found.percent or 0.0
