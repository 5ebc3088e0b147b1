"""Network addresses: which ports there are, and which addresses this machine alone can reach."""

from __future__ import annotations

import ipaddress

from shared.errors import UsageError

MAX_PORT = 65535


def check_port(port: int, option: str) -> int:
    """Checks a TCP port, and returns it as it is.

    Args:
        port: The port.
        option: Name of the option that it was given with, for the message.

    Raises:
        UsageError: The number is not 1 to 65535.
    """
    if not 1 <= port <= MAX_PORT:
        raise UsageError(f"{option}: the port {port} is not allowed; it is 1 to {MAX_PORT}")
    return port


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only.

    Args:
        host: "localhost" or an IP address; any other name counts as reachable.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
