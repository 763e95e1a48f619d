"""Where a release says that it came from."""

from datetime import UTC, datetime, timedelta, timezone

from tools.release.provenance import BY_HAND, Source, predicate, statement

BEGAN = datetime(2026, 11, 30, 10, 0, tzinfo=timezone(timedelta(hours=2)))


def test_the_provenance_names_commit_lock_file_and_what_was_typed() -> None:
    source = Source(commit="c" * 40, changed=True, lock="1" * 64)
    said = predicate(source, {"version": "0.2.0"}, BY_HAND, BEGAN, datetime(2026, 11, 30, 8, 5, tzinfo=UTC))
    assert said == {
        "buildDefinition": {
            "buildType": "urn:asya:make-release:1",
            "externalParameters": {"version": "0.2.0"},
            "internalParameters": {"uncommittedChanges": True},
            "resolvedDependencies": [
                {"name": "source", "digest": {"gitCommit": "c" * 40}},
                {"name": "uv.lock", "digest": {"sha256": "1" * 64}},
            ],
        },
        "runDetails": {
            "builder": {"id": "urn:asya:release:by-hand"},
            "metadata": {"startedOn": "2026-11-30T08:00:00Z", "finishedOn": "2026-11-30T08:05:00Z"},
        },
    }


def test_a_statement_ties_it_to_everything_that_was_made() -> None:
    said = statement({"b.whl": "2" * 64, "a.tgz": "1" * 64}, {"of": "both"})
    assert said == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "a.tgz", "digest": {"sha256": "1" * 64}},
            {"name": "b.whl", "digest": {"sha256": "2" * 64}},
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"of": "both"},
    }
