"""The map: where places are, and which frames show them."""

import pytest

from api.page.frames import HEIGHT, WIDTH, frame_of, make_frames, outlines
from ingestion.departments import all_departments

PLACES = {
    "9": (1.107, 43.005),
    "29": (-4.49, 48.39),
    "20": (9.15, 42.31),
    "974": (55.45, -20.88),
    "971": (-61.5, 16.24),
}


def test_every_departement_but_the_southern_lands_has_an_outline():
    assert {d.code for d in all_departments()} - set(outlines()) == {"984"}


@pytest.mark.parametrize("code", PLACES)
def test_a_place_lies_inside_the_outline_of_its_departement(code: str):
    longitude, latitude = PLACES[code]
    crossings = 0
    for ring in outlines()[code]:
        for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1], strict=True):
            if (y1 > latitude) != (y2 > latitude):
                crossings += longitude < x1 + (latitude - y1) / (y2 - y1) * (x2 - x1)
    assert crossings % 2 == 1


def test_overseas_departements_are_insets_beside_the_mainland():
    frames = make_frames(["9", "29", "971", "974"])
    assert [frame.code for frame in frames] == [None, "971", "974"]
    for code in ("9", "974"):
        frame = frame_of(frames, code)
        assert frame is not None
        x, y = frame.place(*PLACES[code])
        assert frame.x <= x <= frame.x + frame.width
        assert frame.y <= y <= frame.y + frame.height
    assert frame_of(frames, "984") is None


def test_one_overseas_departement_alone_fills_the_picture():
    (frame,) = make_frames(["974"])
    assert (frame.width, frame.height) == (WIDTH, HEIGHT)


def test_north_is_up_and_east_is_right():
    (frame,) = make_frames(["9"])
    assert frame.place(1.2, 43.0)[0] > frame.place(1.1, 43.0)[0]
    assert frame.place(1.1, 43.1)[1] < frame.place(1.1, 43.0)[1]
