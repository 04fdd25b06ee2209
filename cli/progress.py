"""What an operator sees while the servers start: a moving line on a terminal, one plain line a step elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Prints steps with the time they took. Every line is in both languages, because the operator's is not known
    yet."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, zh: str, en: str) -> Iterator[list[str]]:
        """One step; append to the yielded list to add a remark to the finished line."""
        remarks: list[str] = []
        began = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(f"{zh} {en} …"):
                yield remarks
        else:
            yield remarks
        tail = f" {' '.join(remarks)}" if remarks else ""
        self.say(f"[green]✓[/] {zh} {en}{tail} [dim]{time.monotonic() - began:.1f} s[/]")

    def say(self, line: str = "") -> None:
        """One line, at once even into a pipe."""
        self.console.print(line)
        self.console.file.flush()

    def plain(self, line: str) -> None:
        """One line without markup: text that comes from elsewhere, or that programs wait for."""
        self.console.print(line, markup=False)
        self.console.file.flush()
