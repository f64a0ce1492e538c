"""What workers load: rules and policy pinned by what they say, read anew when they are edited."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from corpus_gov import rules
from corpus_gov.errors import ConfigError
from corpus_gov.stages import Context


@pytest.fixture
def folder(tmp_path) -> Path:
    """An operator's own copy of the rules, to edit."""
    return Path(shutil.copytree(str(rules.shipped()), tmp_path / "rules"))


@pytest.fixture
def context(folder) -> Context:
    """A context that is not pinned."""
    return Context("memory://none", "", ("cn.pii", "common.pii"), str(folder), "default")


def edit(file: Path, pattern: str, new: str) -> None:
    """Replace the first match in a file."""
    text = file.read_text(encoding="utf-8")
    changed = re.sub(pattern, new, text, count=1, flags=re.MULTILINE)
    assert changed != text
    file.write_text(changed, encoding="utf-8")


def test_an_edited_pack_is_in_force_at_once(context, folder):
    """A process that has loaded a pack before sees its next version."""
    before = context.rule_packs()
    edit(folder / "cn/pii.yaml", r"^version: \d+", "version: 99")

    assert context.rule_packs()[0].version == context.with_refs().rule_packs()[0].version == 99
    assert context.rule_packs()[1] == before[1]


def test_an_edited_policy_is_in_force_at_once(context, folder):
    """A process that has loaded a policy before sees its next version, even one of the same length."""
    before = context.policy_in_force()
    edit(folder / "policies/default.yaml", r"^version: \d", "version: 9")

    assert context.policy_in_force().version == context.with_refs().policy_in_force().version == 9 != before.version


def test_a_worker_with_other_packs_fails(context, folder):
    """A pinned context names the digests of both packs where its files say something else."""
    pinned = context.with_refs()
    edit(folder / "cn/pii.yaml", r"^version: \d+", "version: 99")
    found = context.rule_packs()[0].ref

    with pytest.raises(ConfigError) as error:
        pinned.rule_packs()

    assert found in str(error.value)
    assert pinned.pack_refs[0] in str(error.value)


def test_a_worker_with_another_policy_fails(context, folder):
    """A pinned context names the digests of both policies where its file says something else."""
    pinned = context.with_refs()
    edit(folder / "policies/default.yaml", r"^version: \d", "version: 9")
    found = context.policy_in_force().digest

    with pytest.raises(ConfigError) as error:
        pinned.policy_in_force()

    assert found in str(error.value)
    assert pinned.policy_digest in str(error.value)


def test_a_worker_that_has_the_pinned_files_keeps_to_them(context, folder):
    """What a process loaded for a run holds to the end of that run, whatever happens to the files."""
    pinned = context.with_refs()
    packs, policy = pinned.rule_packs(), pinned.policy_in_force()
    edit(folder / "cn/pii.yaml", r"^version: \d+", "version: 99")
    edit(folder / "policies/default.yaml", r"^version: \d", "version: 9")

    assert pinned.rule_packs() == packs
    assert pinned.policy_in_force() == policy
    assert pinned.with_refs() != pinned


def test_pinning_keeps_the_rest(context):
    """Only refs and digest are added."""
    assert replace(context.with_refs(), pack_refs=(), policy_digest="") == context
