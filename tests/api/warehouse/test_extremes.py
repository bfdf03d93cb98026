"""Return periods against published values, and heat waves and cold spells by hand."""

import io
import math
import random

import httpx
import pyarrow.parquet as pq
import pytest
from problems import assert_problem

from api.warehouse.question.gev import Gev, fit_gev, intervals, l_moments

pytestmark = pytest.mark.xdist_group("warehouse")

# The sample of Hosking's Fortran library LMOMENTS as its port lmoments3 tests it, and what both find.
PUBLISHED = [2, 3, 4, 2.4, 5.5, 1.2, 5.4, 2.2, 7.1, 1.3, 1.5]


def test_l_moments_and_the_fit_are_the_published_ones() -> None:
    assert l_moments(PUBLISHED) == pytest.approx((3.23636364, 1.14181818, 0.27388535), abs=1e-8)
    fitted = fit_gev(PUBLISHED)
    assert fitted is not None
    assert (fitted.location, fitted.scale, fitted.shape) == pytest.approx((2.1792884, 1.3956404, -0.1555609), abs=1e-6)
    # Quantiles 0.2, 0.5 and 0.8 are the levels of 1.25, 2 and 5 years.
    assert [fitted.level(period) for period in (1.25, 2, 5)] == pytest.approx([1.539112, 2.705672, 4.537048], abs=1e-6)


@pytest.mark.parametrize("shape", [-0.3, -0.1, 0.0, 0.1, 0.3])
def test_a_distribution_is_found_again_from_its_own_quantiles(shape: float) -> None:
    true = Gev(30.0, 4.0, shape)
    fitted = fit_gev([true.level(1 / (1 - (n + 0.5) / 5000)) for n in range(5000)])
    assert fitted is not None
    assert fitted.shape == pytest.approx(shape, abs=0.005)
    assert (fitted.location, fitted.scale) == pytest.approx((30.0, 4.0), abs=0.02)
    assert fitted.level(100) == pytest.approx(true.level(100), abs=0.5)


def test_gumbels_level_is_its_formula() -> None:
    """-ln(-ln(0.99)) is 4.600149."""
    assert Gev(10.0, 2.0, 0.0).level(100) == pytest.approx(10 + 2 * 4.600149, abs=1e-5)
    assert Gev(10.0, 2.0, 2e-6).level(100) == pytest.approx(10 + 2 * 4.600149, abs=1e-3)


def test_equal_values_have_no_distribution() -> None:
    assert fit_gev([20.0] * 40) is None
    assert fit_gev([0.0] * 40) is None


def test_an_interval_holds_the_level_and_is_the_same_each_time() -> None:
    draw = random.Random(7)
    values = [30 - 4 * math.log(-math.log(draw.random())) for _ in range(60)]
    fitted = fit_gev(values)
    assert fitted is not None
    first = intervals(values, (10, 100), resamples=200, share=0.9, seed=1)
    assert first == intervals(values, (10, 100), resamples=200, share=0.9, seed=1)
    (low, high), (lower, higher) = first
    assert low < fitted.level(10) < high
    assert lower < fitted.level(100) < higher
    assert high - low < higher - lower


def test_return_periods_of_a_station(http: httpx.Client) -> None:
    """TX of a year is 11 to 40, and 41 on 14 July 2020: its 30 maxima are 11, 12 … 39, 41, whose mean is 25.533."""
    body = http.get("/climate/09289001/return-periods?quantity=tx").json()
    rows = body["data"]
    assert [row["return_period_years"] for row in rows] == [2, 5, 10, 20, 50, 100]
    facts = {(row["years"], row["years_left_out"], row["first_year"], row["last_year"], row["unit"]) for row in rows}
    ((years, left_out, first, last, unit),) = facts
    assert (years, first, last, unit) == (30, 1991, 2020, "°C")
    assert left_out >= 1  # 2021 has one day, and this year is not over
    maxima = [*map(float, range(11, 40)), 41.0]
    fitted = fit_gev(maxima)
    assert fitted is not None
    assert rows[0]["value"] == round(fitted.level(2), 1)
    assert (rows[0]["location"], rows[0]["shape"]) == (round(fitted.location, 4), round(fitted.shape, 4))
    assert all(row["low"] < row["value"] < row["high"] for row in rows)
    assert [row["is_beyond_series"] for row in rows] == [False] * 4 + [True] * 2
    assert "bootstrap" in body["method"]
    assert "30 whole" in body["rule"]
    assert "message" not in body


