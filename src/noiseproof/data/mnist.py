"""MNIST (LeCun, Cortes, Burges): 28 x 28 grey pictures of handwritten digits."""

from __future__ import annotations

from noiseproof.data.published import Published, PublishedFile

MNIST = Published(
    name="mnist",
    classes=tuple("0123456789"),
    torchvision="MNIST/raw",
    # Sizes, SHA-256 sums and the second address: tensorflow_datasets/url_checksums/mnist.txt.
    # The first address: torchvision's mnist.py.
    train=(
        PublishedFile(
            "train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        PublishedFile(
            "train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
    ),
    test=(
        PublishedFile(
            "t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        PublishedFile(
            "t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    ),
    addresses=("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
)
