"""Launchers of the embedded servers (PostgreSQL, Temporal) and of any child process that must not outlive its parent.

Knows `runtime.settings` at most, never a table, a workflow or a page. An external PostgreSQL or Temporal in the
settings means that the launcher here is not called at all."""
