"""The pages: server-rendered HTML (Jinja2 + htmx) over the same functions that the JSON API calls.

Invariants: a page decides nothing that the API does not decide too; it asks a room of `api/`, shows the answer, and
turns a form post into the call a campus system would make. No query of its own beyond what `api/` and `store/` offer,
no word on a page that is not in the catalogue (`web/locale`), nothing loaded from another host, no inline script or
style.
"""
