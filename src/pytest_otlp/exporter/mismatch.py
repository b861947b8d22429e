"""How it is said that an endpoint wants to be spoken to otherwise."""

from __future__ import annotations

USE_GRPC = "speaks gRPC (HTTP/2): use --otel-protocol grpc"
USE_HTTP_PROTOBUF = "speaks HTTP/1, not gRPC: use --otel-protocol http/protobuf"
USE_HTTPS = "speaks TLS: use https://"
USE_HTTP = "speaks plain HTTP: use http://"


def tls_failure(error: Exception) -> str:
    """What is wrong; empty where it is not TLS, or the connection was just closed, or did not take to HTTP/1."""
    import ssl  # noqa: PLC0415  takes 12 ms, and is of use only where there is TLS or trouble

    if not isinstance(error, ssl.SSLError):
        return ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {error.verify_message}"
    reason = error.reason or ""
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)) or "NO_APPLICATION_PROTOCOL" in reason:
        return ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return USE_HTTP
    return f"TLS failed: {reason.replace('_', ' ').lower() or 'unknown cause'}"
