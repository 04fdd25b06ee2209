"""Front-end files: our own from `web/static`, the pinned libraries from `node_modules`, under one versioned path.

Invariants: the version is a hash of the contents, so an address never changes its meaning and may be kept for ever;
only the files named here are served, never the whole of `node_modules`.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.responses import FileResponse, PlainTextResponse, Response

OWN = Path(__file__).parent / "static"
LIBRARIES = {
    "bootstrap.css": "bootstrap/dist/css/bootstrap.min.css",
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "htmx-sse.js": "htmx-ext-sse/dist/sse.min.js",
}
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".png": "image/png"}


class AssetsMissing(RuntimeError):
    """The libraries of the pages are not installed."""


@dataclass(frozen=True)
class Assets:
    """The files by public name, and the version that stands in their address."""

    files: dict[str, Path]
    version: str

    def url(self, name: str) -> str:
        """Address of a file by its public name; KeyError for a name that is not served."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"


def node_modules() -> Path:
    """Where npm put the libraries: beside the project, or `BAOQI_NODE_MODULES` in an image built otherwise."""
    return Path(os.environ.get("BAOQI_NODE_MODULES") or Path(__file__).parent.parent / "node_modules")


@cache
def assets() -> Assets:
    """All files with their version. AssetsMissing when npm has not run."""
    found = {p.name: p for p in sorted(OWN.iterdir()) if p.suffix in _TYPES}
    folder = node_modules()
    for name, relative in LIBRARIES.items():
        path = folder / relative
        if not path.is_file():
            raise AssetsMissing(
                f"缺少前端文件 {relative}：请在项目目录运行 make setup。 "
                f"The front-end file {relative} is missing: run `make setup` in the project folder."
            )
        found[name] = path
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + found[name].read_bytes())
    return Assets(files=found, version=digest.hexdigest()[:12])


async def serve(version: str, name: str) -> Response:
    """One file. An old version still answers (a page left open over an upgrade), but is not to be kept."""
    known = assets()
    path = known.files.get(name)
    if path is None:
        return PlainTextResponse("404", status_code=404)
    keep = "public, max-age=31536000, immutable" if version == known.version else "no-cache"
    return FileResponse(path, media_type=_TYPES[path.suffix], headers={"Cache-Control": keep})
