"""The `baoqi` command: names, options and help; the work is done elsewhere.

The single processes are imported inside their commands: each starts with what it needs alone. Every command ends by
`os._exit` after flushing: the Temporal client can abort the interpreter while it finalises.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from cli import calc, demo, imports, policy, users
from runtime.settings import OperatorError, Settings, SettingsMissing, use_settings

app = typer.Typer(
    help="保期：社保经办流程与时限 Baoqi: a social-insurance office's processes and deadlines",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("import")(imports.import_command)
app.command("calc")(calc.calc)
app.add_typer(imports.process_app, name="process")
app.add_typer(demo.app, name="demo")
app.add_typer(policy.app, name="policy")
app.add_typer(users.user_app, name="user")
app.add_typer(users.token_app, name="token")
Data = Annotated[
    Path | None, typer.Option("--data", envvar="BAOQI_DATA_DIR", help="数据目录，缺省 data Data folder, default data")
]


def load_settings(data: Path | None) -> Settings:
    """Reads the settings for this command, with the data folder of the command line."""
    settings = Settings(data_dir=data) if data is not None else Settings()
    use_settings(settings)
    return settings


@app.command()
def up(
    data: Data = None,
    empty: Annotated[bool, typer.Option("--empty", help="不建演示大学 Without the demo university")] = False,
) -> None:
    """启动全部服务，直到 Ctrl-C Start everything until Ctrl-C."""
    from cli import up as supervisor

    raise typer.Exit(asyncio.run(supervisor.run(data or Path("data"), empty)))


@app.command()
def init(data: Data = None) -> None:
    """迁移数据表，登记命名空间与查询字段 Migrate tables, register namespace and search attributes."""
    from cli.init import init as prepare

    asyncio.run(prepare(load_settings(data)))
    typer.echo("完成。 Done.")


@app.command()
def worker(
    data: Data = None,
    ready_file: Annotated[Path | None, typer.Option("--ready-file", help="就绪后写入 Written when ready")] = None,
) -> None:
    """运行流程工作进程 Run the workflow worker."""
    import uvloop

    from runtime import logging
    from worker import main as worker_main

    settings = load_settings(data)
    logging.configure(settings, "worker")
    uvloop.run(worker_main.run(settings, ready_file))


Fd = Annotated[int | None, typer.Option("--fd", hidden=True, help="An inherited listening socket")]


def _serve(app: str | object, host: str, port: int, fd: int | None, proxied: bool = False) -> None:
    """Serves an ASGI app on an address, or on a listening socket that the supervisor holds."""
    import socket

    import uvicorn

    config = uvicorn.Config(
        app,  # pyright: ignore[reportArgumentType] - an app, or the import path of its factory
        factory=isinstance(app, str),
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=proxied,
        timeout_graceful_shutdown=3,  # open event streams never end by themselves
    )
    uvicorn.Server(config).run(sockets=None if fd is None else [socket.socket(fileno=fd)])


@app.command()
def api(data: Data = None, fd: Fd = None) -> None:
    """运行接口与页面 Run the API and the pages."""
    settings = load_settings(data)
    _serve("cli.asgi:create_app", settings.host, settings.port, fd, proxied=bool(settings.public_url))


@app.command()
def simulators(
    data: Data = None,
    port: Annotated[int | None, typer.Option("--port", help="端口 Port")] = None,
    fd: Fd = None,
) -> None:
    """运行模拟的社保局、医保局、税务 Run the simulated social bureau, medical bureau and tax office."""
    from runtime import logging
    from simulators.server import create_app

    settings = load_settings(data)
    logging.configure(settings, "simulators")
    _serve(create_app(settings.data_dir / "simulators"), "127.0.0.1", port or settings.simulators_port, fd)


@app.command()
def doctor(data: Data = None) -> None:
    """检查这台机器，并说明如何修复 Check this machine and say how to mend it."""
    from cli import doctor as examination

    raise typer.Exit(asyncio.run(examination.run(data or Path("data"))))


def _sentences(error: BaseException) -> str | None:
    """What the operator is told of an error that only the operator can mend; None for any other."""
    if isinstance(error, OperatorError):
        return f"✗ {error}"
    if isinstance(error, ValidationError) and error.title == Settings.__name__:
        faults = [("BAOQI_" + "_".join(map(str, f["loc"])).upper(), f["msg"]) for f in error.errors()]
        return "\n".join(f"✗ 设置有误 Wrong setting: {name}: {said}" for name, said in faults)
    return None


def run() -> None:
    """Entry point of the `baoqi` script."""
    code: int | str | None = 0
    try:
        app()
    except SystemExit as ended:
        code = ended.code
    except BaseException as error:  # noqa: BLE001 - printed as Python would, then the same hard exit
        import traceback

        said = _sentences(error)
        if said is None:
            traceback.print_exc()
        else:
            typer.echo(said, err=True)
        code = 2 if isinstance(error, SettingsMissing | ValidationError) else 1
    if isinstance(code, str):
        typer.echo(code, err=True)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    run()
