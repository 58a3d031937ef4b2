from typing import Dict

from kservehelper.model import KServeModel
from kservehelper.types import Input


class Model:

    def load(self):
        self.scale = 10

    async def predict(
            self,
            unit: str = Input(description="Put behind every number", default="cm"),
            batch: list = [{
                "name": Input(description="What is measured", default="a thing"),
                "width": Input(default=1, ge=0),
                "height": Input(default=2, ge=0, le=100),
            }],
    ) -> Dict:
        areas = [row["width"] * row["height"] * self.scale for row in batch]
        return {"names": [row["name"] for row in batch], "areas": [f"{area} {unit}" for area in areas]}

    def after_predict(self, outputs):
        outputs["count"] = len(outputs["areas"])
        return outputs


if __name__ == "__main__":
    KServeModel.serve("areas", Model)
