{#
    The rows of every source's staging model `stg_<source>__<model>`, for a `from`. The sources are in dbt_project.yml.
    A warehouse holds the rows of one source, so the models of the others are empty.
#}
{% macro staged(model) -%}
    {%- set models = [] -%}
    {%- for source in var('observation_sources') -%}
        {%- do models.append(ref('stg_' ~ source ~ '__' ~ model) | string) -%}
    {%- endfor -%}
    {%- if models | length == 1 -%}
        {{ models[0] }}
    {%- else -%}
        (select * from {{ models | join(' union all by name select * from ') }})
    {%- endif -%}
{%- endmacro %}
