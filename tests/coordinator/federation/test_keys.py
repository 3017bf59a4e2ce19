"""The operator's tools, as an operator uses them."""

from pathlib import Path

from typer.testing import CliRunner

from coordinator.cli import app
from edgeproxy.cluster.homes.directory import Directory


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["keys", *words])
    assert result.exit_code == code, result.output
    return result.output.strip()


def test_from_the_first_key_to_a_revocation(tmp_path: Path) -> None:
    root, primary, eu, file = (str(tmp_path / name) for name in ("root", "primary", "eu", "list"))
    root_name, primary_name, eu_name = run("new", root), run("new", primary), run("new", eu)
    assert run("new", root) == root_name
    assert "a list needs a primary" in run("bundle", file, "--root", root, code=1)
    run("bundle", file, "--root", root, "--primary", primary_name, "--seed", "https://a.example")
    assert "no primary's key" in run("certify", file, "--key", eu, "--name", eu_name, "--url", "http://eu:1", code=1)
    run("certify", file, "--key", primary, "--name", eu_name, "--url", "http://eu:1", "--region", "eu")
    directory = Directory.open(Path(file).read_bytes(), {root_name})
    assert directory.bundle.version == 1
    assert directory.certificates[eu_name].region == "eu"
    assert "version 2" in run("revoke", file, "--root", root, "--name", eu_name)
    directory = Directory.open(Path(file).read_bytes(), {root_name}, at_least=2)
    assert not directory.certificates
    assert directory.bundle.revoked == (eu_name,)
    assert directory.bundle.seeds == ("https://a.example",)
    assert "revoked" in run("certify", file, "--key", primary, "--name", eu_name, "--url", "http://eu:1", code=1)


def test_a_root_is_replaced_without_a_gap(tmp_path: Path) -> None:
    old, new, primary, file = (str(tmp_path / name) for name in ("old", "new", "primary", "list"))
    old_name, new_name, primary_name = run("new", old), run("new", new), run("new", primary)
    run("bundle", file, "--root", old, "--primary", primary_name)
    run("bundle", file, "--root", old, "--root", new)
    data = Path(file).read_bytes()
    assert Directory.open(data, {old_name}).bundle == Directory.open(data, {new_name}).bundle
    assert "fresh" in run("show", file, "--root", new_name)
    assert "not signed" in run("show", file, "--root", primary_name, code=1)


def test_what_is_no_list_is_said(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("nonsense")
    assert run("show", str(tmp_path / "list"), code=1).startswith("error: ")
