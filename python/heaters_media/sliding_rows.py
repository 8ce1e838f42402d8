"""Rows of an array that come in at one end and go out at the other, without being copied each time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

FIRST_CAPACITY = 1024


class SlidingRows:
    """A queue of equal rows; `rows` is a view of those held, oldest first."""

    def __init__(self, row_shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._store: NDArray[Any] = np.empty((FIRST_CAPACITY, *row_shape), dtype)
        self._start = 0
        self._end = 0

    @property
    def rows(self) -> NDArray[Any]:
        return self._store[self._start : self._end]

    def append(self, rows: NDArray[Any]) -> None:
        """Adds rows at the end."""
        if self._end + len(rows) > len(self._store):
            held = self.rows
            store = self._store
            if len(held) + len(rows) > len(store) // 2:
                store = np.empty((2 * (len(held) + len(rows)), *store.shape[1:]), store.dtype)
            # What is held takes at most half of the store, or moves to another: it is never copied onto itself.
            store[: len(held)] = held
            self._store, self._start, self._end = store, 0, len(held)
        self._store[self._end : self._end + len(rows)] = rows
        self._end += len(rows)

    def drop(self, count: int) -> None:
        """Forgets the oldest rows."""
        self._start += count
