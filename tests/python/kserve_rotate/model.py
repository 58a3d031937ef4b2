import os
from typing import List

from PIL import Image
from kservehelper import KServeModel
from kservehelper.types import Input, Path


class Turntable:
    """Turns a picture."""

    def __init__(self, picture):
        self.picture = picture

    def load(self):
        here = os.path.dirname(os.path.abspath(__file__))
        self.image = Image.open(os.path.join(here, self.picture))

    def predict(
            self,
            angle: int = Input(description="Degrees, against the clock", default=90),
            count: int = Input(description="How many images, each turned further by the angle", default=1, ge=1, le=4),
    ) -> List[Path]:
        paths = []
        for i in range(count):
            path = KServeModel.generate_filepath(f"turned_{i}.png")
            self.image.rotate(angle * (i + 1)).save(path)
            paths.append(Path(path))
        return paths


if __name__ == "__main__":
    KServeModel.serve("turntable", Turntable, picture="arrow.png")
