"""Work on a sequence of items, several at a time and in order: how frames overlap."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def in_order(function: Callable[[Item], Done], items: Iterable[Item], workers: int) -> Iterator[Done]:
    """What `function` makes of each item, in the items' order.

    `function` runs in `workers` threads at once, `items` is read in one more. Besides the items being worked on there
    is at most one, the one last yielded, so memory is bounded, and nothing is read before it can be worked on. An error
    of either is raised in its item's place. Closing the generator stops the threads, once each has finished its item.

        items ── reader ──┬─ worker ─┬── yielded
                          └─ worker ─┘
    """
    free = threading.Semaphore(workers + 1)
    stopped = threading.Event()
    under_way: SimpleQueue[Future[Done] | None] = SimpleQueue()

    def read() -> None:
        try:
            iterator = iter(items)
            while free.acquire() and not stopped.is_set():
                try:
                    item = next(iterator)
                except StopIteration:
                    break
                under_way.put(pool.submit(function, item))
                del item  # or the reader would hold it while it waits
        except BaseException as error:
            failed: Future[Done] = Future()
            failed.set_exception(error)
            under_way.put(failed)
        finally:
            under_way.put(None)

    with ThreadPoolExecutor(workers + 1) as pool:
        pool.submit(read)
        try:
            while (future := under_way.get()) is not None:
                yield future.result()
                del future
                free.release()
        finally:
            stopped.set()
            free.release()
            pool.shutdown(cancel_futures=True)
