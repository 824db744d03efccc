"""Tokens and credentials."""

from hotfolder.sandbox.faults import Service, read_scenario
from hotfolder.sandbox.options import Credentials
from hotfolder.sandbox.world import Tokens, World


def test_tokens_expire_and_are_revoked():
    """A token is good from its issue to its end."""
    tokens = Tokens()
    good, dead, revoked = tokens.issue(60), tokens.issue(0), tokens.issue(60)
    tokens.revoke(revoked)
    assert [tokens.valid(token) for token in (good, dead, revoked, "never issued")] == [
        True,
        False,
        False,
        False,
    ]
    tokens.revoke_all()
    assert not tokens.valid(good)


def test_new_credentials_void_all_tokens():
    """After a change of passwords nobody stays logged in."""
    world = World()
    token = world.tokens[Service.ROSSUM].issue(60)
    world.accept_only(Credentials(rossum_password="new"))
    assert not world.tokens[Service.ROSSUM].valid(token)


def test_scenario_without_options_keeps_those_in_force():
    """Rules can be replaced without losing the options."""
    world = World()
    world.play(read_scenario({"options": {"rossum_task_polls": 5}}))
    world.play(read_scenario([]))
    assert world.options.rossum_task_polls == 5
