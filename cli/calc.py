"""`baoqi calc NAME`: one JSON object on standard input, one on standard output, by the rules in force.

Needs no server and no data folder: without an installation the shipped rules hold. Exit code 2 for an unknown name or
an input that cannot be computed; standard error then names each field with a sentence in both languages, and standard
output stays empty.
"""

import json
import sys
from typing import Annotated

import typer
from pydantic import ValidationError

import policies
from cli.policy import applied_changes
from domain.calculations import CALCULATIONS, Context, Refused, Rules, near
from domain.calculations.reading import read_object
from domain.policy import PolicyError
from domain.policy_changes import overlay
from runtime import clock
from schemas.base import Text
from schemas.messages_of_fields import faults_of

Name = Annotated[str | None, typer.Argument(help="计算名称，不填则列出全部 Name; none lists all", show_default=False)]
Schema = Annotated[bool, typer.Option("--schema", help="输出输入与结果的 JSON Schema Print the JSON Schemas")]


def calc(name: Name = None, schema: Schema = False) -> None:
    """按规则计算：标准输入一个 JSON 对象，标准输出结果 Compute by the rules: a JSON object in, one out."""
    if name is None:
        for c in CALCULATIONS.values():
            typer.echo(f"{c.name:20} {c.title.zh} {c.title.en}")
        return
    calculation = CALCULATIONS.get(name)
    if calculation is None:
        names = near(name)
        _refuse(
            "",
            Text(
                zh=f"没有名为 {name} 的计算。您是否要找：{'、'.join(names)}？",
                en=f"There is no calculation {name}. Did you mean: {', '.join(names)}?",
            ),
        )
        raise typer.Exit(2)
    context = Context(Rules(overlay(policies.read_all(), applied_changes())), clock.today())
    if schema:
        typer.echo(json.dumps(calculation.schemas(context), ensure_ascii=False, indent=2))
        return
    try:
        answer = calculation.run(calculation.input.model_validate(read_object(sys.stdin.buffer.read())), context)
    except ValidationError as error:
        for pointer, _, text in faults_of(error.errors()):
            _refuse(pointer, text)
    except Refused as refused:
        _refuse(refused.pointer, refused.text)
    except PolicyError as gap:
        _refuse(calculation.pointer_of(gap), gap.text)
    else:
        typer.echo(json.dumps(answer.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return
    raise typer.Exit(2)


def _refuse(pointer: str, text: Text) -> None:
    """One line a language on standard error, headed by the field."""
    field = pointer.lstrip("/").replace("/", ".")
    typer.echo(f"✗ {field + ': ' if field else ''}{text.zh}\n  {field + ': ' if field else ''}{text.en}", err=True)
