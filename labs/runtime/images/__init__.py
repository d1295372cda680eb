"""What can be run: definitions (`definition`), the files they become (`build`), and the store of both."""

from labs.runtime.images.definition import Image
from labs.runtime.images.store import ImageStore

__all__ = ["Image", "ImageStore"]
