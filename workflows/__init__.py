"""Processes as durable workflows: one process a file, plus the shared human task, deadline clock and stages.

Invariants: deterministic code only; no clock but `Process.now()`, no I/O, no local activities (together with queries
they make histories that cannot be replayed), activities only through `workflows/calls.py`. Updates, never signals,
carry what people do; a signal is a wake-up without content.
"""
