"""Repository URLs, as clones and CI variables have them, to what `vcs.*` says about a repository."""

from __future__ import annotations

import re
from urllib.parse import unquote

_HOST = r"(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\])"
# No "@" after the host: a password with an unescaped "/", "?" or "#" puts a part of itself there.
_PATH = r"/*(?P<path>[^\s@?#:/][^\s@?#]*)(?:[?#][^@]*)?"
_URL = re.compile(rf"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^/?#]*@)?{_HOST}(?::(?P<port>\d*))?/{_PATH}", re.IGNORECASE)
# One letter before the colon is a Windows drive.
_SCP = re.compile(rf"(?:[^/]*@)?(?!.:){_HOST}:(?!//){_PATH}")
_USER_INFO = re.compile(r"(?<=://)[^/?#]*@")

_WEB_SCHEMES = {"http": "http", "https": "https", "git+http": "http", "git+https": "https"}
_CLONE_SCHEMES = {"ssh", "git", "git+ssh", "ssh+git"}
# Hosts that serve only SSH, and where the same repositories are in a browser.
_WEB_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}
_PROVIDERS = ("github", "gitlab", "gitea", "bitbucket")


def normalise_url(url: str) -> str:
    """The HTTP(S) address of the repository behind a clone URL: no user info, query, fragment or `.git`.

    SSH and scp-like URLs become https. Empty for whatever has no such address (a local path, an unknown scheme), and
    for a URL whose user info cannot be told from its path with certainty.
    Follows `vcs.repository.url.full` of the semantic conventions 1.44.
    """
    match = _URL.fullmatch(url.strip())
    if match is None:
        match = _SCP.fullmatch(url.strip())
        return _address("https", match["host"], match["path"]) if match else ""
    scheme = match["scheme"].lower()
    if scheme in _WEB_SCHEMES:
        port = f":{match['port']}" if match["port"] else ""
        return _address(_WEB_SCHEMES[scheme], match["host"], match["path"], port)
    # The port of an SSH server says nothing about the web server.
    return _address("https", match["host"], match["path"]) if scheme in _CLONE_SCHEMES else ""


def _address(scheme: str, host: str, path: str, port: str = "") -> str:
    host = host.lower()
    path = path.rstrip("/").removesuffix(".git").rstrip("/")
    if host == "ssh.dev.azure.com" and path.count("/") == 3:
        _version, organisation, project, name = path.split("/")
        return f"https://dev.azure.com/{organisation}/{project}/_git/{name}"
    return f"{scheme}://{_WEB_HOSTS.get(host, host)}{port}/{path}" if path else ""


def provider_of(url: str) -> str:
    """`vcs.provider.name` that a repository's host name gives away; empty where it does not."""
    match = _URL.fullmatch(normalise_url(url))
    if match is None:
        return ""
    host = match["host"]
    if host == "dev.azure.com" or host.endswith(".visualstudio.com"):
        return "azure_devops"
    labels = re.split(r"[.-]", host)
    return next((provider for provider in _PROVIDERS if provider in labels), "")


def repository(url: str, provider: str = "") -> dict[str, str]:
    """The `vcs.repository.*`, owner and provider of a clone URL; `provider` is the one that is known by other means."""
    address = normalise_url(url)
    return {
        "vcs.repository.url.full": address,
        "vcs.provider.name": provider or provider_of(address),
        **slug(unquote(address.partition("://")[2].partition("/")[2])),
    }


def slug(path: str) -> dict[str, str]:
    """Owner and name out of `owner/name`; the owner may have several levels (GitLab's groups)."""
    owner, _, name = path.rpartition("/")
    return {"vcs.repository.name": name, "vcs.owner.name": owner.removesuffix("/_git")}


def strip_user_info(url: str) -> str:
    """Any URL without `user:password@`."""
    return _USER_INFO.sub("", url)
