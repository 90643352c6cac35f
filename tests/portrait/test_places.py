"""Where the studio keeps what it sets up."""

from __future__ import annotations

from pathlib import Path

from portrait_studio.portrait import places


def test_a_checkout_keeps_everything_in_itself():
    assert places.studio() == Path(places.ROOT) / ".studio"


def test_what_pip_installed_keeps_it_in_the_users_own_folder(tmp_path, monkeypatch):
    installed = tmp_path / "lib" / "site-packages" / "portrait_studio"
    installed.mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    found = places.studio(installed)
    assert found.name == "portrait-studio"
    assert tmp_path in found.parents
    assert installed not in found.parents
