"""Which part of a row's values Météo-France has validated."""

from collections.abc import Collection


def with_share(rows: str, fields: Collection[str], source: str, from_elsewhere: str) -> str:
    """SELECT the rows of history with `validated_share`, NULL where no value is of the archive.

    `source` is the condition of a row of the archive, `from_elsewhere` its list of values that are not.
    """
    # Values that are doubtful (code 2) are not in the row; those of another code than 0, 1 and 2 are not validated.
    others = "len(list_filter(map_values(quality), lambda code: code is null or code not in (0, 1, 2)))"
    others = f"case when cardinality(quality) > 0 then {others} else 0 end"
    there = f"({' + '.join(f'({name} is not null)::integer' for name in fields)})"
    share = f"round(({there} - len({from_elsewhere}) - ({others})) / nullif({there}, 0), 3)"
    return f"select *, case when {source} then {share} end as validated_share from {rows}"
