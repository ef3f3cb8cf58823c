"""What describes a dashboard is translated, and what names a column or a metric is not, although it may be the same word."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from pulse import languages
from pulse_superset import formats, in_words

SAY = partial(languages.say, "de")


def spoken(value: Any) -> Any:
    return in_words.spoken(value, SAY)


def test_titles_tabs_filters_and_labels_are_translated() -> None:
    metadata = {
        "native_filter_configuration": [
            {"name": "Time range", "filterType": "filter_time", "description": "Empty: the whole company."},
            {"name": "Service", "filterType": "filter_select", "targets": [{"column": {"name": "items"}}]},
        ],
        "label_colors": {"Upper limit": "#8B939C", "upper_line": "#8B939C"},
    }
    position = {
        "TAB-overview": {"type": "TAB", "meta": {"text": "Overview"}},
        "CHART-1": {"meta": {"sliceName": "Work"}},
    }
    result = spoken(
        {
            "result": {
                "dashboard_title": "Executive overview",
                "json_metadata": json.dumps(metadata),
                "position_json": json.dumps(position),
            }
        }
    )["result"]
    assert result["dashboard_title"] == "Überblick"
    told = json.loads(result["json_metadata"])
    assert [one["name"] for one in told["native_filter_configuration"]] == ["Zeitraum", "Service"]
    assert told["label_colors"] == dict.fromkeys(("Upper limit", "Obere Grenze", "upper_line"), "#8B939C")
    assert told["native_filter_configuration"][0]["description"] == "Leer: das gesamte Unternehmen."
    assert told["native_filter_configuration"][1]["targets"] == [{"column": {"name": "items"}}]
    assert json.loads(result["position_json"])["TAB-overview"]["meta"]["text"] == "Überblick"
    assert json.loads(result["position_json"])["CHART-1"]["meta"]["sliceName"] == "Arbeit"
    dataset = spoken(
        {"verbose_map": {"days": "Days open"}, "columns": [{"column_name": "items", "verbose_name": "Items"}]}
    )
    assert dataset["verbose_map"] == {"days": "Tage offen"}
    assert dataset["columns"] == [{"column_name": "items", "verbose_name": "Vorgänge"}]


def test_names_of_metrics_and_columns_stay() -> None:
    form = {"metrics": ["days", "items"], "groupby": ["release"], "x_axis": "status", "y_axis_title": "days"}
    layer = {"name": "DORA 2024 elite: under a day", "value": "1"}
    result = spoken({"form_data": {**form, "annotation_layers": [layer]}})["form_data"]
    assert result == {
        **form,
        "y_axis_title": "Tage",
        "annotation_layers": [{**layer, "name": "DORA 2024 Elite: unter einem Tag"}],
    }


def test_a_template_keeps_its_tags_and_expressions() -> None:
    text = (
        '<a class="items" title="See the rows" href="{{rows_path}}">See the rows</a>'
        '{{#if (eq days "open")}} on {{days}}{{/if}}'
    )
    assert in_words.template(text, SAY) == (
        '<a class="items" title="Datensätze ansehen" href="{{rows_path}}">Datensätze ansehen</a>'
        '{{#if (eq days "open")}} am {{days}}{{/if}}'
    )


def test_charts_write_numbers_and_months_as_the_language_does() -> None:
    assert formats.of_charts("en") == {}
    german = formats.of_charts("de")
    assert (german["d3_format"]["decimal"], german["d3_format"]["thousands"]) == (",", ".")
    assert german["d3_time_format"]["days"][0] == "Sonntag"
    assert german["d3_time_format"]["months"][2] == "März"
    assert len(german["d3_time_format"]["shortMonths"]) == 12
