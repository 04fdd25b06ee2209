"""Every side effect of the processes: the projection to the inbox, the books, files, agencies, notices.

Invariants: all activities are idempotent (they are retried for ever); results hold no personal data; none is local.
"""
