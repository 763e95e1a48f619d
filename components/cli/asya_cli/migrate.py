"""``asya migrate``: what was written for the original's 1.x, as this mesh takes it."""

import json
from pathlib import Path
from typing import Any

import click

from asya_cli.console import Console
from asya_cli.exit_codes import BadRequest
from asya_cli.options import json_option

_FILE = click.Path(dir_okay=False, path_type=Path, allow_dash=True, exists=True)


@click.group(short_help="Turn manifests and envelopes of Asya 1.x into ours.")
def migrate() -> None:
    """Turn what was written for Asya 1.x into what this mesh takes. Writes to stdout, and says on stderr what is lost."""


@migrate.command(short_help="AsyncActors of a file.")
@click.argument("file", type=_FILE)
@click.option("--transport", default="sqs", show_default=True, help="For actors that name none, as those of 1.x.")
@json_option
def manifest(file: Path, transport: str, as_json: bool) -> None:
    """Turn the AsyncActors of FILE (- is stdin) into ours; other objects stay as they are, and so do ours."""
    import yaml

    from asya_manifest.actor import parse_actor
    from asya_manifest.errors import ManifestError
    from asya_manifest.migration import migrate_all

    console = Console(as_json=as_json)
    try:
        documents = [each for each in yaml.safe_load_all(_read(file)) if each is not None]
        found = migrate_all(documents, transport, parse_actor)
    except yaml.YAMLError as exc:
        raise BadRequest(f"{file} is no YAML: {exc}") from exc
    except ManifestError as exc:
        raise BadRequest(f"{file}: {exc}", "correct that field of the manifest, and run this again") from exc
    for each in found:
        for note in each.notes:
            console.warn(f"{(each.document.get('metadata') or {}).get('name', '?')}: {note}")
    told = [{"changed": each.changed, "notes": each.notes, "document": each.document} for each in found]
    text = yaml.safe_dump_all([each.document for each in found], sort_keys=False, allow_unicode=True)
    console.result({"documents": told}, text.rstrip("\n"))


@migrate.command(short_help="An envelope of a file.")
@click.argument("file", type=_FILE, default="-")
@click.option("--back", is_flag=True, help="Turn one of ours into theirs.")
@json_option
def envelope(file: Path, back: bool, as_json: bool) -> None:
    """Turn the route of the envelope in FILE (stdin) from prev/curr/next into actors and current; the rest stays as it is."""
    from asya_protocol import legs
    from asya_protocol.envelope import parse_envelope
    from asya_protocol.errors import InvalidEnvelope

    try:
        document: Any = json.loads(_read(file))
    except ValueError as exc:
        raise BadRequest(f"{file} is no JSON: {exc}") from exc
    route = document.get("route") if isinstance(document, dict) else None
    if not isinstance(route, dict):
        raise BadRequest(f"{file} is no envelope: it has no 'route'")
    try:
        ours = {**document, "route": legs.to_actors(route) if legs.has_legs(route) else route}
        parse_envelope(json.dumps(ours).encode())
    except InvalidEnvelope as exc:
        raise BadRequest(f"{file}: {exc}") from exc
    made = {**ours, "route": legs.to_legs(ours["route"])} if back else ours
    Console(as_json=as_json).result(made, json.dumps(made, ensure_ascii=False))


def _read(file: Path) -> str:
    with click.open_file(str(file), encoding="utf-8") as source:
        return str(source.read())
