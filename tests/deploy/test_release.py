"""The parts of a release; ``.ci/run`` runs ``scripts/release`` itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from scripts.provenance import STATEMENT, NotCommitted, check, commit_of
from scripts.release import SUMS, empty, seal
from scripts.renumber import PLACES, ReleaseError, number, numbers, renumber
from tests.parts import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copies of the files that name a version, for tests to change."""
    for name in (*PLACES, "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_all_packages_have_one_number() -> None:
    assert number(ROOT) == version("ayes") == version("ayes-client")


def test_a_new_number_is_written_everywhere_and_closes_the_changelog(copy: Path) -> None:
    before = numbers(copy)
    changelog = (copy / "CHANGELOG.md").read_text()
    if "\n## Unreleased\n\n## " in changelog:
        # Right after a release there is nothing yet that the next one would have.
        change = "\n## Unreleased\n\n### Added\n\n- Something.\n\n"
        (copy / "CHANGELOG.md").write_text(changelog.replace("\n## Unreleased\n\n", change, 1))
    renumber(copy, "7.8.9", "2026-12-24")
    assert set(numbers(copy).values()) == {"7.8.9"}
    for name, old in before.items():
        assert (copy / name).read_text().replace("7.8.9", old) == (ROOT / name).read_text(), name
    changelog = (copy / "CHANGELOG.md").read_text()
    assert "\n## Unreleased\n\n## 7.8.9 (2026-12-24)\n\n### " in changelog
    with pytest.raises(ReleaseError, match="nothing under Unreleased"):
        renumber(copy, "7.8.10", "2026-12-25")


@pytest.mark.parametrize("wrong", ["", "1.0", "v1.0.0", "1.0.0-rc.1", "1.0.0\n", "01.x.0"])
def test_a_number_of_another_form_changes_nothing(copy: Path, wrong: str) -> None:
    before = numbers(copy)
    with pytest.raises(ReleaseError, match="is not a version"):
        renumber(copy, wrong, "2026-12-24")
    assert numbers(copy) == before


def test_a_folder_with_files_of_others_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").touch()
    with pytest.raises(ReleaseError, match="holds no release"):
        empty(tmp_path)
    (tmp_path / SUMS).touch()
    empty(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_bill_names_every_package_once_with_its_version_and_what_it_needs() -> None:
    made = subprocess.run(
        [sys.executable, "-I", ROOT / "scripts" / "sbom.py", "ayes"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    bill = json.loads(made.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    own = bill["metadata"]["component"]
    assert own["purl"] == f"pkg:pypi/ayes@{version('ayes')}"
    names = [(each["name"], each["version"]) for each in bill["components"]]
    assert len(names) == len(set(names))
    assert ("asyncpg", version("asyncpg")) in names
    assert {"lean-qr", "oauth4webapi"} <= {name for name, _ in names}
    refs = {own["bom-ref"], *(each["bom-ref"] for each in bill["components"])}
    needed = {ref for each in bill["dependencies"] for ref in (each["ref"], *each["dependsOn"])}
    assert needed <= refs
    [ours] = [each for each in bill["dependencies"] if each["ref"] == own["bom-ref"]]
    assert f"pkg:pypi/asyncpg@{version('asyncpg')}" in ours["dependsOn"]


def test_every_artifact_is_named_with_its_commit_and_another_one_is_noticed(tmp_path: Path) -> None:
    commit = "a" * 40
    for name in ("ayes-7.8.9.tar.gz", "ayes-client-7.8.9.tgz"):
        (tmp_path / name).write_text(name)
    seal(tmp_path, commit)
    said = json.loads((tmp_path / STATEMENT).read_text())
    assert {one["name"] for one in said["subject"]} == {
        "ayes-7.8.9.tar.gz",
        "ayes-client-7.8.9.tgz",
    }
    [source] = said["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": commit}
    assert STATEMENT in (tmp_path / SUMS).read_text()
    assert check(tmp_path, None) == []
    (tmp_path / "ayes-7.8.9.tar.gz").write_text("another")
    (tmp_path / "ayes-client-7.8.9.tgz").unlink()
    (tmp_path / "more.whl").touch()
    assert [line.partition(":")[0] for line in check(tmp_path, None)] == [
        *("ayes-7.8.9.tar.gz", "ayes-client-7.8.9.tgz", "more.whl"),
    ]


def test_a_checkout_with_changes_is_not_built(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "a.txt").write_text("a")
    git("add", ".")
    git("commit", "-m", "First")
    assert len(commit := commit_of(tmp_path)) == 40
    (tmp_path / "new.txt").touch()
    assert commit_of(tmp_path) == commit
    (tmp_path / "a.txt").write_text("b")
    with pytest.raises(NotCommitted, match=r"a\.txt"):
        commit_of(tmp_path)
