"""The command around data: ``octoplan validate``.

octoplan validate drafts.jsonl --functions my_functions.py --out data --against held_out.jsonl
"""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from octoplan.cli.app import (
    AsJson,
    Ray,
    app,
    examples_of,
    needs,
    progress_bar,
    status,
    workers_of,
)


@app.command(
    no_args_is_help=True,
    epilog="[b]Example:[/] octoplan validate drafts.jsonl --functions my_functions.py --out data "
    "--against held_out.jsonl",
)
def validate(
    drafts: Annotated[
        list[Path], typer.Argument(metavar="FILE|DIR", help="What a teacher or a person wrote.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where what is kept goes; a new or empty folder.")
    ],
    function_sets: Annotated[
        str, typer.Option("--functions", metavar="all|NAME|FILE", help="The functions there are.")
    ] = "all",
    against: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Held-out data, which nothing may be nearly the same as; may be given again.",
        ),
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Let a large model behind this OpenAI-compatible endpoint judge each example; "
            "the key is read from OPENAI_API_KEY.",
        ),
    ] = None,
    judge_model: Annotated[str | None, typer.Option(help="The judge's name there.")] = None,
    ray: Ray = None,
    as_json: AsJson = False,
) -> None:
    """Check examples before anything is trained on them, and mend what is certain.

    What is kept, what is rejected and why, and a data card go to --out. Exit code 1 when nothing is
    kept.
    """
    from octoplan.display import write_json
    from octoplan.functions import load_function_sets
    from octoplan.plans import fingerprint

    needs("datasketch", "matplotlib", "openai", "rapidfuzz", extra="evaluate")
    if (judge is None) != (judge_model is None):
        raise typer.BadParameter("--judge goes with --judge-model")
    from octoplan.data.card import check_vacant, summary, write
    from octoplan.data.validate import read_drafts
    from octoplan.data.validate import validate as check
    from octoplan.evaluation.judge import ExampleJudge
    from octoplan.models.prompted import Endpoint

    check_vacant(out)
    known = load_function_sets(function_sets)
    held_out, files = examples_of(against or [])
    read = read_drafts(drafts)
    about: dict[str, Any] = {
        "command": shlex.join(["octoplan", *sys.argv[1:]]),
        "data": fingerprint(drafts),
    }
    if against:
        about["held out"] = files
    if judge_model:
        about["judge"] = f"{judge_model} at {judge}, prompts/valid.md"
    judging = ExampleJudge(Endpoint(judge_model, judge), known) if judge_model else None
    with workers_of(ray) as workers, progress_bar("checking") as show:
        found = check(read, known, held_out, judging, show, workers)
    with status("describing"):
        counts = write(found, known, out, about)
    typer.echo(write_json(counts.model_dump(), indent=2) if as_json else summary(counts))
    if not counts.kept:
        raise typer.Exit(1)
