"""A software bill of materials (CycloneDX 1.6, JSON) of an environment, and of the page's files.

``python scripts/sbom.py PACKAGE`` describes the environment of the interpreter that runs it: it
needs nothing but the standard library, so that the environment stays as it is.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
VENDOR = ROOT / "web" / "vendor"


def document(package: str) -> dict[str, Any]:
    """Return the bill of ``package``, which is installed here, and of everything beside it."""
    installed = {_name(each): each for each in distributions()}
    own = installed.pop(package)
    components = [_component(each) for _, each in sorted(installed.items())]
    if package == "ayes":
        components += list(_vendored())
    # The id is made from the list, so that the same release has the same bill.
    digest = hashlib.sha256(json.dumps([package, own.version, components]).encode()).digest()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}",
        "version": 1,
        "metadata": {"component": _component(own) | {"type": "application"}},
        "components": components,
        "dependencies": [
            {"ref": _purl(each), "dependsOn": sorted(_needs(each, installed))}
            for each in (own, *installed.values())
        ],
    }


def _name(found: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()


def _purl(found: Distribution) -> str:
    return f"pkg:pypi/{_name(found)}@{found.version}"


def _component(found: Distribution) -> dict[str, Any]:
    expression = found.metadata["License-Expression"]
    text = expression or (found.metadata["License"] or "").splitlines()[:1]
    name = text if isinstance(text, str) else "".join(text)
    licence: list[dict[str, Any]] = []
    if expression:
        licence = [{"expression": expression}]
    elif 0 < len(name) <= 64:
        licence = [{"license": {"name": name}}]
    return {
        "type": "library",
        "bom-ref": _purl(found),
        "name": _name(found),
        "version": found.version,
        "purl": _purl(found),
        **({"licenses": licence} if licence else {}),
    }


def _needs(found: Distribution, installed: dict[str, Distribution]) -> Iterator[str]:
    """Yield the packages that ``found`` asks for and that are here; extras are not looked into."""
    for line in found.requires or ():
        match = re.match(r"[A-Za-z0-9._-]+", line)
        name = re.sub(r"[-_.]+", "-", match[0]).lower() if match else ""
        if name in installed and "extra ==" not in line:
            yield _purl(installed[name])


def _vendored() -> Iterator[dict[str, Any]]:
    """Yield the page's third-party files, with the hashes that their READMEs name."""
    for folder in sorted(VENDOR.iterdir()):
        about = (folder / "README.md").read_text()
        found = re.search(r"\b(\d+\.\d+\.\d+)\b", about)
        version = found[1] if found else "0"
        files = [path for path in folder.iterdir() if path.suffix == ".js"]
        yield {
            "type": "library",
            "bom-ref": f"pkg:npm/{folder.name}@{version}",
            "name": folder.name,
            "version": version,
            "purl": f"pkg:npm/{folder.name}@{version}",
            "hashes": [
                {"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}
                for path in files
            ],
        }


if __name__ == "__main__":
    print(json.dumps(document(sys.argv[1]), indent=2))
