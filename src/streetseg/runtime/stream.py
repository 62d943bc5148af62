"""Process several frames at a time and return the results in order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def in_order(function: Callable[[Item], Done], items: Iterable[Item], workers: int) -> Generator[Done]:
    """Yield what `function` makes of each item, in the items' order.

    `function` runs in `workers` threads at once; one more thread reads `items`. Memory is bounded: an item is read
    only when a worker is free for it, and only the last result that was yielded stays. An error of `function` or
    `items` is raised in its item's place. Closing the generator stops the threads once each has finished its item.

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

    # A daemon: at the process's end, a generator that was left open holds the reader where it waits.
    reader = threading.Thread(target=read, daemon=True)
    with ThreadPoolExecutor(workers) as pool:
        try:
            reader.start()
            while (future := under_way.get()) is not None:
                yield future.result()
                del future
                free.release()
        finally:
            stopped.set()
            free.release()
            pool.shutdown(cancel_futures=True)
            if (
                reader.ident is not None and not sys.is_finalizing()
            ):  # at the process's end the thread is gone, and joining it would hang
                reader.join()


class Newest(Generic[Item]):
    """An iterator over items that come at their own pace: it gives the newest and drops the late ones.

    An error of `items` is raised after the items that came before it.

    Args:
        items: They may wait for the next one as long as they like.
        stop: Called by `close`, to end such a wait.

    Attributes:
        dropped: Items dropped so far.
    """

    def __init__(self, items: Iterable[Item], stop: Callable[[], object] = lambda: None) -> None:
        self.dropped, self.stop = 0, stop
        self.item: list[Item] = []  # none or one
        self.ended = False
        self.error: BaseException | None = None
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, args=(items,))
        self.reader.start()

    def read(self, items: Iterable[Item]) -> None:
        """Keep the newest item; run in a thread of its own."""
        try:
            for item in items:
                with self.changed:
                    if self.ended:
                        return
                    self.dropped += len(self.item)
                    self.item = [item]
                    self.changed.notify()
        except BaseException as error:
            self.error = error
        finally:
            with self.changed:
                self.ended = True
                self.changed.notify()

    def __iter__(self) -> Newest[Item]:
        return self

    def __next__(self) -> Item:
        with self.changed:
            self.changed.wait_for(lambda: self.item or self.ended)
            if self.item:
                return self.item.pop()
        if self.error is not None:
            raise self.error
        raise StopIteration

    def close(self) -> None:
        """Stop reading after the current item."""
        with self.changed:
            self.ended = True
            self.changed.notify()
        self.stop()
        self.reader.join()
