"""An envelope ends once, with the truth."""

from tests.component.users.conftest import ended, sent
from tests.support.command_line import CommandLine


def test_a_group_with_a_child_that_failed_ends_once_with_the_real_cause(asya: CommandLine) -> None:
    route = ("split", "weak", "fan-in", "total")
    code, said = ended(asya, sent(asya, *route, payload={"of": 3, "bad": 1}, envelope_id="ends-bad"))
    assert code != 0
    assert "no paper" in str(said)
    assert not (asya.folder / "home").joinpath("results/ends-bad.json").exists()


def test_what_stands_behind_a_group_of_none_gets_an_empty_list(asya: CommandLine) -> None:
    route = ("split", "weak", "fan-in", "total")
    code, said = ended(asya, sent(asya, *route, payload={"of": 0}, envelope_id="ends-none"))
    assert (code, said["payload"]) == (0, {"got": []})


def test_a_child_that_a_group_took_in_is_told_as_joined_and_not_as_unknown(asya: CommandLine) -> None:
    parent = sent(asya, "split", "weak", "fan-in", "total", payload={"of": 2}, envelope_id="ends-kids")
    assert ended(asya, parent)[0] == 0
    told = asya("result", "ends-kids-1")
    assert told.code == 1
    assert told.err == (
        "error: no result of ends-kids-1: fan-in joined it with its siblings into ends-kids\n  try: asya result ends-kids\n"
    )


def test_a_group_that_may_be_partial_says_what_it_lacks(asya: CommandLine) -> None:
    words = ("--payload", '{"of": 3, "bad": 1}', "--header", "x-asya-fan-in-on-missing=partial")
    assert asya("send", "split", "weak", "fan-in", "total", "--id", "ends-partial", *words).code == 0
    code, said = ended(asya, "ends-partial")
    assert (code, said["payload"], said["missing"]) == (0, {"got": [0, 2]}, [1])


def test_groups_in_a_group_tell_what_they_lack_and_fail_under_the_id_that_was_sent(asya: CommandLine) -> None:
    route = ["books", "split", "weak", "fan-in", "fan-in", "total"]
    sent(asya, *route, payload={"books": [2, 3], "bad": 2}, envelope_id="ends-shelf")
    code, failed = ended(asya, "ends-shelf")
    assert (code, failed["error"]["type"]) == (1, "ChildrenMissing")
    assert "missing: 1 (2 of 3 children came; missing: 2 (KeyError" in failed["error"]["message"]
    wish = ("--header", "x-asya-fan-in-on-missing=partial", "--wait", "--timeout", "90s", "--json")
    done = asya("send", *route, "--payload", '{"books": [2, 3], "bad": 2}', *wish)
    assert (done.document["payload"], done.document["missing"]) == ({"got": [[0, 1], [0, 1]]}, ["1.2"])
    sent(asya, *route, payload={"books": []}, envelope_id="ends-no-books")
    assert ended(asya, "ends-no-books")[1]["payload"] == {"got": []}


def test_a_stream_that_breaks_off_ends_as_failed_and_not_with_its_first_item(asya: CommandLine) -> None:
    sent(asya, "torn", "total", payload={}, envelope_id="ends-torn")
    code, failed = ended(asya, "ends-torn")
    assert (code, failed["error"]["type"]) == (1, "OSError")
    assert ended(asya, "ends-torn-1")[1]["payload"] == {"got": {"n": 1}}


def test_a_route_that_was_left_early_does_not_pass_its_input_off_as_its_result(asya: CommandLine) -> None:
    code, said = ended(asya, sent(asya, "quiet", "total", payload={"input": 1}, envelope_id="ends-early"))
    assert (code, said["payload"], said["ended"], said["ended_at"]) == (0, None, "early", "quiet")


def test_a_result_that_can_never_be_json_is_tried_once_and_told_by_its_place(asya: CommandLine) -> None:
    code, said = ended(asya, sent(asya, "odd", payload={}, envelope_id="ends-odd"))
    assert code != 0
    assert "pages[2].vector: object" in said["error"]["message"]
    assert "attempts" not in said["error"] or said["error"]["attempts"] == 1, said


def test_a_crash_is_told_as_deliveries_with_its_signal(asya: CommandLine) -> None:
    code, said = ended(asya, sent(asya, "killed", payload={}, envelope_id="ends-killed"))
    assert code != 0
    assert "SIGKILL" in str(said)
