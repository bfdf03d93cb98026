"""What the forkserver imports before the first run: everything a run needs, used once."""

from contextlib import suppress

from orchestration.errors import OrchestrationError
from orchestration.settings import get_settings
from orchestration.worker.rehearsal import rehearse

# A project that cannot be built is the runs' to report.
with suppress(OrchestrationError):
    rehearse(get_settings())
