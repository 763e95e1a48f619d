"""Writes the TypeScript classes of a provider's schema as ``pulumi package add`` does, by Pulumi's own generator.

The TypeScript host that can be built is too old to write them, so the generator of the engine's module is called by a
program of a few lines. What it compiles are mostly packages of the engine, which Go's cache has.
"""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from lab.built_once import GO, built_once, pinned_folder
from lab.engine import pins
from lab.errors import LabError
from lab.go import compile_program, go, module

MODULE: Final = "github.com/pulumi/pulumi/pkg/v3"
_MAIN: Final = f"""package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"{MODULE}/codegen/nodejs"
	"{MODULE}/codegen/schema"
)

func refuse(why any) {{
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}}

func main() {{
	var spec schema.PackageSpec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {{
		refuse(err)
	}}
	bound, problems, err := schema.BindSpec(spec, schema.NewNullLoader(), schema.ValidationOptions{{}})
	if err != nil {{
		refuse(err)
	}}
	if problems.HasErrors() {{
		refuse(problems)
	}}
	files, err := nodejs.GeneratePackage("asya", bound, nil, nil, true, nil)
	if err != nil {{
		refuse(err)
	}}
	for name, text := range files {{
		path := filepath.Join(os.Args[1], name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {{
			refuse(err)
		}}
		if err := os.WriteFile(path, text, 0o644); err != nil {{
			refuse(err)
		}}
	}}
}}
"""


def build() -> Path:
    """Return the generator, building it if need be.

    Raises:
        LabError: It is not built yet, and cannot be.
    """
    done = pinned_folder(f"pulumi-node-classes-{pins.PULUMI}", (GO, Path(__file__), Path(pins.__file__)))
    return built_once(done, _make) / "generate"


def write(schema: Mapping[str, Any], folder: Path) -> None:
    """Write the classes of a schema, as TypeScript, into a folder.

    Raises:
        LabError: The schema is none, with the generator's words.
    """
    done = subprocess.run(
        [str(build()), str(folder)], input=json.dumps(schema), capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise LabError(f"no classes of this schema: {done.stderr.strip()}")


def _make(half: Path, scratch: Path) -> None:
    module(scratch)
    (scratch / "main.go").write_text(_MAIN, encoding="utf-8")
    go(scratch, "get", f"{MODULE}@v{pins.PULUMI}")
    go(scratch, "mod", "tidy")
    compile_program(scratch, ".", half / "generate")
