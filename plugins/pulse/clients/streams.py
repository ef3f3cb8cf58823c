"""What an admin declares about a custom source (type http_json): how to read it, and what its records mean."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pulse.clients.base import Declared
from pulse.clients.masking import object_of_pairs

# Target fields by entity (columns of core.custom_*): those that every record needs, and those that it may have.
REQUIRED: dict[str, tuple[str, ...]] = {
    "deployments": ("id", "service", "environment", "result", "created_at", "finished_at"),
    "incidents": ("id", "key", "title", "created_at"),
    "changes": ("id", "service", "title", "opened_at", "merged_at"),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "deployments": ("sha", "ref_name", "url"),
    "incidents": ("description", "service", "severity", "url", "resolved_at"),
    "changes": ("author", "url", "first_commit_at", "first_review_at", "approved_at", "merge_sha"),
}
RESULTS = ("success", "failure")
# In a `values` map, this key applies to every value that the map does not list.
ANY_OTHER = "*"

ParameterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\[\]$-]{1,60}$")]
OptionalParameterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\[\]$-]{0,60}$")]
Constant = Annotated[str, Field(min_length=1, max_length=200)]


class HttpJsonAuth(Declared):
    """How requests carry the secret, which is the integration's token. For basic, `login` is the user name."""

    kind: Literal["none", "bearer", "basic", "header", "query"] = "bearer"
    name: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_-]{0,60}$",
        description="header: its name (default X-Api-Key); query: the parameter's (default api_key)",
    )

    @model_validator(mode="after")
    def _named_only_where_it_counts(self) -> HttpJsonAuth:
        if self.name and self.kind not in ("header", "query"):
            raise ValueError(f"the kind '{self.kind}' has no 'name': remove it, or set kind to header or query")
        if self.kind == "header" and self.name.lower() in ("host", "content-length", "transfer-encoding"):
            raise ValueError(f"the header '{self.name}' cannot carry a secret: use the one that the API documents")
        return self

    @property
    def carrier(self) -> str:
        """The name of the header or query parameter that carries the secret; empty for the other kinds."""
        return self.name or {"header": "X-Api-Key", "query": "api_key"}.get(self.kind, "")


class _Sized(Declared):
    size: int = Field(100, ge=1, le=1000, description="records per page")


class NoPagination(Declared):
    """One response holds everything."""

    kind: Literal["none"] = "none"


class PagePagination(_Sized):
    """Page numbers that count up until a page is empty, or until `more` is false."""

    kind: Literal["page"]
    param: ParameterName = "page"
    start: Literal[0, 1] = 1
    size_param: OptionalParameterName = Field("per_page", description="empty: the size is not sent")
    more: str = Field("", description="dotted path to a boolean in the response: false marks the last page")


class OffsetPagination(_Sized):
    """An offset that grows by the length of each page until a page is empty, or until `more` is false."""

    kind: Literal["offset"]
    param: ParameterName = "offset"
    size_param: OptionalParameterName = "limit"
    more: str = Field("", description="dotted path to a boolean in the response: false marks the last page")


class CursorPagination(_Sized):
    """Each response has the cursor of the next page; the last one has none."""

    kind: Literal["cursor"]
    param: ParameterName = "cursor"
    next: str = Field("next_cursor", min_length=1, description="dotted path to the next cursor in the response")
    size_param: OptionalParameterName = "limit"


class LinkPagination(_Sized):
    """Each response has the address of the next page: in the Link header (rel="next"), or at `next` in the response."""

    kind: Literal["link"]
    next: str = Field("", description="dotted path to the next address in the response; empty: the Link header")
    size_param: OptionalParameterName = "per_page"


Pagination = Annotated[
    NoPagination | PagePagination | OffsetPagination | CursorPagination | LinkPagination, Field(discriminator="kind")
]


