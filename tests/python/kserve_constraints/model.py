from typing import Dict, List

from kservehelper import KServeModel
from kservehelper.types import Input


class Model:
    """Answers what it was given."""

    def load(self):
        self.ready = True

    def predict(
            self,
            prompt: str = Input(description="What to draw", min_length=3, max_length=20),
            steps: int = Input(description="How many steps to take", default=10, ge=1, le=100),
            strength: float = Input(description="How much may change", default=0.5, ge=0, le=1),
            size: str = Input(description="Width and height", default="512x512", regex="^[0-9]+x[0-9]+$"),
            scheduler: str = Input(description="Who counts the steps", default="ddim", choices=["ddim", "euler", "pndm"]),
            images: int = Input(default=1, choices=[1, 2, 4]),
            tags: List[str] = Input(description="Labels", default=[], max_items=3),
            safe: bool = Input(default=True),
            negative_prompt: str = Input(description="What not to draw", default=None, max_length=20),
    ) -> Dict:
        assert self.ready
        return {
            "prompt": prompt, "steps": steps, "strength": strength, "size": size, "scheduler": scheduler,
            "images": images, "tags": tags, "safe": safe, "negative_prompt": negative_prompt,
        }


if __name__ == "__main__":
    KServeModel.serve("constraints", Model)
