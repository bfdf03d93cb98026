{#
    Rules within one row, declared once. `when` sees only readings within their bounds. `impossible` readings become
    null in the marts, `suspicious` ones stay. The tolerances are the differences between instruments:
    0.2 °C between a reading and the hour's extremes, 0.5 °C between two thermometers, 0.2 m/s of wind.
#}
{% macro row_rules() -%}
    {{ return([
        {
            'rule': 'extremes_reversed', 'severity': 'impossible',
            'fields': ['temperature_min_c', 'temperature_max_c'],
            'when': 'temperature_min_c > temperature_max_c',
        },
        {
            'rule': 'extremes_reversed', 'severity': 'impossible',
            'fields': ['humidity_min_pct', 'humidity_max_pct'],
            'when': 'humidity_min_pct > humidity_max_pct',
        },
        {
            'rule': 'dew_point_above_temperature', 'severity': 'impossible', 'fields': ['dew_point_c'],
            'when': 'dew_point_c > temperature_c + 0.5',
        },
        {
            'rule': 'outside_extremes_of_the_hour', 'severity': 'suspicious', 'fields': ['temperature_c'],
            'when': 'temperature_c > temperature_max_c + 0.2 or temperature_c < temperature_min_c - 0.2',
        },
        {
            'rule': 'outside_extremes_of_the_hour', 'severity': 'suspicious', 'fields': ['humidity_pct'],
            'when': 'humidity_pct > humidity_max_pct + 1 or humidity_pct < humidity_min_pct - 1',
        },
        {
            'rule': 'mean_wind_above_its_maximum', 'severity': 'suspicious', 'fields': ['wind_speed_ms'],
            'when': 'wind_speed_ms > max_mean_wind_ms + 0.2',
        },
        {
            'rule': 'gust_below_mean_wind', 'severity': 'suspicious', 'fields': ['gust_3s_ms'],
            'when': 'gust_3s_ms < greatest(max_mean_wind_ms, wind_speed_ms) - 0.2',
        },
        {
            'rule': 'gust_below_mean_wind', 'severity': 'suspicious', 'fields': ['gust_instantaneous_ms'],
            'when': 'gust_instantaneous_ms < greatest(max_mean_wind_ms, wind_speed_ms) - 0.2',
        },
        {
            'rule': 'direction_without_bearing', 'severity': 'suspicious', 'fields': ['wind_direction_deg'],
            'when': 'wind_direction_deg = 0 and wind_speed_ms > 0',
        },
    ]) }}
{%- endmacro %}

{# Rules over hours: a sensor repeats one value for more hours than real weather does. #}
{% macro stuck_rules() -%}
    {{ return({
        'temperature_c': {'hours': 12, 'unless': 'false'},
        'humidity_pct': {'hours': 24, 'unless': 'humidity_pct >= 95'},
        'wind_speed_ms': {'hours': 24, 'unless': 'wind_speed_ms < 0.5'},
        'wind_direction_deg': {'hours': 24, 'unless': 'false'},
        'pressure_hpa': {'hours': 12, 'unless': 'false'},
    }) }}
{%- endmacro %}

{# Rules over hours: the largest change from one hour to the next that real weather makes. #}
{% macro jump_rules() -%}
    {{ return({
        'temperature_c': 15,
        'soil_temperature_10cm_c': 10,
        'soil_temperature_50cm_c': 4,
        'pressure_hpa': 12,
        'snow_depth_cm': 50,
    }) }}
{%- endmacro %}

{# One finding, as an element of a row's list of findings. #}
{% macro finding(field, value, rule, severity) -%}
    {'field': '{{ field }}', 'value': cast({{ value }} as varchar), 'rule': '{{ rule }}', 'severity': '{{ severity }}'}
{%- endmacro %}

{# The list of findings, from expressions that are null when there is none. #}
{% macro findings_that_hold(expressions) -%}
    list_filter([
        {{ expressions | join(',\n        ') }}
    ], lambda found: found is not null)
{%- endmacro %}

{# A reading outside the possible range of its quantity. #}
{% macro out_of_bounds_findings() -%}
    {%- set expressions = [] -%}
    {%- for column, bounds in readings().items() -%}
        {%- do expressions.append(
            'case when ' ~ column ~ ' not between ' ~ bounds[0] ~ ' and ' ~ bounds[1] ~ ' then '
            ~ finding(column, column, 'out_of_bounds', 'impossible') ~ ' end'
        ) -%}
    {%- endfor -%}
    {{ return(expressions) }}
{%- endmacro %}

{# Readings of one row that contradict each other. #}
{% macro row_findings() -%}
    {%- set expressions = [] -%}
    {%- for rule in row_rules() -%}
        {%- for field in rule.fields -%}
            {%- do expressions.append(
                'case when ' ~ rule.when ~ ' then ' ~ finding(field, field, rule.rule, rule.severity) ~ ' end'
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(expressions) }}
{%- endmacro %}

{# The column, or null where a rule says that it is impossible. #}
{% macro unless_impossible(column) -%}
    {%- set conditions = [] -%}
    {%- for rule in row_rules() if rule.severity == 'impossible' and column in rule.fields -%}
        {%- do conditions.append(rule.when) -%}
    {%- endfor -%}
    {%- if conditions -%}
        case when ({{ conditions | join(') or (') }}) then null else {{ column }} end as {{ column }}
    {%- else -%}
        {{ column }}
    {%- endif -%}
{%- endmacro %}

{# A sensor that gave the same value in each of the last hours. #}
{% macro stuck_findings() -%}
    {%- set expressions = [] -%}
    {%- for column, rule in stuck_rules().items() -%}
        {%- set slots = last_slots(rule.hours) -%}
        {%- do expressions.append(
            'case when count(' ~ column ~ ') ' ~ slots ~ ' = ' ~ rule.hours ~ ' and min(' ~ column ~ ') ' ~ slots
            ~ ' = max(' ~ column ~ ') ' ~ slots ~ ' and not (' ~ rule.unless ~ ') then '
            ~ finding(column, column, 'stuck_sensor', 'suspicious') ~ ' end'
        ) -%}
    {%- endfor -%}
    {{ return(expressions) }}
{%- endmacro %}

{# A change from the hour before that is too large for real weather. #}
{% macro jump_findings() -%}
    {%- set expressions = [] -%}
    {%- for column, largest in jump_rules().items() -%}
        {%- do expressions.append(
            'case when abs(' ~ column ~ ' - ' ~ hours_before(column, 1) ~ ') > ' ~ largest ~ ' then '
            ~ finding(column, column, 'jump', 'suspicious') ~ ' end'
        ) -%}
    {%- endfor -%}
    {{ return(expressions) }}
{%- endmacro %}
