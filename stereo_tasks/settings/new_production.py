"""Adding a production to a site's own ``config/productions.yaml``; what is there stays as it is, comments included."""

from __future__ import annotations

import copy
import difflib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stereo_tasks.settings.load import SettingsError, base_folder, load_settings
from stereo_tasks.settings.production import Production, Productions

_FILE = "productions.yaml"
_MCP = "mcp"
_FILLED_IN = ("name", "origins")
"""Fields that no file sets."""


def productions_file(site: Path) -> Path:
    """Return where a site has productions of its own."""
    return site / "config" / _FILE


def with_production(site: Path, name: str, like: str, values: Mapping[str, str]) -> str:
    """Return the site's ``config/productions.yaml`` with a production more, like another one but for some values.

    Parameters
    ----------
    site : pathlib.Path
        Root of the site.
    name : str
        Of the new production.
    like : str
        Name of the production that it is made from.
    values : mapping of str to str
        Keys of a production with dots, such as ``nsb`` or ``mcp.create_irf.theta.efficiency``, with values as in YAML.

    Returns
    -------
    str
        What the file is to hold; the configuration has been loaded with it.

    Raises
    ------
    SettingsError
        If the name is taken, a key unknown or a value impossible.
    """
    settings = load_settings(site)
    if name in settings.productions.productions:
        raise SettingsError(f"there is a production {name} already: choose another name")
    other = settings.production(like)
    path = productions_file(site)
    text = path.read_text() if path.exists() else ""
    content = _changed(_raw(site, other.name), other, {key: _value(key, value) for key, value in values.items()})
    extended = _with_entry(text, name, content, path)
    _check(site, extended, name)
    return extended


def _value(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise SettingsError(f"{key}: {text!r} is no value of YAML; put quotes around it") from None


def _raw(site: Path, name: str) -> dict[str, Any]:
    """Return a production as the files have it: the base, and over it what the site says."""
    found: dict[str, Any] = {}
    for path in (base_folder() / _FILE, site / "config" / _FILE):
        content = (yaml.safe_load(path.read_text()) if path.exists() else None) or {}
        found |= (content.get("productions") or {}).get(name) or {}
    return found


def _changed(raw: dict[str, Any], other: Production, values: Mapping[str, Any]) -> dict[str, Any]:
    content = {key: value for key, value in copy.deepcopy(raw).items() if key != "name"}
    for key, value in values.items():
        first, *rest = key.split(".")
        if first == _MCP and rest:
            _must_exist(other.mcp, rest, key)
            if not isinstance(content[_MCP], dict):
                content[_MCP] = {"file": content[_MCP]}
            _put(content[_MCP].setdefault("set", {}), rest, value)
            continue
        _must_exist({name: None for name in Production.model_fields if name not in _FILLED_IN}, [first], key)
        _put(content, [first, *rest], value)
    return content


def _must_exist(known: Any, keys: list[str], whole: str) -> None:
    for key in keys:
        names = [str(name) for name in known] if isinstance(known, Mapping) else []
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}" if names else "it holds a value"
            )
            raise SettingsError(f"there is no key {whole}: {key} is unknown; {hint}")
        known = known[key]


def _put(content: dict[str, Any], keys: list[str], value: Any) -> None:
    *above, last = keys
    for key in above:
        if not isinstance(content.get(key), dict):
            content[key] = {}
        content = content[key]
    content[last] = value


def _with_entry(text: str, name: str, content: dict[str, Any], path: Path) -> str:
    """Return the text of a file with one production more, behind those that it has."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    root = yaml.compose(text, Loader=yaml.SafeLoader)  # it has been loaded before: it is YAML
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    block = next((value for key, value in pairs if key.value == "productions"), None)
    is_open = root is None or (isinstance(root, yaml.MappingNode) and not root.flow_style)
    if block is None and is_open:
        return "".join([*lines, "productions:\n", *_entry(name, content, 2)])
    if not isinstance(block, yaml.MappingNode) or block.flow_style or not block.value:
        raise SettingsError(f"{path}: write 'productions' as a block, a key a line, so that one can be added")
    first, last = block.value[0][0], block.value[-1][1]
    end = last.end_mark.line + (1 if last.end_mark.column else 0)
    while not _is_content(lines[end - 1]):
        end -= 1  # the block ends where the next begins: comments between are of the next
    return "".join([*lines[:end], *_entry(name, content, first.start_mark.column), *lines[end:]])


def _is_content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _entry(name: str, content: dict[str, Any], indent: int) -> list[str]:
    dumped = yaml.safe_dump({name: content}, sort_keys=False, allow_unicode=True, width=120)
    return [" " * indent + line for line in dumped.splitlines(keepends=True)]


def _check(site: Path, text: str, name: str) -> None:
    """Load the configuration as it would be."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / "config"
        if (site / "config").is_dir():
            shutil.copytree(site / "config", trial)
        trial.mkdir(exist_ok=True)
        (trial / _FILE).write_text(text)
        before, after = (_values(load_settings(root).productions) for root in (site, Path(folder)))
    after["productions"].pop(name, None)
    if before != after:
        raise SettingsError(f"{productions_file(site)} could not be extended: add the production by hand")


def _values(productions: Productions) -> dict[str, Any]:
    # Where values come from differs, of course.
    return productions.model_dump(exclude={"productions": {"__all__": {"origins"}}})
