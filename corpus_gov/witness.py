"""Take a checkpoint where the operator of the ledger cannot change it: to a command, or under an RFC 3161 time-stamp.

A time-stamp shows that the checkpoint was there at that time; a copy that somebody else keeps shows more, since it can
be held against the ledger later. Nothing here opens a connection: a request is a file to be sent, a response one that
came back.
"""

import shlex
import subprocess
from collections.abc import Sequence
from datetime import datetime

from corpus_gov.errors import ConfigError, IntegrityError, StoreError

LONGEST: int = 60
"""Seconds that a command may take."""


def hand_to(command: str, note: bytes) -> None:
    """Give a checkpoint to a command on its standard input; it is run without a shell.

    Raises:
        StoreError: it cannot be started, takes longer than LONGEST, or ends with an exit code other than 0.
    """
    words = shlex.split(command)
    try:
        # The operator's own command, split into words, never through a shell.
        subprocess.run(words, input=note, check=True, timeout=LONGEST)  # noqa: S603
    except (OSError, IndexError, subprocess.SubprocessError) as error:
        name = words[0] if words else ""
        raise StoreError(f"{name!r}: did not take the checkpoint ({type(error).__name__}); run it again") from error


def time_stamp_request(note: bytes) -> bytes:
    """Return an RFC 3161 request (DER) over the SHA-256 of a checkpoint, with a nonce, for the authority's certificate.

    Raises:
        ConfigError: the extra is not installed.
    """
    try:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise _missing() from error
    builder = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build().as_bytes()


def time_stamped(note: bytes, response: bytes, roots: Sequence[bytes]) -> datetime:
    """Return when an authority saw a checkpoint.

    Args:
        note: the checkpoint.
        response: RFC 3161, DER.
        roots: PEM of the root certificates that are trusted, at least one.

    Raises:
        IntegrityError: the response is none, is over something else, or no root vouches for it.
        ConfigError: a root is no certificate, or the extra is not installed.
    """
    from cryptography import x509  # noqa: PLC0415

    try:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415
    except ImportError as error:
        raise _missing() from error
    builder = VerifierBuilder()
    try:
        certificates = [one for root in roots for one in x509.load_pem_x509_certificates(root)]
    except ValueError as error:
        raise ConfigError("time-stamp: found no PEM certificate, expected that of a root; give another") from error
    for certificate in certificates:
        builder = builder.add_root_certificate(certificate)
    try:
        decoded = decode_timestamp_response(response)
        builder.build().verify_message(decoded, note)
    except (VerificationError, ValueError) as error:
        raise IntegrityError(
            f"time-stamp: does not hold for this checkpoint under these roots ({type(error).__name__}); ask again"
        ) from error
    return decoded.tst_info.gen_time


def _missing() -> ConfigError:
    return ConfigError("time-stamp: rfc3161-client is not installed; install corpus-gov[timestamp]")
