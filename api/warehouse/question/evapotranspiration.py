"""Reference evapotranspiration ET0 of one day as SQL, after FAO Irrigation and Drainage Paper 56 (Allen et al. 1998).

Each function takes SQL expressions and returns one that is NULL where one of them is. ET0 is in mm, and may be a little
under 0 on a winter's day. The libraries that have these formulas (pyet, refet, pyfao56)
need NumPy or pandas, which the service does without.
"""

_DAY = "dayofyear({day}) * 2 * pi() / 365"


def penman_monteith(day: str, low: str, high: str, vapour_kpa: str, wind_10m: str, radiation_mj: str, site: str) -> str:
    """FAO-56 equation 6 with a daily step: temperatures in °C, wind at 10 m in m/s, radiation in MJ/m².

    `site` has the columns `latitude` in degrees and `altitude_m`.
    """
    mean = f"(({low} + {high}) / 2)"
    slope = f"(4098 * {_saturation(mean)} / power({mean} + 237.3, 2))"
    gamma = f"(0.000665 * 101.3 * power((293 - 0.0065 * {site}.altitude_m) / 293, 5.26))"
    wind_2m = f"({wind_10m} * 4.87 / ln(67.8 * 10 - 5.42))"
    deficit = f"(({_saturation(low)} + {_saturation(high)}) / 2 - {vapour_kpa})"
    clear_sky = f"((0.75 + 0.00002 * {site}.altitude_m) * {extraterrestrial(day, site)})"
    # In the polar night there is no clear-sky radiation, and its share counts as whole.
    cloudless = f"least(1, coalesce({radiation_mj} / nullif({clear_sky}, 0), 1))"
    long_wave = (
        f"(4.903e-9 * (power({high} + 273.16, 4) + power({low} + 273.16, 4)) / 2"
        f" * (0.34 - 0.14 * sqrt({vapour_kpa})) * (1.35 * {cloudless} - 0.35))"
    )
    net = f"(0.77 * {radiation_mj} - {long_wave})"
    return (
        f"((0.408 * {slope} * {net} + {gamma} * 900 / ({mean} + 273) * {wind_2m} * {deficit})"
        f" / ({slope} + {gamma} * (1 + 0.34 * {wind_2m})))"
    )


def hargreaves(day: str, low: str, high: str, site: str) -> str:
    """FAO-56 equation 52, from temperatures alone."""
    # The minimum is of another 24 hours than the maximum, so it may be higher.
    span = f"case when {high} < {low} then 0 else {high} - {low} end"
    return f"(0.0023 * (({low} + {high}) / 2 + 17.8) * sqrt({span}) * 0.408 * {extraterrestrial(day, site)})"


def vapour_of_humidity(low: str, high: str, humidity_pct: str) -> str:
    """Actual vapour pressure in kPa from the mean relative humidity, equation 19."""
    return f"({humidity_pct} / 100 * ({_saturation(low)} + {_saturation(high)}) / 2)"


def extraterrestrial(day: str, site: str) -> str:
    """Radiation above the atmosphere in MJ/m² a day, equation 21."""
    turn = _DAY.format(day=day)
    phi, delta = f"radians({site}.latitude)", f"(0.409 * sin({turn} - 1.39))"
    # Beyond the polar circles the sun may stay up, or down.
    sunset = f"acos(greatest(-1, least(1, -tan({phi}) * tan({delta}))))"
    return (
        f"(24 * 60 / pi() * 0.0820 * (1 + 0.033 * cos({turn}))"
        f" * ({sunset} * sin({phi}) * sin({delta}) + cos({phi}) * cos({delta}) * sin({sunset})))"
    )


def _saturation(celsius: str) -> str:
    """Saturation vapour pressure in kPa, equation 11."""
    return f"(0.6108 * exp(17.27 * {celsius} / ({celsius} + 237.3)))"
