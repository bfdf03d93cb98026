"""What the forkserver imports before the first run: everything a run needs, used once.

The forkserver reads its pipe to the service only after the imports. Until then a timer checks that the service is
still alive. Otherwise a stopped service would leave this process behind.
"""

import os
import signal
from contextlib import suppress

_SERVICE = os.getppid()
_LOOK_SECONDS = 0.2


def _end_without_service(*_: object) -> None:
    if os.getppid() != _SERVICE:
        os.kill(os.getpid(), signal.SIGTERM)  # the rehearsal removes its folder on SIGTERM


signal.signal(signal.SIGALRM, _end_without_service)
signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)

from orchestration.errors import OrchestrationError
from orchestration.settings import get_settings
from orchestration.worker import run_process as run_process
from orchestration.worker.rehearsal import rehearse

# If the project cannot be built, the runs report it.
with suppress(OrchestrationError):
    rehearse(get_settings())
signal.setitimer(signal.ITIMER_REAL, 0)
signal.signal(signal.SIGALRM, signal.SIG_DFL)
