"""`python -m lints [FILE…]`: checks the named files, or every text file that git knows or would add."""

import subprocess
import sys
from pathlib import Path

from lints.rules import check

ROOT = Path(__file__).resolve().parent.parent
TEXT = {".py", ".md", ".html", ".yaml", ".yml", ".toml", ".json", ".js", ".css", ".sh", ".csv", ".po", ".example", ""}
# The lock holds hashes only, the licence is quoted; both are other people's text.
LEFT_ALONE = {"requirements.lock", "LICENSE"}


def files() -> list[str]:
    """The project's text files, relative to its root; without git (an unpacked archive) what lies in its folders."""
    asked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if asked.returncode == 0:
        names = asked.stdout.splitlines()
    else:
        skipped = {".venv", "node_modules", "data", ".git"}
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if not skipped & set(p.relative_to(ROOT).parts)]
    return [n for n in names if Path(n).suffix in TEXT and Path(n).name not in LEFT_ALONE and (ROOT / n).is_file()]


def main() -> int:
    """Prints the faults; 1 when there are any."""
    names = sys.argv[1:] or files()
    faults = [fault for name in names for fault in check(name, (ROOT / name).read_text(encoding="utf-8"))]
    for fault in faults:
        print(fault)
    print(f"{len(names)} 个文件，{len(faults)} 处问题。 {len(names)} files, {len(faults)} faults.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
