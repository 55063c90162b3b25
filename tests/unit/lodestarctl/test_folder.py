"""Where somebody works: the repository's root, or the folder itself."""

from pathlib import Path

import pytest

from lodestarctl.folder import work_folder


def test_the_root_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "alpha" / "src" / "deep"
    inner.mkdir(parents=True)
    assert work_folder(str(inner)) == str(inner)
    (tmp_path / "alpha" / ".git").write_text("gitdir: elsewhere")  # a worktree has a file
    assert work_folder(str(inner)) == str(tmp_path / "alpha")
    monkeypatch.chdir(inner)
    assert work_folder() == str(tmp_path / "alpha")


def test_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert work_folder() == ""