class Since(Declared):
    """The parameter that asks the API only for what changed since a given time."""

    param: ParameterName
    format: Literal["iso", "epoch", "epoch_ms"] = "iso"


class Stream(Declared):
    """One list of records of one endpoint, and how they become deployments, incidents or changes."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="part of the rows' identity, so do not rename it")
    entity: Literal["deployments", "incidents", "changes"]
    path: str = Field(
        "", max_length=500, description="below base_url, such as /v1/incidents; required where there is one"
    )
    params: Annotated[dict[ParameterName, str | int | bool], BeforeValidator(object_of_pairs)] = {}
    records: str = Field("", description="dotted path to the list in the response; empty: the response itself")
    pagination: Pagination = NoPagination()
    since: Since | None = Field(None, description="without it, each run reads everything and notices deleted records")
    fields: dict[str, str] = Field(
        description="target field: dotted path in the record. Without base_url, a field that is not given has its own name"
    )
    values: dict[str, Annotated[dict[str, str | None], BeforeValidator(object_of_pairs)]] = Field(
        {}, description="target field: {their value: ours}; null skips the record, '*' applies to all other values"
    )
    constants: dict[str, Constant] = Field({}, description="target field: its value in every record")

    @model_validator(mode="before")
    @classmethod
    def _pushed_under_their_own_names(cls, given: Any) -> Any:
        if not isinstance(given, dict) or given.get("path") or given.get("entity") not in REQUIRED:
            return given
        fields, constants = given.get("fields", {}), given.get("constants", {})
        if not isinstance(fields, dict) or not isinstance(constants, dict):
            return given
        known = (*REQUIRED[given["entity"]], *OPTIONAL[given["entity"]])
        return {**given, "fields": {name: name for name in known if name not in constants} | fields}

    @field_validator("path")
    @classmethod
    def _below_the_base_url(cls, value: str) -> str:
        if value and (not value.startswith("/") or value.startswith("//") or re.search(r"[\\?#\s]", value)):
            raise ValueError(
                f"'{value[:100]}' is not a path below base_url: start it with one '/', leave out the host, and move"
                " what follows '?' to params"
            )
        return value

    @model_validator(mode="after")
    def _fields_of_the_entity(self) -> Stream:
        known = (*REQUIRED[self.entity], *OPTIONAL[self.entity])
        for place, named in (("fields", self.fields), ("values", self.values), ("constants", self.constants)):
            if unknown := sorted(set(named) - set(known)):
                raise ValueError(
                    f"stream '{self.name}': {place}: {self.entity} have no field '{unknown[0]}': use {', '.join(known)}"
                )
        if twice := sorted(set(self.fields) & set(self.constants)):
            raise ValueError(f"stream '{self.name}': '{twice[0]}' is in both fields and constants: remove one")
        if missing := [name for name in REQUIRED[self.entity] if name not in {*self.fields, *self.constants}]:
            raise ValueError(
                f"stream '{self.name}': '{missing[0]}' is required for {self.entity}: add its path to fields"
                + ("" if missing[0] == "id" else ", or its value to constants")
            )
        if blank := sorted(name for name, path in self.fields.items() if not path):
            raise ValueError(f"stream '{self.name}': fields: the path of '{blank[0]}' is empty: enter one")
        self._check_fixed_values()
        return self

    def _check_fixed_values(self) -> None:
        for name in self.constants:
            if name in ("id", "url") or name.endswith("_at"):
                raise ValueError(
                    f"stream '{self.name}': constants: '{name}' differs between records: add its path to fields"
                )
        for name in self.values:
            if name not in self.fields or name in ("id", "url") or name.endswith("_at"):
                raise ValueError(f"stream '{self.name}': values: '{name}' must be a text field that is also in fields")
        for result in (*self.values.get("result", {}).values(), self.constants.get("result")):
            if result is not None and result not in RESULTS:
                raise ValueError(f"stream '{self.name}': result: '{result}' must be success or failure")
