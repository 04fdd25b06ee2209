"""House rules that a general tool cannot know, each a few lines over the syntax tree; run by `python -m lints`.

A rule that must be broken once is silenced on its line by `# lint: allow RULE - reason`; without a reason it stays a
fault. `tests/platform/test_lints.py` shows for each rule a piece of code that it catches and one that it leaves alone.
"""
