"""The three keys of a workspace, kept in the user's configuration folder and never under the workspace.

seal.key keys the digests of personal values, leaf.key the salts of manifest rows (both: 32 random bytes in
hex), signing.key signs the ledger (Ed25519, PKCS #8 PEM). Files are 0600 in a 0700 folder.
"""

import os
import secrets
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import platformdirs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from corpus_gov.errors import ConfigError

ENV: Final = "CORPUS_GOV_KEYS"
"""Environment variable that names the folder above the workspaces' key folders."""

SECRET_BYTES: Final = 32
SIGNING: Final = "signing.key"
FILES: Final = ("seal.key", "leaf.key", SIGNING)
LISTS: Final = "lists"
"""Folder beside those of the workspaces: a sealed list of words has a key of its own, and goes where the list goes."""

_PEM_MAX_BYTES: Final = 4096


def folder(workspace_id: str) -> Path:
    """Return where the keys of a workspace lie; $CORPUS_GOV_KEYS replaces the parent folder."""
    parent = os.environ.get(ENV)
    root = Path(parent) if parent else platformdirs.user_config_path("corpus-gov") / "keys"
    return root.expanduser() / workspace_id


@dataclass(frozen=True, repr=False, eq=False)
class Keys:
    """The keys of one workspace; `repr` shows none of them and they cannot be pickled.

    Attributes:
        seal: HMAC key of masks and look-ups, 32 bytes.
        leaf: HMAC key of the manifest's salts, 32 bytes.
        signing: the pipeline's key in the ledger.
    """

    seal: bytes
    leaf: bytes
    signing: Ed25519PrivateKey

    @classmethod
    def create(cls, folder: Path, workspace: Path | None = None) -> Self:
        """Make new keys in a new folder, whole or not at all.

        Args:
            folder: where to; must not exist yet, or be empty.
            workspace: refuse a folder inside this one.

        Raises:
            ConfigError: the folder holds something, lies inside the workspace or cannot be written.
        """
        refuse_inside(folder, workspace)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ConfigError(
                f"{folder}: found something there already, expected no such folder; keys are never overwritten: "
                "load them, or name another folder"
            )
        signing = Ed25519PrivateKey.generate()
        keys = cls(secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES), signing)
        try:
            keys._write(folder)
        except OSError as error:
            raise ConfigError(
                f"{folder}: cannot write keys ({error.strerror}); make the folder writable or set ${ENV} to another"
            ) from error
        return keys

    @classmethod
    def load(cls, folder: Path, workspace: Path | None = None) -> Self:
        """Read the keys of a workspace.

        Raises:
            ConfigError: a file is absent, malformed or open to other users, or the folder lies inside the workspace.
        """
        refuse_inside(folder, workspace)
        try:
            mode = stat.S_IMODE(folder.stat().st_mode)
        except OSError as error:
            raise ConfigError(
                f"{folder}: found no key folder ({error.strerror}), expected {', '.join(FILES)}; restore them from "
                f"your backup, set ${ENV} to the folder above, or make new ones with `corpus-gov init`"
            ) from error
        # Who may write the folder may replace a key; that others may list three well-known names is harmless,
        # but there is no reason to allow it either.
        _refuse_open(folder, mode, "0700")
        return cls(_secret(folder / "seal.key"), _secret(folder / "leaf.key"), read_signing(folder / SIGNING))

    def _write(self, folder: Path) -> None:
        """Fill a folder beside the final one, then rename it: a crash leaves no half set of keys behind."""
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
        partial.mkdir(mode=0o700)
        contents = (self.seal.hex().encode() + b"\n", self.leaf.hex().encode() + b"\n", _pem(self.signing))
        try:
            for name, content in zip(FILES, contents, strict=True):
                _put(partial / name, content)
            partial.rename(folder)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def __repr__(self) -> str:
        """Name the class only: a repr ends in logs."""
        return "Keys(seal=…, leaf=…, signing=…)"

    def __reduce__(self) -> str:
        """Refuse to be pickled: keys stay in the process that loaded them."""
        raise TypeError("Keys are not picklable; pass the one key that a task needs")


def write_signing(file: Path, key: Ed25519PrivateKey) -> None:
    """Write a private key to a new file of mode 0600, whole or not at all.

    Raises:
        ConfigError: it is there already, or cannot be written.
    """
    _write_new(file, _pem(key))


def write_secret(file: Path, key: bytes) -> None:
    """Write the key of a list to a new file, as `write_signing` does; SECRET_BYTES."""
    _write_new(file, key.hex().encode() + b"\n")


def read_secret(file: Path) -> bytes:
    """Read SECRET_BYTES in hex.

    Raises:
        ConfigError: the file is absent, open to other users, or holds something else.
    """
    return _secret(file)


def _write_new(file: Path, content: bytes) -> None:
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _put(partial, content)
        # A link is refused where the name is taken; a rename would replace a key.
        file.hardlink_to(partial)
    except OSError as error:
        raise ConfigError(f"{file}: cannot write a key ({error.strerror}); keys are never overwritten") from error
    finally:
        partial.unlink(missing_ok=True)


def read_signing(file: Path) -> Ed25519PrivateKey:
    """Read a private key in unencrypted PKCS #8 PEM.

    Raises:
        ConfigError: it is absent, open to other users, or another kind of key.
    """
    try:
        key = serialization.load_pem_private_key(_read(file), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{file}: found no Ed25519 key in unencrypted PKCS #8 PEM; restore it from your backup")
    return key


def refuse_inside(folder: Path, workspace: Path | None) -> None:
    """Refuse a place for keys inside the workspace.

    Raises:
        ConfigError: it lies there.
    """
    if workspace is not None and folder.resolve().is_relative_to(workspace.resolve()):
        raise ConfigError(
            f"{folder}: found a key folder inside the workspace {workspace}, expected one outside: whoever gets a copy "
            f"of the workspace would get its keys; set ${ENV} to another folder"
        )


def _pem(key: Ed25519PrivateKey) -> bytes:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form)


def _put(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def _read(file: Path) -> bytes:
    # Mode and content come from one descriptor, so that no swap between the two goes unnoticed.
    try:
        with file.open("rb") as opened:
            _refuse_open(file, stat.S_IMODE(os.fstat(opened.fileno()).st_mode), "0600")
            return opened.read(_PEM_MAX_BYTES)
    except OSError as error:
        raise ConfigError(
            f"{file}: cannot read the key ({error.strerror}), expected a file of mode 0600 that is yours; "
            "restore it from your backup"
        ) from error


def _secret(file: Path) -> bytes:
    try:
        value = bytes.fromhex(_read(file).decode("ascii").strip())
    except ValueError:
        value = b""
    if len(value) != SECRET_BYTES:
        # The content is not shown: most of a damaged key is still the key.
        raise ConfigError(f"{file}: found no {SECRET_BYTES} bytes in hex, expected a key; restore it from your backup")
    return value


def _refuse_open(path: Path, mode: int, expected: str) -> None:
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"{path}: found mode {mode:04o}, expected {expected}: other users can reach the keys; "
            f"run `chmod {expected} {path}` and make new keys if the machine is shared"
        )
