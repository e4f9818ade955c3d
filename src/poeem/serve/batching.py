"""Batching: threads that search, each for all queries that wait and can be searched in one call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from poeem.serve.found import Asked, Found
from poeem.serve.refusal import Refusal
from poeem.serve.version import Version

# Queries of one call of the engine. More would make the first one wait for the others.
LARGEST = 64


@dataclass(eq=False)
class Job:
    """A search that waits for a thread.

    Args:
        version: the version to search.
        asked: the search.
        future: gets a `Found`, or the error.
        deadline: time of ``time.monotonic()`` after which nobody waits for it.
    """

    version: Version
    asked: Asked
    future: asyncio.Future[Found]
    deadline: float

    def joins(self, other: Job) -> bool:
        """Return whether both can be one call of the engine."""
        shared = self.asked.shared
        return shared is not None and self.version is other.version and shared == other.asked.shared


class Batching:
    """Threads that search the engine.

    Args:
        workers: number of threads.
        capacity: queries that may wait.
        join: whether queries that wait are joined into one call.
        seconds: time within which a search must be answered.
        observe: called with the number of queries of each call.
    """

    def __init__(
        self, workers: int, capacity: int, *, join: bool, seconds: float, observe: Callable[[int], object]
    ) -> None:
        self._capacity, self._join, self._seconds, self._observe = capacity, join, seconds, observe
        self._jobs: deque[Job] = deque()
        self._waiting = 0
        self._arrived = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"search-{number}", daemon=True) for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Number of queries that wait."""
        return self._waiting

    async def search(self, version: Version, asked: Asked) -> Found:
        """Search, and wait for the results.

        Raises:
            Refusal: too many queries wait (429), or the search was not answered in time.
            ValueError: see `Version.search`.
        """
        loop = asyncio.get_running_loop()
        job = Job(version, asked, loop.create_future(), time.monotonic() + self._seconds)
        with self._arrived:
            if self._closed:
                raise Refusal(429, "the server is shutting down; ask another one", retry_after=1)
            if self._jobs and self._waiting + len(asked) > self._capacity:
                text = f"{self._waiting:,} queries wait already (limit {self._capacity:,}); try again later"
                raise Refusal(429, text, retry_after=1)
            self._jobs.append(job)
            self._waiting += len(asked)
            self._arrived.notify()
        return await job.future

    def close(self) -> None:
        """Answer the searches that wait, and end the threads."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        import faiss

        # faiss counts its threads for each calling thread.
        faiss.omp_set_num_threads(1)
        while jobs := self._take():
            self._observe(sum(len(job.asked) for job in jobs))
            answers = _answers(jobs)
            loop = jobs[0].future.get_loop()
            # The loop has gone if the server was stopped by force.
            if not loop.is_closed():
                loop.call_soon_threadsafe(_deliver, jobs, answers)
            del jobs, answers, loop

    def _take(self) -> list[Job]:
        """The next job, and those that can be searched with it; empty at the end."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return []
            jobs, rows = [self._jobs.popleft()], 0
            rows += len(jobs[0].asked)
            rest: list[Job] = []
            while self._join and self._jobs and rows < LARGEST:
                job = self._jobs.popleft()
                if jobs[0].joins(job) and rows + len(job.asked) <= LARGEST:
                    jobs.append(job)
                    rows += len(job.asked)
                else:
                    rest.append(job)
            self._jobs.extendleft(reversed(rest))
            self._waiting -= rows
            return jobs


def _answers(jobs: list[Job]) -> list[Found | Exception]:
    late = Refusal(429, "the search was not answered in time; try again later", retry_after=1)
    now = time.monotonic()
    open_jobs = [job for job in jobs if job.deadline > now and not job.future.cancelled()]
    found: dict[int, Found | Exception] = {}
    try:
        if open_jobs:
            found = dict(zip(map(id, open_jobs), _search(open_jobs)))
    except Exception:
        # One of them is wrong: each by itself.
        for job in open_jobs:
            try:
                found[id(job)] = _search([job])[0]
            except Exception as error:
                found[id(job)] = error
    return [found.get(id(job), late) for job in jobs]


def _search(jobs: list[Job]) -> list[Found]:
    return jobs[0].version.search([job.asked for job in jobs])


def _deliver(jobs: list[Job], answers: list[Any]) -> None:
    for job, answer in zip(jobs, answers):
        if job.future.done():
            continue
        if isinstance(answer, Exception):
            job.future.set_exception(answer)
        else:
            job.future.set_result(answer)
