"""Who runs the product: root in this working copy, or an ordinary user in a clone of their own.

The clone is what a new user has after fetching the project: the files of the repository and nothing else, in a folder
that the user owns; the first `make up` there installs everything. Privileges are dropped for real: uid, gid, groups
and home are the user's, and the way to the interpreter is one that everybody may go. When the tests themselves are
run by an ordinary user, the working copy is the ordinary user's and there is no root."""

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
AS_ROOT = os.geteuid() == 0
USERS = ("root", "ordinary")
NO_ROOT = "没有 root 权限：以 root 运行的验收未做。 Not root: the acceptance as root did not run."
# For tests whose subject does not depend on the user.
ONCE = pytest.mark.parametrize("installed", ["root" if AS_ROOT else "ordinary"], indirect=True)


@dataclass(frozen=True)
class Installation:
    """One working copy, the folder for its data, and the user who runs both."""

    user: str
    root: Path
    folder: Path
    who: dict[str, Any] = field(default_factory=dict[str, Any])  # how `subprocess` becomes the user

    @property
    def env(self) -> dict[str, str]:
        """The environment without our own settings, and without what belongs to the `make` that runs the tests."""
        unset = ("BAOQI_", "MAKE", "MFLAGS", "VIRTUAL_ENV", "PYTHON")
        env = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
        if self.who:
            path = os.pathsep.join(p for p in os.defpath.split(os.pathsep) if p)
            env |= {"HOME": str(self.folder), "USER": self.user, "LOGNAME": self.user, "PATH": f"/usr/local/bin:{path}"}
        return env

    @property
    def uid(self) -> int:
        """Whom the processes belong to."""
        return self.who.get("user", os.geteuid())

    @property
    def baoqi(self) -> str:
        return str(self.root / ".venv" / "bin" / "baoqi")

    def data(self, name: str) -> Path:
        """A path for a data folder; `baoqi up` makes it."""
        return self.folder / name


def installation(user: str, folder: Path) -> contextlib.AbstractContextManager[Installation]:
    """The installation of `user`; `folder` is a temporary one of the tests."""
    if user == "root" or not AS_ROOT:
        return contextlib.nullcontext(Installation(user, ROOT, folder))
    return _clone()


@contextlib.contextmanager
def _clone() -> Iterator[Installation]:
    """A clone below /var/tmp, which everybody can reach; removed in the end."""
    account = pwd.getpwnam("nobody")
    folder = Path("/var/tmp") / f"baoqi-ordinary-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    clone = folder / "baoqi"
    clone.mkdir(parents=True)
    try:
        for name in _own_files():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
        folder.chmod(0o700)
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        yield Installation("ordinary", clone, folder, who)
    finally:
        shutil.rmtree(folder)


def _own_files() -> list[str]:
    """What a commit of the working copy would hold; without git all that is not installed, built or data."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        names = os.fsdecode(listed.stdout).split("\0")
        return [name for name in names if name and (ROOT / name).is_file()]
    left_out = {".venv", "node_modules", "data", "__pycache__", ".git"}
    paths = (p.relative_to(ROOT) for p in ROOT.rglob("*") if p.is_file())
    return [str(p) for p in paths if not left_out & set(p.parts)]
