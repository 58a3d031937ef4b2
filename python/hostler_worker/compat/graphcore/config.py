"""`from config import settings`, as endpoint files of the Graphcore server write it."""

from server import ModelConfig, models

__all__ = ["ModelConfig", "settings"]


class Settings:
    server_models = models


settings = Settings()
