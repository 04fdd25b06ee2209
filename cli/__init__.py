"""The `baoqi` command: the one place above all others. Nothing imports from here but tests.

`up` and `init` prepare and run; `worker`, `api` and `simulators` are the single processes; the rest are clerks' and
operators' tools that speak to a running installation over its API.
"""
