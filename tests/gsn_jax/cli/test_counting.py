import pytest

from gsn_jax.cli.counting import counting_bar


@pytest.fixture
def clock(monkeypatch):
    """Time that passes only when it is told to, in seconds."""
    times = [0.0]
    monkeypatch.setattr("rich.console.monotonic", lambda: times[0])
    return times


def test_without_a_terminal_a_line_comes_every_half_minute(clock, capsys):
    with counting_bar(transient=True, rate="pairs") as bar:
        task = bar.add_task("scoring", total=1000, completed=100)
        for _ in range(70):
            clock[0] += 1.0
            bar.advance(task, 2)
    assert capsys.readouterr().err.splitlines() == [
        "gsn: scoring: 160 of 1000 pairs, 2.0 pairs/s, 7 min left",
        "gsn: scoring: 220 of 1000 pairs, 2.0 pairs/s, 6 min left",
    ]


def test_lines_of_stages_whose_total_is_known_later(clock, capsys):
    with counting_bar() as bar:
        task = bar.add_task("images", total=None)
        clock[0] = 40
        bar.update(task, completed=0)
        bar.update(task, completed=10, total=50)
        clock[0] = 50
        bar.update(task, completed=20, total=50)
        clock[0] = 8000
        bar.update(task, completed=21, total=50)
    assert capsys.readouterr().err.splitlines() == [
        "gsn: images: 10 of 50, 0.2/s, 3 min left",
        "gsn: images: 21 of 50, 0.0/s, 5 h 50 min left",
    ]


def test_short_work_prints_nothing(clock, capsys):
    with counting_bar(rate="pairs") as bar:
        task = bar.add_task("scoring", total=2)
        clock[0] = 29
        bar.advance(task)
    assert capsys.readouterr().err == ""
