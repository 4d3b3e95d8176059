"""What the panels' SQL says in one word: masking, words for codes, person keys, an office's part of a finding, shared sub-queries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_COMMON: Final = Path(__file__).with_name("common")
_SECRET: Final = "SHA256((SELECT min(secret) FROM person_secret))"  # noqa: S105  where it is kept, not what it is
_NONCE: Final = f"left(SHA256(concat({_SECRET}, {{0}})), 12)"
# Whether all of a finding's evidence is the reader's to see; a finding that others share is shown without what it says of them
_OWN: Final = "({{institution:String}} = '' OR length({0}.institutions) = 1)"
_UNNAMED: Final = (
    "arrayFold((text, person) -> replaceAll(text, person, mask(person)), arrayFilter(person -> person != '', "
    "arrayPushBack({0}.persons, if({0}.subject_type IN ('person', 'agent'), {0}.subject_id, ''))), %s)"
)
_FEATURES: Final = (
    "arrayStringConcat(arrayMap(one -> concat(one.1, ' = ', trim(BOTH '\"' FROM one.2)), "
    "JSONExtractKeysAndValuesRaw({0}.features)), '；')"
)
_EXPRESSIONS: Final = {
    # The first four digits are the district, shared by hundreds of thousands; a short identifier shows nothing at all
    "mask": "if(length({0}) > 8, concat(left({0}, 4), '****', right({0}, 2)), '****')",
    "care_kind": (
        "multiIf({0} IN ('41', '9929'), '药店购药', startsWith({0}, '14'), '慢特病门诊', startsWith({0}, '13'), '急诊', "
        "startsWith({0}, '2'), '住院', startsWith({0}, '1'), '普通门诊', '其他')"
    ),
    # A person as an address may hold it: always the same key, which only the store can make, read or tell from a forged one.
    # Encrypted rather than hashed: what is shown costs a key, what is stored costs nothing, and there is no table to keep
    "person_key": f"if({{0}} = '', '', lower(hex(concat({_NONCE}, encrypt('aes-256-gcm', {{0}}, {_SECRET}, {_NONCE})))))",
    # ... and the person's number again, empty for a key that is none of ours
    "person_of": (
        f"ifNull(tryDecrypt('aes-256-gcm', substring(unhex({{0}}), 13), {_SECRET}, "
        "left(concat(unhex({0}), unhex('000000000000000000000000')), 12)), '')"
    ),
    "own_amount": f"if({_OWN}, {{0}}.amount, 0)",
    # Terminals and institutions of others are named by nobody else
    "own_subject": (
        f"multiIf({{0}}.subject_type IN ('person', 'agent'), mask({{0}}.subject_id), {_OWN} OR {{0}}.subject_type = 'drug_code' "
        "OR {0}.subject_id = {{institution:String}}, {0}.subject_id, '其他机构')"
    ),
    "own_explanation": f"if({_OWN}, {_UNNAMED % '{0}.explanation'}, '本机构有单据涉及跨机构预警，其他机构的情况由监管部门掌握')",
    "own_features": f"if({_OWN}, {_UNNAMED % _FEATURES}, '')",
}
_MACRO: Final = re.compile(rf"\b(?P<name>{'|'.join(_EXPRESSIONS)})\((?P<argument>[A-Za-z_.]+|\{{\w+:String\}})\)")
_INCLUDE: Final = re.compile(r"\binclude\((\w+)\)")


def expanded(sql: str) -> str:
    """The SQL with ``include(NAME)`` replaced by ``common/NAME.sql`` and every macro written out."""
    sql = _INCLUDE.sub(lambda match: (_COMMON / f"{match[1]}.sql").read_text("utf-8").strip(), sql)
    while _MACRO.search(sql):
        sql = _MACRO.sub(lambda match: _EXPRESSIONS[match["name"]].format(match["argument"]), sql)
    return sql
