"""Prices an order."""

from dataclasses import dataclass, field
from enum import Enum
from typing import List, Optional


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Item:
    name: str
    price: float
    count: int = 1


@dataclass
class Order:
    """What is bought."""

    items: List[Item]
    size: Size = Size.SMALL
    note: Optional[str] = None


@dataclass
class Bill:
    total: float
    lines: List[str] = field(default_factory=list)
    size: Size = Size.SMALL


class Pipeline:
    def __call__(self, order: Order) -> Bill:
        """The bill of one order."""
        if not order.items:
            raise ValueError("an order has at least one item")
        lines = ["%d x %s" % (item.count, item.name) for item in order.items]
        return Bill(sum(item.price * item.count for item in order.items), lines, order.size)
