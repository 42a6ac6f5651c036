"""Become a program that does not outlive its supervisor: `tether.py PARENT COMMAND...`.

Run as a script in an interpreter of its own, and not as a hook between fork and exec: the
supervisor has threads, and Python code in a forked copy of those may hang. The wish to die with the
parent survives exec, so what runs in the end is the bare COMMAND. Linux only; elsewhere a program
outlives a supervisor that was killed outright.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The supervisor may have died before the line above took effect.
    if os.getppid() == int(parent):
        os.execv(command[0], command)


if __name__ == "__main__":
    main()
