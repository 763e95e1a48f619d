"""The console's parts as text: nothing in them turns text into markup or code, and all that they name is there."""

import re

import pytest

from asya_gateway.routes.console_page import PARTS, POLICY

SCRIPTS = sorted(path for path in PARTS if path.endswith(".js"))
DANGEROUS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|DOMParser|createContextualFragment"
    r"|\bimport\(|setTimeout\(\s*[\"'`]|javascript:"
)
IMPORT = re.compile(r'import \{([^}]+)\} from "([^"]+)";')
EXPORT = re.compile(r"export (?:async )?(?:function|class|const) (\w+)")
DOCUMENT = PARTS["/"].decode()


@pytest.mark.parametrize("path", SCRIPTS)
def test_no_script_makes_markup_or_code_of_text(path: str) -> None:
    assert DANGEROUS.findall(PARTS[path].decode()) == []


@pytest.mark.parametrize("path", SCRIPTS)
def test_what_a_script_imports_is_exported_and_used(path: str) -> None:
    text = PARTS[path].decode()
    for names, source in IMPORT.findall(text):
        exported = set(EXPORT.findall(PARTS[source].decode()))
        for name in (name.strip() for name in names.split(",") if name.strip()):
            assert name in exported, (path, source, name)
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{path} imports {name} and does not use it"


def test_every_export_is_imported_somewhere() -> None:
    imported = {
        name.strip()
        for path in SCRIPTS
        for names, _ in IMPORT.findall(PARTS[path].decode())
        for name in names.split(",")
    }
    exported = {(path, name) for path in SCRIPTS for name in EXPORT.findall(PARTS[path].decode())}
    assert {(path, name) for path, name in exported if name not in imported} == set()


def test_the_page_loads_its_own_parts_alone_and_holds_no_script_or_style() -> None:
    loaded = re.findall(r'(?:src|href)="([^"#][^"]*)"', DOCUMENT)
    assert loaded and all(path in PARTS for path in loaded)
    assert re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", DOCUMENT) is None
    assert "http" not in DOCUMENT + PARTS["/console/style.css"].decode()


def test_the_policy_has_no_hole() -> None:
    assert "unsafe" not in POLICY and "*" not in POLICY and "data:" not in POLICY and "http" not in POLICY
