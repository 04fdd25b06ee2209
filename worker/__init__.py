"""The Temporal worker and the chores of one process: what runs, not what it does.

May import everything below; nothing but `cli` and tests imports from here.
"""
