"""Becomes another program, under another user if asked, that ends when the parent does.

Run as a script (`python -I spawn.py OPTIONS-JSON PROGRAM ARGUMENT…`) between fork and exec: Python code directly
after a fork is unsafe in a process with threads (the Temporal client has some). Standard library only.

Options: `parent` pid that must be alive; `death_signal` sent to us when it dies (Linux; elsewhere the next start ends
leftovers); `uid`, `gid` to become (root only); `reach` keeps the one capability that lets an unprivileged user pass
through closed parent directories, such as a clone below /root (mode 0700). Opening these directories to everyone
instead would be a change to the machine that nobody asked for."""

import ctypes
import json
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAPBSET_READ = 23
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
# Passing and reading only, where root has it; in a default container there is only the wider one.
CAP_DAC_READ_SEARCH = 2
CAP_DAC_OVERRIDE = 1


def reach_capability() -> int | None:
    """The capability to keep, or None where this machine gives root neither."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1:
            return capability
    return None


def _keep_only(libc: ctypes.CDLL, capability: int) -> None:
    """Drops every capability but one and lets it survive the exec."""

    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]

    class Data(ctypes.Structure):
        _fields_ = [
            ("effective", ctypes.c_uint32),
            ("permitted", ctypes.c_uint32),
            ("inheritable", ctypes.c_uint32),
        ]

    mask = 1 << capability
    sets = (Data * 2)(Data(mask, mask, mask), Data(0, 0, 0))
    if libc.capset(ctypes.byref(Header(CAPABILITY_VERSION_3, 0)), sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    if libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ambient capability")


def main() -> None:
    options = json.loads(sys.argv[1])
    program = sys.argv[2:]
    linux = sys.platform.startswith("linux")
    libc = ctypes.CDLL(None, use_errno=True)
    if options.get("uid") is not None and os.geteuid() == 0:
        capability = reach_capability() if options.get("reach") else None
        if capability is not None:
            libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
        os.setgroups([])
        os.setresgid(options["gid"], options["gid"], options["gid"])
        os.setresuid(options["uid"], options["uid"], options["uid"])
        if capability is not None:
            _keep_only(libc, capability)
    if linux and options.get("death_signal"):
        # After the change of user: that would clear it.
        libc.prctl(PR_SET_PDEATHSIG, options["death_signal"], 0, 0, 0)
        if os.getppid() != options["parent"]:
            os._exit(1)  # the parent died before the line above
    os.execv(program[0], program)  # noqa: S606 - becoming another program is what this script is for


if __name__ == "__main__":
    main()
