"""Stand-ins for the social bureau, the medical bureau and the tax office: one small HTTP server for demo and tests.

Invariants: it behaves as an outside system does. It knows nothing of the school's database, keeps its own state (which
survives kill -9), computes premiums from its own rates and answers the same idempotency key with the same answer.
Must not be done here: importing anything of the project but `schemas`, or reading the project's policy data.
"""