def test_few_years_have_no_return_period(http: httpx.Client) -> None:
    body = http.get("/climate/04033001/return-periods?quantity=rain").json()
    assert {(row["value"], row["low"], row["years"]) for row in body["data"]} == {(None, None, 0)}
    assert body["message"].startswith("0 whole years of 04033001 have this quantity, and 30 are needed")
    assert body["also_known_as"]
    # 1 mm a day: thirty equal maxima.
    alike = http.get("/climate/09289001/return-periods").json()
    assert (alike["data"][0]["value"], alike["data"][0]["years"]) == (None, 30)
    assert "too much alike" in alike["message"]


def test_return_periods_have_formats_and_a_tag(http: httpx.Client) -> None:
    url = "/climate/09289001/return-periods?quantity=tx"
    table = pq.read_table(io.BytesIO(http.get(f"{url}&format=parquet").content))
    assert table.column("return_period_years").to_pylist() == [2, 5, 10, 20, 50, 100]
    assert len(http.get(f"{url}&format=csv").text.splitlines()) == 7
    assert http.get(url, headers={"If-None-Match": http.get(url).headers["ETag"]}).status_code == 304
    problem = assert_problem(http.get("/climate/09289001/return-periods?quantity=snow"), 422)
    assert "rain, tx, tn" in str(problem)
    assert_problem(http.get("/climate/99999999/return-periods"), 404)


def test_heat_waves_and_cold_spells(http: httpx.Client) -> None:
    """1 January 2021 has 41 °C; the year 2020 has 40, and 41 on 14 July: all of 2020 and 2021 over 39 is one wave."""
    body = http.get("/climate/09289001/heat-waves?over=40&to=2021-01-01").json()
    (wave,) = body["data"]
    assert (wave["first_day"], wave["last_day"], wave["days"]) == ("2020-01-01", "2021-01-01", 367)
    assert (wave["highest"], wave["highest_on"], wave["mean"]) == (41.0, "2020-07-14", 40.0)  # of equals the first
    assert (wave["is_start_known"], wave["is_end_known"], wave["goes_on"]) == (True, False, False)
    assert body["over"] == 40.0
    assert "At least 3 days in a row with a maximum of 40 °C or more" in body["rule"]
    assert http.get("/climate/09289001/heat-waves?over=41&to=2021-01-01").json()["data"] == []  # single days
    single = http.get("/climate/09289001/heat-waves?over=41&least_days=1&to=2021-01-01").json()["data"]
    assert [row["first_day"] for row in single] == ["2021-01-01", "2020-07-14"]
    # ROUSSET: 4.5 °C on the days of 16 to 25 April 2026, without the 20th.
    cold = http.get("/climate/04033001/cold-spells?under=4.5").json()
    assert [(row["first_day"], row["days"], row["lowest"], row["is_end_known"]) for row in cold["data"]] == [
        ("2026-04-21", 5, 4.5, False),
        ("2026-04-16", 4, 4.5, False),
    ]
    assert http.get("/climate/04033001/cold-spells").json()["data"] == []
    assert len(http.get("/climate/04033001/cold-spells?under=4.5&format=csv").text.splitlines()) == 3
    page = http.get("/climate/04033001/cold-spells?under=4.5&limit=1").json()
    following = http.get(f"/climate/04033001/cold-spells?under=4.5&limit=1&cursor={page['next']}").json()
    assert page["data"] + following["data"] == cold["data"]


@pytest.mark.parametrize("url", ["heat-waves?over=inf", "heat-waves?least_days=0", "cold-spells?under=99"])
def test_limits_that_cannot_be_are_refused(http: httpx.Client, url: str) -> None:
    assert_problem(http.get(f"/climate/09289001/{url}"), 422)
