"""Weights for a network that is not ours: from safetensors, every one in its place, or refused with the names."""

import shlex
from collections.abc import Iterable, Mapping
from hashlib import file_digest, sha256
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from whitesquare._base.hashing import digest_of
from whitesquare.errors import DataError, UsageError

PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt", ".joblib")
"""Suffixes of files that are pickles, or may be."""
_PREFIXES = ("module.", "model.", "_orig_mod.", "net.", "network.", "backbone.")
"""What wrappers put before every name of a weight."""
_SHOWN = 3
_POINTER = b"version https://git-lfs"

_CONVERT = (
    "import sys, torch; from safetensors.torch import save_file; "
    "state = torch.load(sys.argv[1], map_location='cpu', weights_only=True); "
    "state = state.get('state_dict', state.get('model', state)); "
    "save_file({k: v.clone().contiguous() for k, v in state.items() if torch.is_tensor(v)}, sys.argv[2])"
)


def refuse_pickle(path: Path) -> None:
    """Refuse a file that is a pickle, or may be one, with the command that converts it.

    Raises:
        UsageError: it is.
    """
    if path.suffix.lower() not in PICKLES:
        return
    target = path.with_suffix(".safetensors")
    command = f'python -c "{_CONVERT}" {shlex.quote(str(path))} {shlex.quote(str(target))}'
    raise UsageError(
        f"{path} is a pickle or may be one, which can run code when it is read; expected model.safetensors. Where you "
        f"trust it, convert it: {command}"
    )


def read_state(path: Path) -> tuple[dict[str, Tensor], str]:
    """Read a safetensors file, and return its weights and its SHA-256.

    Raises:
        UsageError: there is none, or it is of another kind.
        DataError: it is damaged.
    """
    refuse_pickle(path)
    if not path.is_file():
        raise UsageError(f"There is no file of weights {path}; give a .safetensors file.")
    if path.suffix.lower() != ".safetensors":
        raise UsageError(f"The weights {path} are not a .safetensors file; save them with safetensors.torch.save_file.")
    try:
        content = path.read_bytes()
        refuse_pointer(path, content)
        return load(content), sha256(content).hexdigest()
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"The weights {path} cannot be read as safetensors ({error}); save them anew with "
            "safetensors.torch.save_file."
        ) from error


def refuse_pointer(path: Path, content: bytes) -> None:
    """Refuse what Git LFS leaves in the place of a file.

    Raises:
        DataError: it is that.
    """
    if content.startswith(_POINTER):
        raise DataError(f"{path} is a pointer of Git LFS and not the file itself; fetch that by `git lfs pull`.")


def put_into(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> tuple[str, ...]:
    """Put weights into a network, each in its place, and return what is to be told.

    Raises:
        DataError: a weight is missing, unknown or of another shape; naming which.
    """
    wanted, told = network.state_dict(), list[str]()
    if prefix := _prefix(wanted, state):
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        told.append(f"The names of the weights begin with {prefix!r}, which was left out.")
    counters = {name: tensor for name, tensor in wanted.items() if name.endswith("num_batches_tracked")}
    state = counters | dict(state)  # which only a training reads
    missing = sorted(set(wanted) - set(state))
    unknown = sorted(set(state) - set(wanted))
    shapes = [
        f"{name} ({_size(state[name])} for {_size(wanted[name])})"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    types = [  # a fraction would be cut off
        f"{name} ({state[name].dtype} for {wanted[name].dtype})"
        for name in wanted
        if name in state and wanted[name].is_floating_point() and not state[name].is_floating_point()
    ]
    kinds = (("missing", missing), ("unknown", unknown), ("of another shape", shapes), ("of another type", types))
    if faults := [f"{kind}: {_some(names)}" for kind, names in kinds if names]:
        raise DataError(
            f"The weights {path} do not fit the network {type(network).__name__}; {'; '.join(faults)}. Give the "
            "weights that this network was trained to, with the same number of classes and channels."
        )
    network.load_state_dict(state)
    return tuple(told)


def digest_of_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of a file, or one over the names and digests of several."""
    found = []
    for path in sorted(paths):
        with path.open("rb") as file:
            found.append((path.name, file_digest(file, "sha256").hexdigest()))
    return found[0][1] if len(found) == 1 else digest_of(part for one in found for part in one)


def _prefix(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    """Return what stands before the names of all weights; empty where nothing does, or nobody can tell which."""
    if not wanted or _fits(set(wanted), state):
        return ""
    first = next(iter(wanted))
    found = [name.removesuffix(first) for name in state if name.endswith(f".{first}")]
    fitting = [one for one in found if _fits({f"{one}{name}" for name in wanted}, state)]
    known = [one for one in _PREFIXES if one in fitting]
    return (known or fitting)[0] if known or len(fitting) == 1 else ""


def _fits(names: set[str], state: Mapping[str, Tensor]) -> bool:
    return bool(names) and names <= set(state)


def _size(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
