"""Merging kubeconfig files: a table of which context is current, with kubectl as the judge."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from capscan.core.kube_errors import NoCluster
from capscan.kube.kubeconfig import choose, read
from capscan.localplane.console import Console
from capscan.localplane.programs import KUBECTL, find_programs


def config(name: str, *, current: str | None = None, **changes: object) -> str:
    """A kubeconfig with one context of that name, to a server of that name."""
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": f"https://{name}:6443"}}],
        "users": [{"name": "u", "user": {"token": name}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}}],
        "current-context": name if current is None else current,
        **changes,
    }
    return yaml.safe_dump(body)


NULLS = "current-context: b\nclusters: null\nusers: null\ncontexts: null\n"
MERGED: dict[str, tuple[list[str | None], str]] = {
    "the first current context wins": ([config("a"), config("b")], "a"),
    "an empty current context changes nothing": ([config("a"), config("b", current="")], "a"),
    "an empty current context first": ([config("a", current=""), config("b")], "b"),
    "an empty file first": (["", config("b")], "b"),
    "an empty file last": ([config("a"), ""], "a"),
    "a file of comments": (["# nothing\n", config("b")], "b"),
    "a file that is missing": ([None, config("b")], "b"),
    "a file with the current context alone": ([NULLS, config("a"), config("b")], "b"),
    "null is as good as nothing": ([config("a", **{"current-context": None}), config("b")], "b"),
}


def written(folder: Path, texts: list[str | None]) -> list[Path]:
    """Write the files; None is a file that is missing."""
    paths = [folder / str(number) for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        if text is not None:
            path.write_text(text)
    return paths


@pytest.mark.parametrize(("texts", "current"), MERGED.values(), ids=MERGED.keys())
def test_files_are_merged(tmp_path: Path, texts: list[str | None], current: str) -> None:
    assert read(written(tmp_path, texts)).current == current


@pytest.mark.usefixtures("programs")
def test_kubectl_says_the_same_of_the_current_context(tmp_path: Path) -> None:
    kubectl = find_programs([KUBECTL], Console())[KUBECTL]
    said = {}
    for number, (name, (texts, _)) in enumerate(MERGED.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        variable = os.pathsep.join(map(str, written(folder, texts)))
        answer = subprocess.run(
            [kubectl, "config", "current-context"],
            env={"KUBECONFIG": variable, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        said[name] = answer.stdout.strip()

    assert said == {name: current for name, (_, current) in MERGED.items()}


def test_the_first_entry_of_a_name_wins_whole(tmp_path: Path) -> None:
    """Both files call their cluster c and their user u."""
    paths = written(tmp_path, [config("a", current="b"), config("b")])
    chosen = choose(read(paths), None)

    assert (chosen.cluster.server, chosen.user.token) == ("https://a:6443", "a")


def test_relative_paths_start_from_the_file_that_they_stand_in(tmp_path: Path) -> None:
    user = {
        "tokenFile": "token",
        "client-key": "/absolute/key",
        "exec": {"command": "./plugin", "apiVersion": "x"},
    }
    cluster = {"server": "https://a", "certificate-authority": "pki/ca.pem"}
    text = config(
        "a", users=[{"name": "u", "user": user}], clusters=[{"name": "c", "cluster": cluster}]
    )
    chosen = choose(read(written(tmp_path, [text])), None)

    assert chosen.user.token_file == str(tmp_path / "token")
    assert chosen.user.client_key == "/absolute/key"
    assert chosen.user.exec
    assert Path(chosen.user.exec.command) == tmp_path / "plugin"
    assert Path(chosen.cluster.certificate_authority) == tmp_path / "pki/ca.pem"


def test_a_command_without_a_folder_is_looked_for_on_the_path(tmp_path: Path) -> None:
    user = {"exec": {"command": "plugin", "apiVersion": "x", "args": None, "env": None}}
    chosen = choose(
        read(written(tmp_path, [config("a", users=[{"name": "u", "user": user}])])), None
    )

    assert chosen.user.exec
    assert chosen.user.exec.command == "plugin"


TWICE = [{"name": "u", "user": {}}, {"name": "u", "user": {}}]
BROKEN = {
    "no YAML": ("a: [", "is no YAML in line 1"),
    "a list": ("[]", "no kubeconfig"),
    "a list that is none": ("clusters: 3", "clusters is no list"),
    "an entry without a name": ("users: [{}]", "an entry of users has no name"),
    "a name twice": (config("a", users=TWICE), "has the name 'u' twice"),
}


@pytest.mark.parametrize(("text", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_among_good_ones_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(NoCluster, match=words) as raised:
        read(written(tmp_path, [config("a"), text]))

    assert str(tmp_path / "1") in str(raised.value)


def test_a_wrong_field_is_named_without_its_value(tmp_path: Path) -> None:
    users = [{"name": "u", "user": {"token": ["word"]}}]

    with pytest.raises(NoCluster, match="token: ") as raised:
        choose(read(written(tmp_path, [config("a", users=users)])), None)
    assert "word" not in str(raised.value)
