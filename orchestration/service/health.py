"""How each part of the service is, for `/health/ready`, the page and the metrics."""

from dataclasses import dataclass, field


@dataclass
class Health:
    """The state of each part of the service in one word, with a reason when it is not well."""

    role: str = "starting"
    prefect: str = "starting"
    worker: str = "starting"
    schedule: str = "starting"
    shelf: str = "none"
    reasons: dict[str, str] = field(default_factory=dict)

    def note(self, part: str, state: str, reason: str = "") -> None:
        """Set a part's state. Give a reason only when it is not well."""
        setattr(self, part, state)
        if reason:
            self.reasons[part] = reason
        else:
            self.reasons.pop(part, None)

    def has_failed(self, part: str) -> bool:
        return getattr(self, part) in ("failed", "lost")
