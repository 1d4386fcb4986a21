"""CIFAR-100 (Krizhevsky 2009): 32 x 32 colour pictures of a hundred kinds of things, labelled by the fine classes."""

from __future__ import annotations

from functools import partial

from noiseproof.data.batches import read_python_batch
from noiseproof.data.cifar10 import CIFAR
from noiseproof.data.published import PublishedFile

_NAMES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm
"""
CLASSES = tuple(_NAMES.split())
"""The hundred fine classes in the official order, from the file meta of the data set."""

CIFAR100_BATCHES = CIFAR(
    name="cifar100",
    classes=CLASSES,
    batches={"train": ("train",), "test": ("test",)},
    kinds=(("cifar-100-python", "", partial(read_python_batch, labels="fine_labels")),),
    # The address: www.cs.toronto.edu/~kriz/cifar.html. The SHA-256 sum: keras/datasets/cifar100.py.
    files=(
        PublishedFile(
            "cifar-100-python.tar.gz", 169_001_437, "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"
        ),
    ),
    addresses=("https://www.cs.toronto.edu/~kriz/",),
    remedies=("put cifar-100-python into one of these folders",),
)
