"""The systems of units that answers come in."""

from typing import Literal

Units = Literal["metric", "si"]
