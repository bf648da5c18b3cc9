"""Readers of files: CSV, NPZ and NPY, IDX, and folders of images."""

from chainrule.data.readers.csv_files import read_csv, write_csv
from chainrule.data.readers.idx_files import read_idx, write_idx
from chainrule.data.readers.image_folders import read_images
from chainrule.data.readers.numpy_files import read_npy, read_npz

__all__ = ["read_csv", "read_idx", "read_images", "read_npy", "read_npz", "write_csv", "write_idx"]
