"""What a part that others bring must keep, checked one by one."""

from dataclasses import fields, is_dataclass

from whitesquare.errors import ContractError


def refuse_unless(holds: bool, owner: object, promise: str) -> None:
    """Refuse what breaks its contract.

    Raises:
        ContractError: naming the owner, with its parameters, and the promise.
    """
    if not holds:
        whole = is_dataclass(owner) and not isinstance(owner, type)
        values = {one.name: getattr(owner, one.name) for one in fields(owner)} if whole else {}  # type: ignore[arg-type]
        shown = ", ".join(f"{name}={value!r:.40}" for name, value in values.items())
        raise ContractError(f"{_kind(owner).__name__}({shown}) {promise}.")


def require_frozen(owner: object, *methods: str) -> None:
    """Refuse what is no frozen dataclass, or lacks one of the methods."""
    parameters = getattr(_kind(owner), "__dataclass_params__", None)
    refuse_unless(parameters is not None and parameters.frozen, owner, "must be a frozen dataclass")
    require_methods(owner, *methods)


def require_methods(owner: object, *methods: str) -> None:
    """Refuse what lacks one of the methods."""
    for name in methods:
        refuse_unless(callable(getattr(owner, name, None)), owner, f"must have {name}()")


def _kind(owner: object) -> type:
    return owner if isinstance(owner, type) else type(owner)
