"""The map's frames: the mainland, or the part of it that has stations, and an inset for each overseas département."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

WIDTH, HEIGHT = 1000, 820
_INSET = 150  # side of an inset, where there is room for so much
_MARGIN = 12
_LABEL = 46  # height of an inset that its name and borders take
_UNIT = 200  # the outlines' numbers are 1/200 degree

Ring = Sequence[tuple[float, float]]
Box = tuple[float, float, float, float]  # west, south, east, north


@dataclass(frozen=True)
class Frame:
    """A rectangle of the picture and the part of the Earth shown in it, in Mercator's projection."""

    code: str | None  # of the overseas département in an inset; None for the mainland
    x: float
    y: float
    width: float
    height: float
    box: Box

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Where a place is in the picture."""
        west, south, east, north = self.box
        bottom, top = _mercator(south), _mercator(north)
        scale = min(self.width / (east - west), self.height / (top - bottom))
        x = self.x + self.width / 2 + (longitude - (west + east) / 2) * scale
        y = self.y + self.height / 2 - (_mercator(latitude) - (bottom + top) / 2) * scale
        return round(x, 1), round(y, 1)

    def path(self, code: str) -> str:
        """A département's outline as SVG draws it, in whole units."""
        parts = []
        for ring in outlines()[code]:
            points = [tuple(round(value) for value in self.place(*point)) for point in ring]
            steps = [points[0], *(b for a, b in pairwise(points) if a != b)]
            if len(steps) > 2:
                moves = (f"{b[0] - a[0]} {b[1] - a[1]}" for a, b in pairwise(steps))
                parts.append(f"M{steps[0][0]} {steps[0][1]}l{' '.join(moves)}z")
        return "".join(parts)

    def shows(self, code: str) -> bool:
        """Whether something of a département is inside."""
        west, south, east, north = self.box
        left, bottom, right, top = _box_of(outlines()[code][0])
        return left <= east and right >= west and bottom <= north and top >= south


def make_frames(codes: Iterable[str]) -> list[Frame]:
    """Frames for the départements that have stations: the picture is theirs, overseas ones are beside it."""
    shown = set(codes)
    overseas = sorted(code for code in shown if is_overseas(code) and code in outlines())
    mainland = [code for code in shown if not is_overseas(code) and code in outlines()]
    if not mainland and len(overseas) == 1:
        return [Frame(overseas[0], 0, 0, WIDTH, HEIGHT, _around([overseas[0]]))]
    side = min(_INSET, WIDTH / max(1, len(overseas)))
    bottom = side if overseas else 0
    frames = []
    if mainland or not overseas:
        box = _around(mainland or [code for code in outlines() if not is_overseas(code)])
        frames.append(Frame(None, _MARGIN, _MARGIN, WIDTH - 2 * _MARGIN, HEIGHT - bottom - 2 * _MARGIN, box))
    for position, code in enumerate(overseas):
        frames.append(Frame(code, position * side + 6, HEIGHT - side + 6, side - 12, side - _LABEL, _around([code])))
    return frames


def frame_of(frames: Sequence[Frame], code: str) -> Frame | None:
    """The frame that shows a département; none for the southern lands, which have no outline."""
    wanted = code if is_overseas(code) else None
    return next((frame for frame in frames if frame.code == wanted), None)


def is_overseas(code: str) -> bool:
    """Whether a département lies far from the mainland."""
    return len(code) > 2


@lru_cache(maxsize=1)
def outlines() -> dict[str, list[Ring]]:
    """Each département's rings of (longitude, latitude), the largest first."""
    document = json.loads(files("api.page").joinpath("outline.json").read_text(encoding="utf-8"))
    return {code: [_ring(numbers) for numbers in rings] for code, rings in document["outlines"].items()}


def _ring(numbers: Sequence[int]) -> Ring:
    longitude = latitude = 0
    ring = []
    for east, north in zip(numbers[::2], numbers[1::2], strict=True):
        longitude, latitude = longitude + east, latitude + north
        ring.append((longitude / _UNIT, latitude / _UNIT))
    return ring


def _around(codes: Sequence[str]) -> Box:
    boxes = [_box_of(ring) for code in codes for ring in outlines()[code]]
    west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
    east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
    return west, south, east, north


def _box_of(ring: Ring) -> Box:
    longitudes, latitudes = [point[0] for point in ring], [point[1] for point in ring]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _mercator(latitude: float) -> float:
    """Mercator's ordinate, in degrees."""
    return math.degrees(math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2)))
