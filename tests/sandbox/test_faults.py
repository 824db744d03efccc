"""Scenarios: what is understood, what is refused, and which rule fires when."""

import json

import pytest

from hotfolder.sandbox.faults import Moment, ScenarioError, Script, Service, load_scenario, read_scenario


def _fired(match, count, file=None):
    """Return which of `count` equal requests a rule with that match strikes."""
    script = Script(read_scenario([{"match": match, "do": {"status": 500}}]))
    return [
        script.choose(Service.ROSSUM, "POST", "/rossum/api/v1/uploads", file) is not None
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("match", "pattern"),
    [
        ({}, "xxxxxx"),
        ({"first": 2}, "xx...."),
        ({"skip": 2}, "..xxxx"),
        ({"skip": 1, "first": 2}, ".xx..."),
        ({"every": 3}, "..x..x"),
        ({"every": 2, "first": 4}, ".x.x.."),
        ({"probability": 0.0}, "......"),
        ({"service": "digitoo"}, "......"),
        ({"service": "rossum", "method": "post"}, "xxxxxx"),
        ({"method": "GET"}, "......"),
        ({"path": "*/uploads"}, "xxxxxx"),
        ({"path": "*/tasks/*"}, "......"),
        ({"file": "*"}, "......"),
        ({"over_per_second": 4}, "....xx"),
    ],
)
def test_conditions_and_counts(match, pattern):
    """A rule fires where all its conditions hold, at the turns that its counts say."""
    assert "".join("x" if fired else "." for fired in _fired(match, len(pattern))) == pattern


def test_file_glob_waits_for_the_name():
    """A rule with a file glob is asked with names alone."""
    assert _fired({"file": "*.pdf"}, 1, "a.pdf") == [True]
    assert _fired({"file": "*.pdf"}, 1, "a.png") == [False]
    assert _fired({}, 1, "a.pdf") == [False]


def test_chance_is_repeatable():
    """The same seed strikes the same requests, another seed others, about as many as asked."""
    first, again, other = (_fired({"probability": 0.3, "seed": seed}, 1000) for seed in (1, 1, 2))
    assert first == again != other
    assert 200 < sum(first) < 400


def test_first_rule_that_fires_wins_and_hides_the_request_from_later_ones():
    """Rules are read from top to bottom: two errors, then two others, then none."""
    rules = [{"match": {"first": 2}, "do": {"status": 503}}, {"match": {"first": 2}, "do": {"status": 429}}]
    script = Script(read_scenario(rules))
    chosen = [script.choose(Service.DIGITOO, "GET", "/", None) for _ in range(5)]
    assert [fault and fault.status for fault in chosen] == [503, 503, 429, 429, None]


@pytest.mark.parametrize(
    ("do", "moment"),
    [
        ({"status": 500}, Moment.AFTER_BODY),
        ({"status": 500, "at": "after_commit"}, Moment.AFTER_COMMIT),
        ({"rate_limit": 1}, Moment.AFTER_BODY),
        ({"html": 502, "at": "before_body"}, Moment.BEFORE_BODY),
        ({"reset": "mid_body"}, Moment.MID_BODY),
        ({"hang": "after_body"}, Moment.AFTER_BODY),
        ({"truncated_json": True}, Moment.AFTER_COMMIT),
        ({"delay_s": 1}, Moment.AFTER_COMMIT),
        ({"failed_import": True}, Moment.AFTER_COMMIT),
    ],
)
def test_moments(do, moment):
    """Each action has its usual moment."""
    assert read_scenario([{"do": do}]).rules[0].do.moment is moment


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([{"do": {"stauts": 500}}], "stauts"),
        ([{"match": {"services": "rossum"}, "do": {"status": 500}}], "services"),
        ([{"match": {"service": "google"}, "do": {"status": 500}}], "rossum"),
        ([{"when": {}, "do": {"status": 500}}], "when"),
        ([{"do": {}}], "action is missing"),
        ([{"do": {"status": 500, "reset": "mid_body"}}], "one action"),
        ([{"do": {"code": "NO_LICENCE", "delay_s": 1}}], "belong to"),
        ([{"do": {"reset": "later"}}], "mid_body"),
        ([{"do": {"reset": "mid_body", "at": "after_body"}}], "themselves"),
        ([{"do": {"truncated_json": True, "at": "before_body"}}], "after_commit"),
        ([{"do": {"status": 99}}], "200"),
        ({"rulez": []}, "rulez"),
        ({"options": {"rossum_queue": [1]}}, "rossum_queue"),
        ("reset", "scenario"),
    ],
)
def test_mistakes_are_named(document, complaint):
    """A scenario that is not understood is refused with the place and the reason."""
    with pytest.raises(ScenarioError, match=complaint):
        read_scenario(document)


def test_all_mistakes_are_named_at_once():
    """Two mistakes, one message."""
    with pytest.raises(ScenarioError, match=r"rules\.0.*rules\.1"):
        read_scenario([{"do": {"x": 1}}, {"do": {"y": 1}}])


def test_files_in_yaml_and_json(tmp_path):
    """A scenario file is YAML or JSON, a list of rules or an object with options."""
    yaml_file, json_file = tmp_path / "a.yaml", tmp_path / "b.json"
    yaml_file.write_text("- match: {path: '*/uploads', first: 1}\n  do: {reset: after_commit}\n")
    json_file.write_text(
        json.dumps({"rules": [{"do": {"rate_limit": 7}}], "options": {"rossum_task_polls": 3}})
    )
    assert load_scenario(yaml_file).rules[0].do.reset is Moment.AFTER_COMMIT
    scenario = load_scenario(json_file)
    assert scenario.rules[0].do.rate_limit.retry_after_s == 7
    assert scenario.options.rossum_task_polls == 3


@pytest.mark.parametrize(
    ("name", "text"), [("a.yaml", "- do: {status: x}"), ("a.yaml", "{"), ("a.json", "[")]
)
def test_bad_files_are_named(tmp_path, name, text):
    """The complaint names the file."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ScenarioError, match=name):
        load_scenario(path)


def test_empty_file_is_no_rules(tmp_path):
    """An empty file is a scenario in which nothing goes wrong."""
    path = tmp_path / "a.yaml"
    path.write_text("")
    assert load_scenario(path).rules == ()
