"""The JavaScript client's own tests, its types, and the package that npm would publish."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_type_hints

import pytest

from ayes_client._typed import args
from tests.clients.typing_tables import tables
from tests.node import NODE, NPM, install
from tests.node import run as run_in

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "js"
SOURCES = [*sorted(CLIENT.glob("*.js")), *sorted((CLIENT / "src").rglob("*.js"))]
TYPES = Path(__file__).parent / "types"
#: Packages that an application brings itself.
PEERS = {"react": "react.js", "vue": "vue.js"}
#: A reader finds their way by the tree alone: one noun a file.
MAX_FILE_LINES = 400


def run(*command: str, cwd: Path = CLIENT) -> str:
    """Run ``command``, which must succeed; return its output."""
    return run_in(*command, cwd=cwd)


@pytest.mark.timeout(300)
def test_its_own_tests_pass() -> None:
    files = sorted(str(path) for path in (CLIENT / "tests").glob("*.test.js"))
    assert files
    run(NODE, "--test", "--test-reporter=tap", *files)


@pytest.mark.timeout(400)
def test_the_types_are_sound_refuse_what_they_should_and_have_the_servers_fields() -> None:
    install(TYPES)
    (TYPES / "tables.ts").write_text(tables())
    run(NODE, "node_modules/typescript/bin/tsc", "-p", ".", cwd=TYPES)


def test_what_is_typed_is_there_and_the_other_way_round() -> None:
    script = "import('./ayes.js').then(m => console.log(JSON.stringify(Object.keys(m))))"
    there = set(json.loads(run(NODE, "--input-type=module", "-e", script)))
    typed = re.findall(
        r"^export (?:class|function) (\w+)", (CLIENT / "ayes.d.ts").read_text(), re.MULTILINE
    )
    assert there == set(typed)


def test_it_knows_each_field_of_a_new_event_and_of_a_policy() -> None:
    """A field that is missing in its table could not be sent; one too many would be lost."""
    fields = get_type_hints(args.EventCreate)
    policy = get_type_hints(args.PolicyPatch)
    kind, ballot = get_type_hints(args.KindPolicyPatch), get_type_hints(args.BallotPolicyPatch)
    shape = {
        **dict.fromkeys(policy),
        **dict.fromkeys(("assumption", "criterion", "conclusion"), dict.fromkeys(kind)),
        "ballot": dict.fromkeys(ballot),
    }
    whole = {**dict.fromkeys([*fields, "event"]), "policy": shape}
    script = """
        import("./src/wire/known.js").then(({ checkArgs }) => {
          const whole = JSON.parse(process.argv[1]);
          checkArgs("event.create", whole);
          const refused = (path, given) => {
            for (const [name, value] of Object.entries(given)) {
              if (typeof value === "object" && value) refused([...path, name], value);
            }
            const around = (inner, name) => ({ [name]: inner });
            const wrong = path.reduceRight(around, { of_tomorrow: 1 });
            try {
              checkArgs("event.create", wrong);
              console.log(path.join("."));
            } catch {}
          };
          refused([], whole);
        });
    """
    assert run(NODE, "-e", script, json.dumps(whole)) == ""


def test_npm_would_publish_exactly_the_client() -> None:
    packed = json.loads(run(*NPM, "pack", "--dry-run", "--json"))[0]
    files = {entry["path"] for entry in packed["files"]}
    examples = {
        str(path.relative_to(CLIENT))
        for path in (CLIENT / "examples").rglob("*.*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert examples
    sources = {str(path.relative_to(CLIENT)) for path in SOURCES}
    types = {path.name for path in CLIENT.glob("*.d.ts")}
    assert files == {"package.json", "README.md", "LICENSE"} | types | sources | examples


def test_the_package_stands_alone() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    assert package["license"] == "Apache-2.0"
    assert (CLIENT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert not {"dependencies", "devDependencies"} & set(package)
    optional = {name for name, meta in package["peerDependenciesMeta"].items() if meta["optional"]}
    assert set(package["peerDependencies"]) == optional == set(PEERS)
    for path in SOURCES:
        for module in re.findall(r"(?:from |import\() *\"([^\"]+)\"", path.read_text()):
            if PEERS.get(module) == path.name:
                continue
            if path.name == "testing.js" and module.startswith("node:"):
                continue
            assert module.startswith("."), f"{path.name} imports {module}"
            assert (path.parent / module).resolve() in SOURCES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_strict_policy_lets_it_run(path: Path) -> None:
    """The package has no code that a content security policy without ``unsafe-…`` refuses."""
    text = path.read_text()
    assert not re.search(r"\beval\(|new Function|innerHTML|document\.write|import\(", text)
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert text.startswith("//"), "it does not say what it is"


PAGES = [
    CLIENT / "README.md",
    ROOT / "docs" / "clients" / "javascript.md",
    ROOT / "docs" / "clients" / "frameworks.md",
    ROOT / "docs" / "clients" / "app.md",
]


@pytest.mark.parametrize("language", ["tsx", "ts"])
def test_code_for_frameworks_is_that_of_the_examples(language: str) -> None:
    """The examples are type-checked, and run in a browser by tests/web/test_frameworks.py."""
    page = (ROOT / "docs" / "clients" / "frameworks.md").read_text()
    blocks = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    code = "\n".join(path.read_text() for path in (CLIENT / "examples").rglob(f"*.{language}"))
    assert blocks
    assert [block for block in blocks if block not in code] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_in_its_pages_is_code(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```js\n(.*?)```", page.read_text(), re.DOTALL)
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.mjs"
        path.write_text(block)
        run(NODE, "--check", str(path))
        for name in re.findall(r"\b(?:client|room)\.(\w+)", block):
            assert re.search(rf"\b{name}[(<:]", (CLIENT / "ayes.d.ts").read_text()), name


#: Names that the pages' code takes from elsewhere, and their types.
GIVEN = {
    "client": 'import("ayes-client").Client',
    "room": 'import("ayes-client").Room',
    **dict.fromkeys(
        ("token", "event", "proposal", "option", "first", "second", "code", "id"), "string"
    ),
    **dict.fromkeys(("criteria_rev", "before"), "number"),
    "criterion_order": "string[]",
    **dict.fromkeys(("draw", "showAcked", "showRefused"), "(...shown: unknown[]) => void"),
}


def test_the_code_in_its_pages_is_sound_by_strict_types(tmp_path: Path) -> None:
    install(TYPES)
    for page in PAGES:
        blocks = re.findall(r"```js\n(.*?)```", page.read_text(), re.DOTALL)
        for number, block in enumerate(blocks):
            if "/sdk/" in block.partition("\n")[0].partition("//")[0]:
                continue  # A page that the server serves.
            made = " ".join(re.findall(r"\b(?:const|import) (.*?)(?:=| of | from )", block))
            given = [
                f"declare const {name}: {kind};"
                for name, kind in GIVEN.items()
                if not re.search(rf"\b{name}\b", made)
            ]
            path = tmp_path / f"{page.parent.name}-{page.stem}-{number}.mts"
            path.write_text("\n".join([block, *given, "export {};"]))
    options = json.loads((TYPES / "tsconfig.json").read_text())["compilerOptions"]
    # No framework is installed there.
    options |= {"moduleResolution": "nodenext", "skipLibCheck": True}
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "include": ["*.mts"]})
    )
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "ayes-client").symlink_to(CLIENT)
    run(NODE, str(TYPES / "node_modules" / "typescript" / "bin" / "tsc"), "-p", ".", cwd=tmp_path)


def test_the_ten_lines_are_as_its_readme_shows_them() -> None:
    lines = (CLIENT / "examples" / "ten-lines.js").read_text()
    assert lines in (CLIENT / "README.md").read_text()
    assert len([line for line in lines.splitlines() if line]) == 10
