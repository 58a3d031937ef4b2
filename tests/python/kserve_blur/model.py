"""Blurs an image."""
import base64
import io
import os

from PIL import Image, ImageFilter
from kservehelper import KServeModel
from kservehelper.types import Input, Path

HERE = os.path.dirname(os.path.abspath(__file__))


class Model:

    def load(self):
        self.filter = ImageFilter.GaussianBlur

    def predict(
            self,
            image: str = Input(description="The image, in base64", default=""),
            file: Path = Input(description="Instead of it, the name of an image beside the model", default=None),
            radius: float = Input(description="How far a pixel spreads", default=2, ge=0, le=50),
    ) -> Path:
        if file is not None:
            source = os.path.join(HERE, os.path.basename(file))
        elif image:
            source = io.BytesIO(base64.b64decode(image))
        else:
            raise ValueError("send an image")
        path = KServeModel.generate_filepath("blurred.png")
        Image.open(source).filter(self.filter(radius)).save(path)
        return Path(path)


if __name__ == "__main__":
    KServeModel.serve("blur", Model)
