"""Compares the answers of digits on a device with those on the CPU: devices.py cuda:0"""

import json
import sys

from server import ROOT, Server

HELD_OUT = ROOT / "tests" / "fixtures" / "digits_heldout.json"
# More than one batch of 32, and not a whole number of them.
IMAGES = 100
# GPUs multiply with TF32 (10 bits of mantissa) unless told otherwise.
TOLERANCE = 5e-3


def answers(device, images):
    models = [{"model": "digits", "replicas": 1, "devices": [device]}]
    with Server(SERVER_DEVICES=device, SERVER_MODELS=json.dumps(models)) as server:
        (model,) = server.models()
        used = [replica["device"] for replica in model["status"]["replicas"]]
        assert used == [device], f"asked for {device}, served on {used}"
        labels, probabilities = [], []
        # Sizes that differ make the device plan for more than one shape.
        for start, end in ((0, 1), (1, 33), (33, len(images))):
            status, answer = server.post("/digits", {"image": images[start:end]})
            assert status == 200, f"{device} answered {status}: {answer}\n{server.messages()}"
            labels += answer["results"]["label"]
            probabilities += answer["results"]["probabilities"]
        return labels, probabilities


def main():
    (device,) = sys.argv[1:] or ["cuda:0"]
    fixture = json.loads(HELD_OUT.read_text())
    images = fixture["images"][:IMAGES]
    labels, probabilities = answers("cpu", images)
    device_labels, device_probabilities = answers(device, images)
    pairs = [(a, b) for x, y in zip(probabilities, device_probabilities) for a, b in zip(x, y)]
    worst = max(abs(a - b) for a, b in pairs)
    right = sum(a == b for a, b in zip(device_labels, fixture["labels"]))
    print(f"{device}: {right} of {len(images)} right; probabilities differ from the CPU's by {worst:.2g} at the most")
    if device_labels != labels or worst > TOLERANCE:
        sys.exit(f"{device} and the CPU disagree: labels {'differ' if device_labels != labels else 'agree'}")


if __name__ == "__main__":
    main()
