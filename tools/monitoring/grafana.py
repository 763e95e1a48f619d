"""Makes Grafana's JSON of the dashboards' values, with Grafana's own typed builder."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from tools.monitoring.panels import Board, Panel

HEIGHT: Final = 8
WIDTH: Final = 12
"""Of Grafana's 24 columns."""
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")


def write_board(board: Board) -> str:
    """Write a dashboard as Grafana reads it from a file."""
    made = (
        Dashboard(board.title)
        .uid(board.uid)
        .description(board.text)
        .tags(["asya"])
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .with_variable(DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    )
    if board.by_actor:
        made = made.with_variable(
            QueryVariable("actor")
            .label("Actor")
            .datasource(SOURCE)
            .query("label_values(asya_operator_queue_envelopes, queue)")
            .multi(True)
            .include_all(True)
            .all_value(".*")
        )
    for panel in board.panels:
        made = made.with_panel(_panel(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def _panel(panel: Panel) -> TimeSeries:
    made = (
        TimeSeries()
        .title(panel.title)
        .description(panel.text)
        .unit(panel.unit)
        .datasource(SOURCE)
        .min(0)
        .height(HEIGHT)
        .span(WIDTH)
    )
    for place, (expr, legend) in enumerate(panel.lines):
        made = made.with_target(Dataquery().ref_id(chr(ord("A") + place)).expr(expr).legend_format(legend))
    return made
