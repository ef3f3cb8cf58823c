"""Reading the JSON Schema of the Variable: what is allowed at a place, in words."""

from __future__ import annotations

import re
from typing import Any

Schema = dict[str, Any]


class Place:
    """A place in a document that a JSON Schema describes, such as `settings` or the second item of `users`."""

    def __init__(self, root: Schema, node: Schema | None = None) -> None:
        self._root = root
        self.node = self._resolved(root if node is None else node)

    def step(self, part: str | int) -> Place | None:
        """The place of a field, an item or a variant (pydantic names the variant of a union in its paths)."""
        if self.is_variant(part):
            return Place(self._root, {"$ref": self.node["discriminator"]["mapping"][part]})
        if isinstance(part, int):
            found = self.node.get("items")
        else:
            found = self.node.get("properties", {}).get(part) or self._of_any_name(part)
        return Place(self._root, found) if isinstance(found, dict) else None

    def is_variant(self, part: str | int) -> bool:
        """Whether this part of a path names a variant of a union, not a field."""
        return part in self.node.get("discriminator", {}).get("mapping", {})

    def is_of_several_types(self) -> bool:
        """Whether values of several types are allowed here (pydantic then ends its paths with the type that it tried)."""
        return "anyOf" in self.node

    def names(self) -> list[str]:
        """The fields that an object may have here."""
        return list(self.node.get("properties", {}))

    def allowed(self) -> str:
        """What a value must be, such as "a whole number from 1 to 1000"; empty if it cannot be said in words."""
        node = self.node
        if "enum" in node:
            return "one of " + ", ".join(str(value) for value in node["enum"])
        if "anyOf" in node:
            return " or ".join(Place(self._root, one).allowed() for one in node["anyOf"])
        match node.get("type", "object" if "discriminator" in node else ""):
            case "integer":
                bounds = ((" from", node.get("minimum")), (" to", node.get("maximum")))
                return "a whole number" + "".join(f"{word} {bound}" for word, bound in bounds if bound is not None)
            case "boolean":
                return "true or false"
            case "string":
                return "a regular expression" if node.get("format") == "regex" else "text"
            case "array":
                regex = Place(self._root, node.get("items", {})).node.get("format") == "regex"
                return "a list of regular expressions" if regex else "a list"
            case "object":
                return "an object"
        return ""

    def _of_any_name(self, name: str) -> Any:
        for pattern, found in self.node.get("patternProperties", {}).items():
            if re.search(pattern, name):
                return found
        return self.node.get("additionalProperties")

    def _resolved(self, node: Schema) -> Schema:
        """The node with what it refers to. Of a nullable node, the variant that is not null."""
        variants = [one for one in node.get("anyOf", []) if one.get("type") != "null"]
        if len(variants) == 1:
            node = {**variants[0], **{key: value for key, value in node.items() if key != "anyOf"}}
        if reference := node.get("$ref"):
            target = self._root["$defs"][reference.rpartition("/")[2]]
            return {**self._resolved(target), **{key: value for key, value in node.items() if key != "$ref"}}
        return node
