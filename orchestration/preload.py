"""What the forkserver imports before the first run: everything a run needs, used once."""

from contextlib import suppress

from orchestration import warm as warm
from orchestration.errors import OrchestrationError
from orchestration.rehearsal import rehearse
from orchestration.settings import get_settings

# A project that cannot be built is the runs' to report.
with suppress(OrchestrationError):
    rehearse(get_settings())
