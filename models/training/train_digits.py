"""Train the handwritten-digit model on scikit-learn's 8x8 digits and export it to ONNX.

Run: python train_digits.py --out ../digits --heldout ../../tests/fixtures/digits_heldout.json

The scaling of the pixels, the softmax and the choice of the label are inside the graph, so a
client sends the raw values and reads the answer.
"""

import argparse
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

SEED = 0


class Digits(nn.Module):
    """Two small convolutions and two dense layers, from raw pixels (0..16) to logits."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(24, 48, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.4),
            nn.Linear(48 * 4 * 4, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def forward(self, image):
        return self.layers(image.unsqueeze(1) / 16.0)


class Served(nn.Module):
    """What is exported: probabilities and the label beside them."""

    def __init__(self, digits):
        super().__init__()
        self.digits = digits

    def forward(self, image):
        probabilities = torch.softmax(self.digits(image), dim=1)
        return probabilities, torch.argmax(probabilities, dim=1)


def moved(images, random):
    """Each image shifted by up to a pixel and a little noisier: the set is small."""
    out = torch.zeros_like(images)
    for i, image in enumerate(images):
        down, right = random.integers(-1, 2, 2) if random.random() < 0.5 else (0, 0)
        out[i] = torch.roll(torch.nn.functional.pad(image, (1, 1, 1, 1)), (int(down), int(right)), (0, 1))[
            1:9, 1:9
        ]
    return (out + torch.randn_like(out) * 0.5).clamp(0, 16)


def train(images, labels, epochs=60):
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    model = Digits()
    adam = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.02)
    batch = 64
    falling = torch.optim.lr_scheduler.OneCycleLR(adam, 3e-3, total_steps=epochs * -(-len(images) // batch))
    for epoch in range(epochs):
        order = torch.randperm(len(images))
        total = 0.0
        for part in order.split(batch):
            loss = nn.functional.cross_entropy(
                model(moved(images[part], random)), labels[part], label_smoothing=0.02
            )
            adam.zero_grad()
            loss.backward()
            adam.step()
            falling.step()
            total += loss.item() * len(part)
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1} loss {total / len(images):.4f}", flush=True)
    return model.eval()


def check(path, images, labels):
    """Accuracy of the exported file, and that an image alone scores as it does in a batch."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    probabilities, label = session.run(["probabilities", "label"], {"image": images})
    alone = np.concatenate(
        [session.run(["probabilities"], {"image": images[i : i + 1]})[0] for i in range(len(images))]
    )
    difference = float(np.abs(alone - probabilities).max())
    print(f"held-out accuracy {np.mean(label == labels):.4f}, batch against alone {difference:.1e}")
    assert difference < 1e-5
    return float(np.mean(label == labels))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the model folder to write")
    parser.add_argument(
        "--heldout", type=pathlib.Path, required=True, help="the held-out images to write (JSON)"
    )
    args = parser.parse_args()
    torch.set_num_threads(1)

    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        digits.images.astype(np.float32),
        digits.target.astype(np.int64),
        test_size=0.25,
        stratify=digits.target,
        random_state=SEED,
    )
    model = train(torch.from_numpy(train_x), torch.from_numpy(train_y))

    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "model.onnx"
    with torch.no_grad():
        torch.onnx.export(
            Served(model).eval(),
            (torch.from_numpy(test_x[:2]),),
            str(path),
            input_names=["image"],
            output_names=["probabilities", "label"],
            opset_version=17,
            dynamo=False,
            dynamic_axes={name: {0: "batch"} for name in ("image", "probabilities", "label")},
        )
    onnx.checker.check_model(onnx.load(str(path)), full_check=True)
    assert check(path, test_x, test_y) >= 0.97
    args.heldout.write_text(
        json.dumps({"images": test_x.astype(int).tolist(), "labels": test_y.tolist()}, separators=(",", ":"))
        + "\n"
    )


if __name__ == "__main__":
    main()
