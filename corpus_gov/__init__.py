"""Govern scraped training corpora: provenance, screening, decisions and a manifest that anyone can verify.

Screens look. Policies decide. `apply` changes. The store writes. The manifest remembers.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from corpus_gov.workspace import Release, Workspace, init, open_workspace

__version__ = "0.1.0"
__all__ = ["Release", "Workspace", "__version__", "init", "open_workspace"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `import corpus_gov` and the command's help are instant."""
    if name in __all__:
        from corpus_gov import workspace  # noqa: PLC0415 - the laziness is the point

        return getattr(workspace, name)
    raise AttributeError(f"module 'corpus_gov' has no attribute {name!r}; public names are {__all__!r}")
