"""The language of `--layout`: where objects lie whose folders are those of no type.

    AWSLogs/{account}/globalaccelerator/{region}/{yyyy}/{mm}/{dd}/
    vault/year={yyyy}/month={mm}/day={dd}/
    {any}/{yyyy}-{mm}-{dd}-

Literal text, `{account}` and `{region}` (a folder, or the end of its name), `{any}` (one folder), and the date once and
last, its parts in this order; the rest of a key is free.
"""

import re

from aws_s3.log_types.layout import Account, AnyFolder, DateFormat, Layout, Level, Region

_PLACE = re.compile(r"\{([^{}]*)\}")
_DATE = re.compile(r"\{yyyy\}([^{}]*)\{mm\}([^{}]*)\{dd\}([^{}]*)")
_FORMS = "{account}, {region}, {any}, and at its end {yyyy}, {mm} and {dd} in this order"


def parse_layout(pattern: str) -> Layout:
    """Return the layout of a pattern, relative to the path. Raises ValueError, which says why it cannot be listed."""
    start = pattern.find("{yyyy}")
    date = _DATE.fullmatch(pattern, max(start, 0))
    if start < 0 or date is None:
        raise ValueError(f"objects could not be listed by day: a layout holds {_FORMS}, without another after the year")
    before_month, before_day, behind = date.groups()
    *folders, stem = pattern[:start].split("/")
    if _PLACE.search(stem) or "{" in stem or "}" in stem:
        raise ValueError("objects could not be listed by day: only text may stand between the last folder and {yyyy}")
    if stem[-1:].isdigit() or behind[:1].isdigit():
        raise ValueError("a digit beside the date would be taken for a part of it")
    return Layout(_dates(before_month, before_day, behind), tuple(map(_level, folders)), stem=stem)


def _dates(before_month: str, before_day: str, behind: str) -> DateFormat:
    if "%" in before_month + before_day + behind:
        raise ValueError("% is not allowed in a layout")
    parts = [re.sub(r"[.^$*+?{}\[\]|()\\]", r"\\\g<0>", text) for text in (before_month, before_day, behind)]
    pattern = rf"(\d{{4}}){parts[0]}(\d\d){parts[1]}(\d\d){parts[2]}"
    return DateFormat(
        f"%Y{before_month}%m{before_day}%d",
        re.compile(pattern, re.ASCII),
        is_folder=behind.startswith("/"),
        own_rows=True,
    )


def _level(folder: str) -> Level:
    name, brace, _ = folder.partition("{")
    place = f"{{{folder.partition('{')[2]}"
    if not folder:
        raise ValueError("a folder of a layout has no name: // or a leading / is not allowed")
    if not brace and "}" not in folder:
        return folder
    if place == "{account}":
        return Account(name)
    if place == "{region}":
        return Region(name=name)
    if folder == "{any}":
        return AnyFolder()
    raise ValueError(f"{folder!r} is not a folder of a layout: it holds {_FORMS}")
