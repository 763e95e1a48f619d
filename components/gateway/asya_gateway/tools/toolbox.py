"""The tools that can be called now. Files are reloaded while the gateway runs; broken files leave the last good tools.

Contents are compared, not times: a mounted ConfigMap is replaced by swapping a symbolic link, and editors rename files.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from asya_gateway.metrics import Metrics
from asya_gateway.schedules.cron import check
from asya_gateway.tools.arguments import InvalidArguments, check_schemas, complete
from asya_manifest.schedules import Schedule, parse_schedules
from asya_manifest.tools import InvalidTools, Texts, Tool, parse_tools, read_texts

log: Final = logging.getLogger(__name__)


class Toolbox:
    """Tools by name.

    Args:
        path: A file or a folder; ``None`` has no tools.
        metrics: Where changes are counted.

    Raises:
        InvalidTools: The path cannot be read, or a file breaks a rule.
    """

    def __init__(self, path: Path | None, metrics: Metrics | None = None) -> None:
        self._path = path
        self._metrics = metrics or Metrics()
        self._texts = read_texts(path)
        found = _checked(self._texts)
        self.tools: Mapping[str, Tool] = found[0]
        self.schedules: Mapping[str, Schedule] = found[1]
        self.problem: str | None = None
        """Why the files as they are now cannot be used; ``None`` when they are in use."""
        self.revision = 0
        """Number of changes so far."""
        self._metrics.tools.set(len(self.tools))

    def reload(self) -> bool:
        """Reload the files; returns whether the tools changed. Never raises for a broken file."""
        try:
            texts = read_texts(self._path)
            if texts == self._texts and self.problem is None:
                return False
            tools, schedules = _checked(texts)
        except InvalidTools:
            # Files that are just being replaced may be inconsistent for a moment.
            try:
                texts = read_texts(self._path)
                tools, schedules = _checked(texts)
            except InvalidTools as exc:
                self._keep(str(exc))
                return False
        self.problem = None
        self._metrics.tools_stale.set(0)
        if texts == self._texts:
            return False
        self._texts, self.tools, self.schedules = texts, tools, schedules
        self.revision += 1
        self._metrics.tools.set(len(tools))
        self._metrics.tool_reloads.labels("changed").inc()
        log.info("tools changed", extra={"tools": sorted(tools)})
        return True

    async def watch(self, every_s: float, changed: Callable[[], None]) -> None:
        """Reload periodically until cancelled, and call ``changed`` after every change."""
        while True:
            await asyncio.sleep(every_s)
            try:
                if await asyncio.to_thread(self.reload):
                    changed()
            except Exception as exc:  # noqa: BLE001 - a defect of ours must not end every later reload with this one
                self._keep(f"{type(exc).__name__}: {exc}", exc)

    def _keep(self, problem: str, defect: Exception | None = None) -> None:
        if problem != self.problem:  # once for every problem, not at every look
            self.problem = problem
            self._metrics.tool_reloads.labels("failed").inc()
            self._metrics.tools_stale.set(1)
            log.error("tools not changed: the last good ones stay", extra={"error": problem}, exc_info=defect)


def _checked(texts: Texts) -> tuple[Mapping[str, Tool], Mapping[str, Schedule]]:
    tools = parse_tools(texts)
    check_schemas(tools)
    schedules = parse_schedules(texts, tools)
    for schedule in schedules.values():
        try:
            check(schedule, datetime.now(UTC))
            complete(tools[schedule.tool], schedule.arguments)
        except (ValueError, InvalidArguments) as exc:
            raise InvalidTools(f"schedule {schedule.name}: {exc}") from None
    return tools, schedules
