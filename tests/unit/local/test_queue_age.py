"""How long the oldest envelope of a queue has waited."""

from asya_local.queue_age import MAX_LOOKS, Backlog


def test_the_oldest_has_waited_since_it_arrived_while_others_are_taken():
    """Three arrive at 0, three at 10; the age falls when the last of the first three is taken."""
    backlog = Backlog()
    backlog.look(0.0, taken=0, waiting=3)
    backlog.look(10.0, taken=0, waiting=6)
    assert backlog.oldest_s(12.0) == 12.0
    backlog.look(13.0, taken=2, waiting=4)
    assert backlog.oldest_s(13.0) == 13.0
    backlog.look(14.0, taken=3, waiting=3)
    assert backlog.oldest_s(14.0) == 4.0
    backlog.look(20.0, taken=6, waiting=0)
    assert backlog.oldest_s(20.0) is None


def test_a_long_backlog_keeps_its_age_and_little_memory():
    """A day without a consumer."""
    backlog = Backlog()
    for second in range(5 * MAX_LOOKS):
        backlog.look(float(second), taken=0, waiting=second + 1)
    assert backlog.oldest_s(86400.0) == 86400.0
    assert len(backlog._arrived) <= MAX_LOOKS
