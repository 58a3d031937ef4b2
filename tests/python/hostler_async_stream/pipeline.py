import asyncio
from typing import AsyncIterator


class Pipeline:
    async def __call__(self, times: int, size: int = 1) -> AsyncIterator[str]:
        """A word of so many letters, so many times."""
        for _ in range(times):
            await asyncio.sleep(0)
            yield "x" * size
