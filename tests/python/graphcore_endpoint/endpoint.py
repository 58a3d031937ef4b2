from typing import Optional

from pydantic import BaseModel, Field


class QA(BaseModel):
    context: str = Field(min_length=1)
    question: str
    loud: Optional[bool] = False


class QAResponse(BaseModel):
    results: str
    score: float


class Latency(BaseModel):
    model_latency: float


@router.post("/qa", response_model=QAResponse, include_in_schema="graphcore_endpoint" in models)
def run_qa(model_input: QA):
    """Answers a question from a context."""
    data_dict = model_input.dict()
    w.workers["graphcore_endpoint"].feed(data_dict)
    result = w.workers["graphcore_endpoint"].get_result()
    answer = result["prediction"]
    return {
        "results": answer.upper() if model_input.loud else answer,
        "score": result["score"],
        "model_latency": result["model_latency"],
    }


@router.post("/qa/latency", tags=["timing"])
async def run_latency(model_input: QA) -> Latency:
    w.workers["graphcore_endpoint"].feed(model_input.dict())
    return Latency(**w.workers["graphcore_endpoint"].get_result())


@router.post("/qa/other")
def run_other(model_input: QA):
    w.workers["summarization"].feed(model_input.dict())
    return w.workers["summarization"].get_result()


@router.get("/qa/models")
def run_models():
    return {"models": [one.model for one in models]}
