"""The function that every server runs: JSON in, JSON out, and a little arithmetic of pure Python in between."""


def work(value):
    total = 0
    for number in value["numbers"]:
        total += number * number
    return {"text": value["text"], "numbers": value["numbers"], "total": total}
