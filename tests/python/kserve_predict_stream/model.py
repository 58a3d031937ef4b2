from kservehelper import KServeModel
from kservehelper.types import Input


class Model:

    def load(self):
        pass

    def predict(self, start: int = Input(description="The first number", default=3, ge=0, le=1000)):
        def countdown():
            for number in range(start, -1, -1):
                yield {"number": number, "left": number > 0}

        return KServeModel.wrap_generator(countdown)


if __name__ == "__main__":
    KServeModel.serve("countdown", Model)
