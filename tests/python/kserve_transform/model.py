from typing import Dict

from kservehelper.model import KServeModel
from kservehelper.types import Input


class Punctuate:

    def preprocess(self, text: str = Input(description="A sentence without its full stop", default="nothing said")) -> Dict:
        return {"words": text.split()}

    def postprocess(self, response: Dict) -> Dict:
        return {"text": " ".join(response["words"]).capitalize() + "."}


if __name__ == "__main__":
    KServeModel.serve("punctuate", Punctuate)
