from harness.running.forecast import makespan
from harness.running.plan import Plan


def test_the_longest_go_first_and_several_at_a_time():
    plan = Plan(("short", "long", "middle"), (), (1.0, 5.0, 3.0), 0)
    assert plan.longest_first == ("long", "middle", "short")
    assert plan.estimate == 9.0
    assert makespan(plan.seconds, 1) == 9.0
    assert makespan(plan.seconds, 2) == 5.0
    assert makespan((), 3) == 0.0
