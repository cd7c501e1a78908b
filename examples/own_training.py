"""A training loop of one's own on attested data: what it read, in every epoch and worker, is proven and signed.

    whitesquare keygen -o keys/owner --role data
    whitesquare attest DATA --key keys/owner.pem -o attest/
    python own_training.py DATA attest/manifest.dsse.json trust/ trainer.pem run/

DATA is any data set that `whitesquare train` takes. The folder run/ is what `whitesquare gate run/` decides about.
"""

import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from whitesquare.learning.models import Architecture, Model, ModelCard, build, save_model
from whitesquare.provenance.own_training import attested_training

RECIPE = {"model": "cnn", "scale": 0.25, "epochs": 2, "batch_size": 32, "learning_rate": 3e-3}
SEED = 7


def main(data: str, bundle: str, trust: str, key: str, folder: str) -> None:
    """Train, write the model, and sign how it came to be."""
    training = attested_training(data, bundle, trust=trust, code=[__file__])
    samples = training.dataset("train")
    loader = DataLoader(samples, batch_size=RECIPE["batch_size"], shuffle=True, num_workers=2)
    channels, height, width = samples[0][0].shape
    architecture = Architecture(RECIPE["model"], channels, height, width, len(samples.classes), RECIPE["scale"])
    network = build(architecture, SEED)
    optimiser = torch.optim.Adam(network.parameters(), lr=RECIPE["learning_rate"])
    for epoch in range(RECIPE["epochs"]):
        for images, labels in loader:
            loss = nn.functional.cross_entropy(network(images.float() / 255), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}")
    card = ModelCard(architecture, samples.classes, SEED, RECIPE, training.attested.signed.sha256, data, "own code")
    Path(folder).mkdir(parents=True, exist_ok=True)
    save_model(Model(network.eval(), card), Path(folder))
    signed = training.sign(folder, key, recipe=RECIPE, seed=SEED, epochs=RECIPE["epochs"])
    print(f"signed: {signed.size} samples, each read {signed.reads['train'].smallest} times or more")


if __name__ == "__main__":
    main(*sys.argv[1:])
