"""Start a process and learn of its end.

`subprocess`, not the loop's own: it keeps our signal mask, so that what a terminal sends to the whole group
cannot hit a child that is still importing, and it works alike on every loop.
"""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h
SUPERVISORS = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGHUP})  # Ctrl-C, Ctrl-\\, hang-up: not for children


def spawn(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    pass_fds: Sequence[int] = (),
    service: bool = False,
) -> subprocess.Popen[bytes]:
    """A child in our process group, on our output, with the terminal's signals blocked.

    A `service` is a foreign program: own session, nothing blocked, output into a pipe, killed when we die.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, () if service else SUPERVISORS)
    try:
        return subprocess.Popen(
            argv,
            env=dict(environment),
            pass_fds=tuple(pass_fds),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if service else None,
            stderr=subprocess.STDOUT if service else None,
            start_new_session=service,
            preexec_fn=_die_with_parent() if service else None,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _die_with_parent() -> Callable[[], object] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up here: between fork and exec nothing but the call is safe
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def exit_of(process: subprocess.Popen[bytes], *, whole_group: bool = False) -> asyncio.Future[int]:
    """The exit code when the process has ended, negative for a signal; the process is reaped then.

    `whole_group`: what it leaves behind in its process group is killed.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def wait() -> None:
        if whole_group:
            _kill_group_at_exit(process.pid)
        code = process.wait()
        try:
            loop.call_soon_threadsafe(tell, code)
        except RuntimeError:
            pass  # the loop is closed, nobody asks any more

    def tell(code: int) -> None:
        if not ended.done():
            ended.set_result(code)

    threading.Thread(target=wait, name=f"wait-{process.pid}", daemon=True).start()
    return ended


def _kill_group_at_exit(pid: int) -> None:
    if hasattr(os, "waitid"):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # while it is not reaped, its number is not reused
        signal_group(pid, signal.SIGKILL)


def signal_group(pid: int, number: signal.Signals) -> None:
    """To a service and all in its process group; no error if they are gone."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of zombies
        pass


def describe_exit(code: int) -> str:
    """For people: `code 1` or `SIGKILL`."""
    if code >= 0:
        return f"code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
