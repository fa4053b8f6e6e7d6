"""Masks passwords in URLs that are printed, also in malformed ones.

The parsing here never fails, since a URL is printed most often when something is wrong with it. A
part that may be a secret is masked.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

MASK: Final = "********"

#: Query options of PostgreSQL's and Redis' drivers that hold no secret. All other values are
#: masked, since drivers know several names for a password, and learn new ones.
HARMLESS_PARAMETERS: Final = frozenset(
    {
        *("host", "hostaddr", "port", "user", "dbname", "database", "application_name"),
        *("connect_timeout", "command_timeout", "target_session_attrs", "load_balance_hosts"),
        *("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "sslnegotiation", "sslsni"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "channel_binding"),
        *("gssencmode", "krbsrvname", "passfile", "service", "client_encoding"),
        *("db", "protocol", "client_name", "max_connections", "health_check_interval"),
        *("socket_timeout", "socket_connect_timeout", "socket_keepalive", "retry_on_timeout"),
        *("ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile"),
        *("ssl_check_hostname", "ssl_min_version"),
    }
)
_AFTER_AUTHORITY: Final = re.compile("[/?#\\\\]")
_PAIR_END: Final = re.compile("([&;])")


def mask_url(url: str) -> str:
    """Return ``url`` with its password masked, and each option that may hold one.

    The user name stays in a well-formed URL. If an ``@`` follows the authority, as with an
    unescaped ``/``, ``?`` or ``#`` in a password, everything before the last ``@`` is masked.
    """
    scheme, colon, rest = url.partition("://")
    if not colon:
        scheme, rest = "", url
    before, at, _ = rest.rpartition("@")
    if at and (not colon or _AFTER_AUTHORITY.search(before) is not None):
        masked, rest = f"{MASK}@", rest[len(before) + 1 :]
    elif at:
        user, has_password, _ = before.partition(":")
        # A single word may be a password, as Redis allows; with PostgreSQL it is a user name.
        is_user = bool(has_password) or scheme.startswith("postgres")
        masked = f"{user if is_user else MASK}{has_password}{has_password and MASK}@"
        rest = rest[len(before) + 1 :]
    else:
        masked = ""
    rest, hash_, _ = rest.partition("#")
    path, question, query = rest.partition("?")
    hosts, slash, path = path.partition("/")
    hosts = ",".join(map(_mask_port, hosts.split(","))) if colon else hosts
    shown = f"{scheme}{colon}{masked}{hosts}{slash}{path}{question}{_mask_query(query)}"
    return shown + (hash_ and f"#{MASK}")


def _mask_port(host: str) -> str:
    """Mask a port that is not a number: it may be a password without a host."""
    name, colon, port = host.rpartition(":")
    is_port = not colon or host.endswith("]") or port == "" or port.isdecimal()
    return host if is_port else f"{name}:{MASK}"


def fault_in_ports(url: str) -> bool:
    """Return whether a port of ``url`` is not a number, most often for an unescaped password."""
    authority = _AFTER_AUTHORITY.split(url.partition("://")[2], maxsplit=1)[0]
    hosts = authority.rpartition("@")[2].split(",")
    return any(_mask_port(host) != host for host in hosts)


def _mask_query(query: str) -> str:
    return "".join(
        part if part in "&;" else _mask_pair(part) for part in _PAIR_END.split(query) if part
    )


def _mask_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    if unquote(name).strip().lower() in HARMLESS_PARAMETERS:
        return pair
    return f"{name}={MASK}" if equals else MASK
