"""What every process of the product needs before it does anything: settings, clock, logging, keys, Temporal client.

Imports `schemas` only. Never imported by `schemas`, `domain` or `workflows`: workflow code must not see the wall clock,
the environment or a key.
"""
