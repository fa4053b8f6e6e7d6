"""Values drawn from a schema, for the keywords that the published schema uses."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

#: Code points that a text on the wire can hold; lone surrogates are not text.
_CHARACTERS = st.characters(exclude_categories=["Cs"])


#: Few, since reading the system's zones takes longer than all else here.
_ZONES = st.sampled_from([UTC, *(timezone(timedelta(minutes=m)) for m in (60, -570, 345, 840))])


class Instances:
    """Strategies for the definitions of one schema."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions

    def of(self, name: str) -> st.SearchStrategy[Any]:
        """Values of a definition, without the conditions outside its properties."""
        return self._of(self._definitions[name])

    def _of(self, schema: Schema) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self.of(schema["$ref"].rpartition("/")[2])
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        if "anyOf" in schema:
            return st.one_of([self._of(choice) for choice in schema["anyOf"]])
        made: st.SearchStrategy[Any] = getattr(self, f"_{schema['type']}")(schema)
        return made

    def _null(self, _: Schema) -> st.SearchStrategy[None]:
        return st.none()

    def _boolean(self, _: Schema) -> st.SearchStrategy[bool]:
        return st.booleans()

    def _integer(self, schema: Schema) -> st.SearchStrategy[int]:
        return st.integers(schema.get("minimum"), schema.get("maximum"))

    def _string(self, schema: Schema) -> st.SearchStrategy[str]:
        if schema.get("format") == "date-time":
            moments = st.datetimes(timezones=_ZONES)
            return moments.map(lambda moment: moment.isoformat()).filter(
                re.compile(schema["pattern"]).match
            )
        least, most = schema.get("minLength", 0), schema.get("maxLength", 64)
        if "maxLength" not in schema and "pattern" in schema:
            return st.from_regex(schema["pattern"].replace("$", r"\Z"), fullmatch=True)
        short = st.text(_CHARACTERS, min_size=least, max_size=min(most, 40))
        edge = st.sampled_from(["x" * most, "é" * most, " \n\t" * (most // 3)])
        return st.one_of(short, edge).map(_composed)

    def _array(self, schema: Schema) -> st.SearchStrategy[list[Any]]:
        return st.lists(self._of(schema["items"]), max_size=4)

    def _object(self, schema: Schema) -> st.SearchStrategy[Schema]:
        properties = {name: self._of(inner) for name, inner in schema["properties"].items()}
        required = {name: properties[name] for name in schema.get("required", ())}
        optional = {name: made for name, made in properties.items() if name not in required}
        return st.fixed_dictionaries(required, optional=optional)


def _composed(text: str) -> str:
    """Lengths are counted in NFC, which is sometimes the longer form."""
    return unicodedata.normalize("NFC", text)
