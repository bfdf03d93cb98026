{# Quantities computed from several readings, with formula, units and valid range; null outside the range. #}

{#
    Saturation vapour pressure over water, hPa, of a temperature in °C.
    Magnus' form with Sonntag's constants (1990), -45 to 60 °C; WMO-No. 8, annex 4.B.
#}
{% macro saturation_vapour_pressure_hpa(temperature) -%}
    (6.112 * exp(17.62 * {{ temperature }} / (243.12 + {{ temperature }})))
{%- endmacro %}

{# Dew point, °C, of temperature (°C) and relative humidity (%): the inverse of Magnus' form; -45 to 60 °C, over 1 %. #}
{% macro dew_point_from_humidity_c(temperature, humidity) -%}
    case when {{ temperature }} between -45 and 60 and {{ humidity }} between 1 and 100 then round(
        243.12 * (ln({{ humidity }} / 100) + 17.62 * {{ temperature }} / (243.12 + {{ temperature }}))
        / (17.62 - (ln({{ humidity }} / 100) + 17.62 * {{ temperature }} / (243.12 + {{ temperature }}))),
        1
    ) end
{%- endmacro %}

{# Relative humidity, %, of temperature and dew point (°C), never over 100; both -45 to 60 °C. #}
{% macro humidity_from_dew_point_pct(temperature, dew_point) -%}
    case when {{ temperature }} between -45 and 60 and {{ dew_point }} between -45 and 60 then round(least(
        100 * {{ saturation_vapour_pressure_hpa(dew_point) }} / {{ saturation_vapour_pressure_hpa(temperature) }}, 100
    )) end
{%- endmacro %}

{#
    Wind chill, °C, of temperature (°C) and 10 m wind (km/h): Osczevski and Bluestein (2005), used by Environment Canada
    and the US National Weather Service since 2001. Valid up to 10 °C and from 4.8 km/h.
#}
{% macro wind_chill_c(temperature, wind_kmh) -%}
    case when {{ temperature }} between -50 and 10 and {{ wind_kmh }} >= 4.8 then round(
        13.12 + 0.6215 * {{ temperature }} - 11.37 * pow({{ wind_kmh }}, 0.16)
        + 0.3965 * {{ temperature }} * pow({{ wind_kmh }}, 0.16),
        1
    ) end
{%- endmacro %}

{#
    Humidex, °C, of temperature and dew point (°C): Masterton and Richardson (1979), Environment Canada.
    Valid from 20 °C, dew point 0 °C or more.
#}
{% macro humidex_c(temperature, dew_point) -%}
    case when {{ temperature }} between 20 and 55 and {{ dew_point }} between 0 and {{ temperature }} + 0.5 then round(
        {{ temperature }}
        + 5.0 / 9.0 * (6.11 * exp(5417.7530 * (1 / 273.16 - 1 / (273.15 + {{ dew_point }}))) - 10),
        1
    ) end
{%- endmacro %}

{#
    Vapour-pressure deficit, kPa, of temperature (°C) and relative humidity (%): FAO Irrigation and Drainage Paper 56,
    equation 11 (Tetens' form) for saturation. Valid 0 to 50 °C, the range of its table 2.3.
#}
{% macro vapour_pressure_deficit_kpa(temperature, humidity) -%}
    case when {{ temperature }} between 0 and 50 and {{ humidity }} between 0 and 100 then round(
        0.6108 * exp(17.27 * {{ temperature }} / ({{ temperature }} + 237.3)) * (1 - {{ humidity }} / 100), 3
    ) end
{%- endmacro %}

{# Mean global radiation of the hour, W/m², of the hour's sum in J/m²; not negative. #}
{% macro mean_radiation_w_m2(radiation) -%}
    case when {{ radiation }} >= 0 then round({{ radiation }} / 3600, 1) end
{%- endmacro %}

{# Great-circle distance, km, of two places in degrees: haversine, mean radius of the Earth 6371 km. #}
{% macro distance_km(latitude_1, longitude_1, latitude_2, longitude_2) -%}
    {#- Rounding can lift the root of antipodes over 1; `least` would turn a missing place into a distance. -#}
    (2 * 6371 * asin(round(sqrt(
        pow(sin(radians({{ latitude_2 }} - {{ latitude_1 }}) / 2), 2)
        + cos(radians({{ latitude_1 }})) * cos(radians({{ latitude_2 }}))
        * pow(sin(radians({{ longitude_2 }} - {{ longitude_1 }}) / 2), 2)
    ), 12)))
{%- endmacro %}
