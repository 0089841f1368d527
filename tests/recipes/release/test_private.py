"""What must not be published is found, and what only looks like it is not."""

import pytest

from recipes.release import private


def found(text: str, names=(), allowed=()) -> list[tuple[str, str, int]]:
    return [(each.what, each.text, each.line) for each in private.find(text, names, allowed)]


@pytest.mark.parametrize(
    "path",
    [
        "/home/asha/runs/hindi",
        "/mnt/lustre/x.nemo",
        "/tmp/a",
        "C:\\Users\\asha",
        "C:\\\\Users\\\\asha",
        "/gpfs/प्रयोग/a",
    ],
)
def test_local_paths_are_found_with_their_line(path) -> None:
    ((what, text, line),) = found(f'{{\n "source": "{path}"\n}}')
    assert (what, line) == ("a local path", 2)
    assert path.startswith(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://huggingface.co/nvidia/Nemotron-Mini-4B-Base",
        "CC-BY/4.0 and/or 12/11/2026, TP/PP",
        "sample.hi-Deva.real/train/*.jsonl.zst",
        "../tokens/x and ./a/b and ~/b/c",
        "</b> <br/> </extra_id_1>",
        "1/2/3 नमक/चीनी/पानी",
        '{"bos_token": "<s>", "eos_token": "</s>"}',
        "a / b / c",
    ],
)
def test_addresses_fractions_and_relative_paths_are_none(text) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("hf_" + "a1B2" * 9, "a Hugging Face token"),
        ("key sk-proj-" + "a1" * 15, "an OpenAI-style key"),
        ("AKIA" + "ABCD1234" * 2, "an AWS key"),
        ("ghp_" + "a1" * 18, "a GitHub token"),
        ("WANDB_API_KEY=" + "0a" * 20, "a W&B key"),
        ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
        ("http://asha:hunter2@host", "a password in an address"),
        ('"api_key": "abcdefgh1"', "a secret"),
    ],
)
def test_secrets_are_found(text, what) -> None:
    assert what in [each[0] for each in found(f"x {text} y")]


def test_names_of_machines_are_found_and_words_that_are_names_only_in_addresses() -> None:
    what = "the name of this account or machine"
    assert found("trained on dgx-07, not dgx-071", ["dgx-07"]) == [(what, "dgx-07", 1)]
    assert found("Asha, asha reads; asha@lab and ~asha", ["asha"]) == [(what, "asha@", 1), (what, "~asha", 1)]


def test_this_machine_has_no_common_name_to_hide(monkeypatch) -> None:
    monkeypatch.setattr(private.socket, "gethostname", lambda: "dgx-07.lab.example")
    monkeypatch.setattr(private.getpass, "getuser", lambda: "root")
    assert private.own_names() == {"dgx-07", "dgx-07.lab.example"}


def test_an_account_without_a_name_is_no_error(monkeypatch) -> None:
    def nameless() -> str:
        raise KeyError(1000)

    monkeypatch.setattr(private.socket, "gethostname", lambda: "localhost")
    monkeypatch.setattr(private.getpass, "getuser", nameless)
    monkeypatch.delenv("USER", raising=False)
    assert private.own_names() == set()


def test_what_was_allowed_word_for_word_may_stand() -> None:
    assert found("see /usr/bin and /usr/lib", allowed=["/usr/bin"]) == [("a local path", "/usr/lib", 1)]


def test_paths_in_json_are_cut_down_to_names() -> None:
    value = {"a": ["/x/y/m.nemo", "and/or", 1, None], "b": {"c": "/x/y"}}
    assert private.without_paths(value) == {"a": ["m.nemo", "and/or", 1, None], "b": {"c": "y"}}
