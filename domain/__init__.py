"""Pure rules: calendar, deadlines, slack, ladders, contributions, identity numbers, exemptions, checks, policy data.

Invariants: no I/O, no clock, no Temporal, no database; the same arguments give the same result for ever. May import
`schemas` only. What is law stands in `policies/` and comes in as an argument; no number of the law is written here.
"""
