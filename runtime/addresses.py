"""Addresses of the API and the pages that show the same. Both are paths on this installation; nothing is looked up."""

from urllib.parse import urlsplit


def page_of(path: str) -> str:
    """The page that shows what an address of the API lists: `/processes?overdue=true` -> `/cases?overdue=true`."""
    plain = path.removeprefix("/api/v1")
    parts = urlsplit(plain)
    if parts.path == "/processes" or parts.path.startswith("/processes/"):
        plain = "/cases" + plain.removeprefix("/processes")
    elif parts.path == "/tasks":
        plain = "/inbox" + plain.removeprefix("/tasks")
    elif parts.path == "/deadlines":
        plain = "/dates" + plain.removeprefix("/deadlines")
    return plain
