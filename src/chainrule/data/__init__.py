"""Data: sets that are generated, embedded or downloaded, readers of files, splits, scaling, and batches."""

from chainrule.data.arrays import as_array, frame_to_table
from chainrule.data.dataset import ConcatDataset, Dataset, Subset, TensorDataset
from chainrule.data.embedded import digits, iris
from chainrule.data.encoding import LabelEncoder, OneHotEncoder
from chainrule.data.examples import Examples, make_examples
from chainrule.data.images import fashion_mnist, kmnist, mnist
from chainrule.data.loader import DataLoader, default_collate
from chainrule.data.named import load, set_names
from chainrule.data.preprocess import TablePreprocessor
from chainrule.data.readers import read_csv, read_idx, read_images, read_npy, read_npz, write_csv, write_idx
from chainrule.data.scaling import Imputer, MinMaxScaler, StandardScaler
from chainrule.data.sets import blobs, circles, gaussian_quantiles, logic_gate, moons, sine, spirals, xor
from chainrule.data.split import KFold, StratifiedKFold, random_split, stratified_split, train_test_split
from chainrule.data.tables import Table
from chainrule.data.target import Target, choose_target, choose_task

__all__ = [
    "ConcatDataset",
    "DataLoader",
    "Dataset",
    "Examples",
    "Imputer",
    "KFold",
    "LabelEncoder",
    "MinMaxScaler",
    "OneHotEncoder",
    "StandardScaler",
    "StratifiedKFold",
    "Subset",
    "Table",
    "TablePreprocessor",
    "Target",
    "TensorDataset",
    "as_array",
    "blobs",
    "choose_target",
    "choose_task",
    "circles",
    "default_collate",
    "digits",
    "fashion_mnist",
    "frame_to_table",
    "gaussian_quantiles",
    "iris",
    "kmnist",
    "load",
    "logic_gate",
    "make_examples",
    "mnist",
    "moons",
    "random_split",
    "read_csv",
    "read_idx",
    "read_images",
    "read_npy",
    "read_npz",
    "set_names",
    "sine",
    "spirals",
    "stratified_split",
    "train_test_split",
    "write_csv",
    "write_idx",
    "xor",
]
