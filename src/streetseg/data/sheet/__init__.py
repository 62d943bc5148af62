"""A contact sheet of a dataset: frames with their classes drawn and named, shares, sizes; as a page or a picture."""
