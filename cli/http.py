"""The command line's way to a running Baoqi: where it is, who asks, and what an error says.

Invariants: the commands speak the public JSON API and nothing else; where no address is given it comes from `run.json`
of the data folder, where no user is given the demo's clerk is taken from there too. A refusal is printed as the
sentence that the server wrote, in both languages, never as a stack of Python.
"""

import json
from pathlib import Path
from typing import Any, NoReturn, cast

import httpx2
import typer
from rich.console import Console

from runtime.settings import get_settings

console = Console()
errors = Console(stderr=True)
UNUSABLE = 2  # exit code: nothing could be done


def fail(zh: str, en: str) -> NoReturn:
    """Prints what is wrong in both languages and ends the command with 2."""
    errors.print(f"{zh}\n{en}", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(UNUSABLE)


def read_run_file(data: Path | None) -> dict[str, Any]:
    """`run.json` of a running instance ({} where there is none)."""
    path = (data or get_settings().data_dir) / "run.json"
    if not path.is_file():
        return {}
    try:
        return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
    except ValueError:
        fail(f"{path} 已损坏，请重新执行 baoqi up。", f"{path} is damaged; run `baoqi up` again.")


class Server:
    """A signed-in connection to the API."""

    def __init__(
        self, url: str | None, user: str | None, password: str | None, token: str | None, data: Path | None
    ) -> None:
        run = read_run_file(data)
        base = url or run.get("api")
        if not base:
            fail(
                "没有找到正在运行的保期：请先执行 baoqi up，或用 --url 指明地址。",
                "No running Baoqi was found: run `baoqi up` first, or give its address with --url.",
            )
        self.base = str(base).rstrip("/").removesuffix("/api/v1") + "/api/v1"
        self.client = httpx2.Client(timeout=120, params={"lang": "both"})
        if token:
            self.client.headers["Authorization"] = f"Bearer {token}"
            return
        if user is None:
            known = next((u for u in run.get("users", []) if "clerk" in u.get("roles", [])), None)
            if known is None:
                fail(
                    "请用 --user 和 --password（或 --token）说明以谁的身份操作。",
                    "Say who is asking: --user and --password, or --token.",
                )
            user, password = str(known["name"]), str(known["password"])
        if password is None:
            password = str(typer.prompt(f"{user} 的密码 password", hide_input=True))
        answer = self.post("/session", json={"username": user, "password": password})
        self.client.headers["X-CSRF-Token"] = str(answer.json()["csrf_token"])

    def post(self, path: str, **arguments: Any) -> httpx2.Response:
        return self._checked("POST", path, **arguments)

    def get(self, path: str, **arguments: Any) -> httpx2.Response:
        return self._checked("GET", path, **arguments)

    def _checked(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        try:
            answer = self.client.request(method, self.base + path, **arguments)
        except httpx2.TransportError as error:
            fail(
                f"无法连接 {self.base}：{error}。请确认保期正在运行。",
                f"{self.base} does not answer: {error}. Is Baoqi running?",
            )
        if answer.status_code >= 400:
            self._refused(answer)
        return answer

    def _refused(self, answer: httpx2.Response) -> NoReturn:
        try:
            problem = cast("dict[str, Any]", answer.json())
        except ValueError:
            problem = {}
        sentence = problem.get("detail") or problem.get("title") or answer.text[:300]
        errors.print(
            f"{answer.status_code} {problem.get('code', '')}: {sentence}", markup=False, highlight=False, soft_wrap=True
        )
        for item in problem.get("errors", []):
            errors.print(f"  {item.get('pointer', '')}: {item.get('message', '')}", markup=False, highlight=False)
        raise typer.Exit(UNUSABLE)
