"""Python's cycle collector, told what a long-lived server is.

What was loaded at the start stays until the end, and open cases stay for long; looking through all of it again and
again for rubbish costs each click some of its time. Nothing is switched off: cycles are still found, in larger steps.
"""

import gc

YOUNG, MIDDLE, OLD = 20_000, 20, 20  # objects, then rounds of the younger generation; Python's own: 700, 10, 10


def settle() -> None:
    """Called once, when a process has loaded what it needs: that is not looked through any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
