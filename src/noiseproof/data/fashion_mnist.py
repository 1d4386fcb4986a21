"""Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): 28 x 28 grey clothes, and the part shipped inside."""

from __future__ import annotations

from noiseproof.data.published import Published, PublishedFile
from noiseproof.data.shipped import Shipped

CLASSES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
"""The ten classes, from the table "Labels" of the data set's README."""

FASHION_MNIST = Published(
    name="fashion-mnist",
    classes=CLASSES,
    torchvision="FashionMNIST/raw",
    # Sizes and SHA-256 sums: tensorflow_datasets/url_checksums/fashion_mnist.txt. The MD5 sums of the same
    # files stand in the README of github.com/zalandoresearch/fashion-mnist and in torchvision's mnist.py.
    # Debian's files differ in the gzip header only: the tests put that back and find both sums.
    train=(
        PublishedFile(
            "train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        PublishedFile(
            "train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
    ),
    test=(
        PublishedFile(
            "t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        PublishedFile(
            "t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    ),
    addresses=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    remedies=(
        "`apt install dataset-fashion-mnist` (Debian, Ubuntu)",
        "take `fashion-mnist-small`, the part that ships inside",
    ),
)

FASHION_MNIST_SMALL = Shipped(name="fashion-mnist-small", folder="fashion_mnist_small", classes=CLASSES)
"""The first 10,000 training and the first 1,000 test pictures; how they were made stands beside them."""
