import asyncio


class Pipeline:
    def __init__(self):
        self.together = 0

    async def __call__(self, seconds: float) -> dict:
        """Sleeps, and says how many slept at the same time."""
        self.together += 1
        try:
            await asyncio.sleep(seconds)
            return {"together": self.together}
        finally:
            self.together -= 1
