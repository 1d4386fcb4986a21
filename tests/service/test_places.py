"""Who is drawn for, who waits, and when the others are told to come again."""

from __future__ import annotations

import pytest

from noiseproof.service.places import Places
from noiseproof.service.refused import RefusedError

anyio = pytest.importorskip("anyio")


def test_places_are_taken_in_turn_and_the_next_is_told_when_to_come_again(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("noiseproof.service.places.monotonic", lambda: clock[0])

    async def scenario() -> None:
        places, order, free = Places(at_once=2, waiting=3), [], [anyio.Event() for _ in range(5)]

        async def hold(number: int) -> None:
            async with places.taken():
                order.append(number)
                await free[number].wait()

        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(hold, number)
                await anyio.wait_all_tasks_blocked()
            assert (places.under_way, places.waiting, order) == (2, 3, [0, 1])
            with pytest.raises(RefusedError, match=r"are under way \(2\) or wait \(3\) as may") as refused:
                async with places.taken():
                    pass
            assert (refused.value.status, refused.value.retry_after) == (
                429,
                3,
            )  # five requests of a second, two at once
            clock[0] += 17.0
            for number in range(5):
                free[number].set()
                await anyio.wait_all_tasks_blocked()
        assert order == [0, 1, 2, 3, 4]
        assert places.under_way == places.waiting == 0

    anyio.run(scenario)


def test_none_may_wait():
    async def scenario() -> None:
        places = Places(at_once=1, waiting=0)
        async with places.taken():
            with pytest.raises(RefusedError):
                async with places.taken():
                    pass
        async with places.taken():
            pass

    anyio.run(scenario)


def test_a_request_that_fails_gives_its_place_back():
    async def scenario() -> None:
        places = Places(at_once=1, waiting=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with places.taken():
                    raise ZeroDivisionError

    anyio.run(scenario)
